import re
from datetime import timedelta
from pathlib import Path

import pytest
from rich.cells import cell_len
from support.console.console_builders import Failure, LedgerBuilder
from support.console.console_pilot import (
    app_of,
    in_another_process,
    lines,
    opened,
    shown,
    table,
    until,
    until_shown,
)
from support.console.example_ledgers import a_busy_ledger
from support.ledgers.older_ledger import as_version
from textual.pilot import Pilot

from state.db.schema import VERSION
from titan_console.tui.app import TitanApp
from titan_console.tui.pages import page, status_lines
from titan_console.tui.pages.key_help import HelpScreen
from titan_console.tui.screens.batch_detail import BatchDetail
from titan_console.tui.screens.batches import BatchesScreen

LARGE, SMALL, TINY = (120, 40), (80, 24), (60, 16)


@pytest.fixture(autouse=True)
def _colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)


async def test_the_first_screen_shows_what_is_open_what_ended_and_what_failed(
    tmp_path: Path,
) -> None:
    async with opened(a_busy_ledger(tmp_path)) as pilot:
        await until_shown(pilot, "? unconfirmed")
        screen = shown(pilot)
    for text in (
        "✓ last poll 3m ago",
        "$7.46+?",
        "ON HOLD  sending (API queue full) for 27m",
        "Open batches 6 · 1 unconfirmed · plus 1 not sent (requests queued again)",
        "resolves within 8m",
        "⇠ not sent",
        "on hold for 27m",
        "in 1h 08m",
        "unpriced",
        "Ended 6",
        "Latest errors 6",
        "✗ rate_limit_error",
        "• LIVE",
    ):
        assert text in screen


async def test_what_another_process_commits_is_shown(tmp_path: Path) -> None:
    async with opened(LedgerBuilder(tmp_path)) as pilot:
        await until_shown(pilot, "◦ first batch titan-console submit requests.jsonl")
        assert shown(pilot).count("First steps") == 1
        await in_another_process(tmp_path, "made.accept(made.submit('from-elsewhere'))")
        await until_shown(pilot, "▸ in progress")
        await in_another_process(
            tmp_path, "made.collect(made.batch('tb-0001-k3x9'), [Failure('api_error', 'Oh')])"
        )
        await until_shown(pilot, "✗ api_error")
        assert "! collected" in shown(pilot)
        assert "No open batches." in shown(pilot)


