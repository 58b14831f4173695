"""The calls of a run: each is recorded, and none that the recording has is made again.

A run that is resumed goes through the same steps from the start and takes what it finds in the
recording as the answer, so it continues where it was stopped.
"""

import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import msgspec

from core.api.error_mapping import body_of
from core.api.exchanges import Answer, Call, End, Exchange, Line, Run, decode_lines
from core.clock import Clock
from core.errors import InputError
from core.money.pricing import dollars_text
from core.requests.json_access import as_dict, as_list, as_str
from state.files.folder import open_private
from state.model.timestamps import to_text
from titan_console.verify_api.evidence import Evidence
from titan_console.verify_api.privacy import Privacy

Send = Callable[[Call], Answer]
INTERRUPTED = Answer(failure="interrupted")


class StillRunningError(Exception):
    """The time to wait is over, and batches of the run have not ended."""


class Session:
    """One run and its recording."""

    def __init__(
        self,
        path: Path,
        run: Run,
        send: Send,
        clock: Clock,
        *,
        privacy: Privacy,
        wait: timedelta | None,
    ) -> None:
        """Read the recording; `wait` is how long to wait for batches."""
        self.run = run
        self.clock = clock
        self.evidence = Evidence(run, read(path))
        self._path = path
        self._send = send
        self._privacy = privacy
        self._until = None if wait is None else clock.monotonic() + wait.total_seconds()
        self._spent_nano = 0
        self._more_nano: dict[str, int] = {}
        self._has_listed = False
        self._real: dict[str, str] = {}

    def call(
        self,
        step: str,
        call: Call,
        *,
        max_nano: int = 0,
        size: int = 0,
        only_own: bool = False,
    ) -> Answer:
        """The answer of that step, as it is recorded.

        `max_nano`: what it can cost. `size`: how many requests it creates. `only_own` keeps other
        batches out of the recorded list.
        """
        self._reserve(max_nano)
        found = self.evidence.exchanges.get(step)
        if found is None or found.answer is None:
            answer = INTERRUPTED if found else self._sent(step, call, max_nano, only_own=only_own)
            found = Exchange(step=step, at=self._now(), call=call, answer=answer)
            self._append(found)
        self.evidence.add(found)
        answer = found.answer or INTERRUPTED
        self._learn(step, answer, size)
        return answer

    def pause(self, step: str, seconds: float) -> None:
        """Wait before a step that is not recorded yet. Raises StillRunningError."""
        if step in self.evidence.exchanges:
            return
        if self._until is not None and self.clock.monotonic() + seconds > self._until:
            raise StillRunningError
        self.clock.sleep(seconds)

    def real_id(self, stand_in: str) -> str | None:
        """The id of another program's batch; None unless this process has listed it."""
        return self._real.get(stand_in)

    def end(self) -> None:
        """Mark the run as complete."""
        self._append(End(self._now()))

    def charge_more(self, name: str, nano: int) -> None:
        """Count what the answers of a batch cost above its maximum."""
        self._more_nano[name] = max(0, nano)

    def _sent(self, step: str, call: Call, max_nano: int, *, only_own: bool) -> Answer:
        if max_nano:
            # Until there is an answer, the recording says that the call may have been made.
            self._append(Exchange(step=step, at=self._now(), call=call))
        answer = self._send(call)
        self._note_ids(answer)
        if as_str(_object(answer).get("type")) == "message_batch":
            self._privacy.own.add(as_str(_object(answer).get("id")))
        lost = self.evidence.lost_sizes
        return self._privacy.clean(answer, lost_sizes=lost, only_own=only_own)

    def _note_ids(self, answer: Answer) -> None:
        for batch in _listed(answer):
            self._real[self._privacy.stand_in(batch)] = batch

    def _learn(self, step: str, answer: Answer, size: int) -> None:
        """Which batches are of this run: created by it, or possibly by a create without answer."""
        if size and answer.failure:
            self.evidence.lost_sizes[size] = step
        if size and as_str(_object(answer).get("type")) == "message_batch":
            self._privacy.own.add(as_str(_object(answer).get("id")))
        if not self._has_listed:
            self._has_listed = True
            self._privacy.before.update(_listed(answer))

    def _reserve(self, nano: int) -> None:
        """Raises InputError before the limit would be passed."""
        more = sum(self._more_nano.values())
        if self._spent_nano + more + nano > self.run.limit_nano and nano:
            raise InputError(
                f"The next call could pass the limit of {dollars_text(self.run.limit_nano)}:"
                " nothing more is sent.",
                code="over_budget",
            )
        self._spent_nano += nano

    def _append(self, line: Line) -> None:
        append(self._path, line)

    def _now(self) -> str:
        return to_text(self.clock.now())


def append(path: Path, line: Line) -> None:
    """Add a line to the recording, on disk before this returns."""
    with open_private(path, append=True) as file:
        file.write(msgspec.json.encode(line) + b"\n")
        file.flush()
        os.fsync(file.fileno())


def drop_torn_line(path: Path) -> None:
    """Remove the end of the recording that a killed process left without a line end."""
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        os.truncate(path, len(whole))


def read(path: Path) -> list[Line]:
    """The lines of a recording. Raises InputError for another file."""
    try:
        with path.open("rb") as file:
            lines = decode_lines(file)
    except OSError as error:
        raise InputError(
            f"Cannot read {path}: {error.strerror}.", code="file_unreadable"
        ) from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path} is not a recording of verify-api: {error!s:.200}.", code="not_a_recording"
        ) from error
    if not lines or not isinstance(lines[0], Run):
        raise InputError(f"{path} is not a recording of verify-api.", code="not_a_recording")
    return lines


def _object(answer: Answer) -> dict[str, object]:
    return as_dict(body_of(answer.raw))


def _listed(answer: Answer) -> Iterator[str]:
    return (as_str(as_dict(one).get("id")) for one in as_list(_object(answer).get("data")))
