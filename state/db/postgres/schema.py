"""Creates a ledger in a PostgreSQL database, and refuses what is none.

Its tables are made from the script of the SQLite ledger, so that both have the same ones.
"""

from typing import TYPE_CHECKING

from msgspec import Struct

from state.db import marks
from state.db.marks import Mark
from state.db.postgres import files
from state.db.postgres.connection import driver, unlimited
from state.db.postgres.statements import REFUSE, schema
from state.db.schema import NEWEST, STEPS, VERSION
from state.files.folder import Folder
from state.files.lost_ledger import missing, refuse_new_beside_work
from state.model.errors import LedgerTooNew, LedgerUnusable

if TYPE_CHECKING:
    from psycopg import Connection

    from state.db.postgres.rows import Row
    from state.db.postgres.watched import WatchedConnection

OLDEST_SERVER = 150_000
# Held by each write transaction and each migration: one writer at a time, as in SQLite. It keeps no
# reader out; and no SELECT can take it, as it could an advisory lock.
LOCK = "LOCK TABLE titan_ledger IN EXCLUSIVE MODE"
# Held by what creates the tables.
CREATION_LOCK = "SELECT pg_advisory_xact_lock(1414091854)"  # "TITN"
# Sent with each commit, to consoles that listen.
CHANNEL = "titan_ledger"
NOTIFY = f"NOTIFY {CHANNEL}"
# Tables that only a ledger in PostgreSQL has. `commits` has the keys of the newest transactions,
# so that one whose commit got no reply is found (docs/adr/0016).
OWN_TABLES = """
CREATE TABLE titan_ledger (
  id bigint PRIMARY KEY CHECK (id = 1),
  version bigint NOT NULL
);
CREATE TABLE commits (
  slot bigint PRIMARY KEY,
  revision bigint NOT NULL,
  key text NOT NULL
);
"""
_FACTS = """
SELECT current_setting('server_version_num')::int AS server, current_setting('server_version') AS
  server_name, current_setting('server_encoding') AS encoding,
  current_setting('synchronous_commit') AS durable, pg_is_in_recovery() AS standby,
  current_schema() AS schema, to_regclass('titan_ledger') IS NOT NULL AS is_ledger,
  (SELECT count(*) FROM pg_catalog.pg_class WHERE relnamespace = current_schema()::regnamespace
    AND relkind IN ('r', 'p', 'v', 'm', 'f')) AS tables,
  (SELECT min(schemaname) FROM pg_catalog.pg_tables WHERE tablename = 'titan_ledger') AS elsewhere
"""


class Facts(Struct, frozen=True):
    """What the server says of itself and of the database."""

    server: int
    server_name: str
    encoding: str
    durable: str
    standby: bool
    schema: str | None
    is_ledger: bool
    tables: int
    elsewhere: str | None


def open_current(connection: "WatchedConnection", name: str, home: Folder) -> None:
    """Check the server and the ledger; creates or migrates it first if needed.

    `home` has the files of this host.

    Raises LedgerTooNew for a later version's ledger, LedgerUnusable for another product's database
    and for a server that would not keep what was written.
    """
    _check_server(facts(connection), name, to_write=True)
    if _version(connection, name) != VERSION:
        _create_or_migrate(connection, name, home)


def check_version(connection: "Connection[Row]", name: str, home: Folder) -> None:
    """Raise LedgerUnusable, for a reader, where the ledger is not of this version."""
    _check_server(facts(connection), name, to_write=False)
    version = _version(connection, name)
    if not version:
        refuse_new_beside_work(home, name)
    _require(version, name)


def _require(version: int, name: str) -> None:
    if not version:
        raise missing(name)
    if version != VERSION:
        raise LedgerUnusable(
            f"The ledger {name} has the older schema version {version}: the next poll or submission"
            " migrates it.",
            code="ledger_too_old",
        )


def facts(connection: "Connection[Row]") -> Facts:
    """One statement."""
    (row,) = connection.execute(_FACTS).fetchall()
    return Facts(*row)


def check_server(connection: "Connection[Row]", name: str) -> None:
    """Raise LedgerUnusable for a server that would not keep what is written."""
    _check_server(facts(connection), name, to_write=True)


def check_current(connection: "Connection[Row]", name: str) -> None:
    """Raise LedgerUnusable where it is no ledger of this version that can be written."""
    check_server(connection, name)
    _require(_version(connection, name), name)


def version_of(connection: "Connection[Row]", name: str) -> int:
    """The version of the ledger, 0 for an empty schema.

    Raises LedgerUnusable for anything else, such as a marked ledger.
    """
    return _version(connection, name)


