from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from titan_console.tui.widgets.selection import IdSelection, Key, NameSelection, Selection


@pytest.mark.parametrize("marks", [IdSelection(), NameSelection()], ids=["ids", "names"])
def test_marks_are_counted_and_come_in_the_order_of_the_list(marks: Selection) -> None:
    marks.toggle(7)
    marks.add([3, 5])
    marks.toggle(5)
    marks.toggle(9)
    assert len(marks) == 3
    assert 3 in marks
    assert 5 not in marks
    assert marks.among([9, 5, 3]) == 2
    assert list(marks.chosen([9, 8, 3])) == [9, 3, 7]
    marks.clear()
    assert len(marks) == 0
    assert list(marks.chosen([9, 8, 3])) == []


def test_a_million_marks_take_a_million_bytes() -> None:
    marks = IdSelection()
    everything = range(1_000_000, 0, -1)
    marks.add(everything)
    marks.toggle(500_000)
    assert len(marks) == 999_999
    assert marks.among(everything) == 999_999
    assert len(marks._marked) == 1_000_001
    assert marks.chosen(everything)[0] == 1_000_000


@given(
    st.lists(st.integers(1, 60), unique=True),
    st.integers(1, 60),
    st.integers(0, 40),
    st.lists(st.integers(1, 80)),
)
def test_ids_and_names_agree(
    listed: list[int], first: int, length: int, toggled: list[int]
) -> None:
    ids, names = IdSelection(), NameSelection()
    both: tuple[Selection, Selection] = (ids, names)
    for marks in both:
        marks.add(array("q", listed[::2]))
        marks.add(range(first + length, first, -1))
        for key in toggled:
            marks.toggle(key)
    keys: list[Key] = [*listed]
    everything = range(80, 0, -1)
    assert len(ids) == len(names)
    assert ids.among(keys) == names.among(keys)
    assert ids.among(everything) == names.among(everything)
    assert sorted(ids.chosen(keys)) == sorted(names.chosen(keys))  # pyright: ignore[reportArgumentType]
    assert ids.chosen(keys)[: ids.among(keys)] == array("q", [k for k in listed if k in names])
