"""Sheets, folding, searching, comparing, and what leaves the console as plain text."""

import json

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from support.hostile_text import EVIL, hidden

from titan_console.text.diff import difference
from titan_console.text.document import (
    Document,
    DocumentBuilder,
    Match,
    lines_of,
    pretty,
    search,
    within,
    wrap,
)
from titan_console.text.safe_text import harmless, harmless_json

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=400)


def test_only_a_newline_ends_a_line() -> None:
    assert lines_of("a\u2028b\x85c\x0bd\r\ne\nf") == ["a\u2028b\x85c\x0bd", "e", "f"]


def test_json_is_laid_out_with_its_numbers_and_texts_as_they_are() -> None:
    line = '{"b":1.10,"a":[],"text":"x\u2028y"}'.encode()
    assert pretty(line) == '{\n  "b": 1.10,\n  "a": [],\n  "text": "x\u2028y"\n}'
    assert pretty(b"no json \xff") == "no json \ufffd"


@given(TEXTS, st.integers(2, 60))
def test_the_rows_of_a_fold_hold_every_character_once(text: str, width: int) -> None:
    document = Document(lines_of(text))
    wrapped = wrap(document, width)
    rebuilt = [""] * len(document.lines)
    for number in range(len(wrapped)):
        line, begin, end = wrapped.row(number)
        rebuilt[line] += document.lines[line][begin:end]
        assert wrapped.row_at(line, begin) == number
        assert cell_len(document.lines[line][begin:end]) <= max(width, 2)
    assert rebuilt == list(document.lines)


@given(TEXTS, st.integers(34, 60))
def test_the_rest_of_a_field_is_indented_below_its_value(text: str, width: int) -> None:
    builder = DocumentBuilder()
    builder.field("Reason", f"x{text}")
    wrapped = wrap(builder.build(), width)
    for number in range(len(wrapped)):
        _, begin, end = wrapped.row(number)
        indent = 16 if begin else 0
        assert wrapped.indent(number) == indent
        assert indent + cell_len(wrapped.document.lines[0][begin:end]) <= width


def test_without_room_nothing_is_indented() -> None:
    builder = DocumentBuilder()
    builder.field("Reason", "many words in a narrow pane")
    wrapped = wrap(builder.build(), 20)
    assert {wrapped.indent(number) for number in range(len(wrapped))} == {0}


def test_a_search_finds_every_place_whatever_its_case() -> None:
    document = Document(["one Two", "TWO two", "three"])
    found = search(document, "two")
    assert found == [Match(0, 4, 7), Match(1, 0, 3), Match(1, 4, 7)]
    assert list(within(found, 1, 2, 6)) == [1, 2]
    assert list(within(found, 2, 0, 5)) == []
    assert search(document, ".*") == []


def test_a_comparison_shows_what_differs_and_leaves_the_rest_out() -> None:
    common = [f"line {n}" for n in range(40)]
    document = difference(
        "\n".join([*common, "old", *common]), "\n".join([*common, "new", *common]), "one", "two"
    )
    assert "- old" in document.lines
    assert "+ new" in document.lines
    assert "  ... 37 equal lines" in document.lines
    assert len(document.lines) < 20
    assert "No differences." in difference("a", "a", "one", "two").lines


@given(TEXTS, TEXTS)
def test_a_comparison_loses_no_line_of_small_texts(left: str, right: str) -> None:
    marks = [line[:2] for line in difference(left, right, "one", "two").lines[3:]]
    if left != right:
        assert marks.count("- ") <= len(lines_of(left))
        assert "- " in marks or "+ " in marks


@given(TEXTS)
def test_nothing_that_is_copied_drives_a_terminal(text: str) -> None:
    plain = harmless(f"{text}{EVIL}")
    assert not [c for c in plain if c not in "\n\t" and (ord(c) < 32 or 126 < ord(c) < 160)]


def test_copied_json_means_what_it_meant() -> None:
    value = {"text": f"{EVIL}\x85\x9b"}
    shown = harmless_json(json.dumps(value, ensure_ascii=False, indent=2))
    assert json.loads(shown) == value
    assert "\x9b" not in shown
    assert "\x7f" not in shown
    assert hidden(EVIL)
