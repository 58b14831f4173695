from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from threading import Event

import pytest
from support.console.console_builders import CENT, Failure, LedgerBuilder
from support.console.console_pilot import lines, opened, shown, until, until_shown
from textual.events import Key
from textual.pilot import Pilot

from state.db.reader import Source
from state.queries import request_list
from state.queries.request_list import Query
from titan_console.tui.screens.requests import RequestsScreen


@pytest.fixture(autouse=True)
def _colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)


def a_ledger(home: Path) -> LedgerBuilder:
    """Ten requests in two workflows; ids 1 and 2 failed, 9 and 10 are in flight."""
    made = LedgerBuilder(home)
    made.collected("feed-1", 8, [Failure(), Failure("api_error", "Internal error")])
    made.accept(made.submit("news-1", ["cheap", "dear"], workflow="newsletter"))
    return made


def page_of(pilot: Pilot[None]) -> RequestsScreen:
    page = pilot.app.screen
    assert isinstance(page, RequestsScreen)
    return page


async def go_to_requests(pilot: Pilot[None], rows: int = 10) -> RequestsScreen:
    await pilot.press("2")
    await until(pilot, lambda: isinstance(pilot.app.screen, RequestsScreen))
    await until(pilot, lambda: page_of(pilot).table.row_count == rows)
    return page_of(pilot)


async def type_(pilot: Pilot[None], text: str) -> None:
    await pilot.press(*["space" if key == " " else key for key in text])


async def test_a_filter_narrows_as_it_is_typed_and_escape_takes_one_thing_back_at_a_time(
    tmp_path: Path,
) -> None:
    async with opened(a_ledger(tmp_path)) as pilot:
        page = await go_to_requests(pilot)
        await pilot.press("/")
        await type_(pilot, "state:err")
        await until(pilot, lambda: page.matches() == 2)
        await pilot.press("enter")
        await until_shown(pilot, "▽ state:err  2 match")
        assert page.table.has_focus
        await pilot.press("A")
        await until_shown(pilot, "● 2 selected")
        await pilot.press("/")
        await type_(pilot, " api")
        await until_shown(pilot, "▽ state:err api  1 match")
        await pilot.press("escape")
        await until_shown(pilot, "▽ state:err  2 match")
        assert not page.filter_line.is_open
        await pilot.press("escape")
        await until(pilot, lambda: page.table.row_count == 10)
        assert "▽" not in shown(pilot)
        assert "● 2 selected" in shown(pilot)
        await pilot.press("escape")
        assert "selected" not in shown(pilot)
        await pilot.press("escape")
        assert page_of(pilot) is page


def _underlined(pilot: Pilot[None]) -> list[str]:
    drawn = [part for strip in pilot.app.screen._compositor.render_strips() for part in strip]
    return [part.text for part in drawn if part.style is not None and part.style.underline]


async def test_rows_of_the_list_before_a_filter_do_not_fit_its_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, ids = Event(), request_list.ids

    def late_ids(source: Source, query: Query, now: datetime) -> Sequence[int]:
        assert found.wait(30)
        return ids(source, query, now)

    async with opened(a_ledger(tmp_path), size=(200, 40)) as pilot:
        page = await go_to_requests(pilot)
        await until_shown(pilot, "Cost")
        monkeypatch.setattr(request_list, "ids", late_ids)
        page.set_filter("state:err")
        answered: list[float] = []
        page.table.record_times(answered.append)
        page.table.ledger_changed()
        await until(pilot, lambda: bool(answered))
        found.set()
        await until(pilot, lambda: page.matches() == 2)
        # Errors cost nothing.
        await until(pilot, lambda: "Cost" not in shown(pilot))


@pytest.mark.parametrize(("key", "after"), [("1", "Run"), ("3", "Error"), ("6", "Last runs")])
async def test_a_filter_fits_the_columns_of_each_screen_to_what_it_shows(
    tmp_path: Path, key: str, after: str
) -> None:
    made = LedgerBuilder(tmp_path)
    for workflow in ("feed", "a-workflow-with-a-name-of-some-length"):
        made.collected(f"{workflow}-1", 2, [Failure()], workflow=workflow)
        made.accept(made.submit(f"{workflow}-2", 2, workflow=workflow))
    (tmp_path / "titan.toml").write_text(
        '[jobs.feed]\nschedule = "daily"\n'
        '[jobs.a-workflow-with-a-name-of-some-length]\nschedule = "daily"\n'
    )

    async with opened(made, size=(120, 40)) as pilot:

        def column() -> int:
            label = f"  {after} "
            return next((line.index(label) for line in lines(pilot) if label in line), 0)

        await pilot.press(key)
        await until(pilot, lambda: column() > 30)
        await pilot.press("/", *"feed", "enter")
        await until(pilot, lambda: 0 < column() < 30)
        await pilot.press("escape")
        await until(pilot, lambda: column() > 30)


