"""Decides which columns of a table fit, and how wide each is."""

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

GAP = 2
# The second column of a small terminal is squeezed down to that, rather than left out.
_NARROWEST = 6


class Column(Struct, frozen=True):
    """A column; the lowest `priority` is the last to go.

    What is left of the width is shared among the columns by `grow`, up to `widest`. What is too
    long for a column that `keeps_end` is cut within.
    """

    key: str
    label: str
    width: int
    priority: int
    right: bool = False
    grow: int = 0
    widest: int = 1000
    keeps_end: bool = False


def fit(columns: Sequence[Column], width: int) -> list[tuple[Column, int]]:
    """The columns that fit into that many cells, in their order, with their widths."""
    chosen = _choose(columns, width)
    widths = {column.key: column.width for column in chosen}
    spare = width - sum(column.width + GAP for column in chosen)
    while spare > 0:
        growing = [c for c in chosen if c.grow and widths[c.key] < c.widest]
        if not growing:
            break
        shares = sum(column.grow for column in growing)
        given = 0
        for column in growing:
            more = min(max(1, spare * column.grow // shares), column.widest - widths[column.key])
            more = min(more, spare - given)
            widths[column.key] += more
            given += more
        spare -= given
    return [(column, max(1, min(widths[column.key], width))) for column in chosen]


def _choose(columns: Sequence[Column], width: int) -> list[Column]:
    left = width
    chosen: dict[str, Column] = {}
    for column in sorted(columns, key=lambda column: column.priority):
        left -= column.width + GAP
        narrow = column.width + left
        if left < 0 and len(chosen) == 1 and narrow >= _NARROWEST:
            chosen[column.key] = replace(column, width=narrow)
        if left < 0 and chosen:
            break
        chosen[column.key] = column
    return [chosen[column.key] for column in columns if column.key in chosen]
