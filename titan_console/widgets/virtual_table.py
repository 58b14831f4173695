"""A list of any length: it knows all keys, and holds only the records around the window."""

from collections.abc import Coroutine, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Generic, Protocol, TypeVar, cast

from core.clock import Clock
from state.reader import Source
from titan_console.desk import Answered, Desk
from titan_console.widgets.columns import Column
from titan_console.widgets.marks import IdMarks, Key
from titan_console.widgets.record_table import RecordTable, Row, index_of

Record = TypeVar("Record")
_SPARE = 60
_MOST_KEPT = 2000


class Listing(Protocol[Record]):
    """What a table lists. `keys` and `records` are asked on another thread."""

    def keys(self, source: Source) -> Sequence[int]:
        """The ids of everything that is listed, in order; a range where they are dense."""
        ...

    def records(self, source: Source, keys: Sequence[int]) -> Mapping[int, Record]:
        """What is shown of these."""
        ...

    def row(self, key: int, record: Record, now: datetime) -> Row:
        """How it looks at this moment. Pure."""
        ...


class VirtualTable(RecordTable, Generic[Record]):
    """Shows a listing, and keeps it current while the ledger changes."""

    def __init__(
        self,
        columns: Sequence[Column],
        listing: Listing[Record],
        path: Path,
        clock: Clock,
        *,
        id: str,  # noqa: A002 - Textual's own word
    ) -> None:
        """`path` is the ledger."""
        super().__init__(columns, id=id)
        self.marks = IdMarks()
        self.listing = listing
        self.newer = 0
        self.is_loaded = False
        self.trouble = ""
        self._clock = clock
        self._records: dict[int, Record] = {}
        self._key_desk, self._record_desk = Desk(path), Desk(path)
        self._key_answers = Answered(
            self._key_desk, listing.keys, self._take_keys, self._fail, self._start
        )
        self._record_answers: Answered[Mapping[int, Record]] = Answered(
            self._record_desk, lambda _: {}, self._take_records, self._fail, self._start
        )

    def list(self, listing: Listing[Record]) -> None:
        """List something else; a slow question about the former is broken off."""
        self.listing = listing
        self.newer = 0
        self._records.clear()
        self._key_answers.ask(listing.keys)

    def ledger_changed(self) -> None:
        """Ask again for what is seen."""
        self._key_answers.changed()
        self._record_answers.changed()

    def tick(self) -> None:
        """Ages have grown."""
        self._strips.clear()
        self.refresh()

    def row_of(self, key: Key) -> Row | None:
        """The record with that key, as it looks now, if it is loaded."""
        number = cast("int", key)
        record = self._records.get(number)
        return None if record is None else self.listing.row(number, record, self._clock.now())

    def record_under_cursor(self) -> Record | None:
        """What the cursor stands on, if it is loaded."""
        key = self.current_key()
        return None if key is None else self._records.get(cast("int", key))

    def move_to(self, row: int) -> None:
        """At the top, nothing is newer any more."""
        super().move_to(row)
        if self.cursor_row == 0:
            self.newer = 0

    def on_mount(self) -> None:
        """Begin to ask."""
        self._key_answers.ask(self.listing.keys)

    def on_unmount(self) -> None:
        """Let go of the ledger."""
        self._key_desk.close()
        self._record_desk.close()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Load what comes into the window."""
        super().watch_scroll_y(old_value, new_value)
        self._load(only_missing=True)

    def on_resize(self) -> None:
        """More may be in the window."""
        super().on_resize()
        self._load(only_missing=True)

    def _start(self, work: Coroutine[None, None, None]) -> None:
        self.run_worker(work, exit_on_error=True)

    def _take_keys(self, keys: Sequence[int]) -> None:
        held = self.current_key()
        if held is not None and self.cursor_row > 0:
            place = index_of(keys, held)
            self.newer += max(0, (place or 0) - self.cursor_row)
            self.show_keys(keys)
        else:
            self.cursor_row = 0
            self.show_keys(keys, follow=True)
        self.is_loaded, self.trouble = True, ""
        self._load(only_missing=True)

    def _load(self, *, only_missing: bool) -> None:
        keys = cast("Sequence[int]", self.visible_keys(_SPARE))
        if only_missing and all(key in self._records for key in self.visible_keys()):
            return
        listing = self.listing
        self._record_answers.ask(lambda source: listing.records(source, keys))

    def _take_records(self, records: Mapping[int, Record]) -> None:
        if len(self._records) > _MOST_KEPT:
            self._records.clear()
        self._records.update(records)
        self._strips.clear()
        self.refresh()
        self.post_message(self.Moved(self))

    def _fail(self, reason: str) -> None:
        self.trouble = reason
        self.post_message(self.Moved(self))
