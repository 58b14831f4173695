"""CSV as people have it: delimiters, marks, line ends; and what is refused, with its line."""

from pathlib import Path

import pytest
from support.error_codes import code_is

from core.errors import InputError
from core.tables.csv_source import CsvDialect, CsvSource


def _source(folder: Path, content: str | bytes, delimiter: str | None = None) -> CsvSource:
    path = folder / "t.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return CsvSource(path, delimiter)


def _values(source: CsvSource) -> list[tuple[object, ...]]:
    return [tuple(row.values.values()) for row in source.read()]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_that_of_the_header(tmp_path: Path, delimiter: str) -> None:
    source = _source(tmp_path, f'"a,;x"{delimiter}b\r\n1{delimiter}2\r\n')
    assert source.columns == ("a,;x", "b")
    assert _values(source) == [("1", "2")]
    assert source.dialect == CsvDialect(delimiter, bom=False, line_end="\r\n")


def test_a_delimiter_that_is_given_wins(tmp_path: Path) -> None:
    assert _source(tmp_path, "a,b:c\n", ":").columns == ("a,b", "c")


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    source = _source(tmp_path, b"\xef\xbb\xbfa,b\n1,2\n")
    assert (source.columns, source.dialect.bom, source.dialect.line_end) == (("a", "b"), True, "\n")


def test_cells_have_quotes_newlines_and_any_length(tmp_path: Path) -> None:
    long = "x" * 200_000
    source = _source(tmp_path, f'a,b\n"say ""hi""\nto, me",{long}\n\n3,5" wide\n')
    assert _values(source) == [('say "hi"\nto, me', long), ("3", '5" wide')]
    assert [row.number for row in source.read()] == [2, 5]


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        ("", "not_csv", "is empty"),
        ("a,a\n", "not_csv", "2 columns 'a'"),
        ("a,,b\n", "not_csv", "column 2 has no name"),
        ("a,b\n1,2\n1,2,3\n", "not_csv", "line 3 has 3 cells, and the header has 2"),
        ("a,b\n1,2\n1\n", "not_csv", "line 3 has 1 cells"),
        ('a,b\n1,2\n3,"4\n5,6\n', "not_csv", "line 3 is not CSV: a quote is opened and never"),
        ('a,b\n1,2\n3,"4"x\n', "not_csv", "line 3 is not CSV: text follows a closing quote"),
        ("a,b\r1,2\r", "not_csv", "its lines end with CR alone"),
        (b"a,b\n1,\xe4\n", "not_utf8", "line 2 is in another encoding"),
        ("a,b\n".encode("utf-16"), "not_utf8", "it is UTF-16"),
    ],
)
def test_what_is_broken_is_refused_with_its_line(
    tmp_path: Path, content: str | bytes, code: str, said: str
) -> None:
    with pytest.raises(InputError, check=code_is(code)) as raised:
        _values(_source(tmp_path, content))
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_quote_that_is_never_closed_does_not_read_the_whole_file(tmp_path: Path) -> None:
    source = _source(tmp_path, 'a\n"' + "x\n" * 17_000_000)
    with pytest.raises(InputError, match="line 2 is not CSV: a quote is opened and never closed"):
        _values(source)
