"""Reads a query of any length in parts, through a cursor of the server."""

from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any

from state.db.postgres.connection import driver
from state.db.postgres.statements import query

if TYPE_CHECKING:
    from psycopg import Connection

    from state.db.staged import Parameters

_ROWS = 2000
_numbers = count(1)


def streamed(
    connection: "Connection[Any]", sql: str, parameters: "Parameters"
) -> Iterator[tuple[Any, ...]]:
    """Each row of the query as it was when the first one is read, whatever is written meanwhile.

    The server keeps the rows that are not read yet on its disk, and no transaction open. Raises
    what psycopg raises.
    """
    name = f"titan_{next(_numbers)}".encode()
    cursor = connection.cursor(row_factory=driver().rows.tuple_row)
    fetch = b"FETCH %d FROM %s" % (_ROWS, name)
    declare = b"DECLARE %s NO SCROLL CURSOR WITH HOLD FOR %s" % (name, query(sql))
    with connection.pipeline():
        connection.execute(declare, parameters, prepare=False)
        cursor.execute(fetch, prepare=False)
    try:
        while rows := cursor.fetchall():
            yield from rows
            if len(rows) < _ROWS:
                break
            cursor.execute(fetch, prepare=False)
    finally:
        # A transaction that failed has closed it.
        with suppress(driver().Error):
            connection.execute(b"CLOSE " + name, prepare=False)
