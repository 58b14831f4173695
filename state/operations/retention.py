"""Submissions whose bodies can be deleted, and the record that they were."""

from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

from msgspec import Struct

from state.db.dialect import LISTED, as_list
from state.db.ledger import Ledger
from state.db.reader import Source
from state.db.sql_conditions import TO_DO, is_open
from state.files.answers_file import answers_file
from state.files.folder import Folder
from state.files.results_file import file_name


class PrunableSubmission(Struct, frozen=True, kw_only=True):
    """A settled and delivered submission, with the names of its files."""

    id: int
    key: str
    workflow: str
    work_date: str
    spool_files: tuple[str, ...]
    batch_keys: tuple[str, ...]


# Settled and delivered before a time, with no open batch.
_DONE = (
    "s.finished_ts < ? AND s.delivered_ts < ? AND NOT EXISTS (SELECT 1 FROM batches b"  # noqa: S608 - our own words
    f" WHERE b.submission_id = s.id AND {is_open('b')})"
    f" AND s.id NOT IN (SELECT r.submission_id FROM requests r WHERE {TO_DO}"
    " AND r.status <> 'dismissed')"
)


def is_idle(source: Source) -> bool:
    """Whether no unfinished command exists, since a command may need a body."""
    rows = source.rows("SELECT 1 FROM commands WHERE state IN ('pending', 'running') LIMIT 1")
    return not rows


def prunable(source: Source, *, before_ts: str) -> list[PrunableSubmission]:
    """Each submission that had settled by that time and has its bodies, oldest first.

    A delivered file has all submissions of a workflow and date, so these are prunable together.
    """
    rows = source.rows(
        "SELECT s.id, s.key, s.workflow, s.work_date FROM submissions s"  # noqa: S608 - our own words
        f" WHERE s.pruned_ts IS NULL AND {_DONE} ORDER BY s.id",
        before_ts,
        before_ts,
    )
    found = Counter((row["workflow"], row["work_date"]) for row in rows)
    whole = {day for day, count in found.items() if count == _unpruned(source, *day)}
    return [
        _with_files(source, row[0], row[1], row[2], row[3])
        for row in rows
        if (row["workflow"], row["work_date"]) in whole
    ]


def _unpruned(source: Source, workflow: str, work_date: str) -> int:
    return int(
        source.rows(
            "SELECT count(*) FROM submissions WHERE workflow = ? AND work_date = ?"
            " AND pruned_ts IS NULL",
            workflow,
            work_date,
        )[0][0]
    )


def _with_files(
    source: Source, number: int, key: str, workflow: str, work_date: str
) -> PrunableSubmission:
    batches = source.rows("SELECT key FROM batches WHERE submission_id = ? ORDER BY id", number)
    # All bodies of one submission are in one file.
    first = source.rows(
        "SELECT spool_file FROM requests WHERE submission_id = ? ORDER BY id LIMIT 1", number
    )
    return PrunableSubmission(
        id=number,
        key=key,
        workflow=workflow,
        work_date=work_date,
        spool_files=tuple(row[0] for row in first if row[0]),
        batch_keys=tuple(row[0] for row in batches),
    )


def stored_files(folder: Folder, old: PrunableSubmission) -> Iterator[Path]:
    """The files of the submission that hosts share."""
    for name in old.spool_files:
        yield folder.spool / name
    for key in old.batch_keys:
        yield folder.results / file_name(key)
        yield answers_file(folder, key)


def mark_pruned(
    ledger: Ledger, old: list[PrunableSubmission], *, before_ts: str
) -> list[PrunableSubmission]:
    """Record that the bodies are deleted; returns the submissions that can still be pruned.

    Where hosts share them, they are in the store no more once this is recorded.
    """
    with ledger.transaction("pruned") as tx:
        if not is_idle(ledger):
            return []
        still = {found.id for found in prunable(ledger, before_ts=before_ts)}
        marked = [one for one in old if one.id in still]
        folder = Folder(ledger.path.parent)
        ledger.files.release(path for one in marked for path in stored_files(folder, one))
        for one in marked:
            ledger.execute(
                "UPDATE submissions SET pruned_ts = ? WHERE id = ?",
                tx.at,
                one.id,
            )
            ledger.event(tx, "submission.pruned", subject=one.key)
    return marked


def pruned_on(source: Source, submission_id: int) -> str | None:
    """The UTC day on which the submission's bodies were deleted, if they were."""
    rows = source.rows("SELECT pruned_ts FROM submissions WHERE id = ?", submission_id)
    return rows[0][0][:10] if rows and rows[0][0] else None


def is_any_pruned(source: Source, request_ids: Collection[int]) -> bool:
    """Whether the body of one of the requests was deleted."""
    rows = source.rows(
        "SELECT 1 FROM requests r JOIN submissions s ON s.id = r.submission_id"  # noqa: S608 - our own words
        f" WHERE s.pruned_ts IS NOT NULL AND r.id IN {LISTED} LIMIT 1",
        as_list(request_ids),
    )
    return bool(rows)


def pruned_keys(source: Source) -> set[str]:
    """The keys of every submission whose bodies were deleted."""
    rows = source.rows("SELECT key FROM submissions WHERE pruned_ts IS NOT NULL")
    return {row[0] for row in rows}


def pruned_days(source: Source) -> list[tuple[str, str]]:
    """Each workflow and date whose submissions are all pruned."""
    rows = source.rows(
        "SELECT workflow, work_date FROM submissions WHERE work_date <> ''"
        " GROUP BY workflow, work_date HAVING count(*) = count(pruned_ts)"
    )
    return [(row[0], row[1]) for row in rows]


def edit_files(source: Source) -> list[str]:
    """The files of edited bodies whose submissions are all pruned."""
    rows = source.rows(
        "SELECT e.spool_file FROM edits e JOIN requests r ON r.id = e.request_id"
        " JOIN submissions s ON s.id = r.submission_id GROUP BY e.spool_file"
        " HAVING count(*) = count(s.pruned_ts)"
    )
    return [row[0] for row in rows]
