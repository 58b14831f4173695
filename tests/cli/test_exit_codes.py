"""The exit codes of the README, one by one, and what leads to each."""

import json
import re
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from support.builders import Bench, some_requests
from support.ledgers.broken_ledger import corrupt, too_new
from support.processes.terminal import Ended, Terminal, a_server

from core.batches.unresolved.stuck_reason import ABSENT
from core.clock import SystemClock
from core.poll.poll_run import POLL_LEASE
from state.batches import leases
from state.db import access_lock, liveness_lock
from state.db.ledger import Ledger
from state.files.folder import Folder
from state.operations import commands
from state.operations.commands import Action, NewCommand
from state.queries import ledger_status
from titan_console.cli.exit_codes import Exit, exit_code_after_command, exit_code_after_poll
from titan_console.cli.main import main
from titan_console.sandbox.api import Sandbox
from titan_console.sandbox.model.timing import Plan

Shell = tuple[Terminal, Sandbox]


@contextmanager
def queued_in(home: Path, plan: Plan | None = None) -> Generator[Shell, None, None]:
    """Four requests that could not be sent, and a sandbox that would take them."""
    _submit(Terminal(home))
    with a_server(plan) as (sandbox, address):
        yield Terminal(home, address), sandbox


@pytest.fixture
def queued(tmp_path: Path) -> Generator[Shell, None, None]:
    with queued_in(tmp_path / "home") as shell:
        yield shell


def _submit(terminal: Terminal, *options: str) -> Ended:
    lines = "".join(json.dumps(request) + "\n" for request in some_requests(4))
    return terminal.run("submit", "-", "--tag", "feed", *options, stdin=lines)


def test_the_readme_has_the_codes_of_the_program() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    table = readme.partition("| exit code |")[2].partition("\n\n")[0]
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)] == list(Exit)


@pytest.mark.parametrize(
    ("fault", "code", "said"),
    [
        ("", Exit.DONE, "4 answered"),
        ("messages:500:nth=2", Exit.ATTENTION, "3 of 4 answered"),
        ("messages:500", Exit.ATTENTION, "0 of 4 answered"),
        ("messages:credit", Exit.ATTENTION, "Your credit balance is too low"),
        ("messages:402", Exit.ATTENTION, "The API returned 402"),
    ],
)
def test_a_sync_succeeds_only_if_all_is_answered(
    queued: Shell, fault: str, code: Exit, said: str
) -> None:
    terminal, sandbox = queued
    if fault:
        sandbox.faults.add(fault)
    done = terminal.run("sync", "feed", "--yes")
    assert (done.code, said in done.err) == (code, True), done.err
    assert len(set(done.err.splitlines())) == len(done.err.splitlines())
    (command,) = terminal.run("commands", "--json").lines()
    states = {Exit.DONE: "done", Exit.ATTENTION: "failed"}
    assert command["state"] == states[code]


@pytest.mark.parametrize("answered", [0, 39, 40])
def test_a_poll_that_runs_a_command_fails_with_it(bench: Bench, answered: int) -> None:
    bench.faults.add("create:connect")
    bench.submit(40)
    bench.faults.clear()
    bench.faults.add(f"messages:500:times={40 - answered}") if answered < 40 else None
    context = bench.engine.context
    ids = [int(row[0]) for row in context.ledger.rows("SELECT id FROM requests")]
    wanted = NewCommand(
        action=Action.SYNC, items=ids, reason="test", not_before=context.clock.now()
    )
    command, _ = commands.enqueue(context.ledger, wanted)
    polled = bench.poll_after(60)
    part = "" if answered == 40 else f"{answered} of "
    assert any(f": {part}40 answered" in line for line in polled.commands)
    ended = commands.get(context.ledger, command.id)
    expected = Exit.DONE if answered == 40 else Exit.ATTENTION
    assert exit_code_after_poll(polled) == expected
    assert exit_code_after_command(ended, polled.problems) == expected


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("", Exit.DONE),
        ("list:connect", Exit.ATTENTION),
        ("create:529", Exit.ATTENTION),
        ("create:412", Exit.ATTENTION),
        ("results:404", Exit.ATTENTION),
        ("results:missing", Exit.ATTENTION),
        ("row:overloaded:nth=1", Exit.ATTENTION),
        ("list:401", Exit.UNUSABLE),
    ],
)
@pytest.mark.parametrize("as_json", [False, True])
def test_the_code_of_a_poll(queued: Shell, fault: str, code: Exit, *, as_json: bool) -> None:
    terminal, sandbox = queued
    if fault:
        sandbox.faults.add(fault)
    done = [terminal.run("--poll", *["--json"] * as_json) for _ in range(2)]
    assert max(one.code for one in done) == code, done


