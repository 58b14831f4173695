"""Checks of the PostgreSQL server that has the ledger: also of one that is refused."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import groupby
from operator import itemgetter

from core.clock import SystemClock
from core.text import pluralize
from state.db.opening import server_facts
from state.db.server_facts import ServerFacts
from state.files.folder import Folder
from state.model.errors import LedgerError
from titan_console.doctor.finding import Finding, Health
from titan_console.text import format as cells

# A write takes some ten round trips, a poll some hundred.
_SLOW_S = 0.1
# Times in the ledger are the server's; crontabs and files go by the clock of the host.
_MOST_OFFSET = timedelta(seconds=5)
_LAGS_S = 60
# Of max_connections; a console has up to ten.
_FEW_LEFT = 10


def findings(folder: Folder) -> Iterator[Finding]:
    """Findings on the server; none where it cannot be reached, which the ledger's finding says."""
    clock = SystemClock()
    try:
        found = server_facts(folder, now=clock.now, monotonic=clock.monotonic)
    except LedgerError:
        return
    if found is not None:
        yield from lines(found)


def lines(found: ServerFacts) -> Iterator[Finding]:
    """One finding on each fact. Pure."""
    for check in (_version, _database, _role, _commits, _replication):
        yield check(found)
    for check in (_latency, _clock, _pooling, _connections):
        yield check(found)


def _version(found: ServerFacts) -> Finding:
    if found.is_supported:
        return Finding(Health.OK, "postgresql", found.version)
    return Finding(Health.BAD, "postgresql", f"{found.version}: use version 15 or later")


def _database(found: ServerFacts) -> Finding:
    if found.encoding != "UTF8":
        detail = f"encoding {found.encoding}: create the database with encoding UTF8"
        return Finding(Health.BAD, "database", detail)
    if found.schema_name is None:
        detail = "no schema of the role's search_path exists: create one, or set the search_path"
        return Finding(Health.BAD, "database", detail)
    detail = f"schema {found.schema_name}, encoding UTF8, {cells.size(found.bytes)}"
    return Finding(Health.OK, "database", detail)


def _role(found: ServerFacts) -> Finding:
    missing = list[str]()
    for tables, each in groupby(found.denied, key=itemgetter(1)):
        missing.append(f"{_listed([privilege for privilege, _ in each])} on {tables}")
    if not found.may_create:
        missing.append(f"CREATE on the schema {found.schema_name} (migrations need it)")
    if not found.may_stage:
        missing.append("TEMPORARY on the database (submissions and collections need it)")
    if missing:
        detail = f"{found.role} lacks {'; '.join(missing)}: grant it, or let it own the tables"
        if found.denied and "SELECT" not in dict(found.denied):
            detail += ". What only reads, such as `status`, works without"
        return Finding(Health.BAD, "role", detail)
    return Finding(Health.OK, "role", f"{found.role} has every permission")


def _listed(names: list[str]) -> str:
    """The names as a part of a sentence."""
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def _commits(found: ServerFacts) -> Finding:
    if found.synchronous_commit == "off":
        detail = (
            "synchronous_commit is off: a crash of the server would lose what was stored; ALTER"
            f" ROLE {found.role} SET synchronous_commit = on"
        )
        return Finding(Health.BAD, "commits", detail)
    return Finding(Health.OK, "commits", f"synchronous_commit = {found.synchronous_commit}")


def _replication(found: ServerFacts) -> Finding:
    if found.is_standby:
        detail = "the server is a standby, which only reads: connect to the primary server"
        return Finding(Health.BAD, "replication", detail)
    if not found.standbys:
        return Finding(Health.OK, "replication", "primary server; no standby is known")
    detail = f"primary server of {pluralize(found.standbys, 'standby', 'standbys')}"
    if found.standby_lag_s > _LAGS_S:
        lag = cells.span(timedelta(seconds=found.standby_lag_s))
        detail += f"; one lags {lag}: a failover to it would lose what was stored since"
        return Finding(Health.WARN, "replication", detail)
    return Finding(Health.OK, "replication", detail)


def _latency(found: ServerFacts) -> Finding:
    shown = f"{found.latency_s * 1000:,.1f} ms to the server and back"
    if found.latency_s > _SLOW_S:
        detail = f"{shown}: each submission and each poll takes many of them"
        return Finding(Health.WARN, "latency", detail)
    return Finding(Health.OK, "latency", shown)


def _clock(found: ServerFacts) -> Finding:
    offset = found.clock_offset
    # Half of the round trip cannot be told apart from an offset.
    if abs(offset) <= max(_MOST_OFFSET, timedelta(seconds=found.latency_s)):
        seconds = f"{abs(offset).total_seconds():.1f} s"
        return Finding(Health.OK, "clock", f"within {seconds} of the server's")
    way = "behind" if offset > timedelta(0) else "ahead of"
    detail = (
        f"this host is {cells.span(abs(offset))} {way} the server, by whose clock times in the"
        " ledger are: set the clock of the one that is wrong"
    )
    return Finding(Health.WARN, "clock", detail)


def _pooling(found: ServerFacts) -> Finding:
    if found.pools_transactions:
        detail = (
            "a pooler gives each transaction another session, and temporary tables are lost: let it"
            " pool sessions (pool_mode = session), or connect to the server itself"
        )
        return Finding(Health.BAD, "pooling", detail)
    return Finding(Health.OK, "pooling", "each connection is a session of its own")


def _connections(found: ServerFacts) -> Finding:
    detail = f"{found.connections:,} of {found.most_connections:,} (max_connections)"
    if found.most_connections - found.connections < _FEW_LEFT:
        return Finding(Health.WARN, "connections", f"{detail}: raise the limit")
    return Finding(Health.OK, "connections", detail)
