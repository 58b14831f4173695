"""Delivery hooks: the command that runs after a file was delivered."""

from enum import StrEnum

from msgspec import Struct

from state.db.dialect import is_same
from state.db.ledger import Ledger, Transaction
from state.db.reader import Source


class RunState(StrEnum):
    """State of the command of a delivered file."""

    #: To be started, or started again.
    DUE = "due"
    #: Started.
    RUNNING = "running"
    #: Exit code 0. Final.
    DONE = "done"
    #: Failed too often; not started again.
    FAILED = "failed"
    #: The job has no hook, or another host has taken it over. Final.
    NONE = "none"


class HookRun(Struct, frozen=True, kw_only=True):
    """The command of one delivered file; a new delivery of the file starts it again."""

    #: Workflow of the file.
    workflow: str
    #: Day of the file, `YYYY-MM-DD`.
    work_date: str
    #: Host that delivered it. "": the ledger is not shared, or any host.
    host: str
    #: Name of the delivered file.
    file: str
    #: State of the command.
    state: RunState
    #: How often the command was started.
    tries: int
    #: Command line, as titan.toml gives it. None: not started.
    command: str | None
    #: When to start a due command; when a running one must have ended.
    not_before_ts: str
    #: When the last try started. None: not started.
    started_ts: str | None
    #: Exit code of the last try. None: not ended, or killed.
    exit_code: int | None
    #: Why the last try failed, one line. None: it did not.
    problem: str | None


_COLUMNS = (
    "workflow, work_date, host, file, state, tries, command, not_before_ts, started_ts, exit_code,"
    " problem"
)
# Of this host: each runs the commands of what it delivered.
_OURS = "(host = ? OR host = '' OR ? = '')"


def enqueue(ledger: Ledger, workflow: str, work_date: str, file: str) -> None:
    """Make the command of this file due, inside the transaction of its delivery."""
    ledger.execute(
        "INSERT INTO hook_runs (workflow, work_date, host, file, state, not_before_ts)"
        " VALUES (?, ?, ?, ?, 'due', ?) ON CONFLICT (workflow, work_date, host) DO UPDATE SET"
        " file = excluded.file, state = 'due', tries = 0, not_before_ts = excluded.not_before_ts,"
        " started_ts = NULL, exit_code = NULL, problem = NULL",
        workflow,
        work_date,
        ledger.host,
        file,
        ledger.now_text(),
    )


def due(ledger: Ledger, now_ts: str) -> list[HookRun]:
    """The commands of this host to run now: due, or started by a poll that was killed."""
    return _where(
        ledger,
        f"(state = 'running' OR (state = 'due' AND not_before_ts <= ?)) AND {_OURS}",
        *(now_ts, ledger.host, ledger.host),
    )


def has_unfinished(ledger: Ledger) -> bool:
    """Whether any command of this host is due, running or failed."""
    rows = ledger.rows(
        f"SELECT 1 FROM hook_runs WHERE state NOT IN ('done', 'none') AND {_OURS} LIMIT 1",  # noqa: S608 - our own words
        *(ledger.host, ledger.host),
    )
    return bool(rows)


def failed(ledger: Ledger) -> list[HookRun]:
    """Commands of this host that failed in each of their tries."""
    return _where(ledger, f"state = 'failed' AND {_OURS}", ledger.host, ledger.host)


def of_other_hosts(ledger: Ledger) -> list[HookRun]:
    """The commands of other hosts that are due, running or failed."""
    return _where(
        ledger,
        "state NOT IN ('done', 'none') AND host NOT IN ('', ?) AND ? <> ''",
        *(ledger.host, ledger.host),
    )


def take_over(ledger: Ledger, tx: Transaction, run: HookRun) -> bool:
    """End the command of another host, in the transaction that makes it due on this one.

    False if that host has started or ended it since it was read.
    """
    is_taken = ledger.execute(
        "UPDATE hook_runs SET state = 'none' WHERE workflow = ? AND work_date = ? AND host = ?"
        " AND state = ? AND tries = ? AND not_before_ts = ?",
        *(run.workflow, run.work_date, run.host, run.state, run.tries, run.not_before_ts),
    )
    if is_taken:
        ledger.event(tx, "hook.taken_over", subject=run.file, host=run.host, tries=run.tries)
    return bool(is_taken)