def test_what_a_poll_did_for_a_command_is_no_problem(queued: Shell) -> None:
    terminal, _ = queued
    now = SystemClock().now
    wanted = NewCommand(
        action=Action.PAUSE, workflows=("feed-classify",), reason="test", not_before=now()
    )
    with Ledger(Folder(terminal.home).ledger, now=now, actor="test") as ledger:
        commands.enqueue(ledger, wanted)
    done = terminal.run("--poll")
    assert len(done.out.splitlines()) == 1
    assert re.fullmatch(r"cmd_\w+ pause: .*paused.*\n", done.err)
    assert done.code == Exit.DONE


@pytest.mark.parametrize("as_json", [False, True])
def test_a_poll_with_a_batch_that_cannot_be_found_fails(tmp_path: Path, *, as_json: bool) -> None:
    with queued_in(tmp_path / "home", Plan.manual()) as (terminal, sandbox):
        assert terminal.run("--poll").code == Exit.DONE
        (batch,) = sandbox.billing_log().batches
        sandbox.vanish(batch.batch_id)
        for _ in range(2):
            done = terminal.run("--poll", *["--json"] * as_json)
            assert (done.code, ABSENT in done.err) == (Exit.ATTENTION, True), done.err


@pytest.mark.parametrize(
    ("text", "code", "effect"),
    [
        ("[budget]\nday_usd = 1\n", Exit.ATTENTION, "All submissions are rejected until"),
        ("[jobs", Exit.ATTENTION, "All submissions are rejected until"),
        (
            *("[jobs.feed]\nworkload = 3\n[alerts]\nx = 1\n", Exit.ATTENTION),
            "Submissions of job 'feed' are rejected until",
        ),
        (
            "[jobs.feed]\nworkload = 3\n[budgets]\nday_usd = -1\n",
            *(Exit.ATTENTION, "All submissions are rejected until"),
        ),
        ("[alerts]\nx = 1\n", Exit.ATTENTION, "The key is ignored until"),
        ("[console]\nx = 1\n", Exit.DONE, None),
    ],
)
def test_a_poll_names_a_mistake_that_stops_submissions(
    bench: Bench, text: str, code: Exit, effect: str | None
) -> None:
    (bench.folder.root / "titan.toml").write_text(text)
    polled = bench.poll_after()
    assert exit_code_after_poll(polled) == code
    named = [effect for line in polled.problems if effect and effect in line]
    assert (named, len(polled.problems)) == (([effect], 1) if effect else ([], 0))


def test_a_poll_that_leaves_the_work_to_another_is_done(queued: Shell) -> None:
    terminal, _ = queued
    folder = Folder(terminal.home)
    with (
        liveness_lock.try_lock(folder.poll_lock),
        Ledger(folder.ledger, now=SystemClock().now, actor="test") as ledger,
    ):
        until = SystemClock().now() + timedelta(minutes=5)
        leases.acquire(ledger, POLL_LEASE, "another", until=until)
        done = terminal.run("--poll", "--json")
    assert (done.code, done.json()["ran"]) == (Exit.DONE, False)


@pytest.mark.parametrize(
    ("options", "fault", "code"),
    [
        ((), "", Exit.DONE),
        ((), "create:429", Exit.ATTENTION),
        ((), "create:credit", Exit.ATTENTION),
        (("--on-failure", "sync"), "create:429", Exit.DONE),
        (("--dry-run",), "create:connect", Exit.DONE),
        (("--deadline", "soon"), "", Exit.USAGE),
    ],
)
def test_the_code_of_a_submit(
    tmp_path: Path, options: tuple[str, ...], fault: str, code: Exit
) -> None:
    with a_server(Plan.instant(), *filter(None, [fault])) as (_, address):
        done = _submit(Terminal(tmp_path / "home", address), *options)
    assert done.code == code, done.err


