"""What a copy needs of the ledger that it reads, and of the one that it writes."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from state.db.copies.tables import CopiedTable, Row
from state.db.marks import Mark
from state.files.file_store import FileStore

# The kind of the event that a copied ledger has; its subject is the key of the copy.
COPIED = "ledger.copied"


class CopiedEvent(Struct, frozen=True, kw_only=True):
    """What the event log of the new ledger has about the copy."""

    at: str
    actor: str
    #: The key of the copy.
    copy: str
    #: JSON.
    detail: str


class FileName(Struct, frozen=True):
    """A spool or results file that the ledger refers to."""

    folder: str
    name: str
    #: Whether more will be added to it; on a disk it has another name until then.
    is_partial: bool = False

    @property
    def local_name(self) -> str:
        """Its name on a disk."""
        return f"{self.name}.part" if self.is_partial else self.name


class CopySource(Protocol):
    """A ledger that nothing else writes from `hold` until it is closed."""

    #: How it is shown to people.
    name: str
    #: The TITAN_HOME with its files; None where `files` has them.
    root: Path | None
    files: FileStore
    #: A folder of this host for files that are read from one database and written to another.
    scratch: Path

    def mark(self) -> Mark | None:
        """The mark that it has, for which every command but a copy refuses it."""
        ...

    def check(self) -> None:
        """Raise LedgerUnusable where it is neither a ledger of this version nor a marked one."""
        ...

    def hold(self) -> None:
        """Keep other writers out. Raises LedgerBusy, and what `check` raises."""
        ...

    def count(self, table: CopiedTable) -> int:
        """How many rows the table has."""
        ...

    def read(self, table: CopiedTable) -> Iterator[Row]:
        """Each row in the order of the key, in little memory."""
        ...

    def revision(self) -> int:
        """The number of transactions so far."""
        ...

    def is_from(self, copy: str) -> bool:
        """Whether that copy is one of those that it came from."""
        ...

    def file_names(self) -> list[FileName]:
        """The files that it refers to."""
        ...

    def mark_moved(self, mark: Mark) -> None:
        """Mark it, so that no command writes or reads it any more."""
        ...

    def close(self) -> None:
        """Release it; what was not marked is as before."""
        ...


class CopyTarget(Protocol):
    """Where a copy is written. It is no ledger for any command until `open`."""

    name: str
    #: Whether it stores a NUL in a text.
    stores_nul: bool
    #: The TITAN_HOME for its files; None where `files` gets them.
    root: Path | None
    files: FileStore

    def hold(self) -> None:
        """Keep other copies and commands out. Raises LedgerBusy."""
        ...

    def mark(self) -> Mark | None:
        """The mark of a copy that has not ended, or of a ledger that was moved from here."""
        ...

    def refuse_ledger(self, is_older: Callable[[Mark], bool]) -> None:
        """Raise LedgerUnusable unless it is empty, or what is there may be replaced.

        `is_older` says whether the ledger to copy has all of a ledger that was moved from here.
        """
        ...

    def begin(self, mark: Mark) -> None:
        """Create empty tables with this mark; what an incomplete copy left is removed."""
        ...

    def fill(self, table: CopiedTable, rows: Iterator[Row]) -> None:
        """Write all rows of a table."""
        ...

    def complete(self) -> None:
        """Check all references, and make the rows durable; the mark stays."""
        ...

    def read(self, table: CopiedTable) -> Iterator[Row]:
        """Each row as it is stored, once the copy is complete."""
        ...

    def store(self, local: Path, path: Path) -> None:
        """Store a file of this host in `files`, under this path."""
        ...

    def write_mark(self, mark: Mark) -> None:
        """Replace the mark of a complete copy."""
        ...

    def open(self, event: CopiedEvent) -> None:
        """Remove the mark and add the event: from now on it is a ledger as any other."""
        ...

    def close(self) -> None:
        """Release it; an incomplete copy stays marked."""
        ...
