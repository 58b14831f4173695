"""Answers requests at once, at the full price: each a call, a few at a time.

What surely was not asked stays unanswered, so that it can wait for a batch. What was asked and
came to nothing is an errored answer: nobody can tell whether it is paid, so it is not asked again.
"""

import json
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from queue import SimpleQueue
from typing import Any

import msgspec

from core.clock import Clock
from core.collect import collect
from core.context import Context
from core.errors import LaneError, SpendCapReached, Throttled, Unauthorized, Unreachable
from core.lane import Lane
from core.models import takes_a_batch
from core.result_line import BadLineError, decode
from state import inline
from state.errors import LedgerUnusable
from state.folder import make_private, open_private
from state.records import Batch, Counts, Outcome, Submission
from state.sending import sent_requests
from state.spool import LineReader

# As many as may be asked and paid for anew where the process dies among them.
_AT_ONCE = 50
# So that none waits for an answer to be written down before it asks for the next.
_IN_LINE = 8
_WAITS_S = (1.0, 4.0)
_LONGEST_WAIT_S = 30.0
_OVERLOADED = 529
BATCH_ONLY = "What asks for more tokens than a synchronous call may waits for a batch"
# The next call would go the same way, and none of them is run or paid.
_NOT_ASKED = (Unreachable, Throttled, SpendCapReached, Unauthorized)


class Run:
    """Asks one request after the other until all are answered, or something speaks against it."""

    def __init__(self, lane: Lane, clock: Clock, *, betas: tuple[str, ...]) -> None:
        """`trouble` says, afterwards, why the rest was not asked."""
        self._lane = lane
        self._clock = clock
        self._betas = betas
        self.trouble: LaneError | None = None

    def answers(self, requests: Iterable[tuple[str, bytes]]) -> Generator[list[bytes], None, None]:
        """A line of results for each request that was asked, those together that came together.

        They come as they are answered, so none waits unwritten for a slower one.
        """
        pending = iter(requests)
        ended: SimpleQueue[Future[bytes | None]] = SimpleQueue()

        def ask(most: int) -> int:
            asked = [pool.submit(self._one, one) for one in islice(pending, most)]
            for future in asked:
                future.add_done_callback(ended.put)
            return len(asked)

        pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="titan-inline")
        try:
            under_way = ask(_AT_ONCE + _IN_LINE)
            while under_way:
                come = [ended.get()]
                while not ended.empty():
                    come.append(ended.get())
                under_way -= len(come)
                if self.trouble is None:
                    under_way += ask(len(come))
                if lines := [line for future in come if (line := future.result()) is not None]:
                    yield lines
        finally:
            # What cannot be kept is not asked.
            pool.shutdown(cancel_futures=True)

    def _one(self, request: tuple[str, bytes]) -> bytes | None:
        custom_id, line = request
        if self.trouble is not None:
            return None
        params: dict[str, Any] = json.loads(line)["params"]
        try:
            return _succeeded(custom_id, self._ask(params))
        except _NOT_ASKED as error:
            self.trouble = error
            return None
        except LaneError as error:
            return _errored(custom_id, error.error_type or "no_answer", str(error))
        except BadLineError as error:
            return _errored(custom_id, "no_answer", f"The answer is no message: {error}")

    def _ask(self, params: dict[str, Any]) -> bytes:
        """One call; what is throttled is tried again a little while."""
        for wait in _WAITS_S:
            try:
                return self._lane.run_one(params, betas=self._betas)
            except LaneError as error:
                wait = max(wait, error.retry_after_s or 0.0)  # noqa: PLW2901 - the API's own wish
                may_pass = isinstance(error, Throttled) or error.status == _OVERLOADED
                if not may_pass or wait > _LONGEST_WAIT_S:
                    raise
                self._clock.sleep(wait)
        return self._lane.run_one(params, betas=self._betas)


def _succeeded(custom_id: str, message: bytes) -> bytes:
    # JSON has no bare line ends inside its strings, so these can only be between its parts.
    flat = message.replace(b"\r", b" ").replace(b"\n", b" ")
    line = b'{"custom_id":"%b","result":{"type":"succeeded","message":%b}}' % (
        custom_id.encode(),
        flat,
    )
    decode(line)
    return line


def _errored(custom_id: str, kind: str, message: str) -> bytes:
    error = {"type": "error", "error": {"type": kind, "message": message}}
    return msgspec.json.encode(
        {"custom_id": custom_id, "result": {"type": "errored", "error": error}}
    )


def answer(context: Context, submission: Submission, reason: str) -> str | None:
    """Run what of the submission was surely not taken in; in words, what went wrong."""
    inline.withdraw_intents(context.ledger, submission, reason)
    return run_waiting(context, submission, reason)


def run_waiting(
    context: Context, submission: Submission, reason: str, *, only: Sequence[int] | None = None
) -> str | None:
    """Answer what of the submission waits, or some of it, now; in words, what went wrong.

    What only a batch takes goes on waiting for one.
    """
    lane = context.lane()
    with _held(context, submission.key) as is_held:
        if not is_held:
            return "Another process answers it."
        waiting = inline.waiting_betas(context.ledger, submission, only=only)
        troubles = [] if waiting else [reason]
        for betas in waiting:
            batch = _begin(context, submission, betas, only)
            if batch is None:
                troubles.append(f"{BATCH_ONLY}. {reason}".rstrip(". ") + ".")
                continue
            context.prices.load_ahead()
            run = Run(lane, context.clock, betas=batch.betas)
            _write(context, batch, run.answers(_requests(context, batch)))
            finish(context, batch, str(run.trouble or "Nothing was asked."))
            if run.trouble:
                return str(run.trouble)
    return next(iter(troubles), None)


def _begin(
    context: Context, submission: Submission, betas: str, only: Sequence[int] | None
) -> Batch | None:
    """The run for what waits with these betas; None where the API takes it in a batch alone."""
    if takes_a_batch(tuple(betas.split(","))):
        return None
    return inline.begin(context.ledger, submission, runner=context.holder, betas=betas, only=only)


def finish(context: Context, batch: Batch, reason: str) -> None:
    """Take the answers of a run in, whether it came to its end or not."""
    counts = stage(context, batch)
    if inline.ended(context.ledger, batch, counts, reason):
        collect(context, inline.reread(context.ledger, batch.id))


def stage(context: Context, batch: Batch) -> Counts:
    """Lay down what the run's answers cover; how many there are of each kind."""
    outcomes: dict[str, Outcome] = {}
    for custom_id, outcome in _answered(context, batch):
        outcomes.setdefault(custom_id, outcome)
    inline.stage_answered(context.ledger, outcomes)
    succeeded = sum(outcome == Outcome.SUCCEEDED for outcome in outcomes.values())
    return Counts(succeeded=succeeded, errored=len(outcomes) - succeeded)


def finish_abandoned(context: Context) -> None:
    """Runs whose process is dead end with what they brought; the rest waits for a batch."""
    for batch in inline.unfinished(context.ledger):
        key = inline.submission_key(context.ledger, batch)
        with _held(context, key) as is_held:
            if is_held:
                finish(context, batch, "The process that ran it ended before any answer.")


def _answered(context: Context, batch: Batch) -> Iterator[tuple[str, Outcome]]:
    path = inline.answers_file(context.folder, batch.key)
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
    path = inline.answers_file(context.folder, batch.key)
    try:
        make_private(path.parent)
        with open_private(path) as file:
            for lines in answers:
                file.writelines(line + b"\n" for line in lines)
                file.flush()
                inline.sync(file)
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
