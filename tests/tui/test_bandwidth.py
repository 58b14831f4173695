"""What the terminal gets while nothing changes but the time: a slow line carries it too."""

from pathlib import Path

import pytest
from support.console.console_pilot import app_of, opened, until_shown
from support.console.example_ledgers import a_busy_ledger
from support.console.snapshot_scenes import until_idle
from textual.drivers.headless_driver import HeadlessDriver

_MOST_A_SECOND = 1000
_SECONDS = 5


@pytest.mark.parametrize(
    ("key", "shows"),
    [
        ("1", "moderation-sweep"),
        ("2", "press-summaries-2"),
        ("3", "Overloaded"),
        ("4", "target"),
        ("5", "target"),
        ("6", "Never batched"),
        ("7", "Event log"),
    ],
)
async def test_a_second_in_which_nothing_happens_sends_less_than_a_kilobyte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str, shows: str
) -> None:
    made, sent = a_busy_ledger(tmp_path), list[str]()
    # An age of less than a minute changes each second.
    made.clock.advance(90)
    async with opened(made, size=(200, 50)) as pilot:
        await pilot.press(key)
        await until_shown(pilot, shows)
        await until_idle(pilot)
        page = app_of(pilot).page()
        assert page is not None
        with monkeypatch.context() as terminal:
            terminal.setattr(HeadlessDriver, "is_headless", False)
            terminal.setattr(HeadlessDriver, "write", staticmethod(sent.append))
            for _ in range(_SECONDS):
                made.clock.advance(1)
                page.tick()
                await pilot.pause()
    assert sum(len(data.encode()) for data in sent) < _MOST_A_SECOND * _SECONDS
