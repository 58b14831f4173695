"""A compressed file reads like the plain one, at any place, and the original goes only then."""

import random
from pathlib import Path

import pytest
from support.error_codes import code_is

from state.files import archive
from state.files.archive import ArchivedFile
from state.files.file_store import LOCAL_FILES
from state.files.spool import LineReader, check_complete
from state.model.errors import FileMissing


def some_lines(count: int) -> bytes:
    words = random.Random(3)
    return b"".join(b'{"n":%d,"x":"%x"}\n' % (n, words.getrandbits(400)) for n in range(count))


def test_any_place_of_a_compressed_file_reads_as_it_was(tmp_path: Path) -> None:
    content = some_lines(25_000)
    path = tmp_path / "tb_1.jsonl"
    path.write_bytes(content)
    saved = archive.compress(path)
    assert not path.exists()
    assert saved == len(content) - archive.compressed_path(path).stat().st_size > 0
    file = ArchivedFile(archive.compressed_path(path))
    for offset in (0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, len(content) - 1, len(content)):
        for length in (0, 1, 200, (1 << 20) + 1, len(content)):
            assert file.read_at(offset, length) == content[offset : offset + length]
    file.close()
    assert archive.size(path) == len(content)
    assert b"".join(archive.lines(path)) == content


def test_lines_are_read_by_their_place_from_either_form(tmp_path: Path) -> None:
    path = tmp_path / "tb_1.jsonl"
    path.write_bytes(b"first\nsecond\n")
    archive.compress(path)
    with LineReader(tmp_path, LOCAL_FILES) as lines:
        assert lines.read("tb_1.jsonl", 6, 6) == b"second"
        with pytest.raises(FileMissing, check=code_is("file_truncated")):
            lines.read("tb_1.jsonl", 6, 60)
    check_complete(tmp_path, {"tb_1.jsonl": 13}, LOCAL_FILES)
    with pytest.raises(FileMissing, check=code_is("file_truncated")):
        check_complete(tmp_path, {"tb_1.jsonl": 14}, LOCAL_FILES)


def test_an_empty_file_is_compressed_too(tmp_path: Path) -> None:
    path = tmp_path / "tb_1.jsonl"
    path.touch()
    archive.compress(path)
    assert archive.size(path) == 0
    assert list(archive.lines(path)) == []


@pytest.mark.parametrize("keep", [0, 5, 60])
def test_a_cut_file_is_lost_not_misread(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "tb_1.jsonl"
    path.write_bytes(some_lines(100))
    archive.compress(path)
    packed = archive.compressed_path(path)
    packed.write_bytes(packed.read_bytes()[:keep])
    with LineReader(tmp_path, LOCAL_FILES) as lines, pytest.raises(FileMissing):
        lines.read("tb_1.jsonl", 0, 10)


def test_a_changed_frame_is_lost_not_misread(tmp_path: Path) -> None:
    path = tmp_path / "tb_1.jsonl"
    path.write_bytes(some_lines(100))
    archive.compress(path)
    packed = archive.compressed_path(path)
    content = bytearray(packed.read_bytes())
    content[:4] = b"\0\0\0\0"
    packed.write_bytes(content)
    with LineReader(tmp_path, LOCAL_FILES) as lines, pytest.raises(FileMissing):
        lines.read("tb_1.jsonl", 0, 10)


def test_a_compression_that_fails_leaves_the_original(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "tb_1.jsonl"
    path.write_bytes(b"first\n")

    def wrong(_path: Path, _part: Path) -> None:
        raise OSError("does not read back")

    monkeypatch.setattr(archive, "_compare", wrong)
    with pytest.raises(OSError, match="read back"):
        archive.compress(path)
    assert [p.name for p in tmp_path.iterdir()] == ["tb_1.jsonl"]
