"""Opens PostgreSQL with the settings that the ledger needs."""

from collections.abc import Generator
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from state.db.postgres.rows import rows_by_name
from state.model.errors import LedgerUnusable

if TYPE_CHECKING:
    from psycopg.abc import Buffer

    from state.db.postgres.watched import WatchedConnection

# In seconds: how long a statement waits for a lock, and how long it may run.
BUSY_TIMEOUT_S = 30
STATEMENT_S = 600
# So much later the server has ended it, or hangs.
_GRACE_S = 60
_CONNECT_TIMEOUT_S = 10
# A network that hangs ends a statement after about a minute.
_NETWORK = {
    "connect_timeout": _CONNECT_TIMEOUT_S,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}


def driver() -> Any:  # noqa: ANN401 - the module
    """Psycopg, which the extra `postgres` installs. Raises LedgerUnusable without it."""
    try:
        import psycopg  # noqa: PLC0415 - only a ledger in PostgreSQL needs it
    except ImportError as error:
        raise LedgerUnusable(
            "A ledger in PostgreSQL needs psycopg: pip install 'titan-console[postgres]'.",
            code="driver_missing",
        ) from error
    return psycopg


def connect(url: str, *, is_limited: bool = True) -> "WatchedConnection":
    """A connection in autocommit mode. Raises what psycopg raises, and LedgerUnusable.

    A statement ends after ten minutes, if it is limited, and soon where the server hangs.
    """
    made = _connected(url)
    made.again = lambda: _connected(url)
    made.limit_s = STATEMENT_S + _GRACE_S if is_limited else None
    limit_s = STATEMENT_S if is_limited else 0
    # To compile a statement takes longer than any of them; costs of JSON are overestimated.
    made.execute(
        f"SET jit = off; SET lock_timeout = '{BUSY_TIMEOUT_S}s';"
        f" SET statement_timeout = '{limit_s}s'".encode()
    )
    made.adapters.register_loader("numeric", _number_loader())
    made.adapters.register_dumper(str, _text_dumper())
    return made


def _connected(url: str) -> "WatchedConnection":
    driver()
    from state.db.postgres.watched import WatchedConnection  # noqa: PLC0415 - needs psycopg

    settings: dict[str, Any] = {"application_name": "titan-console", **_NETWORK}
    return WatchedConnection.connect(url, autocommit=True, row_factory=rows_by_name, **settings)


@contextmanager
def unlimited(
    connection: "WatchedConnection", *, at_most_s: float | None = None
) -> Generator[None, None, None]:
    """Statements inside may take that long, or as long as the server lives."""
    limit_s = connection.limit_s
    connection.execute("SET statement_timeout = 0")
    connection.limit_s = None if at_most_s is None else at_most_s + _GRACE_S
    try:
        yield
    finally:
        connection.limit_s = limit_s
        # Where it was lost, the next connection has the limit.
        with suppress(driver().Error):
            connection.execute(f"SET statement_timeout = '{STATEMENT_S}s'".encode())


@lru_cache(maxsize=1)
def _number_loader() -> Any:  # noqa: ANN401 - a class made of one of psycopg
    from psycopg.adapt import Loader  # noqa: PLC0415 - as above

    class Number(Loader):
        """A sum of integers is an integer, a quotient a float, as in SQLite."""

        def load(self, data: "Buffer") -> int | float:
            text = bytes(data)
            return int(text) if text.lstrip(b"-").isdigit() else float(text)

    return Number


@lru_cache(maxsize=1)
def _text_dumper() -> Any:  # noqa: ANN401 - as above
    from psycopg.types.string import StrDumperUnknown  # noqa: PLC0415 - as above

    class Text(StrDumperUnknown):
        """PostgreSQL stores no NUL in text: the replacement character takes its place."""

        def dump(self, obj: str) -> "Buffer | None":
            return super().dump(obj.replace("\0", "\ufffd") if "\0" in obj else obj)

    return Text
