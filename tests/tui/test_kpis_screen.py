"""The KPIs screen: the command's figures, day by day, workflow by workflow."""

import json
from pathlib import Path

from click.testing import CliRunner
from support.console.console_builders import NOW
from support.console.console_pilot import lines, opened, shown, table, until_shown
from support.console.example_ledgers import a_month

from core.config.scan_file import Basis
from core.money.batchable import BatchableJob, Fleet
from core.reporting import history
from titan_console.cli.main import cli
from titan_console.tui.screens.kpis import kpi_rows


async def test_the_figures_are_the_command_s_and_open_by_workflow(tmp_path: Path) -> None:
    made = a_month(tmp_path)
    found = history.kpi_month(made.ledger, Fleet(), NOW.date())
    async with opened(made) as pilot:
        await pilot.press("5")
        await until_shown(pilot, "KPIs, last 30 days")
        screen = shown(pilot)
        for text in ("100.0%", "≥ 80.0%", "✓ met", "✗ missed", "batch share by day"):
            assert text in screen
        assert (
            f"Turnaround of {len(found.turnarounds_s)} batches, from submission until collected"
            in screen
        )
        assert "▲ p50 3h 00m" in screen
        assert "p95 5h 00m ▲" in screen
        sparkline = next(line for line in lines(pilot) if "batch share" in line and "█" in line)
        assert sparkline.count("█") == 30
        await pilot.press("j")
        await until_shown(pilot, "saved by day")
        await pilot.press("enter")
        await until_shown(pilot, "saved (30 d) by workflow")
        assert list(table(pilot, "by").keys) == ["dream", "feed", "newsletter"]


async def test_on_a_low_screen_the_figure_chooses_its_picture(tmp_path: Path) -> None:
    async with opened(a_month(tmp_path), (80, 24)) as pilot:
        await pilot.press("5")
        await until_shown(pilot, "batch share by day")
        assert "Turnaround of" not in shown(pilot)
        await pilot.press("j", "j")
        await until_shown(pilot, "Turnaround of")
        await pilot.resize_terminal(60, 16)
        await until_shown(pilot, "error rate")


def test_days_add_up_to_the_month_and_json_has_them(tmp_path: Path) -> None:
    made = a_month(tmp_path)
    found = history.kpi_month(made.ledger, Fleet(), NOW.date())
    made.close()
    days = [
        next(kpi.value for kpi in kpis if kpi.name == "saved_usd_30d") or 0
        for kpis in found.by_day.values()
    ]
    (saved,) = (kpi.value for kpi in found.overall if kpi.name == "saved_usd_30d")
    assert saved is not None
    assert abs(sum(days) - saved) < 0.01 * len(days)
    printed = CliRunner().invoke(
        cli, ["kpis", "--json", "--by-day", "--by-workflow"], env={"TITAN_HOME": str(tmp_path)}
    )
    report = json.loads(printed.stdout)
    assert len(report["by_day"]) == 30
    assert set(report) >= {"batch_share", "days", "workflows", "by_day"}


def test_the_batch_share_says_what_it_is_a_share_of(tmp_path: Path) -> None:
    job = BatchableJob(name="never-moved", tokens=5_000, basis=Basis.STATED)
    found = history.kpi_month(a_month(tmp_path).ledger, Fleet(jobs=(job,)), NOW.date())
    share, *others = kpi_rows(found)
    assert "5,000 of 1 job without a record (1 estimated)" in share.about
    assert all("without a record" not in row.about for row in others)
