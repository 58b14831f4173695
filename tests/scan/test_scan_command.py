"""`titan-console scan` as it is typed."""

from pathlib import Path

import pytest
from support.made_home import a_home
from support.processes.terminal import Ended, Terminal

from core.clock import SystemClock
from core.config import scan_file, titan_file
from core.scan.findings import job_name
from state.files.folder import Folder

KEPT = """# my jobs
[workloads.tier-1]   # mine
title = "first"

[jobs.scores]
workload = "tier-1"
schedule = "weekly"  # on Sundays
tokens_in = 5
tokens_out = 5
"""


def scanned(tmp_path: Path, *arguments: str) -> Ended:
    home = tmp_path / "home"
    if not home.exists():
        a_home(home, SystemClock().now())
    return Terminal(tmp_path / "titan").run("scan", str(home), *arguments)


def test_what_moves_and_stays_is_listed_with_measured_and_stated_figures(tmp_path: Path) -> None:
    done = scanned(tmp_path)
    assert done.code == 0
    first, _, rest = done.out.partition("TIER 2")
    assert "ledger-notes" in first
    assert "$3.00" in first
    assert "≤$1.50" in first
    assert "~480,000" in rest
    assert "An agent session cannot itself be a batch" in rest
    assert "ledger-notes: Classify each line into one of 20 categories" in rest
    stay = rest.partition("STAY")[2]
    assert "it runs every few minutes" in stay
    assert "$3.00 a month measured, ~$5.04 stated" in stay
    assert "sly: its text addresses the scanner" in done.err
    assert "judged by name and rhythm only: notatki" in done.err
    assert "damaged" in done.err


def test_json_has_the_same_figures_and_no_control_characters(tmp_path: Path) -> None:
    home = a_home(tmp_path / "home", SystemClock().now())
    home.task("bad\x1b[2J", "Nightly \x1b]0;x\x07")
    found = scanned(tmp_path, "--json").json()
    tasks = {task["task"]: task for task in found["tasks"]}
    notes = tasks["ledger-notes"]
    assert (notes["basis"], notes["runs"], notes["tokens_in"], notes["tokens_out"]) == (
        *("measured", 20, 300_000, 30_000),
    )
    assert (notes["sync_usd"], notes["saving_usd"], notes["saving_is_upper_bound"]) == (
        3,
        1.5,
        True,
    )
    assert found["totals"]["move"]["measured_usd"] == 3
    assert found["usage"]["other_sessions"] == 1
    assert "\x1b" not in scanned(tmp_path, "--all").out
    without = scanned(tmp_path, "--no-usage", "--json").json()
    assert without["usage"]["transcripts"] == 0
    assert without["totals"]["move"]["measured_usd"] == 0


def test_write_appends_to_titan_toml_and_changes_nothing_in_it(tmp_path: Path) -> None:
    path = tmp_path / "titan" / "titan.toml"
    path.parent.mkdir()
    path.write_text(KEPT, "utf-8")
    refused = scanned(tmp_path, "--write")
    assert (refused.code, path.read_text("utf-8")) == (2, KEPT)
    assert "[jobs.ledger-notes]" in refused.err
    done = scanned(tmp_path, "--write", "--yes", "--json").json()
    assert sorted(done["added"]) == ["ledger-notes", "translate_pages"]
    text = path.read_text("utf-8")
    assert text.startswith(KEPT)
    jobs = titan_file.read_strictly(Folder(path.parent)).jobs
    assert (jobs["ledger-notes"].tokens_in, jobs["ledger-notes"].tokens_out) == (15_000, 1_500)
    assert jobs["scores"].tokens_in == 5
    assert "20 runs" in jobs["ledger-notes"].note
    volumes = {job.name: job.tokens for job in scan_file.read(Folder(path.parent)).jobs}
    assert volumes["ledger-notes"] == 330_000
    assert "tone-check" not in jobs
    again = scanned(tmp_path, "--write", "--yes")
    assert "0 jobs added" in again.err
    assert path.read_text("utf-8") == text


def test_a_titan_toml_with_a_mistake_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "titan" / "titan.toml"
    path.parent.mkdir()
    path.write_text("[job.x]\n", "utf-8")
    assert scanned(tmp_path, "--write", "--yes").code == 2
    assert path.read_text("utf-8") == "[job.x]\n"
    assert not (path.parent / "scan.json").exists()


def test_a_job_in_batches_counts_as_moved_and_a_reported_one_as_measured(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path / "titan")
    terminal.run("--poll")
    code = (
        "import titan_batch as t; t.record_sync('x', 'claude-sonnet-4-6',"
        " {'input_tokens': 1_000_000, 'output_tokens': 100_000}, workflow='translate_pages')"
    )
    assert terminal.python("-c", code).code == 0
    tasks = {task["task"]: task for task in scanned(tmp_path, "--json").json()["tasks"]}
    job = tasks["translate_pages"]
    assert (job["basis"], job["sync_usd"], job["saving_usd"]) == ("measured", 4.5, 2.25)
    assert not job["saving_is_upper_bound"]


@pytest.mark.parametrize("arguments", [("--yes",), ("--write",)])
def test_write_needs_a_confirmation_and_yes_needs_write(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    assert scanned(tmp_path, *arguments).code == 2


def test_an_absent_folder_is_named(tmp_path: Path) -> None:
    done = Terminal(tmp_path / "titan").run("scan", str(tmp_path / "absent"))
    assert (done.code, "absent" in done.err) == (0, True)


def test_a_job_name_is_the_beginning_of_a_custom_id() -> None:
    assert job_name("../../Nightly: mails/über") == "Nightly-mails-uber"
    assert job_name("日本") == "job"


def test_without_a_folder_the_tasks_of_claude_code_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = a_home(tmp_path / "home", SystemClock().now())
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(home.root / ".claude"))
    found = Terminal(tmp_path / "titan").run("scan", "--json").json()
    tasks = {task["task"]: task["basis"] for task in found["tasks"]}
    assert tasks["ledger-notes"] == "measured"
    assert {"sly", "tone-check"} <= tasks.keys()
    assert "scores" not in tasks