async def test_ages_grow_without_a_change_of_the_ledger(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    made.submit("old")
    async with opened(made) as pilot:
        await until_shown(pilot, "0s")
        made.clock.advance(3 * 3600 + 60)
        await until_shown(pilot, "3h 01m")


async def test_without_a_ledger_it_says_what_to_do_and_follows_when_one_comes(
    tmp_path: Path,
) -> None:
    home = tmp_path / "titan"
    async with TitanApp(home, LedgerBuilder(tmp_path).clock).run_test(size=SMALL) as pilot:
        await until_shown(pilot, "No ledger yet")
        assert "◦ first batch titan-console submit requests.jsonl" in shown(pilot)
        assert "WAITING  no ledger yet" in shown(pilot)
        assert "ledger titan" not in lines(pilot)[0]
        made = LedgerBuilder(home)
        made.submit("the-first")
        await until_shown(pilot, "the-first")
        assert "ledger titan" in lines(pilot)[0]
        made.close()


async def test_the_default_folder_names_no_ledger(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path / "titan-console")
    made.submit("feed")
    async with opened(made, SMALL) as pilot:
        await until_shown(pilot, "feed")
        assert "ledger" not in lines(pilot)[0]


@pytest.mark.parametrize(("milliseconds", "is_told"), [(96, False), (700, True)])
def test_only_a_delay_that_is_felt_is_told(milliseconds: int, is_told: bool) -> None:
    parts = status_lines.live_status(
        problem=None,
        is_explained=False,
        frozen_changes=None,
        silent_for=timedelta(),
        lag=timedelta(milliseconds=milliseconds),
    )
    assert ("display delay" in "".join(part.text for part in parts)) == is_told


@pytest.mark.parametrize(
    ("version", "status"), [(99, "! NEWER VERSION"), (VERSION - 1, "! OLDER VERSION")]
)
async def test_a_ledger_of_another_version_is_reported_once(
    tmp_path: Path, version: int, status: str
) -> None:
    made = LedgerBuilder(tmp_path)
    if version > VERSION:
        made.ledger.execute(f"PRAGMA user_version={version}")
    made.close()
    if version < VERSION:
        as_version(made.path, version)
    async with TitanApp(tmp_path, made.clock).run_test(size=LARGE) as pilot:
        # A line that a long path fills may end between the two words.
        reason = re.compile(rf"version\s+{version}\b")
        await until(pilot, lambda: reason.search(shown(pilot)) is not None)
        await pilot.press("j", "r", "p", "tab")
        for screen in ("1", "2"):
            await pilot.press(screen)
            await until_shown(pilot, status)
            assert len(reason.findall(shown(pilot))) == 1


async def test_when_the_folder_vanishes_the_last_picture_stays(tmp_path: Path) -> None:
    home = tmp_path / "titan"
    made = LedgerBuilder(home)
    made.submit("still-here")
    async with TitanApp(home, made.clock).run_test(size=LARGE) as pilot:
        await until_shown(pilot, "still-here")
        made.close()
        home.rename(tmp_path / "gone")
        await until_shown(pilot, "! LEDGER GONE  its file was deleted or moved; shown as last read")
        assert "still-here" in shown(pilot)


async def test_pause_holds_the_picture_and_counts_what_it_lacks(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    async with opened(made) as pilot:
        await pilot.press("p")
        await until_shown(pilot, "‖ FROZEN  no new changes")
        made.submit("one")
        await until_shown(pilot, "1 change behind")
        made.submit("two")
        await until_shown(pilot, "2 changes behind")
        assert "First steps" in shown(pilot)
        await pilot.press("p")
        await until_shown(pilot, "Open batches 2")
        assert "FROZEN" not in shown(pilot)


async def test_refresh_reads_again_though_nothing_changed(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    async with opened(made) as pilot:
        before = app_of(pilot).state.snapshot
        await pilot.press("r")
        await until(pilot, lambda: app_of(pilot).state.snapshot is not before)


async def test_j_k_and_tab_move_and_the_line_below_describes_the_row(tmp_path: Path) -> None:
    async with opened(a_busy_ledger(tmp_path)) as pilot:
        await until_shown(pilot, "longer than all 6 earlier batches  ·  tb-0004")
        await pilot.press("j")
        await until_shown(pilot, "529 overloaded_error, try again later")
        await pilot.press("k")
        await until_shown(pilot, "longer than all 6 earlier batches  ·  tb-0004")
        await pilot.press("G")
        assert table(pilot, "open").cursor_row == 6
        await pilot.press("g")
        assert table(pilot, "open").cursor_row == 0
        await pilot.press("tab")
        assert table(pilot, "ended").has_focus
        await pilot.press("tab")
        assert table(pilot, "errors").has_focus
        await until_shown(pilot, "alt-texts-1-000  ·  rate_limit_error  ·  Slow down")
        await pilot.press("shift+tab")
        assert table(pilot, "ended").has_focus


async def test_the_cursor_stays_on_its_record(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    first, second = made.accept(made.submit("first")), made.submit("second")
    async with opened(made) as pilot:
        await until_shown(pilot, "Open batches 2")
        await pilot.press("j")
        made.submit("third")
        made.collect(first)
        await until_shown(pilot, "Ended 1")
        current = table(pilot, "open").current()
        assert current is not None
        assert current.key == second.key
        made.release(second)
        made.submit("fourth")
        await until_shown(pilot, "fourth")
        current = table(pilot, "open").current()
        assert current is not None
        assert current.key == second.key


async def test_the_key_of_a_screen_returns_to_its_page_and_again_to_its_list(
    tmp_path: Path,
) -> None:
    made = LedgerBuilder(tmp_path)
    made.collected("feed")
    async with opened(made, SMALL) as pilot:
        await until_shown(pilot, "Ended 1")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, BatchDetail))
        await pilot.press("8", "1")
        assert isinstance(pilot.app.screen, BatchDetail)
        await pilot.press("1")
        assert isinstance(pilot.app.screen, BatchesScreen)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, BatchDetail))
        # What a command answers does not stop the way back.
        await pilot.press("z")
        await until_shown(pilot, "No pending command to withdraw.")
        await pilot.press("escape")
        assert isinstance(pilot.app.screen, BatchesScreen)
        await until(pilot, lambda: "No pending command" not in shown(pilot))


