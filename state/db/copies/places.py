"""The source and the target of a copy, by where they are."""

from state.db.copies.sides import CopySource, CopyTarget
from state.db.copies.sqlite import SqliteSource, SqliteTarget
from state.files.folder import Folder


def source_of(folder: Folder) -> CopySource:
    """The ledger of the folder, to be copied. Raises LedgerUnusable, LedgerBusy."""
    if folder.ledger_url is None:
        return SqliteSource(folder.ledger)
    from state.db.copies.postgres import PostgresSource  # noqa: PLC0415 - SQLite needs none of it

    return PostgresSource(folder.ledger_url, folder.root)


def target_of(folder: Folder) -> CopyTarget:
    """Where the folder's ledger will be. Raises LedgerUnusable, LedgerBusy."""
    if folder.ledger_url is None:
        return SqliteTarget(folder.ledger)
    from state.db.copies.postgres import PostgresTarget  # noqa: PLC0415 - as above

    return PostgresTarget(folder.ledger_url, folder.root)
