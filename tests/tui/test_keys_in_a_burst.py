"""Keys that arrive in one burst (a paste, a slow connection, a macro) act in their order."""

from collections.abc import Generator
from pathlib import Path

import pytest
from support.builders import Bench, a_bench
from support.console.command_pilot import console, failed, given
from support.console.console_builders import LedgerBuilder
from support.console.console_pilot import at_once, opened, shown, table, until, until_shown
from textual.events import Paste
from textual.pilot import Pilot
from textual.widgets import Input, TextArea

from state.operations import commands
from titan_console.sandbox.model.timing import Plan
from titan_console.tui.pages.editor import TextEditor
from titan_console.tui.pages.page import Page

TEXT = "\n".join(f'"line {number}": 300' for number in range(1, 21))
EDITED = TEXT.replace('"line 13": 300', '"line 13": 600')
TO_600 = (*["down"] * 12, "end", *["backspace"] * 3, *"600")


@pytest.fixture
def made(tmp_path: Path) -> LedgerBuilder:
    made = LedgerBuilder(tmp_path)
    made.submit("one", 3)
    return made


@pytest.fixture
def bench(tmp_path: Path) -> Generator[Bench, None, None]:
    with a_bench(tmp_path, plan=Plan.instant()) as bench:
        yield bench


async def editor(pilot: Pilot[None]) -> list[str | None]:
    """Open the editor; what it returns comes into the list."""
    returned: list[str | None] = []
    pilot.app.push_screen(TextEditor(TEXT), returned.append)
    await until_shown(pilot, "1 of 20, column 1 ")
    return returned


async def test_a_burst_in_the_editor_moves_deletes_and_inserts_in_order(
    made: LedgerBuilder,
) -> None:
    async with opened(made) as pilot:
        await editor(pilot)
        at_once(pilot, *TO_600)
        area = pilot.app.screen.query_one(TextArea)
        await until(pilot, lambda: "600" in area.text)
        assert area.text == EDITED


async def test_the_editor_saves_what_was_typed_before_the_key_that_saves(
    made: LedgerBuilder,
) -> None:
    async with opened(made) as pilot:
        returned = await editor(pilot)
        at_once(pilot, *TO_600, "ctrl+s")
        await until(pilot, lambda: bool(returned))
        assert returned == [EDITED]


async def test_pasted_text_comes_between_the_keys_around_it(made: LedgerBuilder) -> None:
    async with opened(made) as pilot:
        await editor(pilot)
        at_once(pilot, *TO_600[:-3])
        pilot.app.post_message(Paste("600"))
        at_once(pilot, "backspace", "0")
        area = pilot.app.screen.query_one(TextArea)
        await until(pilot, lambda: "600" in area.text)
        assert area.text == EDITED


async def test_a_burst_in_the_filter_line_is_in_order(made: LedgerBuilder) -> None:
    async with opened(made) as pilot:
        await pilot.press("2")
        await until_shown(pilot, "one-002")
        at_once(pilot, "slash", *"002", "left", "left", "left", *"one-", "backspace", *"-", "enter")
        await until_shown(pilot, "one-002 ")
        (line,) = pilot.app.screen.query("FilterLine Input").results(Input)
        await until(pilot, lambda: line.value == "one-002")
        await until(pilot, lambda: "one-001" not in shown(pilot))


async def test_a_command_after_arrows_concerns_the_row_that_they_lead_to(bench: Bench) -> None:
    failed(bench, 4)
    async with console(bench) as pilot:
        await pilot.press("2")
        await until_shown(pilot, "Overloaded")
        at_once(pilot, "down", "down", "R", "y")
        await until_shown(pilot, "Replay 1 request in 8s")
        row = table(pilot, "requests").current()
    assert row is not None
    assert row.key == 2
    (command,) = given(bench)
    assert list(commands.items(bench.engine.context.ledger, command)) == [row.key]


async def test_keys_after_one_that_closes_a_menu_act_on_the_page(made: LedgerBuilder) -> None:
    async with opened(made) as pilot:
        at_once(pilot, "2", *["s", "escape"] * 3, "slash", *"ab", "left", "x")
        await until(
            pilot,
            lambda: (
                [one.value for one in pilot.app.screen.query("FilterLine Input").results(Input)]
                == ["axb"]
            ),
        )
        assert isinstance(pilot.app.screen, Page)
