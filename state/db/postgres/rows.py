"""Rows of PostgreSQL, which are read as those of SQLite."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, SupportsIndex

if TYPE_CHECKING:
    from psycopg import Cursor


class Row(tuple[Any, ...]):
    """A row whose values are found by position and by name, as those of `sqlite3.Row`."""

    __slots__ = ()
    _positions: dict[str, int]

    def __getitem__(self, at: "SupportsIndex | slice | str") -> Any:  # noqa: ANN401 - as a tuple
        """The value at a position or of a column."""
        if isinstance(at, str):
            try:
                at = self._positions[at]
            except KeyError:
                raise IndexError(f"No item with that key: {at}") from None
        return super().__getitem__(at)

    def keys(self) -> list[str]:
        """The names of the columns."""
        return list(self._positions)


@lru_cache(maxsize=512)
def _row_class(names: tuple[str, ...]) -> type[Row]:
    positions = {name: at for at, name in reversed(list(enumerate(names)))}
    in_order = {name: positions[name] for name in dict.fromkeys(names)}
    return type("Row", (Row,), {"__slots__": (), "_positions": in_order})


def rows_by_name(cursor: "Cursor[Any]") -> Callable[[Sequence[Any]], Row]:
    """The row factory."""
    return _row_class(tuple(column.name for column in cursor.description or ()))
