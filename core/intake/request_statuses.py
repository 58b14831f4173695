"""Counts the requests that a name stands for by status, those of fallback files included."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct

from core.commands import follow_ups
from core.delivery import results as delivery
from core.intake import fallback_contents
from state.db.reader import Reader, Source
from state.files.fallback_file import FallbackFile
from state.files.folder import Folder
from state.files.lost_ledger import ledger_exists
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
    def unfinished(self) -> int:
        """Number of requests that are queued or in flight, or asked again by the next poll."""
        return sum(self.by_status.get(status, 0) for status in _UNFINISHED) + self.follow_ups

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
    FileNotFoundError where a poll imports a fallback file meanwhile.
    """
    if not ledger_exists(folder.ledger):
        files = fallback_contents.named(folder, name)
        if files:
            return _with_files(Counter(), files, 0)
    with Reader(folder.ledger) as reader:
        files = fallback_contents.waiting(reader, folder, name)
        try:
            counts, again = _in_ledger(reader, name, now)
        except UnknownId:
            if not files:
                raise
            counts, again = Counter[RequestStatus](), 0
    return _with_files(counts, files, again)


def _in_ledger(source: Source, name: str, now: datetime) -> tuple[Counter[RequestStatus], int]:
    """The requests by status, and how many answers are asked for again."""
    counts: Counter[RequestStatus] = Counter()
    again = 0
    for submission, batch in delivery.named(source, name):
        of_batch = ledger_status.statuses_in(source, batch) if batch else {}
        counts.update(of_batch or ledger_status.statuses_of(source, submission))
        due = follow_ups.due(source, now, submission.id)
        again += sum(batch is None or answer.batch_key == batch.key for answer in due)
    if not counts:
        raise UnknownId(f"{name!r} has no requests.")
    return counts, again


def _with_files(
    counts: Counter[RequestStatus], files: list[FallbackFile], again: int
) -> RequestStatuses:
    for file in files:
        counts.update(fallback_contents.statuses(file))
    return RequestStatuses(by_status=counts, fallback_files=len(files), follow_ups=again)
