import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from titan_console.text.safe_text import clean, pad
from titan_console.tui.widgets.line_filters import in_ascii

HOSTILE = st.text(st.characters(), max_size=60) | st.text(
    "\x1b\x07\x00\x7f\x9b\u202e\u200b\u200d\u2028\ufe0f[/]@click=app.quit漢🙂é\n\t", max_size=60
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("feed-001", "feed-001", id="plain"),
        pytest.param("\x1b[31mred", "␛[31mred", id="escape"),
        pytest.param("a\x07b\x7fc", "a␇b␡c", id="bell and delete"),
        pytest.param("one\ntwo\tthree", "one two three", id="newline and tab"),
        pytest.param("a\rb", "a␍b", id="carriage return"),
        pytest.param("\x9b32m", "\ufffd32m", id="C1"),
        pytest.param("a\u202eb\u2066c", "a\ufffdb\ufffdc", id="bidi"),
        pytest.param("a\u200bb\ufeffc", "a\ufffdb\ufffdc", id="zero width"),
        pytest.param("a\u2028b\u2029c", "a\ufffdb\ufffdc", id="separators"),
        pytest.param("a\ud800b", "a\ufffdb", id="lone surrogate"),
        pytest.param("a\u00a0b", "a b", id="no-break space"),
        pytest.param("[/x]", "[/x]", id="markup is text"),
    ],
)
def test_what_drives_a_terminal_gets_a_visible_stand_in(text: str, shown: str) -> None:
    assert clean(text) == shown


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        pytest.param("feed-classify", 8, "feed-cl…", id="cut"),
        pytest.param("feed", 4, "feed", id="fits"),
        pytest.param("漢字漢字", 5, "漢字…", id="wide"),
        pytest.param("漢字漢字", 4, "漢…", id="a wide one never halves"),
        pytest.param("feed", 1, "…", id="one cell"),
        pytest.param("feed", 0, "", id="no cell"),
    ],
)
def test_a_long_text_ends_in_an_ellipsis_by_cells(text: str, width: int, shown: str) -> None:
    assert clean(text, width) == shown


@given(HOSTILE, st.integers(min_value=0, max_value=30))
def test_nothing_hostile_survives_and_no_cell_overflows(text: str, width: int) -> None:
    shown = clean(text, width)
    assert cell_len(shown) <= width
    assert shown.isprintable()
    assert not any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in shown)
    assert cell_len(pad(text, width)) == width
    assert cell_len(pad(text, width, right=True)) == width
    kept = pad(text, width, keeps_end=True)
    assert cell_len(kept) == width
    assert kept.isprintable()


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (32, "feed-classify-2026-11-22-000012 "),
        (18, "feed-classi…000012"),
        (12, "feed-cl…0012"),
        (8, "feed-cl…"),
    ],
)
def test_a_name_that_differs_at_its_end_keeps_it(width: int, shown: str) -> None:
    assert pad("feed-classify-2026-11-22-000012", width, keeps_end=True) == shown


@given(HOSTILE)
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    assert clean(clean(text)) == clean(text)


@given(HOSTILE)
def test_in_ascii_a_text_is_as_wide_as_before(text: str) -> None:
    shown = clean(text)
    plain = in_ascii(shown)
    assert plain.isascii()
    assert len(plain) == cell_len(shown)


@pytest.mark.parametrize("filler", ["x", "漢", "\u200b"])
def test_a_name_of_any_length_keeps_both_its_ends(filler: str) -> None:
    shown = pad(f"begin-{filler * 100_000}-000012", 24, keeps_end=True)
    assert shown.startswith("begin-")
    assert shown.endswith("-000012")
    assert cell_len(shown) == 24
