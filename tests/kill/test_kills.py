"""Real processes killed at random moments; the long run is `python tests/kill/run.py`."""

from pathlib import Path

from kill.run import run


def test_forty_kills_lose_nothing_and_pay_nothing_twice(tmp_path: Path) -> None:
    outcome = run(tmp_path / "home", kills=40, seed=1)
    assert outcome.findings == []
    assert outcome.kills.total() >= 40
    assert outcome.requests > 0
