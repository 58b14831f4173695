"""Charts made of characters: bars by day, a sparkline, a distribution. Pure.

Each gives lines of parts; a target is a dotted line where no bar stands.
"""

from collections.abc import Callable, Sequence
from itertools import groupby

from msgspec import Struct

from titan_console.text.format import Tone
from titan_console.text.lines import Part

_EIGHTHS = " ▁▂▃▄▅▆▇█"
_LEVELS = "▁▂▃▄▅▆▇█"
_NOTHING, _BELOW = "·", "▼"
_DOTS = "┈"
_AXIS = "┤"
_WIDEST_BAR = 6
Lines = list[tuple[Part, ...]]
Values = Sequence[float | None]


def sparkline(values: Values, top: float | None = None) -> str:
    """One character per value: a dot for None, the lowest block for zero, ▼ below zero."""
    highest = max((value for value in values if value is not None), default=0.0)
    highest = max(highest, top or 0.0)
    return "".join(_level(value, highest) for value in values)


def _level(value: float | None, highest: float) -> str:
    if value is None:
        return _NOTHING
    if value < 0:
        return _BELOW
    if not value or not highest:
        return _LEVELS[0]
    return _LEVELS[min(7, int(value / highest * 8))]


def _block(value: float | None, level: int, rows: int, top: float) -> str:
    """The character of a bar in one of its rows, `level` counted from the bottom."""
    if value is None or value < 0:
        return " " if level else (_NOTHING if value is None else _BELOW)
    eighths = round(value / top * rows * 8)
    if value and not eighths:
        eighths = 1
    return _EIGHTHS[max(0, min(8, eighths - level * 8))]


class Bars(Struct, frozen=True, kw_only=True):
    """Bars with a target line, a formatter for values, and labels for both ends.

    `is_floor` tells whether the target is a minimum.
    """

    values: Values
    format_value: Callable[[float], str]
    target: float | None = None
    is_floor: bool = True
    first: str = ""
    last: str = ""

    def lines(self, width: int, height: int) -> Lines:
        """The chart in that many cells; the last line has the labels of both ends."""
        rows = height - 1
        top = self._top()
        labels = [self.format_value(top), self.format_value(top / 2), self.format_value(0)]
        side = max(map(len, labels))
        room = width - side - 2
        if rows < 1 or room < len(self.values) or not self.values:
            return [(Part(sparkline(self.values, self.target)[-max(0, width) :], Tone.BUSY),)][
                :height
            ]
        size = min(_WIDEST_BAR, max(1, room // len(self.values)))
        labels_by_row = {0: labels[0], rows // 2: labels[1], rows - 1: labels[2]}
        made = [
            (
                Part(f"{labels_by_row.get(row, ''):>{side}} {_AXIS}", Tone.DIM),
                *self._row(rows - 1 - row, rows, size, top),
            )
            for row in range(rows)
        ]
        return [*made, self._ends(side, size * len(self.values))]

    def _top(self) -> float:
        return max([value or 0.0 for value in self.values] + [self.target or 0.0]) or 1.0

    def _row(self, level: int, rows: int, size: int, top: float) -> list[Part]:
        """One line of bars, `level` counted from the bottom."""
        at_target = self.target is not None and level == min(
            rows - 1, int(self.target / top * rows)
        )
        blank = _DOTS if at_target else " "
        cells: list[tuple[str, Tone]] = []
        for value in self.values:
            body = _block(value, level, rows, top)
            gap = 1 if size > 1 else 0
            tone = Tone.DIM if body == " " else self._tone(value)
            drawn = (body if body != " " else blank) * (size - gap)
            cells += [(character, tone) for character in drawn]
            cells += [(blank, Tone.DIM)] * gap
        return [
            Part("".join(character for character, _ in run), tone)
            for tone, run in groupby(cells, key=lambda cell: cell[1])
        ]

    def _tone(self, value: float | None) -> Tone:
        if value is None:
            return Tone.DIM
        if value < 0:
            return Tone.BAD
        if self.target is None:
            return Tone.BUSY
        return Tone.GOOD if (value >= self.target) == self.is_floor else Tone.WARN

    def _ends(self, side: int, width: int) -> tuple[Part, ...]:
        middle = ""
        if self.target is not None:
            middle = f"{_DOTS * 2} target {self.format_value(self.target)}"
        blank = width - len(self.first) - len(self.last) - len(middle)
        if blank < 2:  # noqa: PLR2004 - a space on either side
            return (Part(f"{'':{side}}  {self.first}  {self.last}", Tone.DIM),)
        left = blank // 2
        line = f"{self.first}{' ' * left}{middle}{' ' * (blank - left)}{self.last}"
        return (Part(f"{'':{side}}  {line}", Tone.DIM),)


class Marker(Struct, frozen=True, kw_only=True):
    """A labelled point on the axis of a distribution."""

    at: float
    label: str
    tone: Tone = Tone.PLAIN


class Distribution(Struct, frozen=True, kw_only=True):
    """A histogram with markers below the axis."""

    values: Sequence[float]
    marks: Sequence[Marker]
    format_value: Callable[[float], str]

    def lines(self, width: int, height: int) -> Lines:
        """The chart in that many cells: columns, an axis, and a line per marker."""
        rows = height - 1 - len(self.marks)
        if not self.values or rows < 1 or width < 10:  # noqa: PLR2004 - less shows nothing
            return [self._label_line(mark) for mark in self.marks][:height]
        top = max(*self.values, *(mark.at for mark in self.marks), 1e-9)
        counts = [0] * width
        for value in self.values:
            counts[min(width - 1, int(value / top * width))] += 1
        highest = max(counts)
        made: Lines = [
            (Part("".join(_block(count, row, rows, highest) for count in counts), Tone.BUSY),)
            for row in reversed(range(rows))
        ]
        end = self.format_value(top)
        made.append((Part(f"0{'─' * (width - 1 - len(end))}{end}", Tone.DIM),))
        return made + [self._marker_line(mark, top, width) for mark in self.marks]

    def _marker_line(self, mark: Marker, top: float, width: int) -> tuple[Part, ...]:
        column = min(width - 1, int(mark.at / top * width))
        if column + 2 + len(mark.label) <= width:
            return (Part(f"{'':{column}}▲ {mark.label}", mark.tone),)
        return (Part(f"{mark.label} ▲".rjust(column + 1), mark.tone),)

    def _label_line(self, mark: Marker) -> tuple[Part, ...]:
        return (Part(f"▲ {mark.label}", mark.tone),)
