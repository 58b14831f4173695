"""Runs every command with --json over ledgers that hold something of everything."""

import json
import shutil
import subprocess
import sys
from collections import defaultdict
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from msgspec import structs, to_builtins
from support.api.verify_run import VerifyRun
from support.builders import a_request, some_requests
from support.console.console_builders import Failure, LedgerBuilder
from support.made_home import a_home
from support.processes.terminal import a_server

from core.clock import ManualClock, SystemClock
from core.config import titan_file
from core.maintenance.ledger_copy import CopyRun, move
from core.poll.poll_run import POLL_LEASE
from core.recovery.accept_loss import LossSummary
from state.batches import leases, orphans
from state.batches.orphans import OrphanVerdict
from state.batches.sending import RemoteState
from state.db import liveness_lock
from state.db.copies.sqlite import SqliteSource, SqliteTarget
from state.files.folder import Folder
from state.model.records import BatchStatus, Counts, Outcome
from state.model.timestamps import to_text
from state.model.usage import UNKNOWN, Iteration, Usage
from state.operations import alerts, commands, hook_runs, pauses
from state.operations.commands import Action, NewCommand
from state.operations.hook_runs import RunState
from titan_console.cli import demo_summary
from titan_console.cli.commands import ledger
from titan_console.cli.main import cli
from titan_console.sandbox.api import Sandbox
from titan_console.sandbox.model.timing import Plan
from titan_console.verify_api.session import StillRunningError

Outputs = dict[str, list[Any]]
_FEED = "titan-daily-feed"
_HEADER = (
    "usage_date_utc,model_version,usage_type,usage_input_tokens_no_cache,"
    "usage_input_tokens_cache_write_5m,usage_input_tokens_cache_write_1h,"
    "usage_input_tokens_cache_read,usage_output_tokens,inference_geo,web_search_count\n"
)


class Recorder:
    """Runs commands in one home, and keeps each JSON object under the command's section."""

    def __init__(self, home: Path, outputs: Outputs, address: str) -> None:
        self.home = home
        self._outputs = outputs
        self._environment = {
            "TITAN_HOME": str(home),
            "ANTHROPIC_BASE_URL": address,
            "ANTHROPIC_API_KEY": "sk-ant-test",
        }

    def run(
        self, section: str, *arguments: str, stdin: str = "", flag: str = "--json"
    ) -> list[Any]:
        """Run `titan-console ARGUMENTS --json`; the objects on its stdout."""
        given = [*arguments, *([flag] if flag else [])]
        done = CliRunner().invoke(cli, given, input=stdin, env=self._environment)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        found = [json.loads(line) for line in done.stdout.splitlines()]
        assert found, f"{arguments} printed nothing: {done.stderr}"
        self.keep(section, *found)
        return found

    def keep(self, section: str, *found: object) -> None:
        """Keep these objects under a section."""
        self._outputs[section] += found

    def elsewhere(self, home: Path) -> "Recorder":
        """The same for another home."""
        return Recorder(home, self._outputs, self._environment["ANTHROPIC_BASE_URL"])


def outputs(home: Path) -> Outputs:
    """Every JSON object of every command, by section of docs/json.md."""
    found: Outputs = defaultdict(list)
    with a_server(Plan.instant()) as (sandbox, address):
        _read(Recorder(home / "made", found, address), home)
        _work(Recorder(home / "real", found, address), sandbox, home)
    with a_server(Plan.instant()) as (sandbox, address):
        _run_a_table(Recorder(home / "tables", found, address), sandbox, home)
    found["sandbox"].append(a_sandbox())
    _verify(Recorder(home / "verify", found, "http://127.0.0.1:9"), home / "run.jsonl")
    return dict(found)


def _verify(made: Recorder, path: Path) -> None:
    run = VerifyRun(path)
    with suppress(StillRunningError):
        run.script(wait=timedelta(minutes=6)).finish()
    made.run("verify-api", "verify-api", "--report", str(path))
    made.run("verify-api --dry-run", "verify-api", "--dry-run")