def test_a_submission_whose_synchronous_run_fails_needs_attention(tmp_path: Path) -> None:
    with a_server(Plan.instant(), "create:429", "messages:500:nth=1") as (_, address):
        done = _submit(Terminal(tmp_path / "home", address), "--on-failure", "sync")
    assert done.code == Exit.ATTENTION, done.err


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (("status",), Exit.DONE),
        (("show", "feed"), Exit.DONE),
        (("errors",), Exit.DONE),
        (("events",), Exit.DONE),
        (("commands",), Exit.DONE),
        (("export", "feed"), Exit.DONE),
        (("export",), Exit.USAGE),
        (("savings",), Exit.DONE),
        (("digest",), Exit.DONE),
        (("doctor",), Exit.DONE),
        (("results", "feed"), Exit.ATTENTION),
        (("cancel", "feed", "--dry-run"), Exit.DONE),
        (("cancel", "feed"), Exit.USAGE),
        (("replay", "feed", "--yes"), Exit.USAGE),
        (("results", "nothing"), Exit.USAGE),
        (("show", "nothing"), Exit.USAGE),
        (("withdraw", "nothing"), Exit.USAGE),
        (("status", "--bogus"), Exit.USAGE),
    ],
)
def test_the_codes_of_the_other_commands(queued: Shell, line: tuple[str, ...], code: Exit) -> None:
    done = queued[0].run(*line)
    assert done.code == code, done


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (("--poll",), Exit.UNUSABLE),
        (("status",), Exit.UNUSABLE),
        (("sync", "feed", "--yes"), Exit.UNUSABLE),
        (("doctor",), Exit.ATTENTION),
    ],
)
def test_the_codes_with_a_damaged_ledger(tmp_path: Path, line: tuple[str, ...], code: Exit) -> None:
    corrupt(tmp_path / "home")
    assert Terminal(tmp_path / "home").run(*line).code == code


def test_an_attempt_that_was_not_sent_is_no_batch(bench: Bench) -> None:
    bench.faults.add("create:connect")
    bench.submit(4)
    assert _counted(bench) == (0, 4)
    bench.poll_after(60)
    assert _counted(bench) == (0, 4)
    bench.faults.clear()
    bench.poll_after(60)
    assert _counted(bench) == (1, 4)


def _counted(bench: Bench) -> tuple[int, int]:
    totals = ledger_status.totals(bench.engine.context.ledger)
    return totals.batches, totals.requests


def test_neither_does_status_count_it(tmp_path: Path) -> None:
    with a_server(Plan.instant(), "create:429") as (_, address):
        terminal = Terminal(tmp_path / "home", address)
        assert _submit(terminal, "--json").json()["batches"] == 0
        assert terminal.run("status", "--json").json()["totals"]["batches"] == 0
        assert re.search(r"^batches +0\b", terminal.run("status").out, re.MULTILINE)


@contextmanager
def _in_use(home: Path) -> Generator[None, None, None]:
    corrupt(home)
    with closing(access_lock.share(home / "titan.db")):
        yield


@contextmanager
def _broken(home: Path, breaks: Callable[[Path], None]) -> Generator[None, None, None]:
    breaks(home)
    yield


@pytest.mark.parametrize(
    ("broken", "options", "code", "error"),
    [
        (partial(_broken, breaks=lambda _: None), "--yes", Exit.USAGE, "invalid_input"),
        (partial(_broken, breaks=too_new), "--yes", Exit.UNUSABLE, "ledger_too_new"),
        (_in_use, "--yes", Exit.UNUSABLE, "ledger_in_use"),
        (partial(_broken, breaks=corrupt), "", Exit.ATTENTION, ""),
        (partial(_broken, breaks=corrupt), "--yes", Exit.DONE, ""),
    ],
    ids=["sound", "too new", "in use", "preview", "damaged"],
)
def test_rebuild_is_refused_with_the_code_of_the_reason(
    queued: Shell,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    broken: Callable[[Path], AbstractContextManager[None]],
    options: str,
    code: Exit,
    error: str,
) -> None:
    terminal, _ = queued
    assert terminal.run("--poll").code == Exit.DONE
    monkeypatch.setattr(access_lock, "EXCLUSIVE_WAIT_S", 0.0)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-test")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", terminal.base_url)
    with broken(terminal.home), pytest.raises(SystemExit) as ended:
        main(["rebuild", "--json", *options.split()])
    assert ended.value.code == code
    if error:
        assert json.loads(capsys.readouterr().err)["error"]["code"] == error
