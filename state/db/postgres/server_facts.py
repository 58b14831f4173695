"""What a PostgreSQL server says of itself, for `doctor`: also of one that is refused."""

from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from state.db.postgres import schema
from state.db.postgres.connection import connect
from state.db.postgres.errors import postgres_errors
from state.db.server_facts import ServerFacts
from state.model.ledger_url import public_name

if TYPE_CHECKING:
    from psycopg import Connection

    from state.db.postgres.rows import Row

_SAMPLES = 5
_SESSION = """
SELECT current_user AS role, current_setting('max_connections')::int AS most_connections,
  (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections,
  pg_database_size(current_database()) AS bytes,
  has_database_privilege(current_database(), 'TEMPORARY') AS may_stage,
  coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) AS may_create"""
# What a poll does, and the tables of a ledger in which the role may not do it.
_DENIED = """
SELECT privilege, string_agg(relname, ', ' ORDER BY relname) AS tables FROM pg_class
CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE'])
  WITH ORDINALITY AS of(privilege, place)
WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'
  AND NOT has_table_privilege(pg_class.oid, privilege)
GROUP BY privilege, place ORDER BY place"""
_STANDBYS = """
SELECT count(*), coalesce(max(extract(epoch FROM replay_lag)), 0)::float8 FROM pg_stat_replication
WHERE state = 'streaming'"""


def examine(
    url: str, *, now: Callable[[], datetime], monotonic: Callable[[], float]
) -> ServerFacts:
    """Connect twice, and ask. Raises LedgerUnusable, LedgerBusy where that fails."""
    name = public_name(url)
    with postgres_errors(name, did="read"), closing(connect(url)) as connection:
        found = schema.facts(connection)
        latency_s, offset = _clock(connection, now, monotonic)
        session = connection.execute(_SESSION.encode()).fetchall()[0]
        denied = connection.execute(_DENIED.encode()).fetchall()
        ((standbys, lag),) = connection.execute(_STANDBYS.encode()).fetchall()
        with closing(connect(url)) as other:
            pools = shares_sessions(connection, other)
    return ServerFacts(
        version=found.server_name,
        is_supported=found.server >= schema.OLDEST_SERVER,
        encoding=found.encoding,
        synchronous_commit=found.durable,
        is_standby=found.standby,
        standbys=standbys,
        standby_lag_s=lag,
        schema_name=found.schema,
        role=session["role"],
        may_create=session["may_create"],
        may_stage=session["may_stage"],
        denied=tuple((one["privilege"], one["tables"]) for one in denied),
        bytes=session["bytes"],
        connections=session["connections"],
        most_connections=session["most_connections"],
        latency_s=latency_s,
        clock_offset=offset,
        pools_transactions=pools,
    )


def _clock(
    connection: "Connection[Row]", now: Callable[[], datetime], monotonic: Callable[[], float]
) -> tuple[float, timedelta]:
    """The shortest round trip of several, and the offset of the server's clock in it."""
    found = list[tuple[float, timedelta]]()
    for _ in range(_SAMPLES):
        began, began_at = monotonic(), now()
        ((there,),) = connection.execute("SELECT clock_timestamp()").fetchall()
        took = monotonic() - began
        found.append((took, there - (began_at + timedelta(seconds=took / 2))))
    return min(found)


def shares_sessions(one: "Connection[Row]", other: "Connection[Row]") -> bool:
    """Whether two connections use one session in turn, as behind a pooler of transactions.

    While the one is idle, its session goes to a transaction of the other; then the one gets a
    second session.
    """
    before = _session(one)
    with other.transaction():
        taken = _session(other)
        return before == taken or _session(one) != before


def _session(connection: "Connection[Row]") -> int:
    return int(connection.execute("SELECT pg_backend_pid()").fetchall()[0][0])
