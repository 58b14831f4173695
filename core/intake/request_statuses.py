"""Counts the requests that a name stands for by status, those of fallback files included."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from core.commands import follow_ups
from core.delivery import results as delivery
from core.intake import fallback_contents
from state.db.opening import ledger_name, reader_if_any
from state.db.reader import Source
from state.files.fallback_file import FallbackFile
from state.files.folder import Folder
from state.files.lost_ledger import missing
from state.model.errors import UnknownId
from state.model.records import RequestStatus
from state.queries import ledger_status

_UNFINISHED = (RequestStatus.QUEUED, RequestStatus.IN_FLIGHT)
_SETTLED = (RequestStatus.SUCCEEDED, RequestStatus.ACKNOWLEDGED)


class RequestStatuses(Struct, frozen=True, kw_only=True):
    """Number of requests in each status; a status without requests is left out."""

    by_status: Mapping[RequestStatus, int]
    #: Fallback files with that key or tag that no poll has imported yet.
    fallback_files: int = 0
    #: Answers that the next poll asks for again. They count as succeeded, and have not ended.
    follow_ups: int = 0

    @property
    def requests(self) -> int:
        """Number of requests."""
        return sum(self.by_status.values())

    @property
    def at_work(self) -> int:
        """Number of requests that are queued or in flight."""
        return sum(self.by_status.get(status, 0) for status in _UNFINISHED)

    @property
    def unfinished(self) -> int:
        """Number of requests that are queued or in flight, or asked again by the next poll."""
        return self.at_work + self.follow_ups

    @property
    def failed(self) -> int:
        """Number of requests that ended without an answer and are not acknowledged."""
        others = (*_UNFINISHED, *_SETTLED)
        return self.requests - sum(self.by_status.get(status, 0) for status in others)

    @property
    def is_finished(self) -> bool:
        """Whether every request has ended and is in the ledger."""
        return not self.unfinished and not self.fallback_files

    @property
    def is_settled(self) -> bool:
        """Whether every request has succeeded or was acknowledged."""
        return self.is_finished and not self.failed


def of_name(folder: Folder, name: str, now: datetime) -> RequestStatuses:
    """The requests of a tag, a submission, a batch or an API batch id. Raises UnknownId.

    A batch that was not sent stands for its submission, where its requests are queued again. Raises
    FileNotFoundError where a poll imports a fallback file meanwhile. A server of the ledger has a
    time of its own, which replaces `now`.
    """
    with reader_if_any(folder) as reader:
        if reader is None:
            files = fallback_contents.named(folder, name)
            if not files:
                raise missing(ledger_name(folder))
            return _with_files(RequestStatuses(by_status={}), files)
        files = fallback_contents.waiting(reader, folder, name)
        try:
            found = in_ledger(reader, name, reader.server_now() or now)
        except UnknownId:
            if not files:
                raise
            found = RequestStatuses(by_status={})
    return _with_files(found, files)


def in_ledger(source: Source, name: str, now: datetime) -> RequestStatuses:
    """As `of_name`, without fallback files. Raises UnknownId."""
    counts: Counter[RequestStatus] = Counter()
    again = 0
    for submission, batch in delivery.named(source, name):
        of_batch = ledger_status.statuses_in(source, batch) if batch else {}
        counts.update(of_batch or ledger_status.statuses_of(source, submission))
        due = follow_ups.due(source, now, submission.id)
        again += sum(batch is None or answer.batch_key == batch.key for answer in due)
    if not counts:
        raise UnknownId(f"{name!r} has no requests.")
    return RequestStatuses(by_status=counts, follow_ups=again)


def _with_files(found: RequestStatuses, files: list[FallbackFile]) -> RequestStatuses:
    counts = Counter(found.by_status)
    for file in files:
        counts.update(fallback_contents.statuses(file))
    return replace(found, by_status=counts, fallback_files=len(files))


class WaitReport(Struct, frozen=True, kw_only=True):
    """What the requests came to, as JSON. `by_status` has every request status."""

    name: str
    requests: int
    by_status: dict[str, int]
    finished: bool
    settled: bool
    fallback_files: int
    follow_ups: int
    waited_s: float
    problems: list[str]


def report(
    name: str, found: RequestStatuses, *, waited_s: float, problems: Sequence[str]
) -> WaitReport:
    """The requests of that name, waited for so long, and the problems of the polls meanwhile."""
    return WaitReport(
        name=name,
        requests=found.requests,
        by_status={status.value: found.by_status.get(status, 0) for status in RequestStatus},
        finished=found.is_finished,
        settled=found.is_settled,
        fallback_files=found.fallback_files,
        follow_ups=found.follow_ups,
        waited_s=round(waited_s, 1),
        problems=list(problems),
    )
