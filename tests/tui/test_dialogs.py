"""What all dialogs have in common."""

from pathlib import Path

import pytest
from support.console.console_builders import LedgerBuilder
from support.console.console_pilot import app_of, at_once, opened, shown, until
from textual.pilot import Pilot
from textual.screen import ModalScreen
from textual.widgets import Input, Static

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


@pytest.mark.parametrize(
    ("key", "field"),
    [("colon", "#go-input"), ("slash", "FilterLine Input"), ("ctrl+p", "CommandInput")],
)
async def test_keys_typed_before_a_line_is_open_are_text(
    tmp_path: Path, key: str, field: str
) -> None:
    made = LedgerBuilder(tmp_path)
    made.submit("one")
    async with opened(made) as pilot:
        first = pilot.app.screen
        at_once(pilot, key, *"3eid")
        await until(
            pilot,
            lambda: [one.value for one in pilot.app.screen.query(field).results(Input)] == ["3eid"],
        )
        assert pilot.app.screen_stack[0] is first


@pytest.mark.parametrize("rest", ["", "3"])
async def test_keys_typed_before_a_menu_is_open_choose_in_it_and_the_next_act_behind(
    tmp_path: Path, rest: str
) -> None:
    made = LedgerBuilder(tmp_path)
    made.submit("one")
    async with opened(made) as pilot:
        await until(pilot, lambda: "one" in shown(pilot))
        at_once(pilot, "y", "t", *rest)
        await until(pilot, lambda: pilot.app.clipboard == "one")
        at_once(pilot, "d", "3")
        await until(pilot, lambda: app_of(pilot).current_mode == "errors")


async def test_a_menu_is_also_used_with_arrows_and_enter(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    made.submit("one", 3)
    async with opened(made) as pilot:
        await pilot.press("2")
        await until(pilot, lambda: "one-002" in shown(pilot))
        await pilot.press("s")
        await until(pilot, lambda: highlighted(pilot) == "n newest first current")
        # The first is the order that the list has.
        await pilot.press("enter")
        assert not isinstance(pilot.app.screen, ModalScreen)
        assert "⇅" not in shown(pilot)
        await pilot.press("s", "down")
        assert highlighted(pilot) == "a oldest first"
        await pilot.press("enter")
        await until(pilot, lambda: "⇅ oldest first" in shown(pilot))
        await pilot.press("s")
        await until(pilot, lambda: highlighted(pilot) == "a oldest first current")
        # Over the first to the last.
        await pilot.press("up", "up", "enter")
        await until(pilot, lambda: "⇅ most attempts first" in shown(pilot))


def highlighted(pilot: Pilot[None]) -> str:
    """The entry of the menu that Enter chooses."""
    (line,) = pilot.app.screen.query("Menu .-cursor").results(Static)
    return " ".join(str(line.content).split())
