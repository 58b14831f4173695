"""Read models of the audit log: who did what when, millions of lines of it."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from state.db.reader import Source
from state.model.records import Event

if TYPE_CHECKING:
    from state.db.connection import sqlite3

_SELECT = (
    "SELECT e.id, e.at, e.actor, e.kind, b.key AS batch_key, e.subject, e.detail, b.tag,"
    " CASE WHEN e.kind = 'batch.collected' THEN b.cost_nano END AS cost_nano, b.unpriced"
    " FROM events e LEFT JOIN batches b ON b.id = e.batch_id"
)


class AuditLine(Struct, frozen=True, kw_only=True):
    """One line of the log, with the tag of its batch; of a collection, what the batch cost.

    Money in nano-dollars; `unpriced` answers are left out of it.
    """

    event: Event
    tag: str | None
    cost_nano: int | None
    unpriced: int


def newest_first(source: Source) -> Sequence[int]:
    """The ids of all lines. None is ever deleted, so that they are a range."""
    first, last = source.rows("SELECT min(id), max(id) FROM events")[0]
    return () if last is None else range(last, first - 1, -1)


def lines(source: Source, ids: Sequence[int]) -> dict[int, AuditLine]:
    """These lines, by id."""
    if not ids:
        return {}
    marks = ",".join(["?"] * len(ids))
    rows = source.rows(f"{_SELECT} WHERE e.id IN ({marks})", *ids)
    return {row["id"]: _to_line(row) for row in rows}


def latest(source: Source, *, since_ts: str = "", limit: int) -> list[AuditLine]:
    """The newest lines from that time on, newest first."""
    rows = source.rows(f"{_SELECT} WHERE e.at >= ? ORDER BY e.id DESC LIMIT ?", since_ts, limit)
    return [_to_line(row) for row in rows]


def _to_line(row: "sqlite3.Row") -> AuditLine:
    return AuditLine(
        event=Event(
            id=row["id"],
            at=row["at"],
            actor=row["actor"],
            kind=row["kind"],
            batch_key=row["batch_key"],
            subject=row["subject"],
            detail=json.loads(row["detail"]),
        ),
        tag=row["tag"],
        cost_nano=row["cost_nano"],
        unpriced=row["unpriced"] or 0,
    )
