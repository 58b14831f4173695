"""Paths under TITAN_HOME, and durable file operations."""

import hashlib
import os
import re
import time
from contextlib import contextmanager, suppress
from io import BufferedWriter, FileIO, TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from state.files import windows_calls
from state.files.regular_file import refuse_pipe
from state.model.ledger_url import LedgerUrl

if TYPE_CHECKING:
    from collections.abc import Generator

    from _typeshed import ReadableBuffer

COST_LOG = "batch-cost-log.jsonl"
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}")
# Windows reserves these names for devices, with any extension.
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)", re.IGNORECASE)
_REPLACE_TRIES = 10
_REPLACE_WAIT_S = 0.05
_BUFFER = 1 << 20


class Folder(Struct, frozen=True):
    """The paths under one TITAN_HOME, and where its ledger is.

    `state.db.opening` opens the ledger, in either database.
    """

    root: Path
    # None: in the file `ledger`.
    ledger_url: LedgerUrl | None = None

    @property
    def ledger(self) -> Path:
        """The SQLite ledger. There is none if the ledger is in PostgreSQL."""
        return self.root / "titan.db"

    @property
    def poll_lock(self) -> Path:
        """Locked by the process that runs a poll; always empty."""
        return self.root / "titan.poll.lock"

    @property
    def spool(self) -> Path:
        """The bodies of requests, one file a submission."""
        return self.root / "spool"

    @property
    def results(self) -> Path:
        """The answers, one file a batch."""
        return self.root / "batch-results"

    @property
    def staging(self) -> Path:
        """Delivered results for the next job in a chain."""
        return self.root / "staging"

    @property
    def fallback(self) -> Path:
        """Submissions made while the ledger could not be used."""
        return self.root / "fallback"

    @property
    def backups(self) -> Path:
        """Daily backups of the ledger."""
        return self.root / "backups"

    @property
    def fresh_ledger(self) -> Path:
        """The ledger that a rebuild or a restore is writing."""
        return self.root / "titan.rebuilt.db"

    def backup_of(self, day: str) -> Path:
        """The backup of a UTC day such as 2026-11-22."""
        return self.backups / f"titan-{day}.db"

    def has_backup_of(self, day: str) -> bool:
        """Whether it is there: an empty file or a folder in its place is none."""
        path = self.backup_of(day)
        return path.is_file() and path.stat().st_size > 0

    @property
    def crash_log(self) -> Path:
        """The stacks of unforeseen errors in polls."""
        return self.root / "poll-crash.log"

    @property
    def hook_log(self) -> Path:
        """A line for each delivery hook that succeeded."""
        return self.root / "delivery-hooks.jsonl"

    def hook_lock(self, workflow: str) -> Path:
        """Locked while a delivery hook of that workflow runs; always empty."""
        return self.root / "hook-locks" / f"{safe_name(workflow)}.lock"

    @property
    def price_list(self) -> Path:
        """The prices that were looked up in the package of all prices."""
        return self.root / "price-list.json"

    @property
    def last_seen(self) -> Path:
        """The newest transaction of this host in a ledger in PostgreSQL."""
        return self.root / "ledger-seen.json"

    @property
    def exports(self) -> Path:
        """Exports written by the console."""
        return self.root / "exports"

    @property
    def jobs_mirror(self) -> Path:
        """A line for each change of a batch."""
        return self.root / "batch-jobs.jsonl"

    @property
    def incomplete_mirror(self) -> Path:
        """There while `jobs_mirror` lacks lines of batches that may have been sent."""
        return self.root / "batch-jobs.incomplete"

    @property
    def errors_mirror(self) -> Path:
        """A line for each failed request, with its body."""
        return self.root / "batch-errors.jsonl"

    @property
    def cost_mirror(self) -> Path:
        """A line for each collected batch and model."""
        return self.root / COST_LOG


def safe_name(text: str) -> str:
    """The text itself where it is a safe file name everywhere; else a slug and a hash.

    >>> safe_name("feed-classify")
    'feed-classify'
    >>> safe_name("../etc/passwd")
    'etc-passwd-7fef78f5'
    """
    if _SAFE_NAME.fullmatch(text) and not _RESERVED.fullmatch(text):
        return text
    slug = re.sub(r"[^A-Za-z0-9_]+", "-", text).strip("-")[:40]
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{slug}-{digest}" if slug else digest


def delivered_name(workflow: str, work_date: str) -> str:
    """The name of the file that the next job in a chain reads."""
    return f"{safe_name(workflow)}-results-{safe_name(work_date)}.jsonl"


def make_private(folder: Path) -> None:
    """Create the folder where it is missing, for its owner only."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def open_private(path: Path, *, append: bool = False) -> BufferedWriter:
    """Open a file for writing, new or from its end; a new one is for its owner only.

    Raises OSError, also for a pipe, whose reader would be waited for.
    """
    refuse_pipe(path)
    flags = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if append else os.O_TRUNC)
    descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0), 0o600)
    return BufferedWriter(_NamedFile(descriptor, path, "ab" if append else "wb"), _BUFFER)


@contextmanager
def new_file(path: Path) -> "Generator[BufferedWriter]":
    """Write a new private file in the block; where that or its end fails, no part of it is left.

    On a full disk, what is left would take the space that the next try needs.
    """
    file = open_private(path)
    try:
        with file:
            yield file
    except BaseException:
        with suppress(OSError):
            path.unlink(missing_ok=True)
        raise


def discard(file: BufferedWriter, path: Path) -> None:
    """Close and delete a file that is not needed. Raises OSError where it cannot be deleted."""
    # On a full disk, closing tries to write once more.
    with suppress(OSError):
        file.close()
    path.unlink(missing_ok=True)


class _NamedFile(FileIO):
    """A file whose errors name it: those of a write have no name otherwise."""

    def __init__(self, descriptor: int, path: Path, mode: str) -> None:
        super().__init__(descriptor, mode)
        self._path = path

    def write(self, data: "ReadableBuffer", /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            error.filename = str(self._path)
            raise


def make_private_file(path: Path) -> None:
    """Create an empty file for its owner only; an existing file is not opened.

    Under POSIX, closing any descriptor of a file releases all locks of this process on the file,
    including those of SQLite.
    """
    if not path.exists():
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def open_private_text(path: Path) -> TextIOWrapper:
    """Open a text file for writing, for its owner only even if it was there before."""
    file = open_private(path)
    if not windows_calls.is_windows():
        os.fchmod(file.fileno(), 0o600)
    return TextIOWrapper(file, encoding="utf-8", errors="replace", newline="")


def replace(source: Path, target: Path) -> None:
    """Rename durably, replacing the target."""
    for _ in range(_REPLACE_TRIES):
        try:
            source.replace(target)
            break
        except PermissionError:
            # Windows: a reader or a virus scanner has the target open, usually briefly.
            time.sleep(_REPLACE_WAIT_S)  # noqa: TID251 - the file system's time, not ours
    else:
        source.replace(target)
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Fsync a folder after a rename; Windows has no such call and needs none."""
    if windows_calls.is_windows():
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
