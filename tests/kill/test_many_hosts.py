"""Processes of three hosts that are killed; longer with `python tests/kill/run.py --hosts 3`."""

from pathlib import Path

import pytest
from kill.many_hosts import run_hosts

_KILLS = 8


@pytest.mark.slow
def test_kills_on_three_hosts_lose_nothing(tmp_path: Path) -> None:
    outcome = run_hosts(tmp_path, count=3, kills=_KILLS, seed=1, delay_s=0.0)
    assert outcome.findings == []
    assert outcome.kills.total() >= _KILLS
    assert outcome.bill.is_equal
    assert outcome.bill.ledger > 0
