"""The results file of a collected batch is missing: what readers say, and how it comes back."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from support.builders import Bench, a_bench, some_requests
from support.ledgers.ledger_builders import a_ledger
from support.processes.terminal import Terminal, a_server

from core.clock import ManualClock, SystemClock
from core.commands import planner
from core.commands.planner import CommandRequest
from state.batches import sending
from state.files import archive
from state.files.folder import Folder
from state.operations.commands import Action
from state.operations.selection import Filter
from state.queries import batch_list
from titan_console.doctor import file_checks
from titan_console.doctor.finding import Finding, Health
from titan_console.sandbox.model.timing import Plan

_LINES = "".join(json.dumps(request) + "\n" for request in some_requests(2))


def _collected(terminal: Terminal, folder: Folder) -> Path:
    assert terminal.run("submit", "-", "--tag", "one", stdin=_LINES).code == 0
    assert terminal.run("--poll").code == 0
    (file,) = folder.results.glob("*.jsonl")
    return file


def test_results_says_how_a_missing_file_comes_back_and_a_rebuild_downloads_it(
    tmp_path: Path,
) -> None:
    with a_server() as (sandbox, address):
        terminal, folder = Terminal(tmp_path / "home", address), Folder(tmp_path / "home")
        file = _collected(terminal, folder)
        before = terminal.run("results", "one").out
        file.unlink()
        failed = terminal.run("results", "one", "--json")
        assert failed.code == 3
        assert failed.error_code() == "file_missing"
        assert "titan-console rebuild" in failed.err
        for path in folder.root.glob("titan.db*"):
            path.rename(tmp_path / path.name)
        assert terminal.run("rebuild", "--yes").code == 0
        assert terminal.run("results", "one").out == before
        assert sandbox.billing_log().creates == 1


def test_export_says_how_many_answers_it_lacks(tmp_path: Path) -> None:
    with a_server() as (_, address):
        terminal, folder = Terminal(tmp_path / "home", address), Folder(tmp_path / "home")
        file = _collected(terminal, folder)
        assert terminal.run("export", "one").err == ""
        file.unlink()
        exported = terminal.run("export", "one")
        assert [row["text"] for row in exported.lines()] == [None, None]
        assert "2 answers without text" in exported.err
        assert str(file) in exported.err


def _as_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-9])


@pytest.mark.parametrize("damage", [Path.unlink, _as_folder, _cut])
def test_doctor_fails_where_results_cannot_be_read(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    with a_server() as (_, address):
        terminal, folder = Terminal(tmp_path / "home", address), Folder(tmp_path / "home")
        file = _collected(terminal, folder)
        assert _bad(terminal) == []
        damage(file)
        assert "results" in _bad(terminal)
        assert terminal.run("doctor", "--check").code == 1


@pytest.mark.parametrize("held", ["in a batch", "in none"])
@pytest.mark.parametrize("damage", [Path.unlink, _as_folder, _cut])
def test_doctor_fails_where_the_requests_of_a_queued_submission_cannot_be_read(
    tmp_path: Path, damage: Callable[[Path], None], held: str
) -> None:
    with a_server() as (_, address):
        terminal, folder = Terminal(tmp_path / "home", address), Folder(tmp_path / "home")
        _collected(terminal, folder)
        without_key = Terminal(folder.root, address, api_key=None)
        lines = "".join(json.dumps(one) + "\n" for one in some_requests(2, "later"))
        key = without_key.run("submit", "-", "--tag", "two", stdin=lines).out.strip()
        if held == "in none":
            with a_ledger(folder.root, clock=ManualClock(SystemClock().now())) as ledger:
                (batch,) = batch_list.find(ledger, key)[1]
                assert sending.mark_not_sent(ledger, batch, "a test")
        assert _bad(terminal) == []
        damage(folder.spool / f"{key}.jsonl")
        (detail,) = [one["detail"] for one in _findings(terminal) if one["what"] == "requests"]
        assert f"{key}.jsonl" in detail
        assert "requests" in _bad(terminal)
        assert terminal.run("doctor", "--check").code == 1


@pytest.mark.parametrize("name", ["batch-jobs.jsonl", "spool", "staging", "titan.poll.lock"])
def test_doctor_fails_where_a_folder_is_in_place_of_a_file(tmp_path: Path, name: str) -> None:
    with a_server() as (_, address):
        terminal, folder = Terminal(tmp_path / "home", address), Folder(tmp_path / "home")
        _collected(terminal, folder)
        path = folder.root / name
        _as_folder(next(path.iterdir()) if path.is_dir() else path)
        assert "folder" in _bad(terminal)


def _bad(terminal: Terminal) -> list[str]:
    return [finding["what"] for finding in _findings(terminal) if finding["health"] == "bad"]


def _findings(terminal: Terminal) -> list[dict[str, str]]:
    found: list[dict[str, str]] = terminal.run("doctor", "--json").json()["findings"]
    return found


def _cut_and_compress(file: Path) -> None:
    _cut(file)
    archive.compress(file)


def _about_bodies(bench: Bench) -> list[Finding]:
    found = file_checks.findings(bench.folder, thorough=False)
    return [one for one in found if one.what == "requests"]


@pytest.mark.parametrize("damage", [Path.unlink, _cut, _cut_and_compress])
@pytest.mark.parametrize("kind", ["tb_", "edit_"])
def test_doctor_fails_where_a_failed_request_has_no_body_to_replay(
    tmp_path: Path, damage: Callable[[Path], None], kind: str
) -> None:
    with a_bench(tmp_path, plan=Plan.instant()) as bench:
        bench.faults.add("row:overloaded:p=1")
        bench.submit(3)
        bench.poll_after(60)
        if kind == "edit_":
            wanted = Filter(names=("daily-feed",))
            changes = {"max_tokens": 99}
            request = CommandRequest(action=Action.REPLAY, wanted=wanted, changes=changes)
            planned = planner.plan(bench.engine.context, request)
            planner.submit(bench.engine.context, planned, delay=timedelta(0))
            for _ in range(3):
                bench.poll_after(900)
        (file,) = bench.folder.spool.glob(f"{kind}*.jsonl")
        assert _about_bodies(bench) == []
        damage(file)
        (finding,) = _about_bodies(bench)
        assert finding.health == Health.BAD
        assert f"(first: {file.name})" in finding.detail
        assert "cannot be replayed" in finding.detail
        assert "backup" in finding.detail


def test_the_edit_of_a_command_that_has_not_started_is_needed(tmp_path: Path) -> None:
    with a_bench(tmp_path, plan=Plan.instant()) as bench:
        bench.faults.add("row:overloaded:p=1")
        bench.submit(3)
        bench.poll_after(60)
        wanted, changes = Filter(names=("daily-feed",)), {"max_tokens": 99}
        request = CommandRequest(action=Action.REPLAY, wanted=wanted, changes=changes)
        planned = planner.plan(bench.engine.context, request)
        planner.submit(bench.engine.context, planned, delay=timedelta(hours=1))
        (file,) = bench.folder.spool.glob("edit_*.jsonl")
        _cut(file)
        (finding,) = _about_bodies(bench)
        assert f"queued requests in {file.parent} missing or too short" in finding.detail


def test_bodies_that_no_replay_needs_are_no_fault(tmp_path: Path) -> None:
    with a_bench(tmp_path, plan=Plan.instant()) as bench:
        key = bench.submit(3).submission.key
        bench.poll_after(60)
        bench.poll_after(60)
        (bench.folder.spool / f"{key}.jsonl").unlink()
        assert _about_bodies(bench) == []
