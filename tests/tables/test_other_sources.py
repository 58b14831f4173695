"""JSON lines, folders and rows in memory as tables."""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.error_codes import code_is

from core.errors import InputError
from core.tables import template
from core.tables.attachment import block
from core.tables.folder_source import FolderSource
from core.tables.jsonl_source import JsonlSource
from core.tables.memory_source import MemorySource
from core.tables.parquet_source import ParquetSource

PNG = b"\x89PNG\r\n\x1a\n...."


def test_json_lines_may_have_different_keys_and_nested_values(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('\ufeff{"a": 1}\n\n {"b": {"c": [1.50]}}\n', "utf-8")
    rows = list(JsonlSource(path).read())
    assert [(row.number, row.values) for row in rows] == [(1, {"a": 1}), (3, {"b": {"c": [1.5]}})]
    assert rows[1].raw == b'{"b": {"c": [1.50]}}'


@pytest.mark.parametrize("line", ["{", "[1]", "1", '{"a": NaN}', '{"a": "\\ud800"}'])
def test_a_line_that_is_no_object_is_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(f'{{"a": 1}}\n{line}\n', "utf-8")
    with pytest.raises(InputError, match="line 2 is not", check=code_is("not_json")):
        list(JsonlSource(path).read())


def _a_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    (folder / "sub").mkdir(parents=True)
    (folder / ".git").mkdir()
    files = {
        "b.txt": b"B",
        "sub/a.md": "\ufeffä".encode(),
        "c.PNG": PNG,
        "d.pdf": b"%PDF-1.7 ...",
        "e.docx": b"PK",
        ".hidden.txt": b"x",
        ".git/f.txt": b"x",
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def test_a_folder_has_a_row_a_file(tmp_path: Path) -> None:
    source = FolderSource(_a_folder(tmp_path))
    rows = list(source.read())
    assert [tuple(row.values.values()) for row in rows] == [
        ("b.txt", "b.txt", "B"),
        ("c.PNG", "c.PNG", None),
        ("d.pdf", "d.pdf", None),
        ("sub/a.md", "a.md", "ä"),
    ]
    assert [row.attachment and row.attachment.name for row in rows] == [
        None,
        "c.PNG",
        "d.pdf",
        None,
    ]
    (warning,) = source.warnings()
    assert warning == (
        "1 file skipped, neither text, Markdown, PDF nor image, or a link out of the folder: e.docx"
    )


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    folder = _a_folder(tmp_path)
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / "o.txt").write_text("secret")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "inside.txt").symlink_to(folder / "b.txt")
    (folder / "linked").symlink_to(tmp_path / "others")
    os.mkfifo(folder / "pipe.txt")
    source = FolderSource(folder)
    names = [row.values["path"] for row in source.read()]
    assert names == ["b.txt", "c.PNG", "d.pdf", "inside.txt", "sub/a.md"]
    assert source.skipped == ["e.docx", "link.txt", "pipe.txt"]


def test_a_folder_without_anything_to_send_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no text"):
        FolderSource(tmp_path)


def test_the_type_of_an_image_is_that_of_its_content(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(PNG)
    assert block(path, "a.jpg") == {
        "type": "image",
        "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgouLi4u"},
    }


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.png", b"%PDF-", "is not a JPEG, PNG, GIF or WebP image"),
        ("a.pdf", PNG, "is not a PDF"),
        ("a.png", b"", "is not a JPEG"),
        ("a.png", PNG + bytes(4_000_000), "the API takes images of at most 3.9 MB"),
        ("a.pdf", b"%PDF-" + bytes(24_000_000), "the API takes PDFs of at most 24 MB"),
    ],
)
def test_what_the_api_would_reject_is_refused(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=said):
        block(path, name)


@dataclass
class _PolarsLike:
    """The two methods of a polars frame that are used."""

    columns: list[str]
    rows: list[dict[str, object]]

    def iter_rows(self, *, named: bool) -> Iterator[dict[str, object]]:
        assert named
        return iter(self.rows)


@dataclass
class _PandasLike:
    """The two of a pandas frame."""

    columns: list[str]
    rows: list[tuple[object, ...]]

    def itertuples(self, *, index: bool, name: None) -> Iterator[tuple[object, ...]]:
        assert (index, name) == (False, None)
        return iter(self.rows)


def test_rows_are_dictionaries_or_a_frame() -> None:
    rows: list[dict[str, object]] = [{"a": 1, "b c": "x"}]
    for given in (rows, iter(rows), _PolarsLike(["a", "b c"], rows)):
        assert MemorySource(given).records == rows
    assert MemorySource(_PandasLike(["a", "b c"], [(1, "x")])).records == rows


@pytest.mark.parametrize("rows", ["abc", b"abc", {"a": 1}, 5, [1], ["abc"]])
def test_anything_else_is_refused(rows: object) -> None:
    with pytest.raises(InputError, match="dictionar"):
        MemorySource(rows)


def test_a_pandas_frame_a_polars_frame_and_an_arrow_table_are_rows() -> None:
    polars = pytest.importorskip("polars")
    arrow = pytest.importorskip("pyarrow")
    rows: list[dict[str, object]] = [{"a": 1, "b": None}, {"a": 2, "b": "x"}]
    assert MemorySource(polars.DataFrame(rows)).records == rows
    assert MemorySource(arrow.Table.from_pylist(rows)).records == rows
    pandas = pytest.importorskip("pandas")
    assert MemorySource(pandas.DataFrame(rows)).records[1] == rows[1]


def test_times_of_parquet_are_those_of_python_whatever_is_installed(tmp_path: Path) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    at, days = datetime(2026, 5, 2, 7, tzinfo=UTC), timedelta(days=2)
    table = arrow.table(
        {
            "at": arrow.array([at], arrow.timestamp("ns", "UTC")),
            "local": arrow.array([at.replace(tzinfo=None)], arrow.timestamp("ns")),
            "for": arrow.array([days], arrow.duration("ns")),
            "time": arrow.array([at.time()], arrow.time64("ns")),
        }
    )
    parquet.write_table(table, tmp_path / "t.parquet")
    (row,) = ParquetSource(tmp_path / "t.parquet").read()
    values = list(row.values.values())
    assert values == [at, at.replace(tzinfo=None), days, at.time()]
    assert {type(value).__module__ for value in values} == {"datetime"}
    text = template.parse("{at} {local} {for} {time}", "p").render(row.values)
    assert text == "2026-05-02T07:00:00Z 2026-05-02T07:00:00 P2D 07:00:00"


def test_only_the_columns_that_are_needed_become_values(tmp_path: Path) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    parquet.write_table(arrow.table({"a": [1, 2], "b": [3, 4]}), tmp_path / "t.parquet")
    source = ParquetSource(tmp_path / "t.parquet")
    assert source.columns == ("a", "b")
    assert [row.values for row in source.read(["b", "a"])] == [{"a": 1, "b": 3}, {"a": 2, "b": 4}]
    assert [row.values for row in source.read(["b"])] == [{"b": 3}, {"b": 4}]
    assert [row.values for row in source.read([])] == [{}, {}]
