"""Random commands and faults at once; the long run is `python tests/kill/stress.py`."""

from pathlib import Path

import pytest
from kill.stress import PROCESSES, stress


@pytest.mark.slow
def test_after_random_commands_and_faults_the_ledger_is_the_bill(tmp_path: Path) -> None:
    outcome = stress(tmp_path / "home", seconds=20, seed=2)
    assert outcome.findings == []
    assert outcome.bill.is_equal
    assert sum(outcome.report.ended.values()) > 4 * PROCESSES
    assert outcome.faults > 0