def _read(made: Recorder, files: Path) -> None:
    """The commands that only read."""
    builder = _a_rich_ledger(made.home)
    builder.close()
    made.run("status", "status")
    made.run("alerts", "alerts")
    made.run("show ID", "show", "open")
    made.run("show CUSTOM_ID", "show", "unpriced-000")
    made.run("savings --explain", "savings", "--explain", "feed-4-001")
    made.run("errors", "errors")
    made.run("errors --groups", "errors", "--groups")
    made.run("events", "events", "--limit", "9999")
    made.run("digest", "digest", "--since", "30d")
    home = a_home(files / "fleet", SystemClock().now()).root
    made.run("scan", "scan", str(home), "--diff", "--write", "--yes")
    made.run("kpis", "kpis")
    made.run("kpis", "kpis", "--by-workflow", "--by-day", "--days", "3")
    made.run("forecast", "forecast", "--cache-share", "0.5", "--cache-hits", "0.9")
    made.run("forecast --model", "forecast", "--model", "claude-haiku-4-5")
    design_audit = ("--job", "titan-design-audit-quarterly")
    made.run("forecast --model", "forecast", "--model", "claude-haiku-4-5", *design_audit)
    made.run("jobs", "jobs")
    made.run("orphans", "orphans")
    made.run("keys", "keys")
    made.run("doctor", "doctor")
    made.run("schedule", "schedule", "systemd")
    made.run("schedule", "schedule", "skill")
    made.run("skill", "skill")
    made.run("schedule --install", "schedule", "--install", "skill", "--dry-run")
    for by in ("workflow", "model", "day", "tag", "batch"):
        made.run("savings", "savings", "--by", by)
    made.run("savings --cache", "savings", "--cache")
    made.run("savings --month", "savings", "--month")
    made.run("savings --recompute", "savings", "--recompute")
    made.run("savings --check-log", "savings", "--check-log")
    usage = files / "usage.csv"
    two_days_ago = (SystemClock().now() - timedelta(days=2)).date()
    rows = "".join(
        f"{two_days_ago},{m},batch,1,0,0,0,1,us,2\n" for m in ("claude-haiku-4-5", "m-9")
    )
    usage.write_text(_HEADER + rows)
    made.run("savings --check", "savings", "--check", str(usage))
    made.run("export", "export", "--all", flag="")
    _after_a_failed_poll(made.elsewhere(files / "failed"))
    # The report of the demo without its jobs: the same function, on this ledger.
    made.keep("demo", to_builtins(demo_summary.report(made.home)))
    with liveness_lock.try_lock(Folder(made.home).poll_lock):
        made.run("poll", "poll")


def _after_a_failed_poll(made: Recorder) -> None:
    builder = LedgerBuilder(made.home, ManualClock(SystemClock().now()))
    poll_id = leases.begin_poll(builder.ledger)
    leases.end_poll(builder.ledger, poll_id, {}, "The API rejected the key.")
    builder.submit("queued")
    builder.release(builder.submit("not-sent"))
    items = [
        int(row[0])
        for row in builder.ledger.rows("SELECT id FROM requests WHERE status = 'queued'")
    ]
    sync = NewCommand(
        action=Action.SYNC, items=items[:1], reason="", not_before=SystemClock().now()
    )
    command, _ = commands.enqueue(builder.ledger, sync)
    lost = builder.lose_the_answer(builder.submit("lost"))
    cancel = NewCommand(
        action=Action.CANCEL, items=[lost.id], reason="", not_before=SystemClock().now()
    )
    for one in (command, commands.enqueue(builder.ledger, cancel)[0]):
        commands.claim(builder.ledger, one)
    commands.record_wait(builder.ledger, command, "429: too many requests")
    builder.close()
    made.run("status", "status")
    made.run("commands", "commands")


