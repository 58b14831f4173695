"""`titan-console wait`: what ends it, what does not, and each of its exit codes."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from support.builders import Bench, some_requests
from support.error_codes import code_is
from support.processes import pseudo_terminal
from support.processes.terminal import NOWHERE, Ended, Terminal, a_server

from core.clock import SystemClock
from core.commands import executor, follow_ups
from core.config.settings import Settings, child_environment
from core.errors import InputError
from core.intake import fallback_files, request_statuses
from core.intake.options import SubmitOptions
from core.poll.poll_run import POLL_LEASE
from core.reporting.since import parse_duration
from state.batches import leases
from state.db import liveness_lock
from state.db.connection import sqlite3
from state.db.ledger import Ledger
from state.files.folder import Folder
from state.model.errors import LedgerUnusable
from state.model.records import RequestStatus
from titan_console.cli.exit_codes import Exit
from titan_console.cli.main import main
from titan_console.sandbox.api import Sandbox
from titan_console.sandbox.model.timing import Plan

Shell = tuple[Terminal, Sandbox]
_NOW = ("--timeout", "0")


@pytest.fixture
def shell(tmp_path: Path) -> Generator[Shell, None, None]:
    """A sandbox whose batches end at once."""
    with a_server() as (sandbox, address):
        yield Terminal(tmp_path / "home", address), sandbox


@pytest.fixture
def slow(tmp_path: Path) -> Generator[Shell, None, None]:
    """A sandbox whose batches do not end."""
    with a_server(Plan.manual()) as (sandbox, address):
        yield Terminal(tmp_path / "home", address), sandbox


def _submit(terminal: Terminal, count: int = 3) -> str:
    lines = "".join(json.dumps(request) + "\n" for request in some_requests(count))
    return terminal.run("submit", "-", "--tag", "feed", stdin=lines).out.strip()


def test_it_polls_until_all_have_succeeded_under_every_name(shell: Shell) -> None:
    terminal, sandbox = shell
    key = _submit(terminal)
    done = terminal.run("wait", "feed", "--every", "1s")
    assert (done.code, done.err) == (Exit.DONE, "")
    assert done.out == "feed: 3 requests done (3 succeeded).\n"
    (batch,) = sandbox.billing_log().batches
    for name in (key, batch.batch_id):
        assert terminal.run("wait", name, *_NOW).code == Exit.DONE


def test_some_failed_until_they_are_acknowledged(shell: Shell) -> None:
    terminal, sandbox = shell
    sandbox.faults.add("row:overloaded:id=*-00001*")
    _submit(terminal)
    done = terminal.run("wait", "feed", "--every", "1s")
    assert (done.code, done.out) == (Exit.ATTENTION, "")
    assert done.err.splitlines() == [
        "feed: 1 of 3 requests failed (2 succeeded, 1 errored). See: titan-console errors"
    ]
    assert terminal.run("acknowledge", "feed", "--yes").code == Exit.DONE
    done = terminal.run("wait", "feed")
    assert (done.code, done.out) == (0, "feed: 3 requests done (2 succeeded, 1 acknowledged).\n")


@pytest.mark.parametrize("timeout", ["0", "2s"])
def test_the_timeout_ends_it_while_requests_are_still_running(slow: Shell, timeout: str) -> None:
    terminal, _ = slow
    _submit(terminal)
    done = terminal.run("wait", "feed", "--every", "1s", "--timeout", timeout)
    assert (done.code, done.out) == (Exit.RUNNING, "")
    assert done.err.splitlines() == [
        "feed: 3 of 3 requests still running (3 in progress). See: titan-console status"
    ]
    report = terminal.run("wait", "feed", *_NOW, "--json").json()
    assert (report["requests"], report["by_status"]["in_flight"]) == (3, 3)
    assert (report["finished"], report["settled"]) == (False, False)


def test_an_unknown_name_is_wrong_input_and_polls_nothing(shell: Shell) -> None:
    terminal, _ = shell
    _submit(terminal)
    done = terminal.run("wait", "nothing", "--json")
    assert (done.code, done.error_code()) == (Exit.USAGE, "not_found")


@pytest.mark.parametrize(
    "options",
    [("--every", "0"), ("--every", "often"), ("--timeout", ""), ("--timeout", "99999w")],
)
def test_a_wrong_duration_is_refused(shell: Shell, options: tuple[str, ...]) -> None:
    done = shell[0].run("wait", "feed", *options, "--json")
    assert (done.code, done.error_code()) == (Exit.USAGE, "invalid_duration")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("90", 90), ("90s", 90), ("5m", 300), ("6h", 21600), ("2d", 172800)],
)
def test_a_duration_has_a_unit_or_is_in_seconds(text: str, seconds: int) -> None:
    assert parse_duration(text, option="--timeout") == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["today", "-1", "1.5h", "h", "1 h", "2026-11-22"])
def test_a_date_is_no_duration(text: str) -> None:
    with pytest.raises(InputError, check=code_is("invalid_duration")):
        parse_duration(text, option="--timeout")


def test_without_a_key_it_reads_what_the_scheduled_poller_wrote(shell: Shell) -> None:
    terminal, _ = shell
    _submit(terminal)
    watcher = Terminal(terminal.home, terminal.base_url, api_key=None)
    done = watcher.run("wait", "feed", *_NOW)
    assert done.code == Exit.RUNNING
    assert done.err.splitlines()[0] == "No API key: waiting for the scheduled poller."
    assert len(done.err.splitlines()) == 2
    assert terminal.run("--poll").code == 0
    done = watcher.run("wait", "feed")
    assert (done.code, done.err) == (Exit.DONE, "")


@pytest.mark.parametrize("fault", ["list:connect", "list:429:retry=60", "list:500"])
def test_a_failure_of_the_api_is_shown_once_and_waited_out(slow: Shell, fault: str) -> None:
    terminal, sandbox = slow
    _submit(terminal)
    sandbox.faults.add(fault)
    done = terminal.run("wait", "feed", "--every", "1s", "--timeout", "2s")
    assert done.code == Exit.RUNNING
    problem, running = done.err.splitlines()
    assert problem.startswith("titan-console: ")
    assert "still running" in running
    assert terminal.run("wait", "feed", *_NOW, "--json").json()["problems"] != []
    sandbox.faults.clear()
    assert terminal.run("cancel", "feed", "--yes").code == Exit.DONE
    assert terminal.run("wait", "feed", *_NOW).code == Exit.ATTENTION


def test_a_hold_does_not_end_it(shell: Shell) -> None:
    terminal, sandbox = shell
    sandbox.faults.add("create:credit:times=1")
    _submit(terminal)
    done = terminal.run("wait", "feed", *_NOW)
    assert done.code == Exit.RUNNING
    assert "on hold" in done.err
    assert terminal.run("resume", "--holds", "--yes").code == Exit.DONE
    assert terminal.run("wait", "feed", "--every", "1s").code == Exit.DONE


def test_an_unreachable_api_does_not_end_it_either(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path / "home", NOWHERE)
    _submit(terminal)
    done = terminal.run("wait", "feed", "--every", "1s", "--timeout", "2s")
    assert done.code == Exit.RUNNING
    assert done.err.count("Cannot connect") == 1


def test_a_malformed_key_is_not_taken_for_a_missing_one(slow: Shell) -> None:
    terminal, _ = slow
    _submit(terminal)
    done = Terminal(terminal.home, terminal.base_url, "sk-ant-\u00e4").run("wait", "feed", "--json")
    assert (done.code, done.error_code()) == (Exit.UNUSABLE, "api_key_malformed")


@pytest.mark.usefixtures("sandbox")
def test_a_token_polls_as_a_key_does(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _submit(Terminal(home))
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "token")
    assert _main("wait", "feed", "--every", "1s", "--timeout", "9s") == Exit.DONE
    assert capsys.readouterr().err == ""


def test_a_rejected_key_does(slow: Shell) -> None:
    terminal, sandbox = slow
    _submit(terminal)
    sandbox.faults.add("list:401")
    done = terminal.run("wait", "feed", "--json")
    assert (done.code, done.error_code()) == (Exit.UNUSABLE, "api_key_rejected")


def test_another_poll_is_waited_for(shell: Shell) -> None:
    terminal, _ = shell
    _submit(terminal)
    folder = Folder(terminal.home)
    with (
        liveness_lock.try_lock(folder.poll_lock),
        Ledger(folder.ledger, now=SystemClock().now, actor="test") as ledger,
    ):
        until = SystemClock().now() + timedelta(minutes=5)
        leases.acquire(ledger, POLL_LEASE, "another", until=until)
        done = terminal.run("wait", "feed", *_NOW)
        assert (done.code, done.err.count("\n")) == (Exit.RUNNING, 1)
        leases.release(ledger, POLL_LEASE, "another")
    assert terminal.run("wait", "feed", *_NOW).code == Exit.DONE


@pytest.mark.usefixtures("sandbox")
def test_a_locked_ledger_is_waited_for(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _submit(Terminal(home))
    monkeypatch.setattr("state.db.connection.BUSY_TIMEOUT_S", 0.05)
    with closing(sqlite3.connect(home / "titan.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert _main("wait", "feed", "--every", "1s", "--timeout", "2s") == Exit.RUNNING
        assert capsys.readouterr().err.count("locked the ledger") == 1
        other.execute("ROLLBACK")
    assert _main("wait", "feed", "--every", "1s") == Exit.DONE


@pytest.mark.usefixtures("sandbox")
def test_a_ledger_that_is_never_readable_is_reported_at_the_timeout(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _submit(Terminal(home))
    monkeypatch.setattr("state.db.connection.BUSY_TIMEOUT_S", 0.05)
    with closing(sqlite3.connect(home / "titan.db", isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        assert _main("wait", "feed", "--json", *_NOW) == Exit.UNUSABLE
        error = json.loads(capsys.readouterr().err.splitlines()[-1])["error"]
        assert error["code"] == "ledger_locked"
        assert "Try again; if it stays locked, end that program" in error["message"]
    assert _main("wait", "feed", "--every", "1s") == Exit.DONE


def _main(*arguments: str) -> int | str | None:
    with pytest.raises(SystemExit) as ended:
        main([*arguments])
    return ended.value.code


def test_a_fallback_file_is_still_running_until_a_poll_imports_it(shell: Shell) -> None:
    terminal, _ = shell
    folder, clock = Folder(terminal.home), SystemClock()
    options, lost = SubmitOptions(tag="kept"), LedgerUnusable("locked")
    kept = fallback_files.save(
        folder, some_requests(2), options, clock=clock, actor="t", error=lost
    )
    watcher = Terminal(terminal.home, terminal.base_url, api_key=None)
    for name in ("kept", kept.key):
        done = watcher.run("wait", name, *_NOW, "--json")
        report = done.json()
        assert (done.code, report["fallback_files"]) == (Exit.RUNNING, 1)
        assert (report["requests"], report["by_status"]["queued"]) == (2, 2)
        assert "1 fallback file not imported" in done.err
    done = terminal.run("wait", "kept", "--every", "1s")
    assert (done.code, done.out) == (Exit.DONE, "kept: 2 requests done (2 succeeded).\n")


def test_a_batch_that_was_not_sent_stands_for_its_submission(bench: Bench) -> None:
    bench.faults.add("create:connect")
    bench.submit(3)
    bench.poll_after(3600)
    bench.faults.clear()
    bench.poll_after(3600)
    rows = bench.engine.context.ledger.rows("SELECT key, status FROM batches ORDER BY id")
    assert [row["status"] for row in rows] == ["not_sent", "not_sent", "in_progress"]
    for row in rows:
        now = bench.engine.context.clock.now()
        found = request_statuses.of_name(bench.folder, row["key"], now)
        assert found.by_status == {RequestStatus.IN_FLIGHT: 3}
        assert not bench.engine.is_finished(row["key"])


def test_ctrl_c_stops_it(slow: Shell) -> None:
    terminal, _ = slow
    _submit(terminal)
    with _waiting(terminal) as waiting:
        assert waiting.stderr is not None
        assert waiting.stderr.readline() == "No API key: waiting for the scheduled poller.\n"
        waiting.send_signal(signal.SIGINT)
        out, err = waiting.communicate()
    assert Ended(waiting.returncode, out, err).code == Exit.STOPPED
    assert err.splitlines()[-1].startswith("titan-console: Stopped.")
    assert "Traceback" not in err


def _waiting(terminal: Terminal) -> "subprocess.Popen[str]":
    settings = Settings(home=terminal.home, base_url=terminal.base_url)
    return subprocess.Popen(
        [sys.executable, "-m", "titan_console", "wait", "feed"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=child_environment(settings),
    )


def test_a_person_sees_how_many_have_ended(slow: Shell) -> None:
    pty = pytest.importorskip("pty", reason="needs a pseudo-terminal")
    terminal, _ = slow
    _submit(terminal)
    ours, theirs = pty.openpty()
    settings = Settings(home=terminal.home, base_url=terminal.base_url, api_key="sk-ant-test")
    done = subprocess.run(
        [sys.executable, "-m", "titan_console", "wait", "feed", "--timeout", "0"],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=child_environment(settings) | {"TERM": "xterm-256color", "COLUMNS": "100"},
        check=False,
    )
    os.close(theirs)
    seen = pseudo_terminal.read_all(ours)
    os.close(ours)
    assert done.returncode == Exit.RUNNING
    assert b"ended" in seen
    assert b"0/3" in seen


@pytest.mark.parametrize("command", ["due", "written"])
def test_an_answer_that_is_asked_again_has_not_ended(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """A poll that is killed after it collected the answer, or after it wrote the command."""
    bench.faults.add("row:wrong-output")
    bench.submit(1, output={"type": "object", "properties": {}}, reask=1)
    with monkeypatch.context() as killed:
        if command == "due":
            killed.setattr(follow_ups, "follow_up", _nothing)
        killed.setattr(executor, "run_due", _nothing)
        bench.poll_after(60)
    context = bench.engine.context
    found = request_statuses.of_name(bench.folder, "daily-feed", context.clock.now())
    assert found.by_status == {RequestStatus.SUCCEEDED: 1}
    assert (found.follow_ups, found.unfinished, found.failed) == (1, 1, 0)
    assert not found.is_finished
    assert bench.engine.has_follow_ups("daily-feed")
    for _ in range(3):
        bench.poll_after(60)
    found = request_statuses.of_name(bench.folder, "daily-feed", context.clock.now())
    assert (found.follow_ups, found.is_settled) == (0, True)


def _nothing(*_: object) -> list[str]:
    return []


def test_the_engine_and_wait_agree_which_batch_is_asked_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.faults.add("row:wrong-output")
    bench.submit(1, output={"type": "object", "properties": {}}, reask=2)
    bench.poll_after(60)
    with monkeypatch.context() as killed:
        killed.setattr(follow_ups, "follow_up", _nothing)
        for _ in range(2):
            bench.poll_after(3600)
    context = bench.engine.context
    rows = context.ledger.rows("SELECT remote_id FROM batches ORDER BY id")
    again: list[int] = []
    for (remote_id,) in rows:
        found = request_statuses.of_name(bench.folder, remote_id, context.clock.now())
        assert bench.engine.has_follow_ups(remote_id) == bool(found.follow_ups)
        again.append(found.follow_ups)
    assert again == [0, 1]
