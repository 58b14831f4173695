"""Asks many requests at once, each a call of its own, and hands the answers on as they come.

What surely was not asked stays unanswered, so that it can wait for a batch. What was asked and
came to nothing is an errored answer: nobody can tell whether it is paid, so it is not asked again.
"""

import json
import logging
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from queue import SimpleQueue
from threading import Thread, get_ident
from typing import Any

import msgspec
from msgspec import Struct

from core.api.protocol import BatchApi
from core.api.result_schema import BadLineError, decode
from core.clock import Clock
from core.errors import ApiError, RateLimited, SpendCapReached, Unauthorized, Unreachable
from core.text import pluralize

_log = logging.getLogger(__name__)
_STOPPING = "Stopping: %s under way, paid for and waited for. Stop again to leave at once."
_AT_ONCE = 50
# So that none waits for an answer to be written down before it asks for the next.
_IN_LINE = 8
# As many may be asked, and paid for, without their answers being on the disk yet.
MOST_UNWRITTEN = _AT_ONCE + _IN_LINE
# As many at least are tried at once, however many were turned away.
_FEWEST = 8
# Before each further try of a few while the API has room for none at all.
_WAITS_S = (1.0, 4.0)
_LONGEST_WAIT_S = 30.0
_NAP_S = 0.25
_OVERLOADED = 529
# The next call would go the same way, and none of them is run or paid.
_NOT_ASKED = (Unreachable, RateLimited, SpendCapReached, Unauthorized)


class _Call(Struct):
    """A request on its way, and when it may be asked."""

    custom_id: str
    line: bytes
    not_before: float = 0.0


class _NoRoom(Struct):
    """The API has no room for a call now: it is not run, and not paid."""

    call: _Call
    error: ApiError


class _Stopped(Struct):
    """Somebody wants an end."""


_STOPPED = _Stopped()
_Ended = bytes | _NoRoom | _Stopped | BaseException | None


