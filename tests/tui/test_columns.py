import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.app import App, ComposeResult
from textual.widget import Widget

from titan_console.tui.screens.batch_rows import (
    ENDED_COLUMNS,
    ENDED_SORTS,
    ERROR_COLUMNS,
    OPEN_COLUMNS,
    OPEN_SORTS,
)
from titan_console.tui.theme import DARK
from titan_console.tui.widgets.record_table import RecordTable
from titan_console.tui.widgets.row_drawing import GAP, Cell, Column, Row, RowDrawing, fit

LISTS = st.sampled_from([OPEN_COLUMNS, ENDED_COLUMNS, ERROR_COLUMNS])


@given(LISTS, st.integers(min_value=1, max_value=400))
def test_columns_never_need_more_than_the_width(columns: tuple[Column, ...], width: int) -> None:
    fitted = fit(columns, width)
    assert fitted
    if len(fitted) > 1:
        assert sum(given + GAP for _, given in fitted) <= width
    for column, given_width in fitted:
        assert given_width <= max(column.widest, column.width)


@given(LISTS, st.integers(min_value=1, max_value=399))
def test_a_wider_terminal_loses_no_column(columns: tuple[Column, ...], width: int) -> None:
    narrow = {column.key for column, _ in fit(columns, width)}
    assert narrow <= {column.key for column, _ in fit(columns, width + 1)}


def test_columns_drop_by_priority_and_keep_their_order() -> None:
    columns = (Column("a", "A", 5, 2), Column("b", "B", 5, 0), Column("c", "C", 5, 1))
    assert [column.key for column, _ in fit(columns, 21)] == ["a", "b", "c"]
    assert [column.key for column, _ in fit(columns, 20)] == ["b", "c"]
    assert [column.key for column, _ in fit(columns, 3)] == ["b"]


_RUN_NAMES = {"status": 11, "workflow": 18, "run": 26, "mode": 6, "model": 16, "problem": 60}
_OPEN = _RUN_NAMES | {"requests": 6, "saving": 7, "age": 4, "ends": 8, "due": 8, "risk": 8}
_ENDED = _RUN_NAMES | {"good": 6, "failed": 3, "canceled": 3, "cost": 8, "saved": 8, "ended": 4}


@pytest.mark.parametrize(
    ("columns", "content", "width", "kept", "gone"),
    [
        (OPEN_COLUMNS, _OPEN, 120, {"risk", "due", "problem", "ends"}, {"mode", "model"}),
        (OPEN_COLUMNS, _OPEN, 80, {"risk"}, {"mode", "model"}),
        (ENDED_COLUMNS, _ENDED, 120, {"failed", "cost", "saved", "ended"}, {"mode", "model"}),
        (ENDED_COLUMNS, _ENDED, 80, {"failed", "ended"}, {"mode", "model"}),
    ],
)
def test_risk_and_cost_stay_where_mode_and_model_go(
    columns: tuple[Column, ...], content: dict[str, int], width: int, kept: set[str], gone: set[str]
) -> None:
    shown = {column.key for column, _ in fit(columns, width, content)}
    assert {"workflow", "run", "status"} | kept <= shown
    assert not gone & shown


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize(
    ("columns", "content", "sorted_by"),
    [
        *((OPEN_COLUMNS, _OPEN, sort.column) for sort in OPEN_SORTS if sort.column),
        *((ENDED_COLUMNS, _ENDED, sort.column) for sort in ENDED_SORTS if sort.column),
        (ENDED_COLUMNS, {"workflow": 18, "run": 26}, "canceled"),
    ],
)
def test_the_column_that_the_list_is_sorted_by_is_shown(
    columns: tuple[Column, ...], content: dict[str, int], sorted_by: str, width: int
) -> None:
    drawing = RowDrawing(Widget(), columns)
    drawing.order = (sorted_by, False)
    assert sorted_by in {column.key for column, _ in fit(drawing.shown(), width, content)}


def test_the_rest_of_the_width_goes_to_those_that_grow() -> None:
    columns = (Column("a", "A", 5, 0, grow=1, widest=8), Column("b", "B", 5, 1, grow=1))
    assert [width for _, width in fit(columns, 34)] == [8, 22]


def test_where_one_column_would_be_alone_the_second_is_squeezed() -> None:
    columns = (Column("tag", "Tag", 16, 1), Column("status", "Status", 10, 0))
    found = [(column.key, width) for column, width in fit(columns, 22)]
    assert found == [("tag", 8), ("status", 10)]
    assert [column.key for column, _ in fit(columns, 19)] == ["status"]


class Shown(App[None]):
    """One list."""

    def __init__(self, *cells: str) -> None:
        super().__init__()
        self.register_theme(DARK)
        self.theme = DARK.name
        self.list = RecordTable([Column("name", "Name", 4, 0), _COST], id="t")
        self._cells = cells

    def compose(self) -> ComposeResult:
        yield self.list

    def on_mount(self) -> None:
        rows = [
            Row(n, {"name": Cell("a"), "cost": Cell(text)}) for n, text in enumerate(self._cells)
        ]
        self.list.show(rows)


_COST = Column("cost", "Cost", 12, 1, right=True)


@pytest.mark.parametrize(
    ("cells", "drawn"),
    [
        (("$0.67", "$1,200.50", "-"), ("       $0.67", "   $1,200.50", "           -")),
        (("$0.0225", "$0.20", "<$0.0001"), ("     $0.0225", "     $0.20  ", "    <$0.0001")),
        (("$7.46+?", "-$3.00", "unpriced"), ("     $7.46+?", "    -$3.00  ", "    unpriced")),
        (("$1,234,567.89", "$0.0225"), ("$1,234,567.…", "     $0.0225")),
    ],
)
async def test_the_points_of_dollars_stand_below_each_other(
    cells: tuple[str, ...], drawn: tuple[str, ...]
) -> None:
    app = Shown(*cells)
    async with app.run_test(size=(40, 10)) as pilot:
        await pilot.pause()
        lines = [app.list.render_line(n + 1).text for n in range(len(cells))]
    assert [line[7:19] for line in lines] == list(drawn)
