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


def test_the_axis_has_every_value_also_below_its_usual_start() -> None:
    def axis(*values: float) -> list[str]:
        bars = Bars(values=values, format_value="{:.0%}".format, target=0.8, base=0.6)
        return [line.split(" ┤")[0].strip() for line in texts(bars.lines(60, 4))[:-1]]

    assert axis(0.8, 0.9) == ["90%", "75%", "60%"]
    assert axis(0.03, 0.9) == ["90%", "45%", "0%"]
    assert axis(0.03, 0.04) == ["4%", "2%", "0%"]
    few = Bars(values=[0.03], format_value="{:.0%}".format, target=0.8, base=0.6)
    assert "▼" not in "".join(texts(few.lines(60, 4)))
    assert "target 80% (above the scale)" in texts(few.lines(60, 4))[-1]


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
        values=[*[1] * 18, 2, 10],
        marks=(Marker(at=1, label="p50 1 h"), Marker(at=10, label="p95 10 h")),
        format_value=lambda hours: f"{hours:g} h",
    )
    lines = texts(found.lines(25, 6))
    assert len(lines) == 6
    assert lines[0].startswith("18 ┤  █")
    assert lines[-3] == "    0────────────────10 h"
    assert lines[-2] == "      ▲ p50 1 h"
    assert lines[-1] == "               p95 10 h ▲"


def test_a_few_values_make_no_histogram() -> None:
    found = Distribution(values=[1, 2, 3], marks=(Marker(at=2, label="p50 2 h"),), format_value=str)
    assert texts(found.lines(60, 8)) == [
        *("A histogram needs 20 values; there are 3.", "▲ p50 2 h")
    ]


def test_an_axis_may_start_near_the_target() -> None:
    bars = Bars(values=[1.0, 0.8, 0.7], format_value=dollars, target=0.8, base=0.6)
    top, *_, bottom, _ends = texts(bars.lines(28, 5))
    assert top.startswith("$1.00 ┤█")
    assert bottom.startswith("$0.60 ┤")


def test_a_far_target_does_not_flatten_the_bars() -> None:
    bars = Bars(values=[0.01, 0.02] * 15, format_value=dollars, target=1.33, missed=Tone.BUSY)
    lines = bars.lines(80, 5)
    assert texts(lines)[0].startswith("$0.02 ┤")
    assert "target $1.33 (above the scale)" in texts(lines)[-1]
    assert any(part.tone == Tone.BUSY for part in lines[-2])


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
