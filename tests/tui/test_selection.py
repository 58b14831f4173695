from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from titan_console.tui.widgets.selection import IdSelection, Key, NameSelection, Selection


@pytest.mark.parametrize("selection", [IdSelection(), NameSelection()], ids=["ids", "names"])
def test_selected_rows_are_counted_and_come_in_the_order_of_the_list(selection: Selection) -> None:
    selection.toggle(7)
    selection.add([3, 5])
    selection.toggle(5)
    selection.toggle(9)
    assert len(selection) == 3
    assert 3 in selection
    assert 5 not in selection
    assert selection.among([9, 5, 3]) == 2
    assert list(selection.chosen([9, 8, 3])) == [9, 3, 7]
    selection.clear()
    assert len(selection) == 0
    assert list(selection.chosen([9, 8, 3])) == []


def test_a_million_selected_rows_take_a_million_bytes() -> None:
    selection = IdSelection()
    everything = range(1_000_000, 0, -1)
    selection.add(everything)
    selection.toggle(500_000)
    assert len(selection) == 999_999
    assert selection.among(everything) == 999_999
    assert len(selection._selected) == 1_000_001
    assert selection.chosen(everything)[0] == 1_000_000


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
    for selection in both:
        selection.add(array("q", listed[::2]))
        selection.add(range(first + length, first, -1))
        for key in toggled:
            selection.toggle(key)
    keys: list[Key] = [*listed]
    everything = range(80, 0, -1)
    assert len(ids) == len(names)
    assert ids.among(keys) == names.among(keys)
    assert ids.among(everything) == names.among(everything)
    assert sorted(ids.chosen(keys)) == sorted(names.chosen(keys))  # pyright: ignore[reportArgumentType]
    assert ids.chosen(keys)[: ids.among(keys)] == array("q", [k for k in listed if k in names])
