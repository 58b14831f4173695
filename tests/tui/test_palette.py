"""ctrl+p in no room, and with keys that come quicker than it draws."""

from pathlib import Path

from support.console.console_builders import LedgerBuilder
from support.console.console_pilot import opened, until, until_shown
from textual.command import CommandList
from textual.pilot import Pilot

from titan_console.tui.pages.page import Page


async def to_list(pilot: Pilot[None], *keys: str) -> CommandList:
    await pilot.press("ctrl+p", *keys)
    await until(
        pilot,
        lambda: any(one.option_count for one in pilot.app.screen.query(CommandList)),
    )
    return pilot.app.screen.query_one(CommandList)


async def test_a_page_further_does_no_harm_where_there_is_no_room_for_the_list(
    tmp_path: Path,
) -> None:
    made = LedgerBuilder(tmp_path)
    made.submit("one")
    async with opened(made, (60, 4)) as pilot:
        await to_list(pilot)
        await pilot.press("down", "pagedown", "escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, Page))


async def test_what_is_chosen_twice_in_a_moment_is_done_once(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    made.submit("one")
    async with opened(made) as pilot:
        choices = await to_list(pilot, *"gotosavings")
        choices.highlighted = 0
        choices.action_select()
        choices.action_select()
        await until_shown(pilot, "Savings, last 30 days")
        assert isinstance(pilot.app.screen, Page)
