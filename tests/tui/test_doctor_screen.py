"""The Doctor screen and the alerts: problems in order, and the latency of the console."""

import json
from datetime import timedelta
from pathlib import Path

from click.testing import CliRunner
from support.console.console_builders import NOW, LedgerBuilder
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

from core.clock import ManualClock
from state.batches import leases
from state.operations import alerts
from titan_console.cli.main import cli
from titan_console.doctor.finding import Finding, Health
from titan_console.session.ui_metrics import UiMetrics, percentiles
from titan_console.tui.app import TitanApp
from titan_console.tui.screens.doctor import finding_rows, findings_title


def test_failed_checks_come_first() -> None:
    findings = [Finding(health, health.value, "x") for health in Health]
    assert [row.cells["health"].text for row in finding_rows(findings, NOW)] == [
        *("✗ fail", "! warn", "✓ ok")
    ]
    title = "Checks 3 · 1 failed, 1 warning · checked 12s ago · r: check again"
    assert findings_title(findings, timedelta(seconds=12)) == title
    assert "all ok" in findings_title(findings[:1])


def test_the_console_s_own_figures_percentiles() -> None:
    measured = UiMetrics()
    assert percentiles(measured.answered) == "not measured yet"
    for milliseconds in range(1, 101):
        measured.record_query(milliseconds / 1000)
    assert percentiles(measured.answered) == (
        "p50 50 ms, p95 95 ms, p99 99 ms, max 100 ms (100 samples)"
    )


async def test_it_checks_the_machine_and_the_ledger_and_again_on_r(tmp_path: Path) -> None:
    made = a_busy_ledger(tmp_path)
    for _ in range(3):
        made.clock.advance(900)
        made.poll()
    async with opened(made) as pilot:
        await pilot.press("8")
        await until_shown(pilot, "15m (median")
        await until_shown(pilot, "was sent, and no response confirmed it")
        await until_shown(pilot, "✓ ok    ledger")
        # The screen cuts this text where the path of the ledger is long.
        checks = table(pilot, "checks")
        rows = [row for key in checks.keys if (row := checks.row_of(key))]
        assert any("quick check passed" in row.about for row in rows)
        assert any("write-ahead log" in row.about for row in rows)
        screen = shown(pilot)
        assert "ANTHROPIC_API_KEY" not in screen
        assert "✗ fail" in screen
        results = tmp_path / "batch-results"
        results.mkdir()
        for key, size in made.ledger.rows("SELECT key, results_bytes FROM batches"):
            (results / f"{key}.jsonl").touch(0o600)
            (results / f"{key}.jsonl").write_bytes(bytes(size))
        spool = tmp_path / "spool"
        spool.mkdir(exist_ok=True)
        for name, size in made.ledger.rows(
            "SELECT spool_file, max(body_offset + body_length) FROM requests GROUP BY 1"
        ):
            (spool / name).touch(0o600)
            (spool / name).write_bytes(bytes(size))
        await pilot.press("r")
        await until(pilot, lambda: "✗ fail" not in shown(pilot))


async def test_it_measures_how_long_a_commit_takes_to_be_painted(tmp_path: Path) -> None:
    async with opened(LedgerBuilder(tmp_path)) as pilot:
        await pilot.press("8")
        await until_shown(pilot, "✓ ok    python")
        # The list of latencies opens with the focus.
        await pilot.press("tab")
        await until_shown(pilot, "display delay")
        before = app_of(pilot).state.metrics.frames
        await in_another_process(tmp_path, "made.submit('from-elsewhere')")
        metrics = app_of(pilot).state.metrics
        await until(pilot, lambda: metrics.frames > before and bool(metrics.painted))
        assert metrics.answered
        await until(pilot, lambda: "(1 sample)" in shown(pilot))


async def test_without_a_ledger_it_still_checks(tmp_path: Path) -> None:
    app = TitanApp(tmp_path / "none", ManualClock(NOW))
    async with app.run_test(size=(80, 24)) as pilot:
        await until_shown(pilot, "No ledger yet")
        await pilot.press("8")
        await until_shown(pilot, "none yet;")
        assert table(pilot, "checks").row_count


async def test_raised_alerts_stand_above_every_page(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    alerts.update(
        made.ledger, [("errors", "day", "9 requests failed"), ("poller", "silent", "No poll ran")]
    )
    async with opened(made, (80, 24)) as pilot:
        await until_shown(pilot, "! alert: No poll ran")
        (alert,) = [line.rstrip() for line in lines(pilot) if "! alert:" in line]
        assert alert.endswith("  1 more, ! opens alerts")
        for digit in "345678":
            await pilot.press(digit)
            await pilot.pause()
            assert any("! alert: " in line for line in lines(pilot))
        alerts.update(made.ledger, [])
        await until(pilot, lambda: "! alert:" not in shown(pilot))


def test_doctor_prints_what_the_screen_checks(tmp_path: Path) -> None:
    made = a_busy_ledger(tmp_path)
    alerts.update(made.ledger, [("errors", "day", "9 requests failed")])
    made.close()
    done = CliRunner().invoke(cli, ["doctor", "--json"], env={"TITAN_HOME": str(tmp_path)})
    findings = {finding["what"]: finding for finding in json.loads(done.stdout)["findings"]}
    assert findings["alert"]["detail"] == "errors: 9 requests failed"
    assert (findings["poll result"]["health"], findings["poll result"]["detail"]) == (
        "ok",
        "nothing to do",
    )
    assert ", write-ahead log " in findings["disk"]["detail"]


def test_a_last_poll_with_problems_is_a_warning_that_names_them(tmp_path: Path) -> None:
    made = a_busy_ledger(tmp_path)
    poll_id = leases.begin_poll(made.ledger)
    summary = {"ran": True, "open": 2, "problems": ["The API is away.", "A file is gone."]}
    leases.end_poll(made.ledger, poll_id, summary)
    made.close()
    done = CliRunner().invoke(cli, ["doctor", "--json"], env={"TITAN_HOME": str(tmp_path)})
    found = {finding["what"]: finding for finding in json.loads(done.stdout)["findings"]}
    assert found["poll result"]["health"] == "warn"
    assert (
        found["poll result"]["detail"]
        == "2 open batches, problems: The API is away.; A file is gone."
    )


async def test_without_a_ledger_the_poller_has_its_rows(tmp_path: Path) -> None:
    clock = ManualClock(NOW)
    async with TitanApp(tmp_path / "empty", clock).run_test(size=(120, 40)) as pilot:
        await pilot.press("8")
        await until_shown(pilot, "no schedule known yet")
        assert "Reading the polls" not in shown(pilot)
        assert any("─ Poller" in line for line in lines(pilot))