class Run:
    """Asks one request after the other until all are answered, or something speaks against it.

    As many are under way as the API has room for: one less for each that it turns away, one more
    for each round that goes through. Where nothing gets through, a few others are tried twice.
    """

    def __init__(
        self,
        api: BatchApi,
        clock: Clock,
        *,
        betas: tuple[str, ...],
        progress: Callable[[int], None] = lambda _answered: None,
    ) -> None:
        """`trouble` says, afterwards, why the rest was not asked."""
        self.trouble: ApiError | None = None
        self._refusal: ApiError | None = None
        self._api = api
        self._clock = clock
        self._betas = betas
        self._progress = progress
        self._is_stopped = False
        # Raised at the end: what is under way is paid for, and kept first.
        self._failure: BaseException | None = None
        self._coming: SimpleQueue[_Call | None] = SimpleQueue()
        self._ended: SimpleQueue[_Ended] = SimpleQueue()
        self._turned_away: deque[_Call] = deque()
        self._calling: set[int] = set()
        self._threads = self._under_way = 0
        self._most = MOST_UNWRITTEN
        # How many got through: in all, since the last change of `_most`, until the last refusal.
        self._through = self._through_since = 0
        self._through_then = -1
        # While none does: the tries so far, what is left of this one, and when it may begin.
        self._in_vain = self._to_try = 0
        self._next_try = 0.0

    def stop(self) -> None:
        """Ask nothing more; what is under way is still waited for. A signal's handler may call."""
        self._is_stopped = True
        self._ended.put(_STOPPED)

    def answers(self, requests: Iterable[tuple[str, bytes]]) -> Generator[list[bytes], None, None]:
        """A line of results for each request that was asked, those together that came together.

        They come as they are answered, so none waits unwritten for a slower one. Left before its
        end, it asks nothing more.
        """
        pending = iter(_Call(custom_id, line) for custom_id, line in requests)
        try:
            self._ask(pending)
            while self._under_way:
                if lines := self._come():
                    yield lines
                    self._progress(self._through)
                self._ask(pending)
            if lines := self._never_run():
                yield lines
            if self._failure is not None:
                raise self._failure
        finally:
            self._is_stopped = True
            for _ in range(self._threads):
                self._coming.put(None)

    def _ask(self, pending: Iterator[_Call]) -> None:
        """Give out as many calls as there may be."""
        while not self._is_over() and self._under_way < self._most:
            try:
                call = self._next(pending)
            except Exception as error:  # noqa: BLE001 - raised when what is under way is kept
                self._failure = error
                return
            if call is None:
                return
            self._under_way += 1
            self._coming.put(call)
            if self._threads < min(self._under_way, _AT_ONCE):
                self._threads += 1
                # What hangs for minutes must not keep the process from its end.
                Thread(target=self._work, name="titan-inline", daemon=True).start()

    def _next(self, pending: Iterator[_Call]) -> _Call | None:
        """What was turned away and is due; else a new one, if anything gets through."""
        away = self._turned_away
        if away and self._through == self._through_then:
            return self._next_in_vain(pending)
        if away and away[0].not_before <= self._clock.monotonic():
            return away.popleft()
        return next(pending, None) or (away.popleft() if away else None)

    def _next_in_vain(self, pending: Iterator[_Call]) -> _Call | None:
        """A few at a time, new ones first: it may be those alone that there is no room for."""
        if not self._to_try:
            if self._under_way:
                return None
            if self._in_vain == len(_WAITS_S):
                self.trouble = self._refusal
                return None
            self._in_vain, self._to_try = self._in_vain + 1, _FEWEST
        self._to_try -= 1
        call = next(pending, None) or self._turned_away.popleft()
        call.not_before = self._next_try
        return call

    def _come(self) -> list[bytes]:
        """The lines of all calls that have ended; it waits for one at least."""
        come = [self._ended.get()]
        while not self._ended.empty():
            come.append(self._ended.get())
        ended = [one for one in come if not isinstance(one, _Stopped)]
        self._under_way -= len(ended)
        if len(ended) < len(come) and self._calling:
            _log.warning(_STOPPING, pluralize(len(self._calling), "call is", "calls are"))
        lines: list[bytes] = []
        for one in ended:
            if isinstance(one, bytes):
                lines.append(one)
            elif isinstance(one, _NoRoom):
                self._turn_away(one)
            elif one is not None:
                self._failure = one
        self._grow(len(lines))
        return lines

    def _grow(self, through: int) -> None:
        """One more at once for each round that goes through."""
        self._through += through
        self._through_since += through
        if through:
            self._in_vain = self._to_try = 0
        if self._most < MOST_UNWRITTEN and self._through_since >= self._most:
            self._most, self._through_since = self._most + 1, 0

    def _turn_away(self, ended: _NoRoom) -> None:
        """Ask it later, and fewer at once."""
        self._turned_away.append(ended.call)
        wait = ended.error.retry_after_s or 0.0
        if wait > _LONGEST_WAIT_S:
            self.trouble = ended.error
            return
        wait = max(wait, _WAITS_S[min(self._in_vain, len(_WAITS_S) - 1)])
        ended.call.not_before = self._next_try = self._clock.monotonic() + wait
        self._refusal, self._through_then = ended.error, self._through
        self._most, self._through_since = max(_FEWEST, min(self._most, self._under_way)), 0

    def _never_run(self) -> list[bytes]:
        """What an overloaded API was asked in vain, as errors of its; a limit (429) only delays."""
        error = self.trouble
        if error is None or isinstance(error, _NOT_ASKED):
            return []
        kind = error.error_type or "overloaded_error"
        return [_errored(call.custom_id, kind, str(error)) for call in self._turned_away]

    def _is_over(self) -> bool:
        return self._is_stopped or self.trouble is not None or self._failure is not None

    # On threads of their own

    def _work(self) -> None:
        while (call := self._coming.get()) is not None:
            try:
                self._ended.put(self._one(call))
            except BaseException as error:  # noqa: BLE001 - raised by the one that waits for it
                self._ended.put(error)

    def _one(self, call: _Call) -> bytes | _NoRoom | None:
        """Its line of results; None where it was not asked."""
        while (left := call.not_before - self._clock.monotonic()) > 0 and not self._is_over():
            self._clock.sleep(min(left, _NAP_S))
        if self._is_over():
            return None
        params: dict[str, Any] = json.loads(call.line)["params"]
        self._calling.add(get_ident())
        try:
            return _succeeded(call.custom_id, self._api.run_one(params, betas=self._betas))
        except ApiError as error:
            if isinstance(error, RateLimited) or error.status == _OVERLOADED:
                return _NoRoom(call, error)
            if isinstance(error, _NOT_ASKED):
                self.trouble = error
                return None
            return _errored(call.custom_id, error.error_type or "no_answer", str(error))
        except BadLineError as error:
            return _errored(call.custom_id, "no_answer", f"The answer is no message: {error}")
        finally:
            self._calling.discard(get_ident())


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
