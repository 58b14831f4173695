"""Files of several hosts in one database: each reads and continues what the others stored."""

import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from support.error_codes import code_is
from support.ledgers.postgres_database import Database
from support.ledgers.storage import START

from state.db.ledger import Ledger
from state.db.postgres.ledger import PostgresLedger
from state.db.postgres.reader import PostgresReader
from state.files.file_store import FileStore, fetch, make_local
from state.files.results_file import ResultsFile
from state.files.spool import LineReader, SpoolWriter, check_complete
from state.model.crash_points import no_crash_point
from state.model.errors import FileMissing, FileUnusable

MB = 1 << 20
NAME = "tb_1.jsonl"
Host = Callable[..., Ledger]


@pytest.fixture
def host(database: Database, tmp_path: Path) -> Iterator[Host]:
    """Opens the ledger of a host, by its name."""
    opened = list[Ledger]()

    def open_ledger(name: str, crash_point: Callable[[str], None] = no_crash_point) -> Ledger:
        path = tmp_path / name / "titan.db"
        opened.append(
            PostgresLedger(
                database.url, path, now=lambda: START, actor=name, crash_point=crash_point
            )
        )
        return opened[-1]

    yield open_ledger
    for one in opened:
        one.close()


def spool_of(ledger: Ledger) -> Path:
    return ledger.path.parent / "spool"


def results_of(ledger: Ledger) -> Path:
    return ledger.path.parent / "batch-results"


def upload(ledger: Ledger, lines: list[bytes], name: str = NAME) -> list[tuple[int, int]]:
    writer = SpoolWriter(spool_of(ledger), name, ledger.files)
    spans = [(writer.write(line), len(line)) for line in lines]
    writer.finish()
    return spans


def store(ledger: Ledger, lines: list[bytes], name: str = NAME) -> list[tuple[int, int]]:
    spans = upload(ledger, lines, name)
    with ledger.transaction("test"):
        ledger.files.keep(spool_of(ledger) / name)
    return spans


def count(database: Database, table: str) -> int:
    with psycopg.connect(database.url) as connection:
        ((found,),) = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchall()  # noqa: S608 - our own table
    return found


def age(database: Database, days: float = 1.01) -> None:
    """Make it as long ago that anything was written."""
    with psycopg.connect(database.url) as connection:
        connection.execute(
            "UPDATE stored_files SET written_at = written_at - %s", (timedelta(days),)
        )


class Counted:
    """A store that counts its reads."""

    def __init__(self, store: FileStore) -> None:
        self.pieces = 0
        self._store = store

    def __getattr__(self, name: str) -> object:
        self.pieces += name == "piece"
        return getattr(self._store, name)


def test_another_host_reads_lines_without_a_copy(host: Host) -> None:
    one, two = host("one"), host("two")
    body = [random.Random(n).randbytes(300_000) for n in range(12)]
    spans = store(one, body)
    check_complete(spool_of(two), {NAME: sum(spans[-1]) + 1}, two.files)
    counted = Counted(two.files)
    with LineReader(spool_of(two), counted) as lines:  # pyright: ignore[reportArgumentType]
        assert [lines.read(NAME, *span) for span in spans] == body
    assert counted.pieces == 4
    assert not spool_of(two).exists()


def test_a_reader_that_jumps_gets_a_copy(host: Host, database: Database) -> None:
    one = host("one")
    body = [random.Random(n).randbytes(300_000) for n in range(20)]
    spans = store(one, body)
    folder = one.path.parents[1] / "two" / "spool"
    order = random.Random(1).sample(range(20), 20)
    with PostgresReader(database.url, folder.parent / "titan.db") as reader:
        with LineReader(folder, reader.files) as lines:
            assert [lines.read(NAME, *spans[at]) for at in order] == [body[at] for at in order]
        assert [path.name for path in folder.iterdir()] == [NAME]


def test_a_host_goes_on_with_the_results_of_another(host: Host) -> None:
    one, two = host("one"), host("two")
    committed = _collect(one, 0, [b"a" * MB, b"b"], complete=False)
    committed = _collect(two, committed, [b"c" * MB], complete=False)
    committed = _collect(one, committed, [b"d"], complete=True)
    expected = b"a" * MB + b"\nb\n" + b"c" * MB + b"\nd\n"
    for ledger in (one, two, host("three")):
        with LineReader(results_of(ledger), ledger.files) as lines:
            assert lines.read(NAME, 0, committed) == expected


def _collect(ledger: Ledger, committed: int, lines: list[bytes], *, complete: bool) -> int:
    begun = ResultsFile(
        results_of(ledger), "tb_1", ledger.files, committed_bytes=committed, own=ledger.actor
    )
    assert not begun.is_restarted
    for line in lines:
        begun.write(line)
    begun.sync()
    with ledger.transaction("test"):
        begun.replace_part()
    begun.finish(complete=complete)
    begun.close()
    return begun.offset


def test_a_try_whose_commit_failed_is_not_read(host: Host) -> None:
    """Its lines on the disk of its host would be taken for those of the host that came next."""
    one, two = host("one"), host("two")
    failed = ResultsFile(results_of(one), "tb_1", one.files, committed_bytes=0, own="1")
    failed.write(b"never recorded")
    failed.sync()
    with suppress(ZeroDivisionError), one.transaction("test"):
        failed.replace_part()
        raise ZeroDivisionError
    committed = _collect(two, 0, [b"recorded first"], complete=False)
    with LineReader(results_of(one), one.files) as lines:
        assert lines.read(NAME, 0, committed) == b"recorded first\n"
    failed.close()


