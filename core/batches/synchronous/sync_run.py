"""Runs requests synchronously, at the full price, as a batch of kind `sync`."""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta

from core.api.protocol import BatchApi
from core.api.result_schema import BadLineError, decode
from core.batches import account_check, budget_admission
from core.batches.collect import collect
from core.batches.create_error_policy import ACCOUNT_HOLD_S
from core.batches.engine_context import Context
from core.batches.error_isolation import announce, isolated
from core.batches.holds import SYNC_HOLD, SYNC_HOLDS, SYNC_SPEND_HOLD, describe
from core.batches.lease_keeper import LeaseKeeper
from core.batches.synchronous.graceful_shutdown import stop_on_signal
from core.batches.synchronous.parallel_calls import MOST_UNWRITTEN, ParallelCalls
from core.errors import ApiError, OverBudget, Rejected, SpendCapReached, Unauthorized
from core.requests.model_limits import MAX_CALL_BYTES, needs_batch
from core.requests.supported_schema import as_sent
from core.text import pluralize
from state.batches import leases, remote_status, sync_runs
from state.batches.sending import sent_requests
from state.db import liveness_lock
from state.files.answers_file import answers_file
from state.files.file_errors import file_error
from state.files.file_store import make_local
from state.files.folder import make_private, open_private
from state.files.regular_file import open_regular
from state.files.spool import LineReader
from state.files.system_errors import cause
from state.model.records import Batch, BatchKind, Counts, Outcome, Submission
from state.model.timestamps import to_text

_INTERRUPTED = "The run was interrupted."
# Another host finishes a run no sooner after its last sign of life: it lacks the results.
_LEASE = timedelta(hours=1)
BATCH_ONLY = (
    "Requests with a body or a max_tokens too large for a synchronous call stay queued for a batch"
)


def run_synchronously(context: Context, submission: Submission, reason: str) -> str | None:
    """Run the requests that the API definitely did not accept; the problem as text, if any.

    The context is that of the submission's lane.
    """
    sync_runs.withdraw_queued(context.ledger, submission, reason)
    try:
        return run_queued(
            context,
            submission,
            reason,
            admit=lambda ids: budget_admission.admit(context, ids, BatchKind.SYNC),
        )
    except OverBudget as error:
        return f"{reason} Its requests stay queued for a batch, and do not run now. {error}"


def run_queued(
    context: Context,
    submission: Submission,
    reason: str,
    *,
    only: Sequence[int] | None = None,
    admit: Callable[[Sequence[int]], None] = lambda _ids: None,
) -> str | None:
    """Run the queued requests of the submission, or some by id; the problem as text, if any.

    Requests that only a batch can run stay queued. `admit` raises to reject a run, unless it was
    admitted before. Raises SettingsError where unfinished batches are on another server.
    """
    context = context.on(submission.lane)
    if held := hold_reason(context):
        return held
    with context.lane_errors():
        account_check.check_context(context)
        api = context.api()
    with _claim(context, submission.key) as claim:
        if claim is None:
            return "Another process is running its requests."
        waiting = sync_runs.waiting(context.ledger, submission, only=only)
        problems = [] if waiting else [reason]
        for betas, largest in waiting:
            if needs_batch(tuple(betas.split(",")), largest):
                problems.append(f"{BATCH_ONLY}. {reason}".rstrip(". ") + ".")
            batch = _begin(context, submission, betas, only, admit)
            if batch is None:
                continue
            announce(context, batch, problems)
            run = _run(context, api, batch, claim)
            if run.problem:
                _hold_if_blocked(context, run.problem)
                return _said(context, run.problem)
    return next(iter(problems), None)


def hold_reason(context: Context) -> str | None:
    """Why nothing runs synchronously now: the API rejected the account a short while ago."""
    holds = (leases.active_hold(context.ledger, name, context.lane) for name in SYNC_HOLDS)
    hold = next(filter(None, holds), None)
    return hold and describe(hold)


def _said(context: Context, error: ApiError) -> str:
    if not error.retry_after_s:
        return str(error)
    until = to_text(context.clock.now() + timedelta(seconds=error.retry_after_s))
    return f"{str(error).rstrip('.')}; the API asks to wait until {until}."


def _hold_if_blocked(context: Context, error: ApiError) -> None:
    """Set a hold if the API rejects the account, since it would reject the next run too."""
    if isinstance(error, Unauthorized) or not isinstance(error, Rejected | SpendCapReached):
        return
    until = context.clock.now() + timedelta(seconds=ACCOUNT_HOLD_S)
    name = SYNC_SPEND_HOLD if isinstance(error, SpendCapReached) else SYNC_HOLD
    leases.set_hold(context.ledger, name, until=until, reason=str(error), lane=context.lane)


def _begin(
    context: Context,
    submission: Submission,
    betas: str,
    only: Sequence[int] | None,
    admit: Callable[[Sequence[int]], None],
) -> Batch | None:
    """The batch of a run with these betas; None where only a batch can run them."""
    if needs_batch(tuple(betas.split(",")), 0):
        return None
    return sync_runs.begin(
        context.ledger,
        submission,
        runner=context.instance_id,
        betas=betas,
        max_bytes=MAX_CALL_BYTES,
        only=only,
        admit=admit,
    )


