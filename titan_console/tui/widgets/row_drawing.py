"""Draws the rows of a table: which columns fit, how wide each is, and each cell in its tone."""

from collections.abc import Callable, Collection, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from titan_console.text.format import Tone
from titan_console.text.safe_text import pad
from titan_console.tui.theme import tones_of, without_colours
from titan_console.tui.widgets.selection import Key

GAP = 2
# In a small terminal the second column is narrowed to that before it is left out.
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


PARTS = {
    "record-table--header",
    "record-table--cursor",
    "record-table--selected",
    "record-table--loading",
}
_MARK = "●"
_LOADING = "·····"
_MOST_DRAWN = 1000


class Cell(Struct, frozen=True):
    """The text of a cell and its tone."""

    text: str
    tone: Tone = Tone.PLAIN


class Row(Struct, frozen=True):
    """One record: its key, its cells by column, the long line about it, and where Enter leads."""

    key: Key
    cells: Mapping[str, Cell]
    about: str = ""
    link: str = ""


class RowState(Struct, frozen=True):
    """A row, and how it is highlighted."""

    key: Key
    cursor: bool
    selected: bool
    focused: bool


class RowDrawing:
    """Draws the lines of one table, and caches them until they change."""

    def __init__(self, table: Widget, columns: Sequence[Column]) -> None:
        """`table` has the styles of `PARTS`."""
        self.columns = columns
        self._table = table
        self._width = -1
        self._fitted: list[tuple[Column, int]] = []
        self._strips: dict[RowState, Strip] = {}
        self._styles: Mapping[Tone, Style] = {}

    def forget(self, changed: Collection[Key] | None = None) -> None:
        """Drop the cached lines of these rows; without `changed`, of all."""
        if changed is None:
            self._strips.clear()
            return
        for state in [state for state in self._strips if state.key in changed]:
            del self._strips[state]

    def forget_all(self) -> None:
        """The columns or the theme have changed."""
        self._strips.clear()
        self._styles = {}
        self._width = -1

    def header(self, width: int) -> Strip:
        """The labels of the columns."""
        self._fit(width)
        style = self._table.rich_style + self._table.get_component_rich_style(
            "record-table--header"
        )
        text = " " + "".join(
            pad(column.label, size, right=column.right) + " " * GAP for column, size in self._fitted
        )
        return Strip([Segment(text, style)]).adjust_cell_length(width, style)

    def line(self, state: RowState, width: int, find: Callable[[Key], Row | None]) -> Strip:
        """A row in that many cells; dots where `find` has none yet."""
        self._fit(width)
        strip = self._strips.get(state)
        if strip is None:
            if len(self._strips) > _MOST_DRAWN:
                self._strips.clear()
            strip = self._strips[state] = self._draw(state, width, find(state.key))
        return strip

    def _fit(self, width: int) -> None:
        if width != self._width:
            self._width, self._fitted = width, fit(self.columns, width)
            self._strips.clear()

    def _draw(self, state: RowState, width: int, row: Row | None) -> Strip:
        table = self._table
        base = table.rich_style
        if state.cursor:
            base += table.get_component_rich_style("record-table--cursor")
        mark = base + table.get_component_rich_style("record-table--selected", partial=True)
        segments = [Segment(_MARK if state.selected else " ", mark)]
        if row is None:
            loading = base + table.get_component_rich_style("record-table--loading", partial=True)
            segments.append(Segment(_LOADING, loading))
        else:
            segments += self._cells(row, base, plain=state.cursor and without_colours(table))
        return Strip(segments).adjust_cell_length(width, base)

    def _cells(self, row: Row, base: Style, *, plain: bool) -> list[Segment]:
        styles = self._tone_styles()
        segments: list[Segment] = []
        for column, width in self._fitted:
            cell = row.cells.get(column.key, Cell(""))
            shown = pad(cell.text, width, right=column.right, keeps_end=column.keeps_end)
            blank = len(shown) - len(shown.lstrip())
            text = shown.strip()
            style = base if plain else base + styles[cell.tone]
            segments += (
                Segment(" " * blank, base),
                Segment(text, style),
                Segment(" " * (len(shown) - blank - len(text) + GAP), base),
            )
        return segments

    def _tone_styles(self) -> Mapping[Tone, Style]:
        if not self._styles:
            self._styles = {tone: Style.parse(text) for tone, text in tones_of(self._table).items()}
        return self._styles
