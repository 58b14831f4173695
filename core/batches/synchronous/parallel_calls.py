"""Runs many requests synchronously at once, each as one call, and yields results as they come.

Requests that the API definitely did not run get no result, so that they can be queued for a batch.
A request without a usable response gets an errored result and is not repeated: it may be billed.
So does a rejected one, unless `account_rejections` finds that the account is rejected.
"""

import json
import logging
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from threading import get_ident
from typing import Any

import msgspec
from msgspec import Struct

from core.api.protocol import BatchApi
from core.api.result_schema import BadLineError, decode
from core.batches.create_error_policy import is_about_size
from core.batches.synchronous.account_rejections import Rejection, Rejections
from core.batches.synchronous.concurrency_limiter import FEWEST, ConcurrencyLimiter, Permit
from core.batches.synchronous.daemon_pool import DaemonPool
from core.clock import Clock
from core.errors import (
    ApiError,
    Blocked,
    RateLimited,
    Rejected,
    SpendCapReached,
    Unauthorized,
    Unreachable,
)
from core.text import pluralize
from state.files.fallback_file import FallbackFile

_log = logging.getLogger(__name__)
_STOPPING = (
    "Stopping: waiting for %s that may be charged. Press Ctrl-C again (or send SIGTERM again) to"
    " exit at once; their answers are then lost."
)
_THREADS = 50
# Calls queued for the threads, so that none idles while results are written.
_QUEUED = 8
# At most so many calls may be paid for without their results being on disk yet.
MOST_UNWRITTEN = _THREADS + _QUEUED
_NAP_S = 0.25
_OVERLOADED = 529
# The next call would fail for the same reason, and none of them is run or paid for.
_NOT_RUN = (Unreachable, RateLimited, SpendCapReached, Unauthorized, Blocked)
# Error types of a rejection that may be about the request itself; the page of a proxy has none.
_MAY_BE_THE_REQUEST = ("invalid_request_error", "not_found_error", "request_too_large")


class _Call(Struct):
    """A request, and the monotonic time before which it must not be sent."""

    custom_id: str
    line: bytes
    not_before: float = 0.0


class _TurnedAway(Struct):
    """A call that the API rejected for lack of capacity: not run, and not billed."""

    call: _Call
    error: ApiError


class _StopMark(Struct):
    """Wakes the loop when `stop` is called."""


class _Failed(Struct):
    """The result line of a call that may have run without an answer."""

    line: bytes


_Done = bytes | _Failed | Rejection | _TurnedAway | _StopMark | None


def unwritten_calls(file: FallbackFile) -> int:
    """How many calls at most were paid for by processes that died before writing the answers.

    Raises FileUnusable where the file cannot be read.
    """
    return min(MOST_UNWRITTEN, file.header().requests) * file.interrupted_runs()


