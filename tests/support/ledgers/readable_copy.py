"""A ledger in PostgreSQL for checks that read SQLite: its rows in memory, its files in a folder."""

import shutil
import tempfile
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path

from state.db.connection import sqlite3
from state.db.copies.tables import CopiedTable, copied_tables
from state.db.postgres.reader import PostgresReader
from state.db.schema import NEWEST
from state.files.folder import Folder

_FILES = "SELECT folder, name, bytes FROM stored_files WHERE state = 'kept'"


@contextmanager
def rows_in_sqlite(url: str) -> Generator[sqlite3.Connection, None, None]:
    """The rows of all tables at one moment, in the tables of a ledger of SQLite."""
    import psycopg  # noqa: PLC0415 - the tests run without it

    with closing(sqlite3.connect(":memory:")) as copy:
        copy.row_factory = sqlite3.Row
        copy.executescript(NEWEST)
        for trigger in _triggers():
            copy.execute(f"DROP TRIGGER {trigger}")
        with psycopg.connect(url) as ledger:
            ledger.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            for table in copied_tables():
                copy.execute(f"DELETE FROM {table.name}")  # noqa: S608 - our own name
                copy.executemany(_insert(table), ledger.execute(table.select.encode()).fetchall())
        copy.commit()
        yield copy


def _insert(table: CopiedTable) -> str:
    marks = ", ".join("?" * len(table.columns))
    return f"INSERT INTO {table.name} ({', '.join(table.columns)}) VALUES ({marks})"  # noqa: S608 - our own names


@cache
def _triggers() -> tuple[str, ...]:
    with closing(sqlite3.connect(":memory:")) as made:
        made.executescript(NEWEST)
        found = made.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
    return tuple(name for (name,) in found)


@contextmanager
def host_views(url: str, hosts: Sequence[Folder]) -> Generator[list[Folder], None, None]:
    """For each host a folder with its mirrors, the delivered files of all hosts, and all results.

    Delivered files are named after their host, too.
    """
    with tempfile.TemporaryDirectory(dir=hosts[0].root.parent) as place:
        yield [_view(url, Path(place) / host.root.name, host, hosts) for host in hosts]


def _view(url: str, view: Path, host: Folder, hosts: Sequence[Folder]) -> Folder:
    made = Folder(view)
    made.staging.mkdir(parents=True)
    for path in host.root.glob("*.jsonl"):
        shutil.copy(path, view)
    for folder in hosts:
        for path in folder.staging.glob("*"):
            shutil.copy(path, made.staging / f"{folder.root.name}-{path.name}")
    write_files(url, made)
    return made


def write_files(url: str, folder: Folder) -> None:
    """Write the spool and results files that the ledger keeps into the folder."""
    with PostgresReader(url, folder.ledger) as reader:
        for place, name, size in reader.rows(_FILES):
            path = folder.root / place / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(_content(reader, path, size))


def _content(reader: PostgresReader, path: Path, size: int) -> bytes:
    found = bytearray()
    while len(found) < size and (piece := reader.files.piece(path, len(found))):
        found += piece.data[len(found) - piece.start :]
    return bytes(found[:size])
