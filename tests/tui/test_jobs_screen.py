"""The Jobs screen: titan.toml, what each job did last, when it is due, what is refused."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.console.console_builders import A_CATALOGUE, NOW, Failure, LedgerBuilder
from support.console.console_pilot import opened, shown, table, until, until_shown
from support.console.example_ledgers import a_month

from core.config import titan_file
from core.reporting import job_status
from core.reporting.job_status import JobOverview
from state.files.folder import Folder
from state.operations import hook_runs, pauses
from state.queries.job_runs import JobRun
from titan_console.cli.main import cli
from titan_console.text.format import Tone
from titan_console.text.job_labels import delivery, outcome, strip
from titan_console.tui.screens.job_rows import jobs_title


def a_run(**changes: object) -> JobRun:
    plain: dict[str, object] = {
        **dict.fromkeys(
            ("key", "tag", "workflow", "created_ts", "finished_ts"), "2026-05-02T11:00:00.000Z"
        ),
        **dict.fromkeys(("job", "deadline_ts", "delivered_ts")),
        "request_count": 4,
        "failed": 0,
        "canceled": 0,
        "is_sent": True,
    }
    return JobRun(**{**plain, **changes})  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("run", "glyph"),
    [
        (a_run(), "✓"),
        (a_run(failed=1), "!"),
        (a_run(failed=4), "✗"),
        (a_run(failed=4, canceled=4), "⊘"),
        (a_run(failed=4, canceled=3), "✗"),
        (a_run(finished_ts=None), "▸"),
        (a_run(finished_ts=None, is_sent=False), "◦"),
    ],
)
def test_each_run_is_a_glyph(run: JobRun, glyph: str) -> None:
    assert outcome(run).glyph == glyph


def test_the_newest_run_stands_on_the_right() -> None:
    glyphs, tones = strip([a_run(finished_ts=None), a_run(failed=1), a_run()])
    assert glyphs == "✓!▸"
    assert tones == (Tone.GOOD, Tone.WARN, Tone.BUSY)


def test_delivery_says_what_is_to_come() -> None:
    assert str(delivery(a_run(delivered_ts="2026-05-02T11:00:00.000Z"), NOW)) == "✓ 1h 00m ago"
    assert str(delivery(a_run(), NOW)) == "◔ at next poll"
    assert str(delivery(a_run(finished_ts=None), NOW)) == "▸ no results yet"


def test_without_a_file_or_with_a_bad_one_the_title_says_what_to_do() -> None:
    empty = JobOverview(has_file=False, lines=(), never={}, problems=())
    assert "titan-console jobs init" in jobs_title(empty)


async def test_jobs_show_mode_runs_windows_pause_and_delivery(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    (tmp_path / "titan.toml").write_text(A_CATALOGUE, "utf-8")
    made.collected("feed-2026-05-01", 2, [Failure()], workflow="feed")
    made.accept(made.submit("feed-2026-05-02", 2, due_in=timedelta(hours=26), workflow="feed"))
    made.submit("stray", 1, workflow="stray")
    pauses.pause(made.ledger, ["stray"], who="ops", reason="too dear")
    with made.ledger.transaction("note"):
        hook_runs.enqueue(made.ledger, "feed", "2026-05-01", "feed.jsonl")
    async with opened(made) as pilot:
        await pilot.press("6")
        await until_shown(pilot, "!▸")
        jobs = table(pilot, "jobs")
        assert list(jobs.keys) == ["feed", "talk", "stray"]
        feed, talk, stray = (jobs.row_of(key) for key in jobs.keys)
        assert feed and talk and stray  # noqa: PT018 - all three rows
        # Two hours before the deadline in 26; details have the local time with its zone.
        assert feed.cells["sync_run"].text == "in 1d 00h (open run)"
        assert talk.cells["sync_run"].text == "-"
        assert feed.cells["submit"].text == "in 1d 00h"
        due = (NOW + timedelta(hours=26 + 24)).astimezone()
        assert f"deadline of the next run {due:%a %d %b %Y, %H:%M:%S %z}" in feed.about
        assert feed.cells["hook"].text == "◔ due"
        assert feed.cells["mode"].text == "· batch"
        assert talk.cells["mode"].text == "· sync"
        assert stray.cells["mode"].text == "‖ paused"
        await pilot.press("n")
        await until_shown(pilot, "titan-bridge-watchdog")


async def test_a_new_titan_toml_is_read_by_itself(tmp_path: Path) -> None:
    async with opened(a_month(tmp_path), (80, 24)) as pilot:
        await pilot.press("6")
        await until_shown(pilot, "titan-console jobs init")
        titan_file.begin(Folder(tmp_path))
        await until(pilot, lambda: "titan-daily-feed" in shown(pilot))


def test_jobs_as_json_have_what_the_screen_shows(tmp_path: Path) -> None:
    made = a_month(tmp_path)
    (tmp_path / "titan.toml").write_text(A_CATALOGUE, "utf-8")
    board = job_status.read(made.ledger, Folder(tmp_path), NOW)
    made.close()
    done = CliRunner().invoke(cli, ["jobs", "--json"], env={"TITAN_HOME": str(tmp_path)})
    feed, talk = json.loads(done.stdout)["jobs"]
    assert feed["last_failed"] == board.lines[0].runs[0].failed == 1
    assert (feed["mode"], talk["mode"], talk["sync_run_ts"]) == ("batch", "sync", None)
    assert feed["lane"] == "anthropic"
    assert feed["submit_from_ts"] < feed["sync_run_ts"] < feed["next_due_ts"]