def _run_a_table(real: Recorder, sandbox: Sandbox, files: Path) -> None:
    """`run` while its rows are new, queued, answered and failed."""
    data, prompt = files / "table.csv", files / "prompt.txt"
    data.write_text("x\n1\n2\n1\n")
    prompt.write_text("Is {x} even?")
    given = ("run", str(data), "--prompt", str(prompt), "--model", "claude-hiaku-4-5")
    real.run("run --dry-run", *given, "--dry-run")
    sandbox.faults.add("create:connect")
    real.run("run", *given, "--yes")
    sandbox.faults.clear()
    sandbox.faults.add("row:overloaded:p=1")
    real.run("run --dry-run", *given, "--dry-run")
    real.run("run", *given, "--yes", "--tag", "failed")
    sandbox.faults.clear()
    real.run("run", *given, "--yes", "--tag", "answered", "--force")
    for tag in ("failed", "answered"):
        real.run("run --dry-run", *given, "--dry-run", "--force", "--tag", tag)


def _prime(real: Recorder) -> None:
    """The commands on requests that are primed."""
    prefix = {"system": "A rule that every request repeats. " * 300}
    alike = "".join(json.dumps({**request, **prefix}) + "\n" for request in some_requests(3))
    primed = ("--cache", "prime", "--model", "claude-sonnet-4-6")
    real.run("submit --dry-run", "submit", "-", "--tag", "t", *primed, "--dry-run", stdin=alike)
    real.run("submit", "submit", "-", "--tag", "primed", *primed, stdin=alike)
    real.run("replay --dry-run", "sync", "primed", "--dry-run")


def _work(real: Recorder, sandbox: Sandbox, files: Path) -> None:
    """The commands that send, and those that show bodies and answers."""
    sandbox.add_foreign(["foreign-2026-11-20-1", "foreign-2026-11-20-2"])
    sandbox.faults.add("row:overloaded:id=*-00002*")
    sandbox.faults.add("row:max-tokens:id=*-00003*")
    lines = "".join(json.dumps(request) + "\n" for request in some_requests(4))
    real.home.mkdir()
    titan_file.begin(Folder(real.home))
    titan_file.unset_key(Folder(real.home), "nightly-prompt-eval", "deadline_h")
    for job, key, value in (
        ("nightly-report-writer", "model", "claude-sonnet-4-5"),
        ("nightly-pmf-d7", "unbounded_request_usd", "0.5"),
    ):
        titan_file.set_key(Folder(real.home), job, key, value)
    titan_file.set_key(Folder(real.home), "nightly-prompt-eval", "deadline_at", "06:00")
    deadline = ("--deadline", to_text(SystemClock().now() + timedelta(hours=26)))
    odd = json.dumps(a_request("odd-1", model="unknown-model")) + "\n"
    real.run("submit --dry-run", "submit", "-", "--tag", "t", "--dry-run", stdin=lines + odd)
    _prime(real)
    given = ("--job", _FEED, "--workflow", _FEED, *deadline)
    real.run("submit --dry-run", "submit", "-", "--tag", "t", *given, "--dry-run", stdin=lines)
    sandbox.faults.add("create:connect:times=1")
    real.run("submit", "submit", "-", "--tag", "unsent", stdin=json.dumps(a_request("u-1")))
    (sent,) = real.run("submit", "submit", "-", "--tag", "feed", *given, stdin=lines)
    real.run("submit --dry-run", "submit", "-", "--tag", "feed", *given, "--dry-run", stdin=lines)
    real.run("poll", "poll")
    real.run("submit --dry-run", "submit", "-", "--tag", "t", *given, "--dry-run", stdin=lines)
    real.run("show ID", "show", "feed")
    real.run("jobs", "jobs")
    real.run("results", "results", "feed")
    _wait(real, sandbox)
    _answer_wrongly(real, sandbox, files)
    real.run("savings --explain", "savings", "--explain", sent["batch_id"])
    real.run("export", "export", "--all", flag="")
    real.run("errors", "errors")
    real.run("replay --dry-run", "replay", "feed", "--dry-run")
    sandbox.faults.clear()
    real.run("replay", "replay", "feed", "--yes", "--set", "max_tokens=99", "--reason", "cut")
    _pause_and_hold(real, sandbox)
    real.run("commands", "commands")
    real.run("poll", "--poll")
    _titan_toml(real, Folder(real.home).root / "titan.toml")
    real.run("show CUSTOM_ID", "show", "feed-classify-2026-11-22-00002")
    (orphan,) = real.run("orphans", "orphans")
    real.run("adopt", "adopt", orphan["remote_id"], "--tag", "old")
    real.run("prune", "prune", "--dry-run", "--older-than", "30d")
    shutil.copytree(real.home, files / "rebuilt")
    (files / "rebuilt" / "titan.db").write_bytes(b"not a database")
    _move(real, files)
    (backup,) = real.run("restore", "restore")
    restored = real.elsewhere(files / "rebuilt")
    restored.run("restore BACKUP", "restore", backup["backup"], "--yes")
    restored.run("status", "status")
    (files / "rebuilt" / "titan.db").write_bytes(b"not a database")
    restored.run("rebuild", "rebuild", "--yes")