class ParallelCalls:
    """One run over a list of requests. Afterwards, `problem` says why some were not sent."""

    def __init__(
        self,
        api: BatchApi,
        clock: Clock,
        *,
        betas: tuple[str, ...],
        progress: Callable[[int], None] = lambda _done: None,
    ) -> None:
        """`progress` gets the number of results so far."""
        self.problem: ApiError | None = None
        self._api = api
        self._clock = clock
        self._betas = betas
        self._progress = progress
        self._limiter = ConcurrencyLimiter(MOST_UNWRITTEN)
        self._pool = DaemonPool[_Call, _Done](self._run_one, size=_THREADS, name="titan-sync")
        self._turned_away: deque[_TurnedAway] = deque()
        self._rejections = Rejections(FEWEST)
        self._calling: set[int] = set()
        self._is_stopped = False
        # Raised at the end: results of running calls are paid for, and kept first.
        self._failure: BaseException | None = None
        self._running = 0

    def stop(self) -> None:
        """Send nothing more; results of running calls are still kept. Safe in a signal handler."""
        self._is_stopped = True
        self._pool.done.put(_StopMark())

    def results(self, requests: Iterable[tuple[str, bytes]]) -> Generator[list[bytes], None, None]:
        """Yield lists of result lines in the order of the responses.

        Closing the generator early sends nothing more.
        """
        calls = (_Call(custom_id, line) for custom_id, line in requests)
        count = 0
        try:
            self._start(calls)
            while self._running:
                if lines := self._wait():
                    yield lines
                    count += len(lines)
                    self._progress(count)
                self._start(calls)
            if lines := self._undecided() + self._overloaded():
                yield lines
            if self._failure is not None:
                raise self._failure
        finally:
            self._is_stopped = True
            self._pool.close()

    def _start(self, calls: Iterator[_Call]) -> None:
        """Start as many calls as the limiter permits; few while all are rejected."""
        while not self._is_over():
            undecided = self._rejections.undecided
            if undecided and self._running + undecided >= FEWEST:
                return
            permit = self._limiter.permit(running=self._running, retries=len(self._turned_away))
            if permit is Permit.GIVE_UP:
                self.problem = self._turned_away[-1].error
            if permit in (Permit.GIVE_UP, Permit.WAIT):
                return
            try:
                call = self._next(calls, is_probe=permit is Permit.PROBE)
            except Exception as error:  # noqa: BLE001 - raised once running calls have ended
                self._failure = error
                return
            if call is None:
                return
            self._running += 1
            self._pool.submit(call, running=self._running)

    def _next(self, calls: Iterator[_Call], *, is_probe: bool) -> _Call | None:
        """A retry that is due, else a new call, else a retry; a probe starts with a new call."""
        retries, now = self._turned_away, self._clock.monotonic()
        if not is_probe and retries and retries[0].call.not_before <= now:
            return retries.popleft().call
        call = next(calls, None)
        if call is None and retries:
            self._limiter.on_last_new_call()
            call = retries.popleft().call
        if call is not None and is_probe:
            call.not_before = self._limiter.retry_at
        return call

    def _wait(self) -> list[bytes]:
        """Wait for at least one call to end; the result lines of all that have."""
        ended = [self._pool.done.get()]
        while not self._pool.done.empty():
            ended.append(self._pool.done.get())
        if any(isinstance(one, _StopMark) for one in ended) and self._calling:
            _log.warning(_STOPPING, pluralize(len(self._calling), "call"))
        ended = [one for one in ended if not isinstance(one, _StopMark)]
        self._running -= len(ended)
        for one in ended:
            if isinstance(one, _TurnedAway):
                self._retry_later(one)
            elif isinstance(one, BaseException):
                self._failure = one
        answers = [one for one in ended if isinstance(one, bytes)]
        lines = answers + [one.line for one in ended if isinstance(one, _Failed)]
        refused = self._rejections.add(
            [one for one in ended if isinstance(one, Rejection)], is_answered=bool(answers)
        )
        lines += map(_refused, refused)
        self._limiter.on_success(len(lines))
        self.problem = self.problem or self._rejections.account_problem
        return lines

    def _undecided(self) -> list[bytes]:
        """Results for the rest of the rejected calls, where they are about their requests."""
        lines = [_refused(one) for one in self._rejections.at_the_end()]
        self.problem = self.problem or self._rejections.account_problem
        return lines

    def _retry_later(self, ended: _TurnedAway) -> None:
        self._turned_away.append(ended)
        if self._limiter.on_rejection(
            self._clock.monotonic(),
            running=self._running,
            retry_after_s=ended.error.retry_after_s,
        ):
            ended.call.not_before = self._limiter.retry_at
        else:
            self.problem = ended.error

    def _overloaded(self) -> list[bytes]:
        """Errored results for requests that an overloaded API never ran; a 429 only delays them."""
        error = self.problem
        # `problem` is of all calls, and not about the size of one.
        if error is None or is_not_run(error, body_bytes=0):
            return []
        kind = error.error_type or "overloaded_error"
        return [_errored(one.call.custom_id, kind, str(error)) for one in self._turned_away]

    def _is_over(self) -> bool:
        return self._is_stopped or self.problem is not None or self._failure is not None

    def _run_one(self, call: _Call) -> bytes | _Failed | Rejection | _TurnedAway | None:
        """Make the call on a thread of the pool; return its result line, None if not sent."""
        while (left := call.not_before - self._clock.monotonic()) > 0 and not self._is_over():
            self._clock.sleep(min(left, _NAP_S))
        if self._is_over():
            return None
        params: dict[str, Any] = json.loads(call.line)["params"]
        self._calling.add(get_ident())
        try:
            return _succeeded(call.custom_id, self._api.run_one(params, betas=self._betas))
        except ApiError as error:
            return self._after_error(call, error)
        except BadLineError as error:
            message = f"The response is not a message: {error}"
            return _Failed(_errored(call.custom_id, "no_answer", message))
        finally:
            self._calling.discard(get_ident())

    def _after_error(
        self, call: _Call, error: ApiError
    ) -> _Failed | Rejection | _TurnedAway | None:
        if isinstance(error, RateLimited) or error.status == _OVERLOADED:
            return _TurnedAway(call, error)
        if is_not_run(error, body_bytes=len(call.line)):
            self.problem = error
            return None
        if isinstance(error, Rejected):
            return Rejection(call.custom_id, error)
        kind = error.error_type or "no_answer"
        return _Failed(_errored(call.custom_id, kind, str(error)))


def is_not_run(error: ApiError, *, body_bytes: int) -> bool:
    """Whether the call was definitely not run, for a reason other than its request."""
    if isinstance(error, _NOT_RUN):
        return True
    may_be_the_request = error.error_type in _MAY_BE_THE_REQUEST or is_about_size(error, body_bytes)
    return isinstance(error, Rejected) and not may_be_the_request


def _succeeded(custom_id: str, message: bytes) -> bytes:
    # JSON strings contain no bare line ends, so these are between its tokens.
    flat = message.replace(b"\r", b" ").replace(b"\n", b" ")
    line = b'{"custom_id":"%b","result":{"type":"succeeded","message":%b}}' % (
        custom_id.encode(),
        flat,
    )
    decode(line)
    return line


def _refused(one: Rejection) -> bytes:
    kind = one.error.error_type or "request_too_large"
    return _errored(one.custom_id, kind, str(one.error))


def _errored(custom_id: str, kind: str, message: str) -> bytes:
    error = {"type": "error", "error": {"type": kind, "message": message}}
    return msgspec.json.encode(
        {"custom_id": custom_id, "result": {"type": "errored", "error": error}}
    )
