"""Answers what a submission waits for at once, at the full price, into a batch of kind `sync`."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager

from core.api.protocol import BatchApi
from core.api.result_schema import BadLineError, decode
from core.batches import price_list
from core.batches.collect import collect
from core.batches.context import Context
from core.batches.graceful_shutdown import stop_on_signal
from core.batches.sync_runner import MOST_UNWRITTEN, SyncRun
from core.requests.models import needs_batch
from core.text import pluralize
from state.batches import sync_runs
from state.batches.sending import sent_requests
from state.files.folder import make_private, open_private
from state.files.spool import LineReader
from state.model.errors import LedgerUnusable
from state.model.records import Batch, Counts, Outcome, Submission

CUT_SHORT = "The run was cut short."
BATCH_ONLY = "What asks for more tokens than a synchronous call may waits for a batch"


def answer(context: Context, submission: Submission, reason: str) -> str | None:
    """Run what of the submission was surely not taken in; in words, what went wrong."""
    sync_runs.withdraw_queued(context.ledger, submission, reason)
    return run_waiting(context, submission, reason)


def run_waiting(
    context: Context, submission: Submission, reason: str, *, only: Sequence[int] | None = None
) -> str | None:
    """Answer what of the submission waits, or some of it, now; in words, what went wrong.

    What only a batch takes goes on waiting for one.
    """
    api = context.api()
    with _held(context, submission.key) as is_held:
        if not is_held:
            return "Another process answers it."
        waiting = sync_runs.waiting_betas(context.ledger, submission, only=only)
        problems = [] if waiting else [reason]
        for betas in waiting:
            batch = _begin(context, submission, betas, only)
            if batch is None:
                problems.append(f"{BATCH_ONLY}. {reason}".rstrip(". ") + ".")
                continue
            price_list.load_ahead()
            run = _run(context, api, batch)
            if run.problem:
                return str(run.problem)
    return next(iter(problems), None)


def _begin(
    context: Context, submission: Submission, betas: str, only: Sequence[int] | None
) -> Batch | None:
    """The run for what waits with these betas; None where the API takes it in a batch alone."""
    if needs_batch(tuple(betas.split(","))):
        return None
    return sync_runs.begin(
        context.ledger, submission, runner=context.holder, betas=betas, only=only
    )


def _run(context: Context, api: BatchApi, batch: Batch) -> SyncRun:
    """Ask and take in; told to stop, it takes in what is paid for before it does."""
    run = SyncRun(
        api,
        context.clock,
        betas=batch.betas,
        progress=lambda answered: context.progress("answering", answered, batch.request_count),
    )
    with stop_on_signal(run.stop):
        _write(context, batch, run.results(_requests(context, batch)))
        finish(context, batch, str(run.problem or "Nothing was asked."))
    return run


def finish(context: Context, batch: Batch, reason: str, *, unwritten: int = 0) -> int:
    """Take the answers of a run in, whether it came to its end or not.

    `unwritten`: as many calls at most may be paid without their answers being here. Returns how
    many of these there may be in fact; they are asked again.
    """
    counts = stage(context, batch)
    unwritten = min(unwritten, batch.request_count - counts.total())
    if sync_runs.ended(context.ledger, batch, counts, reason, unwritten=unwritten):
        collect(context, sync_runs.reread(context.ledger, batch.id))
    return unwritten


def stage(context: Context, batch: Batch) -> Counts:
    """Lay down what the run's answers cover; how many there are of each kind."""
    outcomes: dict[str, Outcome] = {}
    for custom_id, outcome in _answered(context, batch):
        outcomes.setdefault(custom_id, outcome)
    sync_runs.stage_answered(context.ledger, outcomes)
    succeeded = sum(outcome == Outcome.SUCCEEDED for outcome in outcomes.values())
    return Counts(succeeded=succeeded, errored=len(outcomes) - succeeded)


def finish_abandoned(context: Context) -> Iterator[str]:
    """Runs whose process is dead end with what they brought; the rest waits for a batch.

    In words, what may be paid twice by that.
    """
    for batch in sync_runs.unfinished(context.ledger):
        key = sync_runs.submission_key(context.ledger, batch)
        with _held(context, key) as is_held:
            if is_held:
                unwritten = finish(context, batch, CUT_SHORT, unwritten=MOST_UNWRITTEN)
                if unwritten:
                    yield f"{batch.key}: {may_be_paid(unwritten)}"


def may_be_paid(unwritten: int) -> str:
    """What to say where a synchronous run was cut short: its process died, or its disk was full."""
    return (
        f"its run was cut short: {pluralize(unwritten, 'call')} at most may be paid without an"
        " answer here, and what has none is asked again."
    )


def _answered(context: Context, batch: Batch) -> Iterator[tuple[str, Outcome]]:
    path = sync_runs.answers_file(context.folder, batch.key)
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            try:
                found = decode(line.rstrip(b"\n"))
            except BadLineError:
                continue
            yield found.custom_id, found.outcome


def _requests(context: Context, batch: Batch) -> Iterator[tuple[str, bytes]]:
    with LineReader(context.folder.spool) as bodies:
        for request in sent_requests(context.ledger, batch):
            line = bodies.read(request.spool_file, request.offset, request.length)
            yield request.custom_id, line


def _write(context: Context, batch: Batch, answers: Iterable[list[bytes]]) -> None:
    path = sync_runs.answers_file(context.folder, batch.key)
    try:
        make_private(path.parent)
        with open_private(path) as file:
            for lines in answers:
                file.writelines(line + b"\n" for line in lines)
                file.flush()
                sync_runs.sync(file)
    except OSError as error:
        raise LedgerUnusable(f"Cannot write {path}: {error.strerror or error}.") from error


@contextmanager
def _held(context: Context, submission_key: str) -> Generator[bool, None, None]:
    """Whether this process alone runs requests of that submission."""
    from filelock import FileLock, Timeout  # noqa: PLC0415 - only where something runs inline

    make_private(context.folder.results)
    lock = FileLock(context.folder.results / f"{submission_key}.lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()
        (context.folder.results / f"{submission_key}.lock").unlink(missing_ok=True)
