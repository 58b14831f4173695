"""Opens the ledger of a TITAN_HOME: the file in it, or a database of PostgreSQL.

Everything but backup, restore and rebuild, which are of the file, opens the ledger here.
"""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from state.db.ledger import Ledger, random_id
from state.db.reader import Reader
from state.files import lost_ledger
from state.files.folder import Folder, make_private
from state.files.system_errors import cause
from state.model.crash_points import no_crash_point
from state.model.errors import LedgerUnusable
from state.model.ledger_url import public_name

if TYPE_CHECKING:
    from state.db.postgres.commit_listener import CommitListener
    from state.db.server_facts import ServerFacts


def ledger_name(folder: Folder) -> str:
    """What messages call the ledger: its path, or its address without a password."""
    return str(folder.ledger) if folder.ledger_url is None else public_name(folder.ledger_url)


def open_ledger(
    folder: Folder,
    *,
    now: Callable[[], datetime],
    actor: str,
    crash_point: Callable[[str], None] = no_crash_point,
    new_id: Callable[[int], str] = random_id,
    monotonic: Callable[[], float] = time.monotonic,
    accepts_loss: bool = False,
) -> Ledger:
    """The ledger; it is created or migrated first if needed. The arguments are those of `Ledger`.

    `monotonic` is the clock of this machine; leases of a ledger in PostgreSQL expire by that of the
    database instead. `accepts_loss`: also one in PostgreSQL that has lost what this host stored.
    Raises LedgerUnusable, LedgerTooNew, LedgerBusy.
    """
    if folder.ledger_url is None:
        return Ledger(
            folder.ledger,
            now=now,
            actor=actor,
            crash_point=crash_point,
            new_id=new_id,
            monotonic=monotonic,
        )
    from state.db.postgres.ledger import PostgresLedger  # noqa: PLC0415 - SQLite needs none of it

    _make_home(folder.root)
    made = PostgresLedger(
        folder.ledger_url,
        folder.ledger,
        now=now,
        actor=actor,
        crash_point=crash_point,
        new_id=new_id,
    )
    if not accepts_loss:
        made.remember_in(folder.last_seen)
    return made


def _make_home(root: Path) -> None:
    """For the files of this host."""
    try:
        make_private(root)
    except OSError as error:
        found = cause(error, root)
        raise LedgerUnusable(
            f"Cannot write {root}: {found.text}. Set TITAN_HOME to a folder that this user can"
            " write to.",
            code=found.code,
        ) from error


def open_reader(folder: Folder) -> Reader:
    """A read-only connection to the ledger. Raises LedgerUnusable where there is none."""
    if folder.ledger_url is None:
        return Reader(folder.ledger)
    from state.db.postgres.reader import PostgresReader  # noqa: PLC0415 - as above

    return PostgresReader(folder.ledger_url, folder.ledger)


def commit_listener(folder: Folder, wake: Callable[[], None]) -> "CommitListener | None":
    """Calls `wake` at each commit to a ledger in PostgreSQL, on a thread, until it is stopped.

    None for SQLite, whose file shows each commit.
    """
    if folder.ledger_url is None:
        return None
    from state.db.postgres.commit_listener import CommitListener  # noqa: PLC0415 - as above

    return CommitListener(folder.ledger_url, wake)


def server_facts(
    folder: Folder, *, now: Callable[[], datetime], monotonic: Callable[[], float]
) -> "ServerFacts | None":
    """Facts about the server of the ledger, also of one that cannot have a ledger.

    None for SQLite. Raises LedgerUnusable, LedgerBusy where it cannot be reached.
    """
    if folder.ledger_url is None:
        return None
    from state.db.postgres import server_facts as server  # noqa: PLC0415 - as above

    return server.examine(folder.ledger_url, now=now, monotonic=monotonic)


@contextmanager
def reader_if_any(folder: Folder) -> Generator[Reader | None, None, None]:
    """A read-only connection for the block; None where there is no ledger yet.

    Raises LedgerUnusable, also where there was a ledger once.
    """
    if folder.ledger_url is None and not lost_ledger.ledger_exists(folder.ledger):
        yield None
        return
    try:
        reader = open_reader(folder)
    except LedgerUnusable as error:
        if folder.ledger_url is None or error.code != "ledger_missing":
            raise
        yield None
        return
    with reader:
        yield reader


def require_file(folder: Folder, instead: str) -> None:
    """Raise LedgerUnusable where the ledger is in PostgreSQL; `instead` says what to use there."""
    if folder.ledger_url is not None:
        raise LedgerUnusable(
            f"The ledger {ledger_name(folder)} is in PostgreSQL: {instead}.",
            code="ledger_in_postgres",
        )


def require_ledger(folder: Folder) -> None:
    """Raise LedgerUnusable where there is no ledger: only a submission or a poll creates one."""
    if folder.ledger_url is None:
        lost_ledger.require_ledger(folder.ledger)
    else:
        open_reader(folder).close()
