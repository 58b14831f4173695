"""Real processes killed at random moments; the long run is `python tests/kill/run.py`."""

from pathlib import Path

import pytest
from kill.run import run

_KILLS = 60


@pytest.mark.slow
def test_kills_lose_nothing_and_duplicate_no_charge(tmp_path: Path) -> None:
    outcome = run(tmp_path / "home", kills=_KILLS, seed=1)
    assert outcome.findings == []
    assert outcome.kills.total() >= _KILLS
    assert outcome.bill.is_equal
    assert outcome.bill.ledger > 0
    assert outcome.crash_points
    assert outcome.fallback_imports