async def test_an_invalid_filter_is_reported_and_changes_nothing(tmp_path: Path) -> None:
    async with opened(a_ledger(tmp_path)) as pilot:
        page = await go_to_requests(pilot)
        await pilot.press("/")
        # A pause in typing: what is typed so far applies as a text.
        await type_(pilot, "s")
        await until(pilot, lambda: page.matches() == 2)
        await type_(pilot, "tatus:lost")
        await until_shown(pilot, "! unknown status lost; use queued, in_progress")
        await until(pilot, lambda: _underlined(pilot) == ["status:lost"])
        await pilot.press("enter")
        assert page.filter_line.is_open
        await until(pilot, lambda: page.table.row_count == 10)
        await pilot.press(*["backspace"] * 4)
        await type_(pilot, "in_flight")
        await until(pilot, lambda: page.matches() == 2)
        await pilot.press("enter")
        assert not page.filter_line.is_open


async def test_tab_completes_qualifiers_and_what_the_ledger_knows(tmp_path: Path) -> None:
    async with opened(a_ledger(tmp_path)) as pilot:
        page = await go_to_requests(pilot)
        await pilot.press("/", "w", "tab")
        await until_shown(pilot, "newsletter  feed")
        await pilot.press("tab")
        await until(pilot, lambda: page.matches() == 2)
        await until_shown(pilot, "▽ wf:newsletter")
        await pilot.press("tab")
        await until(pilot, lambda: page.matches() == 8)
        await until_shown(pilot, "▽ wf:feed")


async def test_a_filter_that_matches_nothing_says_so(tmp_path: Path) -> None:
    async with opened(a_ledger(tmp_path)) as pilot:
        await go_to_requests(pilot)
        await pilot.press("/")
        await type_(pilot, "nowhere")
        await pilot.press("enter")
        await until_shown(pilot, "No match. Esc clears the filter.")
        assert "▽ nowhere  0 match" in shown(pilot)


