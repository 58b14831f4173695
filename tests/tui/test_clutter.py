"""What each screen leaves out: every figure, id and text stands once."""

from pathlib import Path

import pytest
from support.builders import a_bench
from support.console.command_pilot import console, failed
from support.console.console_builders import A_CATALOGUE, LedgerBuilder
from support.console.console_pilot import app_of, lines, opened, shown, table, until, until_shown
from support.console.example_ledgers import a_busy_ledger
from textual.pilot import Pilot

from titan_console.sandbox.model.timing import Plan
from titan_console.tui.screens.registry import TABS

_LABELS = ("open batches", "queued", "errored", "total spent", "saved (30 d)", "saved today")


def totals_in(pilot: Pilot[None]) -> list[str]:
    """The lines with the totals."""
    region = pilot.app.screen.query_one("#totals").region
    return lines(pilot)[region.y : region.y + region.height]


async def test_the_totals_have_two_lines_on_the_first_screen_and_one_elsewhere(
    tmp_path: Path,
) -> None:
    async with opened(a_busy_ledger(tmp_path)) as pilot:
        await until_shown(pilot, "open batches")
        labels, values = totals_in(pilot)
        assert [label for label in _LABELS if label not in labels] == []
        assert values.split()[:3] == ["6", "5,096", "6"]
        for tab in TABS[1:]:
            await pilot.press(tab.digit)
            await until(pilot, lambda tab=tab: app_of(pilot).current_mode == tab.mode)
            await until_shown(pilot, "open batches 6  queued 5,096  errored 6")
            assert len(totals_in(pilot)) == 1
            assert "last event" not in shown(pilot)


async def test_the_header_names_the_ledger_and_doctor_has_its_path(tmp_path: Path) -> None:
    home = tmp_path / "night-jobs"
    home.mkdir()
    async with opened(a_busy_ledger(home), (200, 50)) as pilot:
        await until_shown(pilot, "LIVE")
        assert "night-jobs" in lines(pilot)[0]
        assert "titan.db" not in shown(pilot)
        await pilot.press("8")
        await until_shown(pilot, "titan.db")


async def test_an_api_id_is_in_raw_and_in_the_menu_of_copies_alone(tmp_path: Path) -> None:
    with a_bench(tmp_path, plan=Plan.instant()) as bench:
        failed(bench, 1)
        async with console(bench) as pilot:
            await until(pilot, lambda: table(pilot, "ended").current() is not None)
            assert "msgbatch_" not in shown(pilot)
            await pilot.press("enter")
            await until_shown(pilot, "Mode            batch")
            assert "msgbatch_" not in shown(pilot)
            await pilot.press("left")
            await until_shown(pilot, '"remote_id": "msgbatch_')
            await pilot.press("y")
            await until_shown(pilot, "API batch id  msgbatch_")
            await pilot.press("escape", "escape", "2")
            await until_shown(pilot, "✗ errored")
            await pilot.press("enter")
            await until_shown(pilot, "Attempt 1 of 1")
            assert "msgbatch_" not in shown(pilot)
            # Raw has what no other tab has: all ids, times in UTC, and where the bodies lie.
            await pilot.press("left")
            await until_shown(pilot, '"submitted_ts": "2026-11-22T06:00:00.000Z"')
            raw = shown(pilot)
            assert '"remote_id": "msgbatch_' in raw
            assert "Classify" not in raw


async def test_a_preview_names_its_requests_once(tmp_path: Path) -> None:
    with a_bench(tmp_path, plan=Plan.instant()) as bench:
        failed(bench, 3)
        async with console(bench) as pilot:
            await pilot.press("3")
            await until_shown(pilot, "1 group")
            await pilot.press("R")
            await until_shown(pilot, "Replay  y")
            for number in range(1, 4):
                assert shown(pilot).count(f"feed-classify-2026-11-22-0000{number}") == 1


async def test_a_column_without_a_word_is_left_out(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    (tmp_path / "titan.toml").write_text(A_CATALOGUE, "utf-8")
    made.collected("feed-1", 2)
    async with opened(made) as pilot:
        await pilot.press("6")
        await until_shown(pilot, "Schedule")
        (header,) = [line for line in lines(pilot) if "Schedule" in line]
        assert "Hook" not in header
        assert "Errored" not in header
        assert "Last runs" in header


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_a_few_turnarounds_leave_the_room_to_the_days(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async with opened(a_busy_ledger(tmp_path), size) as pilot:
        await pilot.press("5")
        await until_shown(pilot, "target")
        days = pilot.app.screen.query_one("#kpi-days").region.height
        few = pilot.app.screen.query_one("#turnaround").region.height
        assert days >= 6 > few
