"""The tables that a copy of a ledger has, and the checksums by which both are compared."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from functools import cache
from hashlib import blake2b
from operator import itemgetter

import msgspec

from state.db.connection import sqlite3
from state.db.schema import NEWEST

Value = str | int | float | bytes | None
Row = tuple[Value, ...]

# Belong to processes, none of which runs during a copy, and expire by a clock of the database.
_NOT_COPIED = {"leases"}
_DIGEST_BYTES = 16
_MODULUS = 1 << (8 * _DIGEST_BYTES)


class CopiedTable(msgspec.Struct, frozen=True, kw_only=True):
    """A table of the newest schema."""

    name: str
    columns: tuple[str, ...]
    #: The type of each column as SQLite spells it.
    types: tuple[str, ...]
    #: The columns of the primary key.
    key: tuple[str, ...]

    @property
    def select(self) -> str:
        """Each row, in the order of the key."""
        return f"SELECT {', '.join(self.columns)} FROM {self.name} ORDER BY {', '.join(self.key)}"  # noqa: S608 - our own names

    @property
    def has_id(self) -> bool:
        """Whether the database numbers its rows."""
        return self.key == ("id",) and self.name != "revision"


@cache
def copied_tables() -> tuple[CopiedTable, ...]:
    """The tables of this version that are copied, those that others refer to first."""
    with closing(sqlite3.connect(":memory:")) as made:
        made.executescript(NEWEST)
        names = made.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
            " ORDER BY rootpage"
        ).fetchall()
        return tuple(_table(made, name) for (name,) in names if name not in _NOT_COPIED)


def _table(made: "sqlite3.Connection", name: str) -> CopiedTable:
    columns = made.execute("SELECT name, type, pk FROM pragma_table_info(?)", (name,)).fetchall()
    return CopiedTable(
        name=name,
        columns=tuple(column for column, _, _ in columns),
        types=tuple(kind for _, kind, _ in columns),
        key=tuple(column for column, _, place in sorted(columns, key=itemgetter(2)) if place),
    )


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """What the rows of one table sum up to, in any order."""

    rows: int = 0
    #: The sum of a hash of each row.
    checksum: int = 0
    #: Texts in which a NUL was replaced.
    replaced: int = 0


class SumOfRows:
    """Sums up rows as they pass.

    `stores_nul`: whether the target stores a NUL in a text; else U+FFFD takes its place.
    """

    def __init__(self, table: CopiedTable, *, stores_nul: bool = True) -> None:
        """Nothing has passed yet."""
        texts = [at for at, kind in enumerate(table.types) if kind == "TEXT"]
        self._texts = texts if not stores_nul else []
        self._rows = self._checksum = self._replaced = 0

    def over(
        self, rows: Iterable[Row], note: Callable[[int], None] = lambda _count: None
    ) -> Iterator[Row]:
        """The rows as the target stores them; `note` gets their number, now and then."""
        encode = msgspec.msgpack.Encoder().encode
        for row in rows:
            stored = self._stored(row) if self._texts else row
            digest = blake2b(encode(stored), digest_size=_DIGEST_BYTES).digest()
            self._checksum += int.from_bytes(digest, "little")
            self._rows += 1
            if not self._rows % 10_000:
                note(self._rows)
            yield stored
        note(self._rows)

    def _stored(self, row: Row) -> Row:
        found = [at for at in self._texts if (text := row[at]) is not None and "\0" in text]  # pyright: ignore[reportOperatorIssue] - a column of texts
        if not found:
            return row
        self._replaced += len(found)
        changed = list(row)
        for at in found:
            changed[at] = str(changed[at]).replace("\0", "\ufffd")
        return tuple(changed)

    @property
    def sums(self) -> Sums:
        """Of the rows that have passed."""
        return Sums(rows=self._rows, checksum=self._checksum % _MODULUS, replaced=self._replaced)


def sums_of(
    table: CopiedTable, rows: Iterable[Row], note: Callable[[int], None] = lambda _count: None
) -> Sums:
    """What the rows, as they are stored, sum up to; `note` is that of `SumOfRows.over`."""
    summed = SumOfRows(table)
    for _ in summed.over(rows, note):
        pass
    return summed.sums