def _run(context: Context, api: BatchApi, batch: Batch, check: Callable[[], None]) -> ParallelCalls:
    """Run and collect; a signal stops it once the results of running calls are collected.

    `check` is called before each call, and raises where the run must not go on.
    """
    run = ParallelCalls(
        api,
        context.clock,
        betas=batch.betas,
        progress=lambda done: context.progress("running", done, batch.request_count),
    )
    with stop_on_signal(run.stop):
        _write(context, batch, run.results(_requests(context, batch, check)))
        finish(context, batch, str(run.problem or "Nothing was sent."))
    return run


def finish(context: Context, batch: Batch, reason: str, *, unwritten: int = 0) -> int:
    """Collect the results of a run, complete or not; its other requests are queued again.

    `unwritten` calls at most may be paid for without a result on disk. Returns how many there can
    be, since requests with a result do not count.
    """
    outcomes = _outcomes(context, batch)
    succeeded = sum(outcome == Outcome.SUCCEEDED for outcome in outcomes.values())
    counts = Counts(succeeded=succeeded, errored=len(outcomes) - succeeded)
    unwritten = min(unwritten, batch.request_count - len(outcomes))
    if sync_runs.record_end(context.ledger, batch, outcomes, counts, reason, unwritten=unwritten):
        collect(context, remote_status.reload_batch(context.ledger, batch.id))
    return unwritten


def finish_abandoned(context: Context, problems: list[str]) -> None:
    """Finish runs whose process died; a problem for each that may be charged twice."""
    unfinished = sync_runs.unfinished(context.ledger)
    for batch in context.time.items("finish synchronous runs", unfinished, lambda batch: batch.key):
        with isolated(context, f"Cannot finish {batch.key}", problems, batch=batch):
            problems += _finish_abandoned(context, batch)


def _finish_abandoned(context: Context, batch: Batch) -> list[str]:
    key = sync_runs.submission_key(context.ledger, batch)
    with _claim(context, key) as claim:
        unwritten = 0
        if claim is not None:
            unwritten = finish(context, batch, _INTERRUPTED, unwritten=MOST_UNWRITTEN)
    return [f"{batch.key}: {possible_duplicate_charge(unwritten)}"] if unwritten else []


def possible_duplicate_charge(unwritten: int) -> str:
    """The warning for a synchronous run whose process died or whose disk was full."""
    return (
        f"its synchronous run was interrupted: up to {pluralize(unwritten, 'call')} may be charged"
        " although no result was stored; the requests are queued again."
    )


def _outcomes(context: Context, batch: Batch) -> dict[str, Outcome]:
    """The first outcome of each custom_id that has a result, which may be of another host."""
    outcomes: dict[str, Outcome] = {}
    path = answers_file(context.folder, batch.key)
    if not make_local(context.ledger.files, path):
        return outcomes
    with open_regular(path) as file:
        for line in file:
            try:
                found = decode(line.rstrip(b"\n"))
            except BadLineError:
                continue
            outcomes.setdefault(found.custom_id, found.outcome)
    return outcomes


def _requests(
    context: Context, batch: Batch, check: Callable[[], None]
) -> Iterator[tuple[str, bytes]]:
    with LineReader(context.folder.spool, context.ledger.files) as bodies:
        for request in sent_requests(context.ledger, batch):
            line = bodies.read(request.spool_file, request.offset, request.length)
            context.time.renew_lease()
            check()
            yield request.custom_id, as_sent(line)


def _write(context: Context, batch: Batch, results: Iterable[list[bytes]]) -> None:
    path = answers_file(context.folder, batch.key)
    try:
        make_private(path.parent)
        with open_private(path) as file:
            for lines in results:
                found = b"".join(line + b"\n" for line in lines)
                file.write(found)
                file.flush()
                sync_runs.fsync(file)
                # Whichever host finishes the run has them.
                context.ledger.files.append(path, found)
    except OSError as error:
        raise file_error(
            error, f"Cannot write {path}: {cause(error, path).text}.", code="results_unwritable"
        ) from error


@contextmanager
def _claim(
    context: Context, submission_key: str
) -> Generator[Callable[[], None] | None, None, None]:
    """None where another process, on any host, runs requests of that submission.

    Otherwise a function that raises LeaseLost once another host has taken over.
    """
    with _try_lock(context, submission_key) as is_locked:
        if not is_locked or not context.ledger.is_shared:
            yield _go_on if is_locked else None
            return
        name = _lease_name(submission_key)
        fence = leases.acquire(
            context.ledger,
            name,
            context.instance_id,
            until=context.clock.now() + _LEASE,
            lock_id=_home_id(context),
        )
        if fence is None:
            yield None
            return
        with LeaseKeeper(context, fence, _LEASE) as keeper:
            yield keeper.check
        # After an error it expires by itself, or this host finishes the run before.
        leases.release(context.ledger, name, context.instance_id)


def _go_on() -> None:
    """No process takes over a run of a ledger file while its process lives."""


def _lease_name(submission_key: str) -> str:
    return f"sync:{submission_key}"


def _home_id(context: Context) -> str:
    """Of whose results folder the locks are; "" for the only one of a ledger file."""
    return liveness_lock.place_id(context.folder.results) if context.ledger.is_shared else ""


@contextmanager
def _try_lock(context: Context, submission_key: str) -> Generator[bool, None, None]:
    from filelock import FileLock, Timeout  # noqa: PLC0415 - only for synchronous runs

    make_private(context.folder.results)
    path = context.folder.results / f"{submission_key}.lock"
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        # Removed while it is held: another process could have it by then, and would lose it.
        with suppress(PermissionError):  # Windows removes no open file
            path.unlink(missing_ok=True)
        lock.release()
