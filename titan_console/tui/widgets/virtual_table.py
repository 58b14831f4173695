"""A list of any length: it knows all keys, and holds only the records around the window."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Generic, Protocol, TypeVar, cast

from msgspec import Struct

from core.clock import Clock
from state.db.reader import Source
from state.files.folder import Folder
from titan_console.session.query_worker import LiveQuery, QueryWorker, Work
from titan_console.text.format import Tone
from titan_console.text.lines import Part
from titan_console.tui.widgets.record_table import RecordTable
from titan_console.tui.widgets.row_drawing import Column, Row
from titan_console.tui.widgets.selection import IdSelection, Key

Record = TypeVar("Record")
_SPARE = 60
_MAX_KEPT = 2000


class Listing(Protocol[Record]):
    """The source of a table. `keys` and `records` run on another thread."""

    def keys(self, source: Source) -> Sequence[int]:
        """The ids of all rows in order; a range where they are dense."""
        ...

    def records(self, source: Source, keys: Sequence[int]) -> Mapping[int, Record]:
        """The records with these ids."""
        ...

    def row(self, key: int, record: Record, now: datetime) -> Row:
        """The row of a record as of `now`. Pure."""
        ...


class _Listed(Struct, frozen=True):
    """All keys of a listing; the highest of them, and how many are higher than one seen before."""

    keys: Sequence[int]
    newest: int
    newer: int


class VirtualTable(RecordTable, Generic[Record]):
    """Shows a listing, and refreshes it when the ledger changes.

    New rows do not move the rows on the screen: `newer` counts them until the top is shown.
    """

    def __init__(
        self,
        columns: Sequence[Column],
        listing: Listing[Record],
        folder: Folder,
        clock: Clock,
        *,
        id: str,  # noqa: A002 - Textual's own word
    ) -> None:
        """`folder` is that of the ledger."""
        super().__init__(columns, id=id)
        self.selection = IdSelection()
        self.listing = listing
        self.newer = 0
        self.is_following = False
        # Whether it follows by itself while the cursor is on the first row.
        self.follows_at_top = False
        self.is_loaded = False
        self.problem = ""
        self._clock = clock
        # Whether the operator has left the first row; where the list has scrolled by itself, and
        # whether it is to show its top again.
        self._was_moved = False
        self._own_scroll = 0
        self._starts_at_top = False
        # The highest key of the list, and the highest when its top was last shown.
        self._newest = self._seen = 0
        self._is_taking = False
        self._records: dict[int, Record] = {}
        self._key_worker, self._record_worker = QueryWorker(folder), QueryWorker(folder)
        self._key_answers = LiveQuery(
            self._key_worker, self._list_keys, self._take_keys, self._fail, self._start
        )
        self._record_answers: LiveQuery[Mapping[int, Record]] = LiveQuery(
            self._record_worker, lambda _: {}, self._take_records, self._fail, self._start
        )

    def list(self, listing: Listing[Record]) -> None:
        """Show another listing from its top; a slow query of the former is interrupted.

        Loaded rows stay until the new ones arrive. While rows are selected, the cursor stays.
        """
        self.listing = listing
        self.is_loaded = False
        self._starts_at_top = not self.selection
        self.measure_again()
        self._key_answers.ask(self._list_keys)

    def begin_with(self, records: Mapping[int, Record]) -> None:
        """Show these first rows until the keys of all have been read."""
        if not self.is_loaded and list(records) != self._keys:
            self._records.update(records)
            self._measure(records)
            self.show_keys(list(records), follow=True)

    def record_times(self, note: Callable[[float], None]) -> None:
        """Report the seconds that each query takes."""
        self._key_worker.note = self._record_worker.note = note

    def ledger_changed(self) -> None:
        """Refresh the rows around the window; others load when they are shown."""
        near = set(self.visible_keys(_SPARE))
        self._records = {key: kept for key, kept in self._records.items() if key in near}
        self._key_answers.changed()
        self._record_answers.changed()

    def tick(self) -> None:
        """Redraw, so that ages are current."""
        self.rows_changed()

    def row_of(self, key: Key) -> Row | None:
        """The row with that key as of now, if it is loaded."""
        number = cast("int", key)
        record = self._records.get(number)
        return None if record is None else self.listing.row(number, record, self._clock.now())

    def record_under_cursor(self) -> Record | None:
        """The record under the cursor, if it is loaded."""
        key = self.current_key()
        return None if key is None else self._records.get(cast("int", key))

    def move_to(self, row: int) -> None:
        """Moving down stops following; at the top all rows have been shown."""
        super().move_to(row)
        self._was_moved = self.cursor_row != 0
        if self.cursor_row == 0:
            self.is_following = self.is_following or self.follows_at_top
            self._see_all()
        elif self.is_following:
            self.is_following = False
            self.post_message(self.SelectionChanged())

    def show_top_again(self) -> None:
        """With the next keys, show the newest rows, unless the operator moved or selected some."""
        was_scrolled = self.scroll_offset.y != self._own_scroll
        self._starts_at_top = not (self._was_moved or was_scrolled or self.selection)

    def stop_following(self) -> None:
        """Stay on the row under the cursor."""
        self.is_following = False
        self.post_message(self.SelectionChanged())

    def follow(self) -> None:
        """Stay on the newest row."""
        self.is_following = True
        self.scroll_to(y=0, animate=False, immediate=True)
        self._own_scroll = 0
        self.move_to(0)

    def follow_badge(self) -> tuple[Part, ...]:
        """Whether it follows, or the number of new rows."""
        if self.is_following:
            return (Part("  ▲ following", Tone.GOOD),)
        if self.newer:
            return (Part(f"  ▲ {self.newer:,} new", Tone.WARN, strong=True),)
        return ()

    def on_mount(self) -> None:
        """Load the keys."""
        self.is_following = self.is_following or self.follows_at_top
        self._key_answers.ask(self._list_keys)

    def on_unmount(self) -> None:
        """Close the ledger."""
        self._key_worker.close()
        self._record_worker.close()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Load the rows that scroll into the window."""
        super().watch_scroll_y(old_value, new_value)
        self._load(only_missing=True)
        if new_value == 0 and not self._is_taking:
            self._see_all()

    def on_resize(self) -> None:
        """More may be in the window."""
        super().on_resize()
        self._load(only_missing=True)

    def _start(self, work: Work) -> None:
        self.run_worker(work, exit_on_error=True)

    def _list_keys(self, source: Source) -> _Listed:
        keys, seen = self.listing.keys(source), self._seen
        if isinstance(keys, range) and keys:
            first, newest = sorted((keys[0], keys[-1]))
            return _Listed(keys, newest, newest - max(seen, first - 1))
        newest = max(keys, default=0)
        is_newer = self.is_loaded and newest > seen
        return _Listed(keys, newest, sum(key > seen for key in keys) if is_newer else 0)

    def _take_keys(self, listed: _Listed) -> None:
        is_first = not self.is_loaded
        self._is_taking = True
        returns = self.returns_to_top and listed.keys != self._keys
        if returns:
            self.is_following, self._was_moved = self.follows_at_top, False
        at_top = self.is_following or self._starts_at_top or returns
        self._starts_at_top = False
        self._was_moved = self._was_moved or self.scroll_offset.y != self._own_scroll
        if at_top:
            self.cursor_row = 0
        self.show_keys(listed.keys, follow=at_top)
        self._own_scroll = self.scroll_offset.y
        self._is_taking = False
        self.is_loaded, self.problem = True, ""
        self._newest, self.newer = listed.newest, listed.newer
        if is_first or self.scroll_offset.y == 0:
            self._see_all()
        # Rows that it began with lack what only the listing reads.
        self._load(only_missing=not is_first)
        self.post_message(self.SelectionChanged())

    def _see_all(self) -> None:
        self._seen = self._newest
        if self.newer:
            self.newer = 0
            self.post_message(self.SelectionChanged())

    def _load(self, *, only_missing: bool) -> None:
        keys = cast("Sequence[int]", self.visible_keys(_SPARE))
        if only_missing and all(key in self._records for key in self.visible_keys()):
            return
        listing = self.listing
        self._record_answers.ask(lambda source: listing.records(source, keys))

    def _take_records(self, records: Mapping[int, Record]) -> None:
        if len(self._records) > _MAX_KEPT:
            self._records.clear()
        self._records.update(records)
        # Until the keys of another listing are known, these rows are of the former.
        if self.is_loaded:
            self._measure(records)
        self.rows_changed()
        self.post_message(self.Moved(self))

    def known_rows(self) -> Iterable[Row]:
        """Those of the window, and of a few lines around it."""
        found = (self.row_of(key) for key in self.visible_keys(_SPARE))
        return [row for row in found if row is not None]

    def _measure(self, records: Mapping[int, Record]) -> None:
        """Fit the columns to these rows, too."""
        now = self._clock.now()
        self.measure(self.listing.row(key, record, now) for key, record in records.items())

    def _fail(self, reason: str) -> None:
        self.problem = reason
        self.post_message(self.Moved(self))
