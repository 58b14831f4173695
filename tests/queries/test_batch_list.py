from pathlib import Path

import pytest
from support.console.console_builders import LedgerBuilder
from support.console.console_pilot import opened, shown, table, until, until_shown
from support.console.example_ledgers import a_busy_ledger

from state.operations.commands import Action
from state.queries import batch_list
from titan_console.text.filters import Vocabulary
from titan_console.tui.screens.batches import BatchesScreen

WORDS = Vocabulary(batch_list.FIELDS, batch_list.STATES)


@pytest.fixture(autouse=True)
def _colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)


async def test_a_filter_finds_a_batch_that_ended_long_ago(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    for number in range(60):
        made.collected(f"tag-{number:02d}", 1)
    made.accept(made.submit("tag-00-again", 1))
    async with opened(made) as pilot:
        await until_shown(pilot, "Ended 60")
        assert "tag-00 " not in shown(pilot)
        await pilot.press("/", *"tag:tag-00")
        await until_shown(pilot, "▽ tag:tag-00  2 match")
        await pilot.press("enter")
        await until_shown(pilot, "Open, matching 1")
        await until_shown(pilot, "Ended, matching 1")
        assert "tag-00 " in shown(pilot)
        page = pilot.app.screen
        assert isinstance(page, BatchesScreen)
        await pilot.press("tab")
        assert table(pilot, "ended").has_focus
        assert page.target(Action.REPLAY) is not None
        await pilot.press("/", "x", "enter")
        await until_shown(pilot, "No match. Esc clears the filter.")
        await pilot.press("escape")
        await until(pilot, lambda: "▽" not in shown(pilot))
        await until_shown(pilot, "Ended 60")


async def test_a_sort_without_a_filter_waits_for_nothing(tmp_path: Path) -> None:
    async with opened(a_busy_ledger(tmp_path)) as pilot:
        await until_shown(pilot, "Open batches 6")
        await pilot.press("s", "n")
        await until_shown(pilot, "⇅ most requests first  ")
        first = table(pilot, "open").keys[0]
        await pilot.press("i")
        await until_shown(pilot, "⇅ most requests first, reversed")
        assert table(pilot, "open").keys[-1] == first
