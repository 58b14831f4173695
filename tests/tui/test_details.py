from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from support.builders import Bench, a_bench, a_request
from support.console.console_builders import Failure, LedgerBuilder
from support.console.console_pilot import (
    app_of,
    at_once,
    lines,
    opened,
    shown,
    table,
    until,
    until_seen,
    until_shown,
)
from support.hostile_text import EVIL, hidden
from textual.pilot import Pilot

from core.intake.options import SubmitOptions
from state.operations import command_effects
from state.operations.commands import Action
from titan_console.text.format import local_time
from titan_console.text.links import ToRequest
from titan_console.tui.app import TitanApp
from titan_console.tui.pages.detail_page import DetailPage
from titan_console.tui.screens.request_detail import RequestDetail
from titan_console.tui.widgets.detail_pane import DetailPane
from titan_console.tui.widgets.search_line import SearchLine

LARGE = (120, 40)


@asynccontextmanager
async def on(bench: Bench, size: tuple[int, int] = LARGE) -> AsyncGenerator[Pilot[None], None]:
    """The console on what the bench has made."""
    async with TitanApp(bench.folder.root, bench.clock).run_test(size=size) as pilot:
        await until_seen(pilot)
        yield pilot


def ended(bench: Bench, *faults: str, count: int = 3) -> None:
    """A batch of real requests whose results are in; the faults strike it."""
    for fault in faults:
        bench.faults.add(fault)
    bench.submit(count)
    bench.poll_after(120)
    bench.poll_after(1)


def detail(pilot: Pilot[None]) -> DetailPage:
    assert isinstance(pilot.app.screen, DetailPage)
    return pilot.app.screen


def rows(pilot: Pilot[None]) -> int:
    """How many rows the text of the detail has that is seen; none while there is no such page."""
    page = pilot.app.screen
    return page.body.row_count if isinstance(page, DetailPage) else 0


async def until_told(pilot: Pilot[None], text: str) -> None:
    """A notice of the console says so."""
    await until(pilot, lambda: any(text in told.message for told in pilot.app._notifications))


async def test_enter_on_a_request_shows_it_in_seven_tabs(tmp_path: Path) -> None:
    with a_bench(tmp_path) as bench:
        ended(bench)
        async with on(bench) as pilot:
            await pilot.press("2")
            await until_shown(pilot, "daily-feed / feed")
            await pilot.press("G", "enter")
            await until_shown(pilot, "1, succeeded")
            screen = shown(pilot)
            for text in ("Requests >", "✓ succeeded", "daily-feed", "claude-sonnet-4-6", "$0.0"):
                assert text in screen
            await pilot.press("right")
            await until_shown(pilot, '"content": "Classify feed-classify-2026-11-22-00001')
            await pilot.press("right")
            await until_shown(pilot, '"stop_reason": "end_turn"')
            assert "Text" in shown(pilot)
            await pilot.press("right")
            await until_shown(pilot, "No attempt has failed.")
            await pilot.press("right")
            await until_shown(pilot, "Attempt 1 of 1")
            await pilot.press("right")
            await until_shown(pilot, "✓ matches")
            assert "cost = sum / 2; sync = sum" in shown(pilot)
            await pilot.press("right")
            await until_shown(pilot, '"submitted_ts": "2026-11-22T06:00:00.000Z"')
            assert '"custom_id": "feed-classify-2026-11-22-00001"' in shown(pilot)
            await pilot.press("G")
            await until_shown(pilot, "batch-results/")
            await pilot.press("escape")
            await until(pilot, lambda: not isinstance(pilot.app.screen, DetailPage))


async def test_enter_on_a_batch_shows_its_requests_and_one_of_those_opens_too(
    tmp_path: Path,
) -> None:
    with a_bench(tmp_path) as bench:
        ended(bench, "row:overloaded:id=*-00002-*")
        async with on(bench) as pilot:
            await until_shown(pilot, "Ended 1")
            await pilot.press("enter")
            await until_shown(pilot, "Mode            batch")
            assert "Errored" in shown(pilot)
            await pilot.press("tab")
            # The errored request is the first of the list.
            await until_shown(pilot, "daily-feed / feed-classify-2026-11-22-00002")
            assert "/ Search" in lines(pilot)[-1]
            await pilot.press("enter")
            await until_shown(pilot, "Attempt 1 of")
            assert "✗ errored" in shown(pilot)
            assert "Batches > " in shown(pilot)
            await pilot.press("escape", "right")
            await until_shown(pilot, "batch collected")
            await pilot.press("right")
            await until_shown(pilot, "the Cost tab of a request shows its rates")
            await pilot.press("right")
            await until_shown(pilot, '"request_count": 3')


