"""Asks many requests at once, each a call of its own, and hands the answers on as they come.

What surely was not asked stays unanswered, so that it can wait for a batch. What was asked and
came to nothing is an errored answer: nobody can tell whether it is paid, so it is not asked again.
"""

import json
import logging
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from queue import SimpleQueue
from threading import Thread
from typing import Any

import msgspec
from msgspec import Struct

from core.clock import Clock
from core.errors import LaneError, SpendCapReached, Throttled, Unauthorized, Unreachable
from core.lane import Lane
from core.result_line import BadLineError, decode
from core.words import counted

_log = logging.getLogger(__name__)
_STOPPING = "Stopping: %s under way, paid for and waited for. Stop again to leave at once."
_AT_ONCE = 50
# So that none waits for an answer to be written down before it asks for the next.
_IN_LINE = 8
# As many may be asked, and paid for, without their answers being on the disk yet.
MOST_UNWRITTEN = _AT_ONCE + _IN_LINE
# Between the tries of a call that the API has no room for, while none of the others gets through.
_WAITS_S = (1.0, 4.0)
_LONGEST_WAIT_S = 30.0
_NAP_S = 0.25
_OVERLOADED = 529
# The next call would go the same way, and none of them is run or paid.
_NOT_ASKED = (Unreachable, Throttled, SpendCapReached, Unauthorized)


class _Call(Struct):
    """A request on its way: how often there was no room for it since any other got through."""

    custom_id: str
    line: bytes
    tries: int = 0
    through_before: int = 0
    not_before: float = 0.0


class _NoRoom(Struct):
    """The API has no room for a call now: it is not run, and not paid."""

    call: _Call
    error: LaneError


class _Stopped(Struct):
    """Somebody wants an end."""


_STOPPED = _Stopped()
_Ended = bytes | _NoRoom | _Stopped | BaseException | None


class Run:
    """Asks one request after the other until all are answered, or something speaks against it.

    As many are under way as the API has room for: one less for each that it turns away, one more
    for each round that goes through.
    """

    def __init__(
        self,
        lane: Lane,
        clock: Clock,
        *,
        betas: tuple[str, ...],
        progress: Callable[[int], None] = lambda _answered: None,
    ) -> None:
        """`trouble` says, afterwards, why the rest was not asked."""
        self.trouble: LaneError | None = None
        self._lane = lane
        self._clock = clock
        self._betas = betas
        self._progress = progress
        self._is_stopped = False
        # Raised at the end: what is under way is paid for, and kept first.
        self._failure: BaseException | None = None
        self._coming: SimpleQueue[_Call | None] = SimpleQueue()
        self._ended: SimpleQueue[_Ended] = SimpleQueue()
        self._turned_away: deque[_Call] = deque()
        self._threads = self._under_way = self._through = self._through_since = 0
        self._most = MOST_UNWRITTEN

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
        """What was turned away, if it is due or nothing got through since; else a new one."""
        away = self._turned_away
        if away:
            is_due = away[0].not_before <= self._clock.monotonic()
            if is_due or away[0].through_before == self._through:
                return away.popleft()
        return next(pending, None) or (away.popleft() if away else None)

    def _come(self) -> list[bytes]:
        """The lines of all calls that have ended; it waits for one at least."""
        come = [self._ended.get()]
        while not self._ended.empty():
            come.append(self._ended.get())
        ended = [one for one in come if not isinstance(one, _Stopped)]
        self._under_way -= len(ended)
        if len(ended) < len(come) and self._under_way:
            _log.warning(_STOPPING, counted(self._under_way, "call is", "calls are"))
        lines = [line for one in ended if (line := self._line_of(one)) is not None]
        self._through += len(lines)
        self._grow(len(lines))
        return lines

    def _line_of(self, ended: bytes | _NoRoom | BaseException | None) -> bytes | None:
        if isinstance(ended, BaseException):
            self._failure = ended
            return None
        return self._turn_away(ended) if isinstance(ended, _NoRoom) else ended

    def _grow(self, through: int) -> None:
        """One more at once for each round that goes through."""
        self._through_since += through
        if self._most < MOST_UNWRITTEN and self._through_since >= self._most:
            self._most, self._through_since = self._most + 1, 0

    def _turn_away(self, ended: _NoRoom) -> bytes | None:
        """Ask it later, fewer at once; its error, or an end to all, where nothing gets through."""
        call, error = ended.call, ended.error
        if self._through > call.through_before:
            call.tries, call.through_before = 0, self._through
        wait = error.retry_after_s or 0.0
        if call.tries < len(_WAITS_S) and wait <= _LONGEST_WAIT_S:
            call.not_before = self._clock.monotonic() + max(wait, _WAITS_S[call.tries])
            call.tries += 1
            self._turned_away.appendleft(call)
            self._most, self._through_since = max(1, min(self._most, self._under_way)), 0
        elif isinstance(error, _NOT_ASKED):
            self.trouble = error
        else:
            return _errored(call.custom_id, error.error_type or "no_answer", str(error))
        return None

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
        try:
            return _succeeded(call.custom_id, self._lane.run_one(params, betas=self._betas))
        except LaneError as error:
            if isinstance(error, Throttled) or error.status == _OVERLOADED:
                return _NoRoom(call, error)
            if isinstance(error, _NOT_ASKED):
                self.trouble = error
                return None
            return _errored(call.custom_id, error.error_type or "no_answer", str(error))
        except BadLineError as error:
            return _errored(call.custom_id, "no_answer", f"The answer is no message: {error}")


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
