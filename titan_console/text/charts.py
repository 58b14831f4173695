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
# A target that many times the highest value is off the scale.
_FAR = 3
# Fewer values make no histogram.
ENOUGH = 20
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


def _block(value: float | None, level: int, rows: int, top: float, base: float = 0.0) -> str:
    """The character of a bar in one of its rows, `level` counted from the bottom."""
    if value is None or value < base:
        return " " if level else (_NOTHING if value is None else _BELOW)
    eighths = round((value - base) / (top - base) * rows * 8)
    if value and not eighths:
        eighths = 1
    return _EIGHTHS[max(0, min(8, eighths - level * 8))]


class Bars(Struct, frozen=True, kw_only=True):
    """Bars with a target line, a formatter for values, and labels for both ends.

    `is_floor` tells whether the target is a minimum. The axis starts at `base`, or at zero
    where a value is lower. A target of more than three times the highest value is named below and
    not drawn; `target_of` is what it is for, such as `a day`. `met` and `missed` are the
    tones of values against the target.
    """

    values: Values
    format_value: Callable[[float], str]
    target: float | None = None
    target_of: str = ""
    is_floor: bool = True
    base: float = 0.0
    met: Tone = Tone.GOOD
    missed: Tone = Tone.WARN
    first: str = ""
    last: str = ""

    def lines(self, width: int, height: int) -> Lines:
        """The chart in that many cells; the last line has the labels of both ends."""
        rows = height - 1
        base, top = self._base(), self._top()
        labels = [self.format_value(value) for value in (top, (top + base) / 2, base)]
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
        return [*made, self._ends(side, size * len(self.values), room)]

    def _base(self) -> float:
        lowest = min((value for value in self.values if value is not None), default=self.base)
        return self.base if lowest >= self.base else 0.0

    def _top(self) -> float:
        target = 0.0 if self._is_far() else self.target or 0.0
        top = max([value or 0.0 for value in self.values] + [target])
        return top if top > self._base() else self._base() + 1.0

    def _is_far(self) -> bool:
        """Whether the target would flatten all bars."""
        highest = max((value or 0.0 for value in self.values), default=0.0)
        return self.target is not None and 0 < highest < self.target / _FAR

    def _row(self, level: int, rows: int, size: int, top: float) -> list[Part]:
        """One line of bars, `level` counted from the bottom."""
        at_target = self.target is not None and not self._is_far()
        if at_target and self.target is not None:
            share = (self.target - self._base()) / (top - self._base())
            at_target = level == max(0, min(rows - 1, int(share * rows)))
        blank = _DOTS if at_target else " "
        cells: list[tuple[str, Tone]] = []
        for value in self.values:
            body = _block(value, level, rows, top, self._base())
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
        return self.met if (value >= self.target) == self.is_floor else self.missed

    def _ends(self, side: int, width: int, room: int) -> tuple[Part, ...]:
        """Both ends and the target, below `width` cells of bars; few bars leave `room` beside."""
        middle = ""
        if self.target is not None:
            target = f"target {self.format_value(self.target)} {self.target_of}".rstrip()
            middle = f"{target} (above the scale)" if self._is_far() else f"{_DOTS * 2} {target}"
        needed = len(self.first) + len(self.last) + len(middle)
        width = max(width, min(room, needed + 2))
        blank = width - needed
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
    """A histogram with markers below the axis; of fewer than twenty values, only the markers."""

    values: Sequence[float]
    marks: Sequence[Marker]
    format_value: Callable[[float], str]

    def lines(self, width: int, height: int) -> Lines:
        """The chart in that many cells: columns, an axis, and a line per marker."""
        if 0 < len(self.values) < ENOUGH:
            few = f"A histogram needs {ENOUGH} values; there are {len(self.values)}."
            return [(Part(few, Tone.DIM),), *map(self._label_line, self.marks)][:height]
        rows = height - 1 - len(self.marks)
        if not self.values or rows < 1 or width < 10:  # noqa: PLR2004 - less shows nothing
            return [self._label_line(mark) for mark in self.marks][:height]
        top = max(*self.values, *(mark.at for mark in self.marks), 1e-9)
        # The counts stand left of the axis.
        side = len(str(len(self.values))) + 2
        width = max(2, width - side)
        counts = [0] * width
        for value in self.values:
            counts[min(width - 1, int(value / top * width))] += 1
        highest = max(counts)
        made: Lines = [
            (
                Part(f"{highest if row == rows - 1 else '':>{side - 2}} {_AXIS}", Tone.DIM),
                Part("".join(_block(count, row, rows, highest) for count in counts), Tone.BUSY),
            )
            for row in reversed(range(rows))
        ]
        end = self.format_value(top)
        made.append((Part(f"{'':{side}}0{'─' * (width - 1 - len(end))}{end}", Tone.DIM),))
        return made + [self._marker_line(mark, top, width, side) for mark in self.marks]

    def _marker_line(self, mark: Marker, top: float, width: int, side: int) -> tuple[Part, ...]:
        column = min(width - 1, int(mark.at / top * width))
        if column + 2 + len(mark.label) <= width:
            return (Part(f"{'':{side + column}}▲ {mark.label}", mark.tone),)
        return (Part(f"{mark.label} ▲".rjust(side + column + 1), mark.tone),)

    def _label_line(self, mark: Marker) -> tuple[Part, ...]:
        return (Part(f"▲ {mark.label}", mark.tone),)
