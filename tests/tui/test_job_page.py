"""Jobs as a home screen: Enter opens a job, commands act on it, a filter narrows the list."""

from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from support.console.console_builders import A_CATALOGUE, Failure, LedgerBuilder
from support.console.console_pilot import app_of, opened, shown, table, until, until_shown
from textual.pilot import Pilot

from core.reporting import job_report
from state.files.folder import Folder
from titan_console.text import job_document
from titan_console.text.format import Tone, local_moment
from titan_console.tui.screens import job_rows
from titan_console.tui.screens.job_page import JobPage, RunPage
from titan_console.tui.screens.jobs import JobsScreen

_BUDGETS = "\n[budgets.workflows]\nfeed = 1.0\n"


def a_ledger_of_jobs(home: Path, settings: str = A_CATALOGUE) -> LedgerBuilder:
    made = LedgerBuilder(home)
    (home / "titan.toml").write_text(settings, "utf-8")
    for number in range(6):
        batch = made.accept(made.submit(f"feed-run-{number}", 2))
        made.clock.advance(900)
        made.collect(batch, [Failure(message="Overloaded: try later")] if number == 4 else [])
    made.accept(made.submit("feed-run-6", 3, due_in=timedelta(hours=26)))
    made.collected("stray-1", 1, workflow="stray")
    return made


def test_the_job_and_its_page_name_the_run_that_is_run_synchronously(tmp_path: Path) -> None:
    made = a_ledger_of_jobs(tmp_path)
    now = made.clock.now()
    report = job_report.read(made.ledger, Folder(tmp_path), "feed", now)
    made.close()
    assert report is not None
    window = report.status.window
    assert window is not None
    later = replace(report, status=replace(report.status, sync_run_at=window.sync_run_at))
    for found, cell, field in (
        (report, "in 1d 00h (open run)", "of the open run if it has not ended by then"),
        (later, "in 2d 00h (next run)", "of the next run if it has not ended by then"),
    ):
        (row,) = job_rows.job_rows([found.status], now)
        assert row.cells["sync_run"].text == cell
        assert any(line.endswith(field) for line in job_document.overview(found, now).lines)


def test_the_api_time_fits_into_80_columns(tmp_path: Path) -> None:
    made = a_ledger_of_jobs(tmp_path)
    report = job_report.read(made.ledger, Folder(tmp_path), "feed", made.clock.now())
    made.close()
    assert report is not None
    long = replace(report, api_times_s=[1200.0] * 40)
    lines = job_document.overview(long, made.clock.now()).lines
    (times,) = [line for line in lines if line.startswith("At the API")]
    assert len(times) < 80


async def on_jobs(pilot: Pilot[None]) -> None:
    await pilot.press("6")
    await until_shown(pilot, "stray")


async def test_enter_opens_a_job_then_a_run_and_esc_goes_back(tmp_path: Path) -> None:
    made = a_ledger_of_jobs(tmp_path, A_CATALOGUE + _BUDGETS)
    async with opened(made) as pilot:
        await on_jobs(pilot)
        await pilot.press("enter")
        await until_shown(pilot, "Runs 7")
        assert isinstance(pilot.app.screen, JobPage)
        page = shown(pilot)
        for text in (
            "batch  ·  daily",
            f"Next run due    {local_moment(made.clock.now() + timedelta(hours=50))} (in 2d 02h)",
            f"Sync fallback   {local_moment(made.clock.now() + timedelta(hours=24))} (in 1d 00h),",
            "of $1.00 used today",
            "overloaded_error: Overloaded: try later",
            "p50 15m, p95 15m, of 6 batches",
            "$0.11 in 90 days: 11 answers for $0.11 instead of $0.22",
        ):
            assert text in page, text
        await pilot.press("j", "j", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, RunPage))
        await until_shown(pilot, "Overloaded")
        assert "TITAN  Jobs >  feed >  feed-run-4" in shown(pilot)
        await pilot.press("escape", "escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, JobsScreen))


@pytest.mark.parametrize(
    ("key", "title"),
    [
        ("R", "Replay 1 request"),
        ("F", "4 requests"),
        ("C", "Cancel 1 batch"),
        ("P", "Pause 1 workflow"),
    ],
)
@pytest.mark.parametrize("is_open", [False, True])
async def test_commands_act_on_the_job(
    tmp_path: Path, key: str, title: str, *, is_open: bool
) -> None:
    async with opened(a_ledger_of_jobs(tmp_path)) as pilot:
        await on_jobs(pilot)
        if is_open:
            await pilot.press("enter")
            await until_shown(pilot, "Runs 7")
        await pilot.press(key)
        await until_shown(pilot, title)


async def test_a_job_that_never_ran_can_only_be_paused(tmp_path: Path) -> None:
    async with opened(a_ledger_of_jobs(tmp_path)) as pilot:
        await on_jobs(pilot)
        await pilot.press("j", "R")
        await until(pilot, lambda: len(app_of(pilot).screen_stack) == 1)
        await pilot.press("P")
        await until_shown(pilot, "Pause 1 workflow")


async def test_in_a_small_terminal_the_overview_of_a_job_scrolls(tmp_path: Path) -> None:
    made = a_ledger_of_jobs(tmp_path, A_CATALOGUE + _BUDGETS)
    async with opened(made, (60, 16)) as pilot:
        await on_jobs(pilot)
        await pilot.press("enter")
        await until_shown(pilot, "Runs 7")
        assert "answers for" not in shown(pilot)
        await pilot.press("tab", "G")
        await until_shown(pilot, "11 answers for $0.11")
        assert "Runs 7" in shown(pilot)
        await pilot.press("tab", "j", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, RunPage))


async def test_each_run_has_the_colour_of_its_own_result(tmp_path: Path) -> None:
    async with opened(a_ledger_of_jobs(tmp_path)) as pilot:
        await on_jobs(pilot)
        row = table(pilot, "jobs").row_of("feed")
        assert row is not None
        assert row.cells["outcomes"].text == "✓✓✓✓!✓▸"
        good, warn, busy = Tone.GOOD, Tone.WARN, Tone.BUSY
        assert row.cells["outcomes"].tones == (good, good, good, good, warn, good, busy)
        strip = table(pilot, "jobs").render_line(1)
        styles = {part.text: str(part.style) for part in strip if part.text.strip()}
        assert styles["!"] != styles["✓✓✓✓"] != styles["▸"]


async def test_jobs_are_filtered_and_sorted(tmp_path: Path) -> None:
    async with opened(a_ledger_of_jobs(tmp_path)) as pilot:
        await on_jobs(pilot)
        await pilot.press("/", *"status:failed", "enter")
        await until_shown(pilot, "1 match")
        assert list(table(pilot, "jobs").keys) == ["feed"]
        await pilot.press("escape", "/", *"!wf:feed", "enter")
        await until_shown(pilot, "2 matches")
        await pilot.press("escape", "s", "n", "i")
        await until(pilot, lambda: list(table(pilot, "jobs").keys) == ["talk", "stray", "feed"])


async def test_the_never_batched_are_a_key_away(tmp_path: Path) -> None:
    async with opened(a_ledger_of_jobs(tmp_path), (80, 24)) as pilot:
        await on_jobs(pilot)
        assert "titan-bridge" not in shown(pilot)
        await pilot.press("n")
        await until_shown(pilot, "titan-bridge-watchdog")
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, JobsScreen))