def _header(pilot: Pilot[None]) -> str:
    """That of the open batches; empty while it is not drawn."""
    return next((line for line in lines(pilot) if " ETA " in line), "")


async def test_columns_that_were_shown_stay_until_the_screen_is_left(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    batch = made.look_failed(made.accept(made.submit("feed")), "cannot reach the API")
    made.accept(made.submit("other"))

    async with opened(made, (140, 40)) as pilot:
        await until(pilot, lambda: "Problem" in _header(pilot))
        made.collect(batch)
        await until_shown(pilot, "Open batches 1")
        assert "Problem" in _header(pilot)
        await pilot.press("2", "1")
        await until(pilot, lambda: " ETA " in _header(pilot) and "Problem" not in _header(pilot))


async def test_a_column_that_stays_empty_is_left_out_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "_COLUMNS_TICK_S", 0.05)
    made = LedgerBuilder(tmp_path)
    batch = made.look_failed(made.accept(made.submit("feed")), "cannot reach the API")
    made.accept(made.submit("other"))

    async with opened(made) as pilot:
        await until(pilot, lambda: "Problem" in _header(pilot))
        await pilot.pause(0.3)
        assert "Problem" in _header(pilot)
        made.collect(batch)
        await until(pilot, lambda: " ETA " in _header(pilot) and "Problem" not in _header(pilot))