async def test_the_requests_of_a_batch_are_filtered_and_escape_leads_back(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    batch = made.collected("done", 4, [Failure()])
    made.collected("other", 4, [Failure()])
    async with opened(made) as pilot:
        # The batch is opened over the screen that lists requests of all batches.
        await pilot.press("2")
        await until_shown(pilot, "other-003")
        await pilot.press("colon", *batch.key, "enter")
        await until_shown(pilot, "Mode            batch")
        await pilot.press("tab")
        await until_shown(pilot, "done-000")
        at_once(pilot, "slash", *"status:succeeded", "enter")
        await until_shown(pilot, "▽ status:succeeded  3 matches")
        await until_shown(pilot, "done-003")
        assert "done-000" not in shown(pilot)
        assert f"{batch.key} >  requests " in lines(pilot)[0]
        await pilot.press("s", "a")
        await until_shown(pilot, "⇅ oldest first")
        await pilot.press("escape")
        await until_shown(pilot, "done-000")
        assert "other-00" not in shown(pilot)
        await pilot.press("escape")
        assert detail(pilot).sections.current == "Requests"


async def test_a_search_of_a_batchs_requests_that_is_left_leads_back_at_once(
    tmp_path: Path,
) -> None:
    made = LedgerBuilder(tmp_path)
    made.collected("done", 4, [Failure()])
    async with opened(made) as pilot:
        await until_shown(pilot, "Ended 1")
        await pilot.press("enter", "tab")
        await until_shown(pilot, "done-000")
        at_once(pilot, "slash", "escape", "escape", "right")
        await until_shown(pilot, "batch collected")
        assert detail(pilot).sections.current == "Events"


async def test_n_goes_to_the_next_row_of_the_list_without_leaving(tmp_path: Path) -> None:
    with a_bench(tmp_path) as bench:
        ended(bench)
        async with on(bench) as pilot:
            await pilot.press("2")
            await until_shown(pilot, "daily-feed / feed")
            await pilot.press("enter", "right")
            await until_shown(pilot, '"content": "Classify feed-classify-2026-11-22-00003')
            await pilot.press("n")
            await until_shown(pilot, '"content": "Classify feed-classify-2026-11-22-00002')
            await pilot.press("n", "n")
            await until_told(pilot, "Last row of the list.")
            await pilot.press("N")
            await until_shown(pilot, '"content": "Classify feed-classify-2026-11-22-00002')
            await pilot.press("escape")
            assert table(pilot, "requests").cursor_row == 1


async def test_an_attempt_that_ends_while_the_page_is_open_shows_up(tmp_path: Path) -> None:
    with a_bench(tmp_path) as bench:
        bench.submit(1)
        async with on(bench) as pilot:
            await pilot.press("2")
            await until_shown(pilot, "daily-feed / feed")
            await pilot.press("enter", "right", "right")
            await until_shown(pilot, "No response yet")
            bench.poll_after(120)
            bench.poll_after(1)
            await until_shown(pilot, '"stop_reason": "end_turn"')


async def test_a_replay_in_flight_is_shown_in_place_of_the_old_error(tmp_path: Path) -> None:
    with a_bench(tmp_path) as bench:
        ended(bench, "row:overloaded:p=1", count=1)
        bench.faults.clear()
        ledger = bench.engine.context.ledger
        ids = [row[0] for row in ledger.rows("SELECT id FROM requests")]
        async with on(bench) as pilot:
            await pilot.press("2")
            await until_shown(pilot, "✗ errored")
            assert "verloaded" in shown(pilot)
            command_effects.requeue(ledger, 0, ids)
            bench.poll_after(1)
            await until_shown(pilot, "▸ in progress")
            assert "verloaded" not in shown(pilot)
            await pilot.press("enter")
            await until_shown(pilot, "Attempt 2 of 2")
            await pilot.press(*("right",) * 4)
            await until_shown(pilot, "Attempt 1 of 2")
            modes = [line.split()[1] for line in lines(pilot) if line.startswith(" Mode ")]
            assert modes == ["replay", "batch"]


async def test_a_missing_body_is_reported(tmp_path: Path) -> None:
    with a_bench(tmp_path) as bench:
        ended(bench)
        for file in (*bench.folder.results.iterdir(), *bench.folder.spool.iterdir()):
            file.unlink()
        async with on(bench) as pilot:
            await pilot.press("2")
            await until_shown(pilot, "daily-feed / feed")
            await pilot.press("enter", "right")
            await until_shown(pilot, "No longer stored.")
            await pilot.press("right")
            await until_shown(pilot, "batch-results")
            assert "No longer stored." in shown(pilot)


async def test_a_large_body_is_folded_searched_and_left_by_a_few_keys(tmp_path: Path) -> None:
    text = (
        "this is filler text. " * 200_000 + "the NEEDLE\u2028stands here\n" + "and on. " * 300_000
    )
    with a_bench(tmp_path) as bench:
        request = a_request("big-1", messages=[{"role": "user", "content": text}])
        bench.engine.submit([request], SubmitOptions(tag="big"))
        async with on(bench) as pilot:
            await pilot.press("2")
            await until_shown(pilot, "big-1")
            await pilot.press("enter", "right")
            await until_shown(pilot, '"max_tokens": 64')
            await until(pilot, lambda: rows(pilot) > 50_000)
            await pilot.press("slash")
            await until(pilot, lambda: isinstance(pilot.app.focused, SearchLine))
            await pilot.press(*"needle", "enter")
            await until_shown(pilot, "/needle: 1 of 1")
            assert "the NEEDLE" in shown(pilot)
            assert not hidden("".join(lines(pilot)))
            await pilot.press("G", "k", "pageup", "g", "escape")
            assert "/needle" not in shown(pilot)
            await pilot.press("escape")
            await until(pilot, lambda: not isinstance(pilot.app.screen, DetailPage))


async def test_hostile_text_is_harmless_in_every_tab(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    made.collected(f"{EVIL}1", [EVIL, "other"], [Failure(EVIL, EVIL)])
    async with TitanApp(tmp_path, made.clock).run_test(size=LARGE) as pilot:
        await until_seen(pilot)
        await until(pilot, lambda: table(pilot, "ended").has_focus)
        for first in ([], ["tab"]):
            await pilot.press(*first, "enter")
            await until(pilot, lambda: rows(pilot) > 1)
            for _ in detail(pilot).SECTIONS:
                assert not hidden("".join(lines(pilot)))
                await pilot.press("right")
                await pilot.pause(0.05)
            await pilot.press("escape")
    made.close()


async def test_an_unknown_request_is_reported_in_one_line(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    made.submit("one")
    async with TitanApp(tmp_path, made.clock).run_test(size=LARGE) as pilot:
        await until_seen(pilot)
        app = app_of(pilot)
        await app.push_screen(RequestDetail(app.state, ToRequest("no", "where"), None))
        await until_shown(pilot, "Request 'where' of 'no' not found.")
        await pilot.press("n")
        assert "n" not in app.screen.active_bindings
    made.close()


async def test_details_live_in_a_small_terminal(tmp_path: Path) -> None:
    with a_bench(tmp_path) as bench:
        ended(bench)
        for size in ((80, 24), (60, 16), (30, 8)):
            async with on(bench, size) as pilot:
                await pilot.press("2")
                await until(pilot, lambda: table(pilot, "requests").current() is not None)
                await pilot.press("enter")
                await until(pilot, lambda: rows(pilot) > 1)
                for _ in range(7):
                    await pilot.press("right", "pagedown")


async def test_in_a_wide_terminal_a_pane_shows_what_is_under_the_cursor(tmp_path: Path) -> None:
    with a_bench(tmp_path) as bench:
        ended(bench)
        bench.submit(1, tag="other-feed")
        ((collected_ts,),) = bench.engine.context.ledger.rows(
            "SELECT max(collected_ts) FROM batches"
        )
        # The pane is too narrow for the zone as well.
        collected = local_time(collected_ts).rpartition(" ")[0]
        async with on(bench, (160, 40)) as pilot:
            await until_shown(pilot, "Mode            batch")
            assert "other-feed" in shown(pilot)
            await pilot.press("tab")
            await until_shown(pilot, f"Collected       {collected}")
            await pilot.press("2")
            await until_shown(pilot, "Attempts        1")
            await pilot.press("j")
            await until_shown(pilot, "Tokens          24 in, 2 out")
            await pilot.press("w")
            await until(pilot, lambda: "Tokens          24 in, 2 out" not in shown(pilot))
            await pilot.press("w", "g")
            pane = pilot.app.screen.query_one(DetailPane)
            await until(pilot, lambda: 40 < pane.size.width < 60)
            await pilot.press("+", "+")
            await until(pilot, lambda: pane.size.width > 80)
            await pilot.press("_", "_")
            await until(pilot, lambda: not pane.display)
            await pilot.press("+")
            bench.poll_after(120)
            bench.poll_after(1)
            await until_shown(pilot, "Tokens          24 in, 2 out")
            await pilot.resize_terminal(100, 30)
            await until(pilot, lambda: "Tokens          24 in, 2 out" not in shown(pilot))


async def test_a_long_name_is_not_cut_where_there_is_room(tmp_path: Path) -> None:
    made, tag = LedgerBuilder(tmp_path), "titan-weekly-benchmark-2026-12-01-live-006"
    made.collected(tag, 1, [Failure()])
    async with opened(made) as pilot:
        await pilot.press("2")
        await until_shown(pilot, f"{tag}-000")
        page = app_of(pilot).page()
        assert page is not None
        target = page.target(Action.REPLAY)
        assert target is not None
        assert target.label == f"{tag}-000"
        await pilot.press("enter")
        await until_shown(pilot, f"Requests >  {tag}-000 ")
