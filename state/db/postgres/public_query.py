"""Runs a user's SELECT on a ledger in PostgreSQL: read-only, streamed, with a time limit."""

import json
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from time import monotonic
from typing import TYPE_CHECKING, Any

from state.db.postgres.connection import driver, unlimited
from state.db.postgres.errors import CANCELED, reason
from state.model.errors import QueryError

if TYPE_CHECKING:
    from psycopg import Connection, ServerCursor

    from state.db.postgres.rows import Row
    from state.db.postgres.watched import WatchedConnection

# Between two looks at the clock and at who reads the rows.
_LOOK_S = 0.05
# How many rows are fetched at once: so many that they are about this long, and no more than that.
_BYTES, _MOST_ROWS = 1 << 20, 1000
_READ_ONLY = "25006"


@contextmanager
def select(
    connection: "WatchedConnection",
    sql: str,
    *,
    timeout_s: float,
    is_stopped: Callable[[], bool] = lambda: False,
) -> Generator[tuple[list[str], Iterator[tuple[Any, ...]]], None, None]:
    """Run one SELECT; its columns, and its rows as they are read, inside the block.

    Raises QueryError for anything but one statement that only reads, for one that PostgreSQL
    rejects, after `timeout_s` seconds, and once `is_stopped`.
    """
    psycopg = driver()
    with (
        unlimited(connection, at_most_s=timeout_s),
        _canceling(connection, monotonic() + timeout_s, is_stopped),
    ):
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            with connection.cursor("query") as cursor:
                # DECLARE takes a single statement that returns rows, and nothing else.
                cursor.execute(sql.encode())
                names = [column.name for column in cursor.description or ()]
                yield names, _rows(cursor)
        except psycopg.Error as error:
            raise _query_error(error, timeout_s) or error from error
        finally:
            with suppress(psycopg.Error):
                connection.execute("ROLLBACK")


def _rows(cursor: "ServerCursor[Row]") -> Iterator[tuple[Any, ...]]:
    """Each row; wide ones are fetched a few at a time."""
    count = 1
    while page := cursor.fetchmany(count):
        length = sum(len(cell) for row in page for cell in row if isinstance(cell, str | bytes))
        yield from (tuple(map(_cell, row)) for row in page)
        count = min(2 * count, _MOST_ROWS) if length < _BYTES else max(count // 2, 1)


def _cell(value: object) -> object:
    """A value that SQLite would have too; any other one as text."""
    if value is None or isinstance(value, str | int | float | bytes):
        return value
    return json.dumps(value, default=str) if isinstance(value, dict | list) else str(value)


@contextmanager
def _canceling(
    connection: "Connection[Row]", ends_at: float, is_stopped: Callable[[], bool]
) -> Generator[None, None, None]:
    """Cancel whatever runs inside after that time, or once stopped: from a thread of its own."""
    is_done = Event()

    def watch() -> None:
        while not is_done.wait(_LOOK_S):
            if is_stopped() or monotonic() > ends_at:
                with suppress(driver().Error):
                    connection.cancel_safe(timeout=5)

    watcher = Thread(target=watch, name="titan-query", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        is_done.set()
        # A late cancellation would end the next statement.
        watcher.join()


def _query_error(error: Exception, timeout_s: float) -> QueryError | None:
    """The error for a mistake in the query; None where the ledger is the cause."""
    state = str(getattr(error, "sqlstate", None) or "")
    said = reason(error)
    if state == CANCELED:
        return QueryError(
            f"The query took longer than {timeout_s:g} s: select less, or pass a longer --timeout.",
            code="query_timeout",
        )
    if state == _READ_ONLY:
        return QueryError(
            f"The query is not allowed: {said}. A query can only read; use SELECT.",
            code="query_not_read_only",
        )
    # Its syntax, its names, its values, and permissions.
    if state[:2] in ("42", "22", "21", "0A", "54", "26", "34"):
        return QueryError(f"PostgreSQL rejects the query: {said}.", code="query_invalid")
    return None
