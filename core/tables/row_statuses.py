"""How far the requests of a table's rows are; others under the tag do not count."""

from collections import Counter
from datetime import datetime

from core.commands import follow_ups
from core.intake.request_statuses import RequestStatuses
from core.requests.seen_ids import SeenIds
from core.tables.answers import names_of
from core.tables.requests import ID_BYTES
from state.db.opening import open_reader
from state.db.reader import Source
from state.files.folder import Folder
from state.model.records import RequestStatus
from state.queries import batch_list, event_list, result_rows

_CHUNK = 1000 * ID_BYTES


class RowStatuses:
    """Counts the rows, and counts them again once the ledger has a new event."""

    def __init__(self, folder: Folder, tag: str, ids: bytes | bytearray) -> None:
        """`ids` are those of `Survey.ids`: a row that repeats another counts once."""
        self._folder, self._tag, self._ids = folder, tag, ids
        self._newest_event = -1
        self._by_status: Counter[RequestStatus] = Counter()

    def at(self, now: datetime) -> RequestStatuses:
        """The statuses of the rows as of now. Raises LedgerError."""
        with open_reader(self._folder) as reader:
            newest = next(iter(event_list.newest_first(reader)), 0)
            if newest != self._newest_event:
                self._by_status, self._newest_event = self._count(reader), newest
            again = count_follow_ups(reader, self._tag, self._ids, now)
        return RequestStatuses(by_status=self._by_status, follow_ups=again)

    def _count(self, source: Source) -> Counter[RequestStatus]:
        found, seen = Counter[RequestStatus](), SeenIds()
        for start in range(0, len(self._ids), _CHUNK):
            names = names_of(self._ids[start : start + _CHUNK])
            new = [name for name in names if seen.add(name, 1) is None]
            found.update(result_rows.statuses(source, self._tag, new).values())
        return found


def count_follow_ups(source: Source, tag: str, ids: bytes | bytearray, now: datetime) -> int:
    """How many answers to these rows the next poll asks for again."""
    due = [
        answer.custom_id
        for submission in batch_list.submissions_of(source, tag)
        for answer in follow_ups.due(source, now, submission.id)
    ]
    rows = set(names_of(ids)) if due else set[str]()
    return sum(custom_id in rows for custom_id in due)
