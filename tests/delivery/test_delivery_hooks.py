"""The command that follows a delivery: once for each, tried again when it fails, seen when lost."""

import json
import sys
from collections.abc import Generator
from datetime import timedelta
from pathlib import Path
from shutil import rmtree
from typing import Any

import pytest
from support.builders import START, Bench, a_bench, some_requests
from support.processes.terminal import Terminal, a_server

from core.delivery.delivery_hooks import MOST_TRIES, next_try
from core.intake.options import SubmitOptions
from state.db import liveness_lock
from state.model.timestamps import to_text
from state.operations import hook_runs
from state.operations.hook_runs import RunState
from state.queries import batch_list

FILE = "feed-classify-results-2026-11-22.jsonl"
_JOB = """\
[workloads.tier-1]
title = "tier 1"

[jobs.daily-feed]
workload = "tier-1"
schedule = "daily"
on_delivery = {command}
on_delivery_timeout_s = {timeout}
"""
# Writes down what it got; does what the file beside it says.
_PROGRAM = """\
import os, pathlib, sys
log = pathlib.Path(sys.argv[1])
with log.open("a") as file:
    file.write(f"{len(pathlib.Path(sys.argv[2]).read_text().splitlines())}"
               f" {os.environ['TITAN_HOME']}\\n")
how = log.with_suffix(".how")
exec(how.read_text() if how.exists() else "")
"""


class SandboxClient:
    """A bench whose job has a command, and that command's log."""

    def __init__(self, bench: Bench, root: Path) -> None:
        self.bench = bench
        self.log = root / "a log; echo $HOME.txt"
        self.program = root / "program.py"
        self.program.write_text(_PROGRAM)
        self.command = [sys.executable, str(self.program), str(self.log), "{file}"]
        self.configure(self.command)

    def configure(self, command: object, timeout: int = 300) -> None:
        """Write titan.toml with this command."""
        self.bench.folder.root.mkdir(parents=True, exist_ok=True)
        (self.bench.folder.root / "titan.toml").write_text(
            _JOB.format(command=json.dumps(command), timeout=timeout)
        )

    def behaves(self, code: str) -> None:
        """What the program does from now on."""
        self.log.with_suffix(".how").write_text(code)

    def runs(self) -> list[str]:
        """A line for each time it ran."""
        return self.log.read_text().splitlines() if self.log.exists() else []

    def state(self) -> tuple[str, int]:
        """Where the command stands, and how often it was tried."""
        row = self.bench.engine.context.ledger.rows("SELECT state, tries FROM hook_runs")[0]
        return row["state"], row["tries"]

    def events(self) -> list[str]:
        """What the event log says of it."""
        return [
            row["kind"]
            for row in self.bench.engine.context.ledger.rows(
                "SELECT kind FROM events WHERE kind LIKE 'hook.%' ORDER BY id"
            )
        ]


@pytest.fixture
def desk(tmp_path: Path) -> Generator[SandboxClient, None, None]:
    with a_bench(tmp_path / "titan") as bench:
        yield SandboxClient(bench, tmp_path)


def test_it_runs_once_with_the_file_and_is_on_record(desk: SandboxClient) -> None:
    desk.bench.submit(3)
    desk.bench.poll_after(900)
    for _ in range(3):
        assert desk.bench.poll_after(900).problems == []
    assert desk.runs() == [f"3 {desk.bench.folder.root}"]
    assert desk.state() == ("done", 1)
    assert desk.events() == ["hook.started", "hook.done"]


def test_a_file_that_is_delivered_again_runs_its_hook_again(desk: SandboxClient) -> None:
    desk.bench.submit(2)
    desk.bench.poll_after(900)
    more = some_requests(5)[2:]
    desk.bench.engine.submit(more, SubmitOptions(tag="daily-feed-2026-11-22-b"))
    desk.bench.poll_after(900)
    assert [line.split()[0] for line in desk.runs()] == ["2", "5"]


