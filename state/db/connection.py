"""Opens SQLite with the settings that the ledger needs."""

import errno
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from state.files.folder import make_private_file
from state.files.network_folders import network_kind
from state.files.regular_file import require_regular
from state.files.system_errors import cause, denied, users_of
from state.model.errors import LedgerBusy, LedgerUnusable

if TYPE_CHECKING:
    import sqlite3
else:
    try:
        from pysqlite3 import dbapi2 as sqlite3
    except ImportError:
        import sqlite3

__all__ = ["BUSY_TIMEOUT_S", "connect", "connect_read_only", "locked", "prepare_folder", "sqlite3"]

# SQLite's module looks for an adapter of each None and each bytes object that it binds, which takes
# longer than to store the row: 0.6 s of 0.8 in 100,000 results. With one that changes nothing, the
# search ends at once. These two are built in, so that no Python code runs.
sqlite3.register_adapter(type(None), dict[None, None]().get)
sqlite3.register_adapter(bytes, bytes)

BUSY_TIMEOUT_S = 30.0
_PRAGMAS = (
    "foreign_keys=ON",
    "synchronous=FULL",
    "trusted_schema=OFF",
    "temp_store=FILE",
    # In bytes: the size that the WAL file keeps once its content is in the ledger.
    "journal_size_limit=16777216",
    # In KiB: a transaction over 100,000 rows that outgrows it writes its pages twice.
    "cache_size=-8192",
    "temp.cache_size=-2048",
)
# What SQLite says where it cannot make or extend a file beside the ledger.
_CANNOT_WRITE = ("disk I/O", "unable to open", "readonly", "disk is full")
# From 3.7.0 on, a checkpoint could overlap another connection's reset of the WAL and lose pages.
FIRST_SAFE_SQLITE = (3, 51, 3)


def prepare_folder(path: Path) -> None:
    """Make the folder of the ledger, for its owner only. Raises LedgerUnusable."""
    with _unwritable(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _refuse_network_folder(path)


def connect(path: Path) -> "sqlite3.Connection":
    """A connection for writing; creates the file, readable by its owner only, if it is missing.

    Its folder is there (`prepare_folder`). Raises LedgerUnusable when the file cannot be used.
    """
    with _unwritable(path):
        make_private_file(path)
        require_regular(path)
        if not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    # The ledger checks its thread itself, with a message of its own.
    connection = sqlite3.connect(
        path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
    )
    return _configured(connection, _PRAGMAS)


@contextmanager
def _unwritable(path: Path) -> Generator[None, None, None]:
    try:
        yield
    except OSError as error:
        found = cause(error, path)
        raise LedgerUnusable(
            f"Cannot write the ledger {path}: {found.text}. "
            "Set TITAN_HOME to a folder that this user can write to.",
            code=found.code,
        ) from error


def connect_read_only(path: Path) -> "sqlite3.Connection":
    """A connection that cannot write. Raises LedgerUnusable when there is no ledger.

    Raises LedgerBusy where another program keeps it locked, for readers too. On a full disk SQLite
    cannot extend its index of the WAL, the file `-shm`; it then keeps one in memory. Where there is
    no such file either, the ledger is read without a WAL if that is empty.
    """
    _refuse_what_cannot_be_read(path)
    failed: sqlite3.OperationalError | None = None
    for mode in ("mode=ro", "mode=ro&readonly_shm=1", "immutable=1"):
        if mode == "immutable=1" and _has_wal(path):
            break
        try:
            return _opened_to_read(path, mode)
        except sqlite3.OperationalError as error:
            failed = failed or error
            if not any(word in str(error) for word in _CANNOT_WRITE):
                break
    if "locked" in str(failed):
        raise locked(path) from failed
    raise LedgerUnusable(f"Cannot read the ledger {path}: {failed}.") from failed


def locked(path: Path) -> LedgerBusy:
    """The error of a ledger that another program keeps locked."""
    return LedgerBusy(
        f"Another program locked the ledger {path} for {BUSY_TIMEOUT_S:.0f} s. Try again; if it"
        f" stays locked, end that program: {users_of(path)}."
    )


def _opened_to_read(path: Path, mode: str) -> "sqlite3.Connection":
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?{mode}",
        uri=True,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
    )
    # The first read opens the WAL.
    return _configured(connection, ("trusted_schema=OFF", "schema_version"))


def _has_wal(path: Path) -> bool:
    try:
        return path.with_name(f"{path.name}-wal").stat().st_size > 0
    except FileNotFoundError:
        return False
    except OSError:
        return True


def _refuse_what_cannot_be_read(path: Path) -> None:
    """Raise LedgerUnusable with the reason of the system, which SQLite does not tell."""
    try:
        require_regular(path)
        if os.access(path, os.R_OK):
            return
        found = denied(path)
    except OSError as error:
        found = cause(error, path)
    raise LedgerUnusable(f"Cannot read the ledger {path}: {found.text}.", code=found.code)


def _refuse_network_folder(path: Path) -> None:
    kind = network_kind(path.parent)
    if kind is not None:
        raise LedgerUnusable(
            f"The ledger {path} is in a network folder ({kind}), where locks are not reliable."
            " Set TITAN_HOME to a folder of this machine's own disk."
        )


def _configured(connection: "sqlite3.Connection", pragmas: tuple[str, ...]) -> "sqlite3.Connection":
    connection.row_factory = sqlite3.Row
    try:
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise
    return connection