async def test_a_column_kept_although_it_is_empty_displaces_no_other(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    batch = made.look_failed(made.accept(made.submit("feed")), "cannot reach the API" * 4)
    made.accept(made.submit("other"))

    async with opened(made, (90, 40)) as pilot:
        await until(pilot, lambda: "Problem" in _header(pilot))
        assert "Model" not in _header(pilot)
        made.collect(batch)
        await until(pilot, lambda: "Model" in _header(pilot))


async def test_a_list_that_was_left_for_another_shows_new_rows_at_its_top(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    for number in range(3):
        made.collected(f"feed-{number}", 2, [Failure()])
    async with opened(made) as pilot:
        await until_shown(pilot, "Latest errors 3")
        for name in ("ended", "errors"):
            await until(pilot, lambda name=name: table(pilot, name).has_focus)
            await pilot.press("j", "tab")
            await until(pilot, lambda name=name: not table(pilot, name).has_focus)
            assert table(pilot, name).cursor_row == 1
        made.clock.advance(60)
        made.collected("later", 2, [Failure()])
        await until_shown(pilot, "Latest errors 4")
        for name in ("ended", "errors"):
            await until(pilot, lambda name=name: table(pilot, name).row_count == 4)
            shown_list = table(pilot, name)
            assert (shown_list.cursor_row, shown_list.scroll_offset.y) == (0, 0)


async def test_a_list_with_a_selection_stays_where_it_was_left(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    for number in range(3):
        made.collected(f"feed-{number}", 2, [Failure()])
    async with opened(made) as pilot:
        await until_shown(pilot, "Latest errors 3")
        await pilot.press("space", "tab")
        made.collected("later", 2, [Failure()])
        await until_shown(pilot, "Ended 4")
        assert table(pilot, "ended").cursor_row == 2


async def test_the_key_of_the_screen_that_is_shown_leads_to_its_first_list(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    made.collected("feed", 2, [Failure()])
    async with opened(made) as pilot:
        await until_shown(pilot, "Latest errors 1")
        await pilot.press("tab")
        await until(pilot, lambda: table(pilot, "errors").has_focus)
        await pilot.press("1")
        await until(pilot, lambda: table(pilot, "ended").has_focus)


async def test_an_untouched_list_shows_new_rows_at_its_top(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    made.collected("before")
    async with opened(made) as pilot:
        await until_shown(pilot, "Ended 1")
        for number in range(30):
            made.clock.advance(60)
            made.collected(f"later-{number:02d}")
        await until_shown(pilot, "later-29")
        recent = table(pilot, "ended")
        assert (recent.cursor_row, recent.scroll_offset.y) == (0, 0)


async def test_help_opens_and_closes(tmp_path: Path) -> None:
    async with opened(LedgerBuilder(tmp_path), SMALL) as pilot:
        await pilot.press("question_mark")
        assert isinstance(pilot.app.screen, HelpScreen)
        # The glyphs stand below the keys here.
        await pilot.press(*"unconf")
        await until_shown(pilot, "unconfirmed")
        await pilot.press("escape")
        assert isinstance(pilot.app.screen, BatchesScreen)
        await pilot.press("f1", "f1")
        assert isinstance(pilot.app.screen, BatchesScreen)


@pytest.mark.parametrize("key", ["q", "ctrl+c", "ctrl+q"])
async def test_q_quits_with_nothing_wrong(tmp_path: Path, key: str) -> None:
    async with opened(LedgerBuilder(tmp_path)) as pilot:
        await pilot.press(key)
        await until(pilot, lambda: not app_of(pilot).is_running)
        assert not app_of(pilot).return_code


async def test_t_changes_the_theme_and_the_tones_with_it(tmp_path: Path) -> None:
    async with opened(a_busy_ledger(tmp_path)) as pilot:
        await until_shown(pilot, "rejected")

        def tone_of_status() -> str:
            strip = table(pilot, "ended").render_line(1)
            return next(str(s.style) for s in strip if s.text.strip() == "! collected")

        dark = tone_of_status()
        await pilot.press("t")
        assert pilot.app.theme == "titan-light"
        assert tone_of_status() != dark
        await pilot.press("t")
        assert tone_of_status() == dark


@pytest.mark.parametrize(
    "start", [SMALL, *(pytest.param(size, marks=pytest.mark.slow) for size in (LARGE, TINY))]
)
async def test_every_size_fills_the_terminal_and_no_more(
    tmp_path: Path, start: tuple[int, int]
) -> None:
    async with opened(a_busy_ledger(tmp_path), start) as pilot:
        for width, height in (start, LARGE, TINY, SMALL, (30, 8), (200, 60), start):
            await pilot.resize_terminal(width, height)
            await until(pilot, lambda w=width, h=height: _fills(pilot, w, h))
            for name in ("open", "ended", "errors"):
                assert not table(pilot, name).show_horizontal_scrollbar
        await until_shown(pilot, "Open batches 6")


def _fills(pilot: Pilot[None], width: int, height: int) -> bool:
    drawn = lines(pilot)
    return len(drawn) == height and all(cell_len(line) == width for line in drawn)


async def test_columns_come_and_go_with_the_width(tmp_path: Path) -> None:
    async with opened(a_busy_ledger(tmp_path), SMALL) as pilot:
        await until_shown(pilot, "Deadline ")
        await pilot.press("j")
        await pilot.resize_terminal(*LARGE)
        await until_shown(pilot, " ETA ")
        assert table(pilot, "open").cursor_row == 1
        await pilot.resize_terminal(*TINY)
        await until(pilot, lambda: " ETA " not in shown(pilot))
        assert table(pilot, "open").cursor_row == 1


async def test_a_low_terminal_opens_the_focused_list_only(tmp_path: Path) -> None:
    async with opened(a_busy_ledger(tmp_path), TINY) as pilot:
        await until_shown(pilot, "? unconfirmed")
        assert "rate_limit_error" not in shown(pilot)
        await pilot.press("tab", "tab")
        await until_shown(pilot, "✗ rate_limit_error")
        assert "Open batches 6" in shown(pilot)
        assert "? unconfirmed" not in shown(pilot)


async def test_without_colours_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with opened(a_busy_ledger(tmp_path)) as pilot:
        await until_shown(pilot, "▸ in progress")
        assert pilot.app.theme == "titan-mono"
        for strip in pilot.app.screen._compositor.render_strips():
            for segment in strip:
                colour = segment.style.color if segment.style else None
                assert colour is None or len(set(colour.get_truecolor())) == 1
        await pilot.press("t")
        assert pilot.app.theme == "titan-mono"


async def test_a_list_too_long_says_how_many_are_left_out(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    for number in range(205):
        made.submit(f"tag-{number}", 1)
    async with opened(made) as pilot:
        await until_shown(pilot, "Open batches 200 of 205")


async def test_an_overdue_poller_is_reported(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    async with opened(made) as pilot:
        await until_shown(pilot, "◦ no poll yet")
        made.poll()
        await until_shown(pilot, "✓ last poll 0s ago")
        made.clock.advance(7200)
        await until_shown(pilot, "◦ last poll 2h 00m ago, no batch open")
        made.submit("waits")
        await until_shown(pilot, "! last poll 2h 00m ago (overdue)")
