"""Where there is hardly room, a list keeps its rows and the rest gives way."""

from pathlib import Path

from support.builders import a_bench
from support.console.console_pilot import (
    lines,
    opened,
    shown,
    table,
    until,
    until_seen,
    until_shown,
)
from support.console.example_ledgers import a_busy_ledger

from titan_console.tui.app import TitanApp
from titan_console.tui.screens.request_detail import RequestDetail
from titan_console.tui.widgets.section import Section
from titan_console.tui.widgets.tab_strip import SectionStrip, place


async def test_a_tiny_terminal_keeps_to_the_list_and_says_that_it_is_small(tmp_path: Path) -> None:
    async with opened(a_busy_ledger(tmp_path), (30, 8)) as pilot:
        for digit, row in (("2", "in progress"), ("3", "overload"), ("1", "▸  feed")):
            await pilot.press(digit)
            await until_shown(pilot, row)
            assert "terminal too small" in shown(pilot)
            assert len(lines(pilot)) == 8
        assert "feed" in shown(pilot)
        await pilot.resize_terminal(60, 16)
        await until(pilot, lambda: "terminal too small" not in shown(pilot))
        await until_shown(pilot, "queued 5,096")
        # Its rows begin right under the figures and the hold.
        assert lines(pilot)[1].startswith(" open batches 6 ")


async def test_the_name_of_the_screen_is_shown_before_the_state_of_the_poller(
    tmp_path: Path,
) -> None:
    made = a_busy_ledger(tmp_path)
    (tmp_path / "titan.toml").write_text('[console]\nname = "production, nightly jobs"\n')
    made.clock.advance(7200)
    async with opened(made, (60, 16)) as pilot:
        await until_shown(pilot, "! last poll")
        await pilot.press("2")
        await until(pilot, lambda: "nightly jobs   Requests " in lines(pilot)[0])
        assert lines(pilot)[0].rstrip().endswith("…")


async def test_the_focused_list_of_doctor_takes_all_lines(tmp_path: Path) -> None:
    async with opened(a_busy_ledger(tmp_path), (60, 16)) as pilot:
        await pilot.press("8")
        await until_shown(pilot, "checked 0s ago")
        for _ in range(3):
            await pilot.press("tab")
            await pilot.pause()
            heights = [section.outer_size.height for section in pilot.app.screen.query(Section)]
            assert sum(heights) == pilot.app.screen.query_one(".content").size.height


async def test_all_tabs_of_a_request_are_reachable_and_the_current_one_is_visible(
    tmp_path: Path,
) -> None:
    with a_bench(tmp_path) as bench:
        bench.submit(1)
        for size in ((60, 16), (30, 16), (20, 16)):
            async with TitanApp(bench.folder.root, bench.clock).run_test(size=size) as pilot:
                await until_seen(pilot)
                await pilot.press("2")
                await until(pilot, lambda: table(pilot, "requests").row_count == 1)
                await pilot.press("enter")
                await until(pilot, lambda: isinstance(pilot.app.screen, RequestDetail))
                strip = pilot.app.screen.query_one(SectionStrip)
                for name in RequestDetail.SECTIONS:
                    assert strip.current == name
                    assert name in lines(pilot)[strip.region.y].split()
                    await pilot.press("right")


def test_tabs_without_room_give_way_to_an_ellipsis_around_the_current_one() -> None:
    widths = (8, 7, 8, 5, 8, 4, 3)
    assert place(widths, 6, 64, 3) == (range(7), [0, 11, 21, 32, 40, 51, 58])
    assert place(widths, 6, 48, 3) == (range(1, 7), [2, 10, 19, 25, 34, 39])
    assert place(widths, 0, 20, 3) == (range(2), [0, 9])
    assert place(widths, 3, 20, 3) == (range(2, 4), [2, 11])
    assert place(widths, 0, 3, 3) == (range(1), [0])