async def test_s_and_a_letter_sort_and_i_turns_the_order_round(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    for name, cents in (("b", 3), ("c", 1), ("a", 2)):
        made.collected(name, [name], cost_nano=cents * CENT)
    async with opened(made) as pilot:
        page = await go_to_requests(pilot, 3)

        def order() -> list[int]:
            return [int(key) for key in page.table.keys]

        await pilot.press("s", "c")
        await until(pilot, lambda: order() == [1, 3, 2])
        await until_shown(pilot, "⇅ highest cost first")
        await pilot.press("i")
        await until(pilot, lambda: order() == [2, 3, 1])
        await until_shown(pilot, "⇅ highest cost first, reversed")
        await pilot.press("s", "t")
        await until(pilot, lambda: order() == [3, 1, 2])
        await pilot.press("s", "escape")
        assert order() == [3, 1, 2]
        await pilot.press("s", "n")
        await until(pilot, lambda: order() == [3, 2, 1])
        assert "⇅" not in shown(pilot)


async def test_enter_in_the_menu_of_orders_keeps_the_current_one(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    for name, cents in (("b", 3), ("c", 1), ("a", 2)):
        made.collected(name, [name], cost_nano=cents * CENT)
    async with opened(made) as pilot:
        page = await go_to_requests(pilot, 3)
        await pilot.press("s", "c")
        await until_shown(pilot, "⇅ highest cost first")
        await pilot.press("s")
        await until_shown(pilot, "Sort by")
        await pilot.press("enter")
        await until(pilot, lambda: "Sort by" not in shown(pilot))
        assert [int(key) for key in page.table.keys] == [1, 3, 2]
        assert "⇅ highest cost first" in shown(pilot)


async def test_another_order_is_shown_from_its_top(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    for name, cents in (("b", 3), ("c", 1), ("a", 2)):
        made.collected(name, [name], cost_nano=cents * CENT)
    async with opened(made) as pilot:
        page = await go_to_requests(pilot, 3)
        await pilot.press("j", "j", "s", "c")
        await until_shown(pilot, "⇅ highest cost first")
        await until(pilot, lambda: page.table.cursor_row == 0)
        # With a selection the cursor stays on its row.
        await pilot.press("j", "space", "s", "t")
        await until(pilot, lambda: [int(key) for key in page.table.keys] == [3, 1, 2])
        assert page.table.cursor_row != 0


def read_there(pilot: Pilot[None]) -> list[tuple[int, str]]:
    """What is read, and on which line of the screen."""
    return [(y, line[:50]) for y, line in enumerate(lines(pilot)) if "first-0" in line]


async def test_what_comes_does_not_move_what_is_read_and_f_follows(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    made.accept(made.submit("first", 100))
    async with opened(made) as pilot:
        page = await go_to_requests(pilot, 100)
        await pilot.press("j", "j")
        await until_shown(pilot, "first-097")
        before = read_there(pilot)
        made.submit("second", 30)
        await until_shown(pilot, "▲ 30 new")
        made.submit("third", 7)
        await until_shown(pilot, "▲ 37 new")
        assert read_there(pilot) == before
        assert page.table.current_key() == 98
        await pilot.press("f")
        await until_shown(pilot, "▲ following")
        assert page.table.current_key() == 137
        assert page.table.newer == 0
        made.submit("fourth", 1)
        await until(pilot, lambda: page.table.current_key() == 138)
        await pilot.press("j")
        await until(pilot, lambda: "following" not in shown(pilot))
        made.submit("fifth", 2)
        await until(pilot, lambda: page.table.row_count == 140)
        assert page.table.current_key() == 137


async def test_the_next_visit_of_an_untouched_list_begins_at_its_top(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    made.accept(made.submit("first", 100))
    async with opened(made) as pilot:
        page = await go_to_requests(pilot, 100)
        made.submit("second", 30)
        await until_shown(pilot, "▲ 30 new")
        await pilot.press("1", "2")
        await until(pilot, lambda: page.table.current_key() == 130)
        assert page.table.scroll_offset.y == 0
        assert "▲" not in shown(pilot)
        await pilot.press("j")
        made.submit("third", 7)
        await until_shown(pilot, "▲ 7 new")
        await pilot.press("1", "2")
        await until_shown(pilot, "▲ 7 new")
        assert page.table.current_key() == 129


async def test_another_order_follows_nothing(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    made.accept(made.submit("first", 100))
    async with opened(made) as pilot:
        await go_to_requests(pilot, 100)
        await pilot.press("f")
        await until_shown(pilot, "▲ following")
        await pilot.press("s", "t")
        await until_shown(pilot, "⇅ tag")
        assert "following" not in shown(pilot)
        await pilot.press("f")
        await until_shown(pilot, "▲ following")
        assert "⇅" not in shown(pilot)


async def test_what_leaves_a_filtered_list_is_not_counted_as_new(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    gone = made.accept(made.submit("leaves", 40))
    made.accept(made.submit("stays", 60))
    async with opened(made, (120, 30)) as pilot:
        page = await go_to_requests(pilot, 100)
        await pilot.press("/")
        await type_(pilot, "state:in_flight")
        await pilot.press("enter")
        await until(pilot, lambda: page.matches() == 100)
        await pilot.press("G", "k")
        assert page.table.current_key() == 2
        made.collect(gone)
        await until(pilot, lambda: page.matches() == 60)
        assert page.table.newer == 0
        assert page.table.current_key() == 41
        made.accept(made.submit("comes", 5))
        await until_shown(pilot, "▲ 5 new")
        await pilot.press("g")
        assert "▲" not in shown(pilot)


async def test_a_selection_survives_changes_and_counts_rows_that_are_not_listed(
    tmp_path: Path,
) -> None:
    made = a_ledger(tmp_path)
    async with opened(made) as pilot:
        page = await go_to_requests(pilot)
        await pilot.press("space", "space", "/")
        await type_(pilot, "state:errored")
        await pilot.press("enter")
        await until(pilot, lambda: page.matches() == 2)
        await until_shown(pilot, "● 2 selected, 2 of them not in the list")
        await pilot.press("A")
        await until_shown(pilot, "● 4 selected, 2 of them not in the list")
        assert list(page.table.target_keys()) == [2, 1, 9, 10]
        made.submit("more", 2)
        await pilot.press("escape")
        await until(pilot, lambda: page.matches() == 12)
        await until_shown(pilot, "● 4 selected")
        assert list(page.table.target_keys()) == [10, 9, 2, 1]
        await pilot.press("U")
        assert list(page.table.target_keys()) == [page.table.current_key()]


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (60, 16), (30, 8)])
async def test_the_filter_line_fits_every_terminal(tmp_path: Path, size: tuple[int, int]) -> None:
    async with opened(a_ledger(tmp_path), size) as pilot:
        page = await go_to_requests(pilot)
        await pilot.press("/")
        await type_(pilot, "state:errored")
        await until(pilot, lambda: page.matches() == 2)
        await until_shown(pilot, "state:errored")
        drawn = lines(pilot)
        assert len(drawn) == size[1]


async def test_keys_that_come_all_at_once_are_all_typed(tmp_path: Path) -> None:
    async with opened(a_ledger(tmp_path)) as pilot:
        page = await go_to_requests(pilot)
        for key in ("/", *"state:in_flight", "/", "backspace", "enter"):
            pilot.app.post_message(
                Key("slash" if key == "/" else key, key if len(key) == 1 else None)
            )
        await until_shown(pilot, "▽ state:in_flight  2 match")
        assert not page.filter_line.is_open


async def test_of_two_quick_letters_the_first_sorts(tmp_path: Path) -> None:
    async with opened(a_ledger(tmp_path)) as pilot:
        page = await go_to_requests(pilot)
        for key in "sts":
            pilot.app.post_message(Key(key, key))
        await until(pilot, lambda: page.sort.letter == "t")
        assert pilot.app.theme == "titan-dark"
        assert pilot.app.is_running