def mark_of(connection: "Connection[Row]") -> Mark | None:
    """The mark of a moved ledger or of an incomplete copy; None for any other database."""
    if not facts(connection).is_ledger:
        return None
    ((version,),) = connection.execute("SELECT version FROM titan_ledger").fetchall()
    if version < marks.MARKED:
        return None
    return marks.mark_of(tuple(connection.execute(marks.READ.encode()).fetchall()[0]))


def write_mark(connection: "Connection[Row]", mark: Mark) -> None:
    """Inside a transaction: mark the ledger."""
    connection.execute("DROP TABLE IF EXISTS ledger_copy")
    connection.execute(marks.CREATE.encode())
    connection.execute(
        "INSERT INTO ledger_copy VALUES (1, %s, %s, %s, %s, %s)",
        (mark.state, mark.copy, mark.other, mark.at, mark.who),
    )
    connection.execute("UPDATE titan_ledger SET version = %s", (marks.MARKED,))


def remove_mark(connection: "Connection[Row]") -> None:
    """Inside a transaction: make it a ledger that commands use."""
    connection.execute("DROP TABLE ledger_copy")
    connection.execute("UPDATE titan_ledger SET version = %s", (VERSION,))


def _check_server(found: Facts, name: str, *, to_write: bool) -> None:
    wrong = None
    if found.server < OLDEST_SERVER:
        wrong = f"its server is PostgreSQL {found.server_name}: use version 15 or later"
    elif found.encoding != "UTF8":
        wrong = f"its encoding is {found.encoding}: create the database with encoding UTF8"
    elif to_write and found.standby:
        wrong = "its server is a standby: connect to the primary server"
    elif to_write and found.durable == "off":
        wrong = (
            "synchronous_commit is off, so that a crash would lose what was stored: set it to on"
            " for this role (ALTER ROLE … SET synchronous_commit = on)"
        )
    elif found.schema is None:
        wrong = "no schema of its search_path exists: create one, or set the search_path"
    if wrong:
        raise LedgerUnusable(
            f"The ledger {name} cannot be used: {wrong}.", code="ledger_server_unsuitable"
        )


def _version(connection: "Connection[Row]", name: str) -> int:
    """0 for an empty schema."""
    found = facts(connection)
    if found.is_ledger:
        (version,) = connection.execute("SELECT version FROM titan_ledger").fetchall()[0]
        if version >= marks.MARKED and (mark := mark_of(connection)) is not None:
            raise marks.refusal(mark, name)
        if version > VERSION:
            raise LedgerTooNew(
                f"The ledger {name} has schema version {version}; this titan-console supports up to"
                f" {VERSION}. Upgrade it on this host."
            )
        return int(version)
    if found.elsewhere is not None:
        raise LedgerUnusable(
            f"The database {name} has a ledger in schema {found.elsewhere!r}, which is not the"
            f" first of this role's search_path: set the search_path to it.",
            code="ledger_other_schema",
        )
    if found.tables:
        raise LedgerUnusable(
            f"{name} is a database of another program, not a ledger: use an empty database, or an"
            " empty schema as the first of the role's search_path.",
            code="ledger_other_program",
        )
    return 0


def _create_or_migrate(connection: "WatchedConnection", name: str, home: Folder) -> None:
    """Under the lock of the writers: of hosts that start at once, one does it."""
    psycopg = driver()
    try:
        with unlimited(connection), connection.transaction():
            connection.execute("SET LOCAL lock_timeout = '120s'")
            connection.execute(LOCK if facts(connection).is_ledger else CREATION_LOCK)
            before = _version(connection, name)
            if before == VERSION:
                return
            if before:
                _migrate(connection, before)
                return
            refuse_new_beside_work(home, name)
            create_tables(connection)
    except psycopg.errors.InsufficientPrivilege as error:
        raise LedgerUnusable(
            f"The ledger {name} cannot be created or migrated: the role may not create or change"
            " tables in the schema. Grant it CREATE on the schema, and let it own the tables.",
            code="ledger_permission",
        ) from error


def create_tables(connection: "Connection[Row]") -> None:
    """Inside a transaction, under the lock: create the tables of this version."""
    insert = f"INSERT INTO titan_ledger VALUES (1, {VERSION})"  # noqa: S608 - our own number
    # At once: a network may be slow, and there are some hundred.
    statements = (OWN_TABLES, files.TABLES, REFUSE, *schema(NEWEST), insert)
    connection.execute(";".join(statements).encode())


def _migrate(connection: "Connection[Row]", before: int) -> None:
    """Add what the versions after `before` add, inside the transaction that holds the lock."""
    # Development versions had none.
    if connection.execute("SELECT to_regclass('stored_files') IS NULL").fetchall()[0][0]:
        connection.execute(files.TABLES)
    for version in range(before + 1, VERSION + 1):
        for statement in schema(STEPS[version]):
            connection.execute(statement.encode())
    connection.execute("UPDATE titan_ledger SET version = %s", (VERSION,))