def test_a_failure_is_reported_retried_later_and_cleared_by_a_success(desk: SandboxClient) -> None:
    desk.behaves("sys.exit('no disk \\x1b[31m sk-ant-api03-secret')")
    desk.bench.submit(1)
    (trouble,) = desk.bench.poll_after(900).problems
    assert "1 of 5 (exit code 1: no disk" in trouble
    assert "\x1b" not in trouble
    assert "secret" not in trouble
    assert desk.bench.poll_after(60).problems == []
    assert len(desk.runs()) == 1
    (row,) = hook_runs.failing(desk.bench.engine.context.ledger)
    assert (row.exit_code, row.state) == (1, RunState.DUE)
    desk.behaves("")
    assert desk.bench.poll_after(900).problems == []
    assert (desk.state(), len(desk.runs())) == (("done", 2), 2)
    assert hook_runs.failing(desk.bench.engine.context.ledger) == []


def test_a_hook_fails_after_its_tries_and_starts_again_with_another_command(
    desk: SandboxClient,
) -> None:
    desk.behaves("sys.exit(3)")
    desk.bench.submit(1)
    last = [desk.bench.poll_after(2 * 3600).problems for _ in range(MOST_TRIES + 2)]
    assert "run 5 of 5 (exit code 3); see `titan-console doctor`" in last[MOST_TRIES - 1][0]
    assert last[MOST_TRIES:] == [[], []]
    assert desk.state() == ("failed", MOST_TRIES)
    assert len(desk.runs()) == MOST_TRIES
    desk.behaves("")
    desk.configure([*desk.command, "--put-right"])
    assert desk.bench.poll_after(60).problems == []
    assert desk.state() == ("done", 1)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        pytest.param(
            ["/nowhere/program"], "cannot start /nowhere/program: No such file", id="no program"
        ),
        pytest.param(
            [sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"], "signal 9", id="a signal"
        ),
    ],
)
def test_what_does_not_run_is_a_failure(desk: SandboxClient, command: list[str], said: str) -> None:
    desk.configure(command)
    desk.bench.submit(1)
    (trouble,) = desk.bench.poll_after(900).problems
    assert said in trouble


def test_one_that_does_not_end_is_stopped_with_its_children(desk: SandboxClient) -> None:
    desk.configure(desk.command, timeout=1)
    desk.behaves(
        "import subprocess\nsubprocess.run([sys.executable, '-c', 'import signal; signal.pause()'])"
    )
    desk.bench.submit(1)
    (trouble,) = desk.bench.poll_after(900).problems
    assert "killed after 1 s" in trouble


def test_a_success_that_a_killed_poll_did_not_record_is_taken_over(desk: SandboxClient) -> None:
    _die_after_hook(desk)
    assert desk.bench.poll_after(60).problems == []
    assert (desk.state(), len(desk.runs())) == (("done", 1), 1)
    assert desk.events() == ["hook.started", "hook.known"]


def test_a_failure_that_a_killed_poll_did_not_record_is_repeated(desk: SandboxClient) -> None:
    desk.behaves("sys.exit(3)")
    _die_after_hook(desk)
    desk.behaves("")
    assert desk.bench.poll_after(60).problems == []
    assert (desk.state(), len(desk.runs())) == (("done", 2), 2)
    assert desk.events() == ["hook.started", "hook.interrupted", "hook.started", "hook.done"]


def _die_after_hook(desk: SandboxClient) -> None:
    class Killed(BaseException):
        pass

    def die(point: str) -> None:
        if point == "hook:ran":
            raise Killed

    desk.bench.submit(1)
    desk.bench.engine.context.ledger.crash_point = die
    with pytest.raises(Killed):
        desk.bench.poll_after(900)
    assert desk.state() == ("running", 1)
    desk.bench.engine = desk.bench.new_engine("healer")


def test_a_hook_that_runs_is_not_run_until_it_ends_and_named_only_past_its_limit(
    desk: SandboxClient,
) -> None:
    desk.behaves("sys.exit(3)")
    _die_after_hook(desk)
    with liveness_lock.try_lock(desk.bench.folder.hook_lock("feed-classify")):
        assert desk.bench.poll_after(60).problems == []
        (problem,) = desk.bench.poll_after(900).problems
    assert "runs longer than its limit" in problem
    assert len(desk.runs()) == 1


