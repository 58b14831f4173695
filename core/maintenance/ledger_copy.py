"""Moves a ledger to another database: complete, verified, and marked as moved where it was.

Two ledgers with the same queued requests would both send them. So the copy is no ledger for any
command until the source is marked, and the source is none from then on. The steps, between which a
kill may come; the same copy run again starts over, or ends what was left:

1. The target gets empty tables with the mark `copying`.
2. Rows and files are copied, while the lock of the writers keeps the source as it is.
3. What the target has is compared with what was read; its mark becomes `checked`.
4. The source is marked as moved, in the transaction in which it was read.
5. The target loses its mark.
"""

import json
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from datetime import datetime

from msgspec import Struct, field

from core.maintenance.file_copy import copy_files
from core.text import pluralize
from state.db.copies.sides import CopiedEvent, CopySource, CopyTarget
from state.db.copies.tables import CopiedTable, SumOfRows, Sums, copied_tables, sums_of
from state.db.ledger import random_id
from state.db.marks import Mark, MarkState, refusal
from state.model.crash_points import no_crash_point
from state.model.errors import LedgerError, LedgerUnusable
from state.model.timestamps import to_text

_KEY_LENGTH = 16


class TableCopy(Struct, frozen=True, kw_only=True):
    """One table, equal in both ledgers."""

    table: str
    rows: int
    #: A sum over a hash of each row, in hexadecimal.
    checksum: str
    #: Texts in which U+FFFD took the place of a NUL.
    replaced: int


class CopySummary(Struct, frozen=True, kw_only=True):
    """What was moved, and where."""

    source: str
    target: str
    #: Whether other hosts can use the new ledger.
    is_shared: bool
    #: The revision of the source.
    revision: int
    tables: list[TableCopy]
    #: Spool and results files, and their bytes, uncompressed.
    files: int = 0
    file_bytes: int = 0
    #: Files that the ledger refers to, and that the source does not have either.
    missing_files: list[str] = field(default_factory=list[str])
    #: An earlier run had copied everything and was stopped then.
    is_resumed: bool = False

    @property
    def rows(self) -> int:
        """Of all tables."""
        return sum(table.rows for table in self.tables)

    @property
    def replaced(self) -> int:
        """Of all tables."""
        return sum(table.replaced for table in self.tables)


class CopyRun(Struct, frozen=True, kw_only=True):
    """What a run has of its own; tests pass others."""

    now: Callable[[], datetime]
    #: The process, with its host.
    who: str
    #: Gets the table, the rows done, and all of its rows.
    progress: Callable[[str, int, int], None] = lambda _what, _done, _of: None
    new_id: Callable[[int], str] = random_id
    crash_point: Callable[[str], None] = no_crash_point


def move(
    source: CopySource,
    target: CopyTarget,
    run: CopyRun,
    *,
    check: Callable[[], None] = lambda: None,
) -> CopySummary:
    """Move the ledger; both are closed afterwards.

    `check` is called once no process writes the source any more, and raises to refuse it. Raises
    LedgerBusy while others use one of them, LedgerUnusable where one is not what it must be, where
    the copy differs, or where the source changed meanwhile: then the source is as before.
    """
    with closing(source), closing(target):
        target.hold()
        moved, begun = source.mark(), target.mark()
        if moved is not None:
            return _resumed(source, target, run, moved, begun)
        source.hold()
        check()
        target.refuse_ledger(lambda mark: source.is_from(mark.copy))
        return _moved(source, target, run)


def _moved(source: CopySource, target: CopyTarget, run: CopyRun) -> CopySummary:
    revision, key = source.revision(), run.new_id(_KEY_LENGTH)

    def mark(state: MarkState, other: str) -> Mark:
        return Mark(state=state, copy=key, other=other, at=to_text(run.now()), who=run.who)

    target.begin(mark(MarkState.COPYING, source.name))
    run.crash_point("copy:begun")
    expected = {table: _copied(source, target, table, run) for table in copied_tables()}
    target.complete()
    files = copy_files(source, target, run.progress)
    run.crash_point("copy:filled")
    for table, sums in expected.items():
        _compare(target, table, sums, run)
    if source.revision() != revision:
        raise LedgerUnusable(
            f"The ledger {source.name} changed during the copy, which is not used. Stop what writes"
            " it, and copy again.",
            code="ledger_changed",
        )
    target.write_mark(mark(MarkState.CHECKED, source.name))
    run.crash_point("copy:checked")
    source.mark_moved(mark(MarkState.MOVED, target.name))
    run.crash_point("copy:moved")
    summary = CopySummary(
        source=source.name,
        target=target.name,
        is_shared=target.root is None,
        revision=revision,
        tables=[
            TableCopy(
                table=table.name,
                rows=sums.rows,
                checksum=f"{sums.checksum:032x}",
                replaced=sums.replaced,
            )
            for table, sums in expected.items()
        ],
        files=files.files,
        file_bytes=files.bytes,
        missing_files=files.missing,
    )
    _open(target, run, key, summary)
    return summary


def _resumed(
    source: CopySource, target: CopyTarget, run: CopyRun, moved: Mark, begun: Mark | None
) -> CopySummary:
    """End a copy that was stopped after its source had been marked."""
    is_complete = (
        moved.state == MarkState.MOVED
        and begun is not None
        and (begun.state, begun.copy) == (MarkState.CHECKED, moved.copy)
    )
    if not is_complete:
        raise refusal(moved, source.name)
    summary = CopySummary(
        source=source.name,
        target=target.name,
        is_shared=target.root is None,
        revision=0,
        tables=[],
        is_resumed=True,
    )
    _open(target, run, moved.copy, summary)
    return summary


def _open(target: CopyTarget, run: CopyRun, key: str, summary: CopySummary) -> None:
    detail = {"from": summary.source, "rows": summary.rows, "replaced": summary.replaced}
    target.open(
        CopiedEvent(at=to_text(run.now()), actor=run.who, copy=key, detail=json.dumps(detail))
    )


def _copied(source: CopySource, target: CopyTarget, table: CopiedTable, run: CopyRun) -> Sums:
    count = source.count(table)
    summed = SumOfRows(table, stores_nul=target.stores_nul)
    with _named(table, "copied"):
        target.fill(
            table,
            summed.over(source.read(table), lambda done: run.progress(table.name, done, count)),
        )
    return summed.sums


def _compare(target: CopyTarget, table: CopiedTable, expected: Sums, run: CopyRun) -> None:
    """Read back what is stored."""
    with _named(table, "read back"):
        found = sums_of(
            table,
            target.read(table),
            lambda done: run.progress(f"check {table.name}", done, expected.rows),
        )
    if (found.rows, found.checksum) != (expected.rows, expected.checksum):
        rows = pluralize(found.rows, "row")
        raise LedgerUnusable(
            f"The table {table.name} of {target.name} differs from what was read ({rows} of"
            f" {expected.rows:,}); the copy is not used. Copy again.",
            code="copy_differs",
        )


@contextmanager
def _named(table: CopiedTable, did: str) -> Generator[None]:
    """Name the table in an error."""
    try:
        yield
    except LedgerError as error:
        raise type(error)(
            f"The table {table.name} cannot be {did}: {error}", code=error.code
        ) from error
