"""What all dialogs have in common."""

from pathlib import Path

import pytest
from support.console.console_builders import LedgerBuilder
from support.console.console_pilot import opened, until
from textual.screen import ModalScreen

from titan_console.tui.pages.page import Page


@pytest.mark.parametrize("key", ["question_mark", "colon", "ctrl+p", "s"])
async def test_a_dialog_that_is_left_twice_in_a_moment_leaves_the_page(
    tmp_path: Path, key: str
) -> None:
    made = LedgerBuilder(tmp_path)
    made.submit("one")
    async with opened(made) as pilot:
        page = pilot.app.screen
        assert isinstance(page, Page)
        await pilot.press(key)
        await until(pilot, lambda: isinstance(pilot.app.screen, ModalScreen))
        dialog = pilot.app.screen
        dialog.dismiss()
        dialog.dismiss()
        await until(pilot, lambda: pilot.app.screen is page)
        await pilot.pause()
        assert pilot.app.is_running
