"""Spool and results files: on the disk of one host, or in the database for all hosts."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import pytest
from support.error_codes import code_is
from support.ledgers.storage import Storage

from state.db.ledger import Ledger
from state.files.file_store import make_local
from state.files.results_file import ResultsFile
from state.files.spool import LineReader, SpoolWriter, check_complete
from state.model.errors import FileMissing

LINES = [b'{"custom_id":"a"}', b"b" * 700_000, b"c" * 2_000_000, b"", "é".encode() * 9]


@pytest.fixture
def ledger(storage: Storage) -> Ledger:
    return storage.open_with_files()


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "batch-results"


def write(ledger: Ledger, folder: Path, name: str = "tb_1.jsonl") -> list[tuple[int, int]]:
    """A spool file that is not kept yet: where its lines are."""
    writer = SpoolWriter(folder, name, ledger.files)
    spans = [(writer.write(line), len(line)) for line in LINES]
    writer.finish()
    return spans


def keep(ledger: Ledger, path: Path) -> None:
    with ledger.transaction("test"):
        ledger.files.keep(path)


def a_try(
    ledger: Ledger, folder: Path, own: str, committed: int, lines: list[bytes]
) -> tuple[ResultsFile, list[int]]:
    begun = ResultsFile(
        folder, "tb_1", ledger.files, committed_bytes=committed, own=own, is_intact=is_intact
    )
    offsets = [begun.write(line) for line in lines]
    begun.sync()
    return begun, offsets


def roll_back(ledger: Ledger, write: Callable[[], None]) -> None:
    with suppress(ZeroDivisionError), ledger.transaction("test"):
        write()
        raise ZeroDivisionError


def is_intact(part: BinaryIO) -> bool:
    return not part.read(1).startswith(b"#")


def commit(ledger: Ledger, begun: ResultsFile, *, complete: bool) -> int:
    with ledger.transaction("test"):
        begun.replace_part()
    begun.finish(complete=complete)
    begun.close()
    return begun.offset


def test_every_line_is_read_where_it_was_written(ledger: Ledger, spool: Path) -> None:
    spans = write(ledger, spool)
    keep(ledger, spool / "tb_1.jsonl")
    with LineReader(spool, ledger.files) as lines:
        for at in (0, 2, 4, 1, 3):
            assert lines.read("tb_1.jsonl", *spans[at]) == LINES[at]
    check_complete(spool, {"tb_1.jsonl": sum(spans[-1]) + 1}, ledger.files)


def test_what_is_missing_or_too_short_is_said(ledger: Ledger, spool: Path) -> None:
    end = sum(write(ledger, spool)[-1]) + 1
    keep(ledger, spool / "tb_1.jsonl")
    for name, at, code in (
        ("tb_2.jsonl", 0, "file_missing"),
        ("tb_1.jsonl", end, "file_truncated"),
    ):
        expected = pytest.raises(FileMissing, check=code_is(code))
        with LineReader(spool, ledger.files) as lines, expected:
            lines.read(name, at, 5)
        with pytest.raises(FileMissing, check=code_is(code)):
            check_complete(spool, {name: at + 1}, ledger.files)


def test_a_discarded_file_is_nowhere(ledger: Ledger, spool: Path) -> None:
    writer = SpoolWriter(spool, "tb_1.jsonl", ledger.files)
    writer.write(b"a")
    writer.finish()
    writer.discard()
    assert list(spool.iterdir()) == []
    assert not make_local(ledger.files, spool / "tb_1.jsonl")


def test_a_released_file_is_not_read_from_elsewhere(ledger: Ledger, spool: Path) -> None:
    write(ledger, spool)
    path = spool / "tb_1.jsonl"
    keep(ledger, path)
    with ledger.transaction("test"):
        ledger.files.release([path])
    path.unlink()
    assert not make_local(ledger.files, path)
    ledger.files.sweep()
    with LineReader(spool, ledger.files) as lines, pytest.raises(FileMissing):
        lines.read("tb_1.jsonl", 0, 5)


def test_later_tries_continue_the_results(ledger: Ledger, results: Path) -> None:
    first, (a,) = a_try(ledger, results, "1", 0, [b'{"custom_id":"a"}'])
    committed = commit(ledger, first, complete=False)
    second, (b,) = a_try(ledger, results, "2", committed, [b"b" * 1_500_000])
    assert not second.is_restarted
    assert commit(ledger, second, complete=True) == b + 1_500_001
    with LineReader(results, ledger.files) as lines:
        assert lines.read("tb_1.jsonl", a, 17) == b'{"custom_id":"a"}'
        assert lines.read("tb_1.jsonl", b, 1_500_000) == b"b" * 1_500_000
    assert [path.name for path in results.iterdir()] == ["tb_1.jsonl"]


def test_a_try_that_is_not_recorded_leaves_what_was_there(ledger: Ledger, results: Path) -> None:
    first, _ = a_try(ledger, results, "1", 0, [b"one"])
    second, _ = a_try(ledger, results, "2", 0, [b"two", b"three"])
    committed = commit(ledger, second, complete=False)
    first.close()
    third, _ = a_try(ledger, results, "3", committed, [b"four"])
    roll_back(ledger, third.replace_part)
    third.close()
    with LineReader(results, ledger.files) as lines:
        assert lines.read("tb_1.jsonl", 0, committed) == b"two\nthree\n"


def test_an_uploaded_file_is_kept_only_by_a_transaction_that_commits(
    ledger: Ledger, spool: Path
) -> None:
    write(ledger, spool)
    path = spool / "tb_1.jsonl"
    roll_back(ledger, lambda: ledger.files.keep(path))
    keep(ledger, path)
    assert make_local(ledger.files, path)
