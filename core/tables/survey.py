"""Reads the rows once: their ids, and the requests that the ledger does not have."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import chain, islice

from core.errors import InputError
from core.tables.requests import RequestBuilder, RowIds
from core.tables.source import Row
from state.model.records import FAILED_STATUSES, RequestStatus

# A chunk of requests whose ids are looked up at once: this many, or this many bytes.
_ROWS = 1000
_BYTES = 8_000_000
Known = Callable[[Sequence[str]], Mapping[str, RequestStatus]]
Waiting = list[tuple[str, dict[str, object]]]


class Survey:
    """What is in a table. The counts are complete once `new_requests` has ended.

    It takes 16 bytes a row for `ids`, and some 32 bytes a distinct row while it runs.
    """

    def __init__(
        self,
        builder: RequestBuilder,
        known: Known,
        *,
        dedup: bool = True,
        limit: int | None = None,
        reserved: Collection[str] = (),
    ) -> None:
        """`known` returns the status of each id that the ledger has, under the tag.

        `reserved` are the columns of the answers, which no row may have. `limit` is the number of
        rows that are read.
        """
        builder.check()
        self._builder, self._known, self._dedup = builder, known, dedup
        self._limit, self._reserved = limit, frozenset(reserved)
        self._fingerprint = builder.source.fingerprint()
        #: The id of each row, one after the other.
        self.ids = bytearray()
        self.rows = 0
        self.distinct = 0
        self.new = 0
        self.by_status: Counter[RequestStatus] = Counter()

    @property
    def answered(self) -> int:
        """How many distinct requests have an answer."""
        return self.by_status[RequestStatus.SUCCEEDED]

    @property
    def failed(self) -> int:
        """How many ended without one."""
        ended = (*FAILED_STATUSES, RequestStatus.ACKNOWLEDGED)
        return sum(self.by_status[status] for status in ended)

    @property
    def unfinished(self) -> int:
        """How many are queued or in flight."""
        return self.by_status[RequestStatus.QUEUED] + self.by_status[RequestStatus.IN_FLIGHT]

    def begin(self) -> Iterator[dict[str, object]] | None:
        """`new_requests`; None where nothing is new, and then every row is read."""
        requests = self.new_requests()
        first = next(requests, None)
        return None if first is None else chain([first], requests)

    def new_requests(self) -> Iterator[dict[str, object]]:
        """Read the rows, and yield the requests that are new. Raises InputError, OSError."""
        waiting: Waiting = []
        ids, size = RowIds(dedup=self._dedup), 0
        for row in self._rows():
            request = self._builder.build(row)
            made, is_new = ids.add(request.encoded, self.rows)
            self.ids += made
            if not is_new:
                continue
            waiting.append((made.hex(), request.params))
            size += len(request.encoded)
            if len(waiting) >= _ROWS or size >= _BYTES:
                yield from self._new(waiting)
                waiting, size = [], 0
        yield from self._new(waiting)
        self.distinct = len(ids)
        self.check_unchanged()

    def check_unchanged(self) -> None:
        """Raise InputError where the table is not what it was before."""
        source = self._builder.source
        if source.fingerprint() != self._fingerprint:
            raise InputError(
                f"{source.name} changed while it was read: run the same command again.",
                code="source_changed",
            )

    def _rows(self) -> Iterator[Row]:
        builder = self._builder
        rows = builder.source.read(frozenset(builder.template.columns))
        checks_each = builder.source.columns is None
        for row in islice(rows, self._limit):
            self.rows += 1
            if checks_each and not self._reserved.isdisjoint(row.values):
                check_columns(row.values, self._reserved, builder.source.place(row))
            yield row
        if not self.rows:
            raise InputError(f"{builder.source.name} has no rows.", code="no_requests")

    def _new(self, waiting: Waiting) -> Iterator[dict[str, object]]:
        known = self._known([custom_id for custom_id, _ in waiting])
        self.by_status.update(known.values())
        for custom_id, params in waiting:
            if custom_id not in known:
                self.new += 1
                yield {"custom_id": custom_id, "params": params}


def check_columns(columns: Collection[str], reserved: Collection[str], where: str) -> None:
    """Raise InputError where the table has a column that the answers would have too."""
    for name in columns:
        if name in reserved:
            raise InputError(
                f"{where} has a column {name!r} already: rename it, or put a prefix before the"
                ' names of the answers (--prefix ai_, or prefix="ai_" in Python).',
                code="column_exists",
            )
