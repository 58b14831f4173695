"""Pictures of characters: what they show, and that they keep to their size."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from titan_console.text.charts import Bars, Distribution, Lines, Marker, sparkline
from titan_console.text.format import Tone

VALUES = st.lists(st.none() | st.floats(-10, 1e6), max_size=40)


def texts(lines: Lines) -> list[str]:
    return ["".join(part.text for part in line) for line in lines]


def dollars(value: float) -> str:
    return f"${value:.2f}"


def test_a_spark_line_has_a_character_for_each_value() -> None:
    assert sparkline([None, 0, 1, 4, 8, -1]) == "·▁▂▅█▼"
    assert sparkline([1, 1], top=8) == "▂▂"
    assert sparkline([]) == ""


def test_bars_stand_on_an_axis_with_a_dotted_target() -> None:
    bars = Bars(values=[0, 1, 2, None], format_value=dollars, target=1.0, first="Mon", last="Thu")
    top, middle, bottom, ends = texts(bars.lines(32, 4))
    assert top.rstrip() == "$2.00 ┤            █████"
    assert middle == "$1.00 ┤┈┈┈┈┈┈▄▄▄▄▄┈█████┈┈┈┈┈┈┈"
    assert bottom.rstrip() == "$0.00 ┤      █████ █████ ·····"
    assert ends.split() == ["Mon", "┈┈", "target", "$1.00", "Thu"]


@pytest.mark.parametrize(
    ("value", "is_floor", "tone"),
    [(2.0, True, Tone.GOOD), (0.5, True, Tone.WARN), (0.5, False, Tone.GOOD), (-1, True, Tone.BAD)],
)
def test_a_bar_is_as_good_as_its_target(value: float, is_floor: bool, tone: Tone) -> None:
    bars = Bars(values=[value], format_value=dollars, target=1.0, is_floor=is_floor)
    bottom = bars.lines(40, 4)[-2]
    assert next(part for part in bottom[1:] if part.text.strip("┈ ")).tone == tone


def test_too_little_room_leaves_a_spark_line() -> None:
    assert texts(Bars(values=[1, 2, 3], format_value=dollars).lines(5, 6)) == ["▃▆█"]
    assert texts(Bars(values=[1, 2, 3], format_value=dollars).lines(40, 1)) == ["▃▆█"]


def test_a_distribution_marks_its_percentiles() -> None:
    found = Distribution(
        values=[1, 1, 1, 2, 10],
        marks=(Marker(at=1, label="p50 1 h"), Marker(at=10, label="p95 10 h")),
        format_value=lambda hours: f"{hours:g} h",
    )
    lines = texts(found.lines(21, 6))
    assert len(lines) == 6
    assert lines[0].startswith("  █")
    assert lines[-3] == "0────────────────10 h"
    assert lines[-2] == "  ▲ p50 1 h"
    assert lines[-1] == "           p95 10 h ▲"


@given(VALUES, st.integers(1, 150), st.integers(1, 20), st.none() | st.floats(0, 100))
def test_bars_keep_to_their_size(
    values: list[float | None], width: int, height: int, target: float | None
) -> None:
    lines = texts(Bars(values=values, format_value=dollars, target=target).lines(width, height))
    assert len(lines) <= height
    assert all(cell_len(line) <= max(width, 1) for line in lines[:-1])


@given(st.lists(st.floats(0, 1e6), max_size=40), st.integers(0, 150), st.integers(0, 20))
def test_distributions_keep_to_their_size(values: list[float], width: int, height: int) -> None:
    found = Distribution(
        values=values,
        marks=(Marker(at=5.0, label="p50"), Marker(at=7e6, label="p95")),
        format_value=str,
    )
    assert len(found.lines(width, height)) <= height
