"""Runs a user's SELECT on the ledger: read-only, with a time limit."""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from string import whitespace
from time import monotonic
from typing import NamedTuple

from state.db.connection import sqlite3
from state.db.postgres.reader import PostgresReader
from state.db.reader import Reader
from state.db.sqlite_errors import ledger_error, reason
from state.model.errors import QueryError

Cell = str | int | float | bytes | None
# How many steps of SQLite's virtual machine lie between two looks at the clock.
_STEPS = 10_000
# In bytes; a sort of a million wide rows takes half of it.
_MOST_MEMORY = 512_000_000
_LONGEST_CELL = 16_000_000
_ENDS = f";{whitespace}"
# Actions that only read; the names are those of sqlite3's constants from Python 3.11 on.
_READS = {"SELECT", "READ", "FUNCTION", "RECURSIVE"}
_ALLOWED = {getattr(sqlite3, f"SQLITE_{name}") for name in _READS}
_ERROR, _TOO_BIG, _AUTH = 1, 18, 23


class Selected(NamedTuple):
    """The result of a query: the names of its columns, and its rows as they are read."""

    columns: list[str]
    rows: Iterator[tuple[Cell, ...]]


@contextmanager
def select(
    reader: Reader,
    sql: str,
    *,
    timeout_s: float,
    is_stopped: Callable[[], bool] = lambda: False,
) -> Generator[Selected, None, None]:
    """Run one SELECT; read its rows inside the block, which pins the WAL.

    Raises QueryError for anything but one statement that only reads, for a statement that SQLite
    rejects or that needs too much memory, after `timeout_s` seconds, and once `is_stopped`; what
    `Reader.rows` raises otherwise. SQLite's memory is limited in the whole process from then on.
    """
    _refuse_odd_text(sql)
    # Each would be another statement, an empty one.
    sql = sql.rstrip(_ENDS)
    if isinstance(reader, PostgresReader):
        with reader.select(sql, timeout_s=timeout_s, is_stopped=is_stopped) as (names, rows):
            yield Selected(names, map(_checked, rows))
        return
    connection = reader.connection
    ends_at = monotonic() + timeout_s
    connection.execute(f"PRAGMA hard_heap_limit={_MOST_MEMORY}")
    connection.set_authorizer(_authorize)
    connection.set_progress_handler(lambda: is_stopped() or monotonic() > ends_at, _STEPS)
    # A text may be the result of a cast, and no UTF-8.
    connection.text_factory = _to_text
    cursor = connection.cursor()
    cursor.row_factory = None
    try:
        with _query_errors(reader, timeout_s):
            cursor.execute(sql)
            if cursor.description is None:
                raise QueryError("There is no SELECT in the query.", code="query_invalid")
            yield Selected([column[0] for column in cursor.description], map(_checked, cursor))
    finally:
        cursor.close()
        connection.text_factory = str
        connection.set_progress_handler(None, 0)
        connection.set_authorizer(None)


def _refuse_odd_text(sql: str) -> None:
    """The driver has exceptions of its own for these."""
    if "\0" in sql:
        raise QueryError("The query contains a NUL character: remove it.", code="query_invalid")
    try:
        sql.encode()
    except UnicodeEncodeError as error:
        raise QueryError("The query is not valid UTF-8.", code="query_invalid") from error


def _too_large(why: str) -> QueryError:
    return QueryError(f"The query {why}: select less.", code="query_too_large")


def _checked(row: tuple[Cell, ...]) -> tuple[Cell, ...]:
    for cell in row:
        if isinstance(cell, str | bytes) and len(cell) > _LONGEST_CELL:
            raise _too_large(f"returns a value of {len(cell):,} characters or bytes")
    return row


def _to_text(text: bytes) -> str:
    return text.decode("utf-8", "replace")


def _authorize(action: int, *_names: str | None) -> int:
    return sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY


@contextmanager
def _query_errors(reader: Reader, timeout_s: float) -> Generator[None, None, None]:
    try:
        yield
    except MemoryError as error:
        raise _too_large(f"needs more than {_MOST_MEMORY // 1_000_000} MB of memory") from error
    except (sqlite3.Error, sqlite3.Warning) as error:
        raise _query_error(error, timeout_s) or ledger_error(
            error, reader.path, did="read"
        ) from error


def _query_error(error: Exception, timeout_s: float) -> QueryError | None:
    """The error for a mistake in the query; None where the ledger is the cause."""
    said = reason(error)
    code = getattr(error, "sqlite_errorcode", None)
    if code == _AUTH or "prohibited" in said or "not authorized" in said:
        return QueryError(
            f"The query is not allowed: {said}. A query can only read; use SELECT.",
            code="query_not_read_only",
        )
    if "interrupted" in said:
        return QueryError(
            f"The query took longer than {timeout_s:g} s: select less, or pass a longer --timeout.",
            code="query_timeout",
        )
    if code in {_ERROR, _TOO_BIG} or isinstance(error, sqlite3.ProgrammingError | sqlite3.Warning):
        said = said.removesuffix(".")
        return QueryError(f"SQLite rejects the query: {said}.", code="query_invalid")
    return None
