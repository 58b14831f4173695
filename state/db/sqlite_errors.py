"""Maps SQLite's exceptions to the ledger's, by what they mean."""

import errno
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from state.db.connection import locked, sqlite3
from state.files.system_errors import Cause, cause
from state.model.errors import (
    IllegalTransition,
    LedgerError,
    LedgerUnusable,
    TooManyTerms,
)

# SQLite's message quotes a damaged schema, which may be invalid UTF-8.
UNREADABLE = (sqlite3.DatabaseError, UnicodeDecodeError)
# The code of an error about a damaged ledger.
DAMAGED = "ledger_damaged"
# What SQLite says of a statement that is longer than it can be.
_TOO_LONG = (
    "Expression tree is too large",
    "too many SQL variables",
    "too many terms",
    "parser stack overflow",
    "string or blob too big",
    "pattern too complex",
)
# SQLite's result codes for which the file system knows the reason.
_IO_ERROR, _FULL = 10, 13
_UNUSABLE_FILE = (3, 8, _IO_ERROR, _FULL, 14)


@contextmanager
def ledger_errors(path: Path, *, did: str = "written") -> Generator[None, None, None]:
    """Raise the ledger's error for what SQLite raises inside."""
    try:
        yield
    except UNREADABLE as error:
        raise ledger_error(error, path, did=did) from error


def ledger_error(error: Exception, path: Path, *, did: str) -> LedgerError:
    """The ledger's error for one of SQLite's; `did` is what failed: `read` or `written`."""
    said = reason(error)
    if isinstance(error, sqlite3.IntegrityError):
        return IllegalTransition(f"The ledger rejects the write: {said}.")
    if any(words in said for words in _TOO_LONG):
        return TooManyTerms(f"Too many names or terms at once ({said}): use fewer.")
    if _is_lock_timeout(error):
        return locked(path)
    if found := _cause(error, path):
        return LedgerUnusable(f"The ledger {path} cannot be {did}: {found.text}.", code=found.code)
    if isinstance(error, sqlite3.OperationalError):
        return unknown_schema(path, error) or LedgerUnusable(
            f"The ledger {path} cannot be {did}: {said}."
        )
    return LedgerUnusable(
        f"The ledger {path} is damaged: {said}. Nothing was written; restore a backup"
        " (`titan-console restore` lists them), or run `titan-console rebuild`.",
        code="ledger_damaged",
    )


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


def _cause(error: Exception, path: Path) -> Cause | None:
    """The file system's reason, which SQLite does not tell; None where it has none."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code not in _UNUSABLE_FILE:
        return None
    beside = [path.with_name(f"{path.name}{end}") for end in ("", "-wal", "-shm")]
    try:
        for file in (path.parent, *(file for file in beside if file.exists())):
            if not os.access(file, os.R_OK | os.W_OK):
                return cause(PermissionError(errno.EACCES, ""), file)
        is_full = code == _FULL or not _free_bytes(path)
    except OSError as failure:
        return cause(failure, path)
    if is_full:
        return cause(OSError(errno.ENOSPC, ""), path)
    return cause(OSError(errno.EIO, ""), path) if code == _IO_ERROR else None


def _free_bytes(path: Path) -> int:
    if not hasattr(os, "statvfs"):
        return 1
    return os.statvfs(path.parent).f_bavail


def _is_lock_timeout(error: Exception) -> bool:
    return isinstance(error, sqlite3.OperationalError) and (
        "locked" in str(error) or "busy" in str(error)
    )
