"""Draws the rows of a table: which columns fit, how wide each is, and each cell in its tone."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from msgspec import Struct
from msgspec.structs import replace
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from titan_console.text.format import NOTHING, Tone
from titan_console.text.safe_text import cells, clean, pad
from titan_console.tui.theme import tones_of, without_colours
from titan_console.tui.widgets.selection import Key

GAP = 2
# In a small terminal the second column is narrowed to that before it is left out.
_NARROWEST = 6
# The widest width of a column that says none.
_ANY = 1000


class Column(Struct, frozen=True):
    """A column; the lowest `priority` is the last to go.

    What is left of the width is shared among the columns by `grow`, up to their widest text and
    to `widest`. A column that `is_name` is shown in full first. What is too long for one that
    `keeps_end` is cut within. `narrow` is a width to which it shrinks before it goes, such as that
    of a glyph. Cells with one of the texts `usual` count as empty, and an empty column is left out.
    `is_extra`: shown only where the operator chose it. Long names leave room for a column that
    `keeps_room`. `is_sorted`: the list is sorted by it; then it is shown even where it is empty.
    """

    key: str
    label: str
    width: int
    priority: int
    right: bool = False
    grow: int = 0
    widest: int = _ANY
    keeps_end: bool = False
    is_name: bool = False
    narrow: int = 0
    usual: tuple[str, ...] = ()
    is_extra: bool = False
    keeps_room: bool = False
    is_sorted: bool = False


# The widest text of each column, by its key; 0 for an empty one.
Content = Mapping[str, int]
_CHOSEN = 2
# Added to the priority of a column that is kept although it is empty.
_LAST = 1000
# Names take at most that share of the width; so many cells of it they leave to no other column.
_NAMES_OF_FIVE = 4
_NAMES_KEEP = 48


def fit(
    columns: Sequence[Column], width: int, content: Content | None = None
) -> list[tuple[Column, int]]:
    """The columns that fit into that many cells, in their order, with their widths.

    Without `content`, all may hold text of any width.
    """
    if content is not None:
        filled = [c for c in columns if content.get(c.key) or c.is_sorted]
        columns = [_sized(c, content) for c in filled] or columns[:1]
    chosen = _choose(_with_names(columns, width), width)
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


# Dollars, and what follows their point.
_DOLLARS = re.compile(r"[-<≈≥≤ ]*\$[\d,]+\.(.*)")


def _decimals(text: str) -> int | None:
    """How many characters follow the point of dollars, as in `$7.46+?`; None for other texts."""
    found = _DOLLARS.fullmatch(text) if "$" in text else None
    return len(found[1]) if found else None


def _aligned(text: str, decimals: int, width: int) -> str:
    """Dollars with their point below that of others of the column, which have more decimals."""
    own = _decimals(text)
    blank = 0 if own is None else decimals - own
    return text + " " * blank if 0 < blank <= width - len(text) else text


def _sized(column: Column, content: Content) -> Column:
    """The column with no more room than its texts need."""
    if not column.grow:
        return column
    # With room for the arrow of the sort.
    needed = max(content.get(column.key, 0), len(column.label) + 1)
    return replace(
        column, width=min(column.width, needed), widest=max(1, min(column.widest, needed))
    )


def _last(column: Column) -> Column:
    """The column, for what the others leave."""
    return replace(column, priority=column.priority + _LAST, keeps_room=False, is_name=False)


def _with_names(columns: Sequence[Column], width: int) -> list[Column]:
    """The columns, names as wide as their widest text; long ones share what there is for names."""
    names = [column for column in columns if column.is_name and column.widest < _ANY]
    left = _room_for_names(columns, width) - GAP * len(names)
    sizes: dict[str, int] = {}
    for number, column in enumerate(sorted(names, key=lambda column: column.widest)):
        share = max(column.width, left // (len(names) - number))
        sizes[column.key] = min(column.widest, share)
        left -= sizes[column.key]
    return [replace(c, width=sizes[c.key]) if c.key in sizes else c for c in columns]


def _room_for_names(columns: Sequence[Column], width: int) -> int:
    kept = sum(column.width + GAP for column in columns if column.keeps_room)
    most = width * _NAMES_OF_FIVE // 5
    return min(most, max(_NAMES_KEEP, width - kept)) if kept else most


def _choose(columns: Sequence[Column], width: int) -> list[Column]:
    left = width
    chosen: dict[str, Column] = {}
    for column in sorted(columns, key=lambda column: column.priority):
        left -= column.width + GAP
        if left < 0 and column.narrow and left + column.width >= column.narrow:
            left += column.width - column.narrow
            chosen[column.key] = replace(column, width=column.narrow, grow=0)
            break
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
# Cells without anything to say.
_BLANK = ("", NOTHING)
_MARK = "●"
_LOADING = "·····"
_MOST_DRAWN = 1000


class Cell(Struct, frozen=True):
    """The text of a cell and its tone; `tones` are those of its characters, where they differ."""

    text: str
    tone: Tone = Tone.PLAIN
    tones: Sequence[Tone] = ()


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
        # Columns that the operator chose to show or to hide.
        self.choice: Mapping[str, bool] = {}
        # The column that the rows are sorted by, and whether the order is reversed.
        self.order: tuple[str, bool] | None = None
        self._content: dict[str, int] | None = None
        # Columns with something to say in the rows of now.
        self._full: set[str] = set()
        # Columns that were empty when that was last looked at.
        self._empty: set[str] = set()
        # By column, the most characters after the point of dollars.
        self._decimals: dict[str, int] = {}
        self._table = table
        self._width = -1
        self._fitted: list[tuple[Column, int]] = []
        self._strips: dict[RowState, Strip] = {}
        self._styles: Mapping[Tone, Style] = {}

    def forget(self) -> Mapping[RowState, Strip]:
        """Drop the cached lines; returns them."""
        before, self._strips = self._strips, {}
        return before

    def keep(self, state: RowState, line: Strip) -> None:
        """Put back the line of a row that has not changed."""
        self._strips[state] = line

    def forget_all(self) -> None:
        """The columns or the theme have changed."""
        self._strips.clear()
        self._styles = {}
        self._width = -1

    def shown(self) -> list[Column]:
        """The columns to show; those chosen or sorted by go last but the names and the status."""
        found: list[Column] = []
        for column in map(self._with_arrow, self.columns):
            is_chosen = self.choice.get(column.key)
            if is_chosen or (column.is_sorted and is_chosen is None):
                found.append(replace(column, priority=min(column.priority, _CHOSEN)))
            elif is_chosen is None and not column.is_extra:
                found.append(column)
        return found

    def _with_arrow(self, column: Column) -> Column:
        """The column that the rows are sorted by, with room for the arrow."""
        if self.order is None or self.order[0] != column.key:
            return column
        width = max(column.width, len(column.label) + 1)
        return replace(column, width=width, is_sorted=True, keeps_room=not column.is_name)

    def measure(self, rows: Iterable[Row], *, is_more: bool = False) -> bool:
        """Fit the columns to these rows, or to `is_more` rows; whether that changes any."""
        before = self._content
        content = dict(before) if is_more and before else {}
        decimals = dict(self._decimals) if is_more else {}
        full_before, full = self._full, set[str]()
        for column, text in self._filled(rows):
            full.add(column.key)
            content[column.key] = max(content.get(column.key, 0), cells(text))
            if column.right and (own := _decimals(text)):
                decimals[column.key] = max(decimals.get(column.key, 0), own)
        self._full = full
        is_same = content == before and full == full_before
        if not content or (is_same and decimals == self._decimals):
            return False
        is_aligned_anew, self._decimals = decimals != self._decimals, decimals
        self._content = content
        is_fitted = self._width < 0 or self._fitted == self._fit_to(self._width)
        if is_fitted and not is_aligned_anew:
            return False
        self._width = -1
        return True

    def _filled(self, rows: Iterable[Row]) -> Iterator[tuple[Column, str]]:
        """The cells with something to say."""
        for row in rows:
            for column in self.columns:
                cell = row.cells.get(column.key)
                if cell is not None and cell.text.strip() not in (*column.usual, *_BLANK):
                    yield column, cell.text

    def drop_empty(self, rows: Iterable[Row]) -> bool:
        """Leave out columns that are empty in these rows, and were at the last call; whether any.

        A text that comes and goes moves no column.
        """
        content = self._content or {}
        empty = set(content) - {column.key for column, _ in self._filled(rows)}
        dropped, self._empty = empty & self._empty, empty
        if not dropped or dropped == set(content):
            return False
        self._content = {key: width for key, width in content.items() if key not in dropped}
        self._width = -1
        return True

    def without_room(self, width: int) -> set[str]:
        """The columns to show that have something to say, but no room in a line of that width."""
        self._fit(width)
        drawn = {column.key for column, _ in self._fitted}
        return {c.key for c in self.shown() if self._is_full(c)} - drawn

    def empty(self, width: int) -> set[str]:
        """The columns to show that are left out of such a line, because they are empty now."""
        self._fit(width)
        drawn = {column.key for column, _ in self._fitted}
        return {c.key for c in self.shown() if not self._is_full(c)} - drawn

    def _is_full(self, column: Column) -> bool:
        return self._content is None or column.key in self._full

    def column_at(self, x: int, width: int) -> str | None:
        """The key of the column at that cell of a line."""
        self._fit(width)
        begin = 1
        for column, size in self._fitted:
            if begin <= x < begin + size + GAP:
                return column.key
            begin += size + GAP
        return None

    def header(self, width: int) -> Strip:
        """The labels of the columns."""
        self._fit(width)
        style = self._table.rich_style + self._table.get_component_rich_style(
            "record-table--header"
        )
        text = " " + "".join(
            pad(self._label(column, size), size, right=column.right) + " " * GAP
            for column, size in self._fitted
        )
        return Strip([Segment(text, style)]).adjust_cell_length(width, style)

    def _label(self, column: Column, size: int) -> str:
        if size == column.narrow:
            return ""
        if self.order is None or self.order[0] != column.key:
            return column.label
        return clean(column.label, size - 1) + ("↑" if self.order[1] else "↓")

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
            self._width, self._fitted = width, self._fit_to(width)
            self._strips.clear()

    def _fit_to(self, width: int) -> list[tuple[Column, int]]:
        """The columns that fit; one that is kept although it is empty takes no other's room."""
        found = self.shown()
        if self._content is not None and self._full:
            found = [c if c.key in self._full or c.is_sorted else _last(c) for c in found]
        return fit(found, width, self._content)

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
            decimals = self._decimals.get(column.key, 0)
            text = _aligned(cell.text, decimals, width) if decimals else cell.text
            # The glyph of a status, where its word has no room.
            text = text[:width] if width == column.narrow else text
            shown = pad(text, width, right=column.right, keeps_end=column.keeps_end)
            blank = len(shown) - len(shown.lstrip())
            text = shown.strip()
            style = base if plain else base + styles[cell.tone]
            segments.append(Segment(" " * blank, base))
            if cell.tones and not plain and text == cell.text:
                segments += _toned(text, cell.tones, base, styles)
            else:
                segments.append(Segment(text, style))
            segments.append(Segment(" " * (len(shown) - blank - len(text) + GAP), base))
        return segments

    def _tone_styles(self) -> Mapping[Tone, Style]:
        if not self._styles:
            self._styles = {tone: Style.parse(text) for tone, text in tones_of(self._table).items()}
        return self._styles


def _toned(
    text: str, tones: Sequence[Tone], base: Style, styles: Mapping[Tone, Style]
) -> list[Segment]:
    """The text with the tone of each character."""
    return [
        Segment("".join(character for character, _ in run), base + styles[tone])
        for tone, run in groupby(zip(text, tones, strict=True), key=lambda pair: pair[1])
    ]