def _move(real: Recorder, files: Path) -> None:
    """Between two files, which the command refuses: its output is the same."""
    shutil.copytree(real.home, files / "moved")
    source = SqliteSource(files / "moved" / "titan.db")
    target = SqliteTarget(files / "target" / "titan.db")
    done = move(source, target, CopyRun(now=SystemClock().now, who="cli@host:1"))
    real.keep("ledger copy", ledger.report(done))
    real.keep("ledger accept-loss", to_builtins(LossSummary(batches=1, commands=0)))


def _wait(real: Recorder, sandbox: Sandbox) -> None:
    real.run("wait", "wait", "feed", "--timeout", "0")
    sandbox.faults.add("list:429")
    real.run("wait", "wait", "unsent", "--timeout", "0")
    sandbox.faults.clear()


def _answer_wrongly(real: Recorder, sandbox: Sandbox, files: Path) -> None:
    """An answer that does not match its schema."""
    (files / "schema.json").write_text('{"type": "object", "properties": {}}', "utf-8")
    sandbox.faults.add("row:wrong-output")
    given = ("--tag", "wrong", "--schema", str(files / "schema.json"))
    real.run("submit", "submit", "-", *given, stdin=json.dumps(a_request("w-1")))
    sandbox.faults.clear()
    real.run("poll", "poll")
    real.run("results", "results", "wrong")
    real.run("show CUSTOM_ID", "show", "w-1")


_RICH_USAGE = Usage(
    input_tokens=9,
    cache_write_1h_tokens=100,
    cache_read_tokens=900,
    web_searches=2,
    inference_geo="us",
    service_tier="batch",
    speed="standard",
    iterations=(Iteration(type="advisor_message", model="claude-opus-5-5", input_tokens=3),),
)


def _titan_toml(real: Recorder, path: Path) -> None:
    real.run("jobs check", "jobs", "check")
    path.write_text('[jobs.feed]\nworkload = "digest"\nmodel = "claude-nosuch-1"\nx = 1\n', "utf-8")
    real.run("jobs check", "jobs", "check")
    path.write_text("[jobs", "utf-8")
    real.run("jobs check", "jobs", "check")
    real.run("poll", "--poll")
    path.unlink()


def _pause_and_hold(real: Recorder, sandbox: Sandbox) -> None:
    real.run("replay --dry-run", "pause", _FEED, "--dry-run")
    real.run("replay", "pause", _FEED, "--yes", "--delay", "600")
    sandbox.faults.add("create:credit:times=1")
    real.run("submit", "submit", "-", "--tag", "held", stdin=json.dumps(a_request("h-1")))
    real.run("resume --holds", "resume", "--holds", "--yes")


