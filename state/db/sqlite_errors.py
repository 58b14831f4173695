"""Maps SQLite's exceptions to the ledger's."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from state.db.connection import BUSY_TIMEOUT_S, sqlite3
from state.model.errors import IllegalTransition, LedgerBusy, LedgerUnusable

# SQLite's message quotes a damaged schema, which may be invalid UTF-8.
UNREADABLE = (sqlite3.DatabaseError, UnicodeDecodeError)


@contextmanager
def ledger_errors(path: Path) -> Generator[None, None, None]:
    """Raise IllegalTransition, LedgerBusy or LedgerUnusable for what SQLite raises inside."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise IllegalTransition(f"The ledger rejects the write: {reason(error)}.") from error
    except sqlite3.OperationalError as error:
        if _is_lock_timeout(error):
            raise LedgerBusy(
                f"Another program locked the ledger {path} for {BUSY_TIMEOUT_S:.0f} s. Try again;"
                " `titan-console doctor` names the process."
            ) from error
        raise unknown_schema(path, error) or LedgerUnusable(
            f"The ledger {path} cannot be written: {reason(error)}."
        ) from error
    except UNREADABLE as error:
        raise LedgerUnusable(
            f"The ledger {path} is damaged: {reason(error)}. Nothing was written; restore a backup"
            " (`titan-console doctor` names the newest), or run `titan-console rebuild`."
        ) from error


def reason(error: Exception) -> str:
    """SQLite's message on one line."""
    if isinstance(error, UnicodeDecodeError):
        return "its schema is malformed"
    return " ".join(str(error).split())


def unknown_schema(path: Path, error: Exception) -> LedgerUnusable | None:
    """The error for a ledger of an earlier commit, whose tables are not those of its version."""
    if not str(error).startswith(("no such table", "no such column", "table ")):
        return None
    return LedgerUnusable(
        f"The ledger {path} has another schema than this version ({reason(error)}): use the"
        " version that wrote it, or set TITAN_HOME to another folder.",
        code="ledger_unknown_schema",
    )


def _is_lock_timeout(error: "sqlite3.OperationalError") -> bool:
    return "locked" in str(error) or "busy" in str(error)