def failing(source: Source) -> list[HookRun]:
    """Commands of any host that failed at least once and have not succeeded since."""
    return _where(source, "state = 'failed' OR (state = 'due' AND tries > 0)")


def skip(ledger: Ledger, run: HookRun) -> None:
    """Record that the job has no command."""
    with ledger.transaction("hook-none"):
        _move(ledger, run, RunState.NONE, run.not_before_ts)


def skip_known(ledger: Ledger, run: HookRun) -> None:
    """Record that the command has succeeded before for exactly this content."""
    with ledger.transaction("hook-known") as tx:
        if _move(ledger, run, RunState.DONE, run.not_before_ts):
            _event(ledger, tx, "hook.known", run)


def start(ledger: Ledger, run: HookRun, command: str, *, until_ts: str) -> HookRun | None:
    """Record a try before it starts; None where another poll has started it."""
    with ledger.transaction("hook-begin") as tx:
        moved = ledger.execute(
            "UPDATE hook_runs SET state = 'running', tries = tries + 1, command = ?,"
            " started_ts = ?, not_before_ts = ? WHERE workflow = ? AND work_date = ? AND host = ?"
            " AND state = ? AND tries = ? AND not_before_ts = ?",
            *(command, tx.at, until_ts, run.workflow, run.work_date, run.host),
            *(run.state, run.tries, run.not_before_ts),
        )
        if not moved:
            return None
        if run.state == RunState.RUNNING:
            _event(ledger, tx, "hook.interrupted", run)
        begun = _where(
            ledger,
            "workflow = ? AND work_date = ? AND host = ?",
            *(run.workflow, run.work_date, run.host),
        )[0]
        _event(ledger, tx, "hook.started", begun)
    return begun


def end(
    ledger: Ledger,
    run: HookRun,
    state: RunState,
    *,
    not_before_ts: str,
    exit_code: int | None = None,
    problem: str | None = None,
) -> None:
    """Record the end of a try. A file that was delivered again meanwhile stays due."""
    with ledger.transaction("hook-end") as tx:
        _move(ledger, run, state, not_before_ts, exit_code, problem)
        kind = "hook.done" if state == RunState.DONE else "hook.failed"
        _event(ledger, tx, kind, run, exit_code, problem)


def retry(ledger: Ledger, run: HookRun) -> None:
    """Make a failed command due again, after its configuration changed."""
    with ledger.transaction("hook-again") as tx:
        if _move(ledger, run, RunState.DUE, tx.at):
            ledger.execute(
                "UPDATE hook_runs SET tries = 0 WHERE workflow = ? AND work_date = ? AND host = ?",
                *(run.workflow, run.work_date, run.host),
            )


def _move(
    ledger: Ledger,
    run: HookRun,
    state: RunState,
    not_before_ts: str,
    exit_code: int | None = None,
    problem: str | None = None,
) -> bool:
    """Update the run only if no other poll has changed it since it was read."""
    return bool(
        ledger.execute(
            "UPDATE hook_runs SET state = ?, not_before_ts = ?, exit_code = ?, problem = ?"  # noqa: S608 - our own words
            " WHERE workflow = ? AND work_date = ? AND host = ? AND state = ? AND tries = ?"
            f" AND {is_same('started_ts')}",
            *(state, not_before_ts, exit_code, problem),
            *(run.workflow, run.work_date, run.host, run.state, run.tries, run.started_ts),
        )
    )


def _event(
    ledger: Ledger,
    tx: Transaction,
    kind: str,
    run: HookRun,
    exit_code: int | None = None,
    problem: str | None = None,
) -> None:
    ledger.event(
        tx,
        kind,
        subject=run.file,
        tries=run.tries,
        command=run.command,
        exit_code=exit_code,
        problem=problem,
    )


def _where(source: Source, condition: str, *parameters: str) -> list[HookRun]:
    rows = source.rows(
        f"SELECT {_COLUMNS} FROM hook_runs WHERE {condition}"  # noqa: S608 - our own words
        " ORDER BY not_before_ts NULLS FIRST, workflow, work_date, host",
        *parameters,
    )
    return [HookRun(**{**dict(row), "state": RunState(row["state"])}) for row in rows]  # pyright: ignore[reportArgumentType]