def _a_rich_ledger(home: Path) -> LedgerBuilder:
    now = SystemClock().now()
    made = LedgerBuilder(home, ManualClock(now - timedelta(days=26)))

    def at(**before: float) -> None:
        made.clock.advance((now - timedelta(**before) - made.clock.now()).total_seconds())

    made.end(made.accept(made.submit("leaving")))
    for day in range(9, 2, -1):
        at(days=day)
        batch = made.accept(made.submit(f"feed-{day}", 3, workflow=_FEED))
        at(days=day, hours=-2)
        made.collect(batch, [Failure()], usage=_RICH_USAGE)
    at(days=2)
    unknown = structs.replace(_RICH_USAGE, unknown=f"{UNKNOWN}unknown field audio_tokens")
    made.collected("unpriced", 2, cost_nano=None, usage=unknown)
    expired = Failure("expired", "the batch ended first", Outcome.EXPIRED)
    made.collected("expired", 2, [expired], workflow="translate")
    made.collect(made.accept(made.submit("cut")), stop_reason="max_tokens")
    at(hours=1)
    due = timedelta(hours=4, minutes=30)
    slow = made.accept(made.submit("open", due_in=due, workflow=_FEED))
    made.look_failed(slow, "529 overloaded_error")
    made.accept(made.submit("late", due_in=timedelta(hours=3), workflow=_FEED))
    at(hours=0)
    _operations(made)
    folder = Folder(home)
    titan_file.begin(folder)
    titan_file.set_key(folder, _FEED, "on_delivery", '["true"]')
    titan_file.set_key(folder, _FEED, "betas", '["output-300k-2026-03-24"]')
    titan_file.set_key(folder, _FEED, "max_tokens", "100")
    folder.cost_mirror.write_text('{"tag": "somewhere else"}\n', "utf-8")
    return made


def _operations(made: LedgerBuilder) -> None:
    ledger, clock = made.ledger, made.clock
    made.poll()
    made.hold("the API's queue is full (429)")
    pauses.pause(ledger, [_FEED], who="ops", reason="the client is away")
    errors = ("errors", "day", "7 requests errored in the last 24 hours (limit 5).")
    alerts.update(ledger, [errors, ("account", "account", "Sending is on hold.")])
    first, second = (alert.id for alert in alerts.raised(ledger))
    alerts.silence(ledger, [first], who="me", until_ts=None)
    alerts.silence(ledger, [second], who="me", until_ts="2099-01-01T00:00:00.000Z")
    until = clock.now() + timedelta(minutes=15)
    leases.acquire(ledger, POLL_LEASE, "poller@elsewhere", until=until)
    for state, workflow in ((RunState.FAILED, "translate"), (RunState.DUE, _FEED)):
        hook_runs.enqueue(ledger, workflow, "2026-05-02", f"{workflow}.jsonl")
        (due,) = [run for run in hook_runs.due(ledger, "9") if run.workflow == workflow]
        begun = hook_runs.start(ledger, due, "false", until_ts=to_text(until))
        assert begun is not None
        hook_runs.end(
            *(ledger, begun, state), not_before_ts=to_text(until), exit_code=1, problem="exit 1"
        )
    for number, verdict in enumerate((OrphanVerdict.CANDIDATE, OrphanVerdict.UNKNOWN)):
        remote = RemoteState(
            remote_id=f"msgbatch_unknown{number}",
            status=BatchStatus.IN_PROGRESS,
            counts=Counts(processing=5),
            created_ts=to_text(clock.now()),
            expires_ts=to_text(clock.now()),
        )
        orphans.record_orphan(ledger, remote, verdict)


def a_sandbox() -> Any:
    """What `titan-console sandbox` says of itself at its start."""
    command = [sys.executable, "-m", "titan_console", "sandbox", "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as running:
        assert running.stdout is not None
        line = running.stdout.readline()
        running.terminate()
    return json.loads(line)
