"""The newest transaction that this host has seen, so that a server that has lost it is found.

A failover to a standby that lags behind, or a dump that is restored, loses transactions: what they
recorded as sent is queued again there, and would be sent a second time.
"""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from state.files.folder import new_file, replace
from state.model.errors import LedgerUnusable

if TYPE_CHECKING:
    from psycopg import Connection

    from state.db.postgres.rows import Row

# Of the transaction under that number, the key that is stored; and what tells one ledger from
# another: its first event, which a copy has too.
_STATE = """
SELECT r.value AS newest, c.key, (SELECT at || ' ' || actor FROM events ORDER BY id LIMIT 1) AS name
FROM revision r LEFT JOIN commits c ON c.revision = %s"""

_NEWEST = """
SELECT r.value, (SELECT c.key FROM commits c WHERE c.revision = r.value) FROM revision r"""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction: its number and its key. `ledger` tells that of another database apart."""

    ledger: str
    revision: int
    key: str


def read(path: Path) -> Seen | None:
    """What was noted; None where nothing was, or where it cannot be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Seen)
    except (OSError, msgspec.MsgspecError):
        return None


def check(connection: "Connection[Row]", seen: Seen | None, name: str) -> None:
    """Raise LedgerUnusable where the ledger has lost that transaction."""
    if seen is None:
        return
    newest, key, ledger = connection.execute(_STATE.encode(), (seen.revision,)).fetchall()[0]
    if ledger == seen.ledger and (newest < seen.revision or key not in (None, seen.key)):
        raise LedgerUnusable(
            f"The ledger {name} has lost transaction {seen.revision:,}, which this host has seen in"
            f" it ({newest:,} is its newest one): its server failed over to a standby that lagged,"
            " or a backup was restored. Nothing was written: connect to the right server, or run"
            " `titan-console ledger accept-loss`.",
            code="ledger_rolled_back",
        )


def note(connection: "Connection[Row]", path: Path, revision: int, key: str) -> None:
    """Note a transaction of the ledger, unless a later one is. What fails is left undone."""
    with suppress(OSError):
        ledger = connection.execute(_STATE.encode(), (revision,)).fetchall()[0]["name"]
        known = read(path)
        if ledger is None or (known and known.ledger == ledger and known.revision >= revision):
            return
        _write(path, Seen(ledger=ledger, revision=revision, key=key))


def note_newest(connection: "Connection[Row]", path: Path) -> None:
    """Note the newest transaction of the ledger, of whichever host. What fails is left undone."""
    revision, key = connection.execute(_NEWEST.encode()).fetchall()[0]
    if key is not None:
        note(connection, path, revision, key)


def _write(path: Path, seen: Seen) -> None:
    part = path.with_name(f"{path.name}.{seen.key}.part")
    with new_file(part) as file:
        file.write(msgspec.json.encode(seen))
    replace(part, path)
