"""Lines are cut at LF alone, however the bytes arrive."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.api.line_splitter import split_lines

RAW = st.binary(max_size=200) | st.lists(
    st.sampled_from([b"\n", b"\r\n", b"\r", b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"a", b"{}"])
).map(b"".join)


@given(raw=RAW, cuts=st.lists(st.integers(0, 200)))
def test_any_split_into_pieces_gives_the_same_lines(raw: bytes, cuts: list[int]) -> None:
    cut_points = [0, *sorted(min(cut, len(raw)) for cut in cuts), len(raw)]
    pieces = [raw[start:end] for start, end in pairwise(cut_points)]
    assert list(split_lines(pieces)) == list(split_lines([raw]))


@given(lines=st.lists(st.binary().filter(lambda b: b"\n" not in b and not b.endswith(b"\r"))))
def test_lines_that_were_joined_come_back(lines: list[bytes]) -> None:
    raw = b"".join(line + b"\n" for line in lines)
    if not raw.startswith(b"\xef\xbb\xbf"):
        assert list(split_lines([raw])) == lines


@pytest.mark.parametrize(
    ("raw", "lines"),
    [
        pytest.param(b"", [], id="nothing"),
        pytest.param(b"a", [b"a"], id="no end"),
        pytest.param(b"a\n", [b"a"], id="one end"),
        pytest.param(b"a\n\nb", [b"a", b"", b"b"], id="blank"),
        pytest.param(b"a\r\nb\r\n", [b"a", b"b"], id="CRLF"),
        pytest.param(b"\xef\xbb\xbfa\nb", [b"a", b"b"], id="BOM"),
        pytest.param(b"a\n\xef\xbb\xbfb", [b"a", b"\xef\xbb\xbfb"], id="BOM inside"),
        pytest.param("a\u2028b\u2029c\n".encode(), ["a\u2028b\u2029c".encode()], id="U+2028"),
        pytest.param("a\x85b\x0bc\x0c\n".encode(), ["a\x85b\x0bc\x0c".encode()], id="NEL"),
        pytest.param(b"a\rb\n", [b"a\rb"], id="CR inside"),
    ],
)
def test_only_lf_ends_a_line(raw: bytes, lines: list[bytes]) -> None:
    assert list(split_lines([raw])) == lines
    assert list(split_lines(raw[i : i + 1] for i in range(len(raw)))) == lines


def test_a_line_of_five_megabytes_comes_whole_from_small_pieces() -> None:
    line = b"x" * 5_000_000
    raw = line + b"\n" + line
    pieces = (raw[start : start + 4096] for start in range(0, len(raw), 4096))
    assert list(split_lines(pieces)) == [line, line]