def test_lost_results_are_stored_again_behind_their_place(host: Host, database: Database) -> None:
    """A copy on another host is then too short, and never another text at the same place."""
    one, two = host("one"), host("two")
    committed = _collect(one, 0, [b"a", b"b"], complete=False)
    assert make_local(two.files, results_of(two) / NAME)
    with psycopg.connect(database.url) as connection:
        connection.execute("DELETE FROM stored_pieces; DELETE FROM stored_files")
    (results_of(one) / f"{NAME}.part").unlink()
    again = ResultsFile(results_of(one), "tb_1", one.files, committed_bytes=committed, own="2")
    assert again.is_restarted
    at = again.write(b"b")
    again.sync()
    with one.transaction("test"):
        again.replace_part()
    again.finish(complete=True)
    for ledger in (one, two):
        with LineReader(results_of(ledger), ledger.files) as lines:
            assert lines.read(NAME, at, 1) == b"b"
    assert (results_of(one) / NAME).read_bytes() == b"\n\n\n\nb\n"


@pytest.mark.parametrize("pieces", [1, 2])
def test_a_killed_upload_is_deleted_a_day_later(
    host: Host, database: Database, pieces: int
) -> None:
    left = [pieces]

    def kill(point: str) -> None:
        left[0] -= point == "upload:pieces"
        if not left[0]:
            raise KeyboardInterrupt

    one, two = host("one", kill), host("two")
    with pytest.raises(KeyboardInterrupt):
        upload(one, [random.Random(1).randbytes(5 * MB)])
    assert count(database, "stored_pieces") == {1: 4, 2: 6}[pieces]
    assert two.files.sweep() == 0
    age(database)
    assert two.files.sweep() == 1
    assert count(database, "stored_pieces") == count(database, "stored_files") == 0


def test_an_upload_that_was_deleted_is_not_kept(host: Host, database: Database) -> None:
    """A process that was suspended for longer than a day goes on."""
    one, two = host("one"), host("two")
    upload(one, [b"a"])
    age(database)
    assert two.files.sweep() == 1
    with pytest.raises(FileUnusable, check=code_is("upload_lost")), one.transaction("test"):
        one.files.keep(spool_of(one) / NAME)


def test_an_upload_that_is_deleted_meanwhile_ends(host: Host, database: Database) -> None:
    two = host("two")

    def sweep(point: str) -> None:
        if point == "upload:pieces":
            age(database)
            two.files.sweep()

    one = host("one", sweep)
    with pytest.raises(FileUnusable, check=code_is("upload_lost")):
        upload(one, [random.Random(1).randbytes(5 * MB)])
    assert count(database, "stored_pieces") == 0


def test_nothing_is_uploaded_inside_a_transaction(host: Host) -> None:
    one = host("one")
    upload(one, [b"a"])
    with pytest.raises(RuntimeError), one.transaction("test"):
        one.files.upload(spool_of(one) / NAME)


def test_no_writer_waits_for_an_upload(host: Host) -> None:
    two, written = host("two"), list[int]()

    def write(point: str) -> None:
        if point == "upload:pieces":
            with two.transaction("test"):
                written.append(1)

    upload(host("one", write), [random.Random(1).randbytes(9 * MB)])
    assert len(written) == 3


def test_a_damaged_piece_is_said(host: Host, database: Database) -> None:
    one, two = host("one"), host("two")
    store(one, [random.Random(1).randbytes(1000)])
    with psycopg.connect(database.url) as connection:
        connection.execute(
            "UPDATE stored_pieces SET data = set_byte(data, 500, get_byte(data, 500) # 1)"
        )
    with LineReader(spool_of(two), two.files) as lines, pytest.raises(FileMissing, match="damaged"):
        lines.read(NAME, 0, 10)


def test_deleted_files_leave_no_bloat(host: Host, database: Database) -> None:
    one = host("one")
    sizes = list[int]()
    for number in range(4):
        name = f"tb_{number}.jsonl"
        store(one, [random.Random(number).randbytes(4 * MB)], name)
        with psycopg.connect(database.url, autocommit=True) as connection:
            ((size,),) = connection.execute(
                "SELECT pg_total_relation_size('stored_pieces')"
            ).fetchall()
            sizes.append(size)
            with one.transaction("test"):
                one.files.release([spool_of(one) / name])
            one.files.sweep()
            # What autovacuum does.
            connection.execute("VACUUM stored_pieces")
    assert max(sizes) < 1.1 * sizes[0]


def test_a_file_is_copied_whole_or_not_at_all(host: Host) -> None:
    one, two = host("one"), host("two")
    body = random.Random(1).randbytes(3 * MB)
    store(one, [body])
    path = spool_of(two) / NAME
    assert fetch(two.files, path)
    assert path.read_bytes() == body + b"\n"
    assert not fetch(two.files, spool_of(two) / "tb_2.jsonl")
    assert [found.name for found in spool_of(two).iterdir()] == [NAME]


def test_what_is_appended_is_read_at_once(host: Host) -> None:
    one, two = host("one"), host("two")
    path = results_of(one) / "tb_1.answers"
    for data in (b"first\n", b"second\n"):
        one.files.append(path, data)
        assert make_local(two.files, results_of(two) / path.name)
    assert (results_of(two) / path.name).read_bytes() == b"first\nsecond\n"