def test_where_there_can_be_no_lock_the_limit_of_the_hook_decides(desk: SandboxClient) -> None:
    desk.behaves("sys.exit(3)")
    _die_after_hook(desk)
    locks = desk.bench.folder.hook_lock("feed-classify").parent
    rmtree(locks)
    locks.touch()
    assert desk.bench.poll_after(60).problems == []
    assert len(desk.runs()) == 1
    desk.bench.poll_after(900)
    assert len(desk.runs()) == 2


def test_a_job_without_a_command_needs_nothing(tmp_path: Path) -> None:
    with a_bench(tmp_path / "titan") as bench:
        bench.submit(1)
        assert bench.poll_after(900).problems == []
        (row,) = bench.engine.context.ledger.rows("SELECT state FROM hook_runs")
        assert row["state"] == "none"


def test_an_invalid_titan_toml_loses_no_command(desk: SandboxClient) -> None:
    good = (desk.bench.folder.root / "titan.toml").read_text()
    desk.bench.submit(1)
    (desk.bench.folder.root / "titan.toml").write_text("[jobs")
    waits, stops = desk.bench.poll_after(900).problems
    assert "waits for a valid titan.toml" in waits
    assert "All submissions are rejected" in stops
    (desk.bench.folder.root / "titan.toml").write_text(good)
    desk.bench.poll_after(900)
    assert len(desk.runs()) == 1


def test_the_waits_double() -> None:
    waits = [next_try(START, tries) - START for tries in range(1, 5)]
    assert waits == [timedelta(minutes=m) for m in (10, 20, 40, 80)]


def test_status_and_doctor_show_unresolved_batches(desk: SandboxClient) -> None:
    desk.behaves("sys.exit('no mail server')")
    desk.bench.submit(1)
    for _ in range(MOST_TRIES):
        desk.bench.poll_after(2 * 3600)
    terminal = Terminal(desk.bench.folder.root)
    status = terminal.run("status")
    assert FILE in status.out
    assert "failed 5 times, no more retries: exit code 1: no mail server" in status.out
    report = terminal.run("status", "--json").json()
    (shown,) = report["on_delivery"]
    assert report["on_settled"] == report["on_delivery"]
    assert (shown["file"], shown["state"], shown["tries"]) == (FILE, "failed", 5)
    doctor = terminal.run("doctor")
    assert doctor.code == 1
    assert "failed 5 times, no more retries" in doctor.out


def test_a_job_that_polls_leaves_the_command_to_the_poller(tmp_path: Path) -> None:
    with a_server() as (_, address), a_bench(tmp_path / "titan") as bench:
        desk = SandboxClient(bench, tmp_path)
        terminal = Terminal(bench.folder.root, address)
        asked: list[dict[str, Any]] = some_requests(2)
        job = (
            "import titan_batch as t;"
            f"print(len(t.poll_and_collect(t.submit({asked!r}, tag='daily-feed'))))"
        )
        assert terminal.python("-c", job).out == "2\n"
        assert desk.runs() == []
        assert terminal.run("--poll").code == 0
        assert len(desk.runs()) == 1


def test_a_delivery_and_its_command_are_noted_together(desk: SandboxClient) -> None:
    desk.bench.submit(1)
    desk.bench.poll_after(900)
    ledger = desk.bench.engine.context.ledger
    (submission,) = batch_list.submissions_of(ledger, "daily-feed")
    assert submission.delivered_ts is not None
    (row,) = ledger.rows("SELECT started_ts FROM hook_runs")
    assert submission.delivered_ts <= row["started_ts"] <= to_text(desk.bench.clock.now())


def test_the_poll_keeps_its_lease_through_slow_commands(desk: SandboxClient) -> None:
    desk.bench.submit(1)
    desk.bench.engine.submit(
        some_requests(1, "other"), SubmitOptions(tag="daily-feed-2026-11-22-b")
    )
    rival = desk.bench.new_engine("rival")
    rivals: list[bool] = []

    def ten_minutes(point: str) -> None:
        if point == "hook:ran":
            desk.bench.clock.advance(600)
            rivals.append(rival.poll().ran)

    desk.bench.engine.context.ledger.crash_point = ten_minutes
    desk.bench.poll_after(900)
    assert rivals == [False, False]
    assert len(desk.runs()) == 2
