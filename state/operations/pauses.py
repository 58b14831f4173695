"""Paused workflows: their requests are stored and stay queued."""

import json
from collections.abc import Sequence

from msgspec import Struct

from state.batches import priming_records
from state.db.dialect import LISTED_TEXTS
from state.db.ledger import Ledger
from state.db.reader import Source
from state.db.sql_conditions import QUEUED, is_open


class Pause(Struct, frozen=True, kw_only=True):
    """A paused workflow; nothing of it is sent until it is resumed."""

    #: The workflow.
    workflow: str
    #: When it was paused.
    since_ts: str
    #: Operator who paused it.
    who: str
    #: Why; may be empty.
    reason: str

    @property
    def text(self) -> str:
        """One line: since when, by whom and why."""
        why = f": {self.reason}" if self.reason else ""
        return f"paused since {self.since_ts} by {self.who}{why}"


def paused(source: Source) -> list[Pause]:
    """Every pause, by workflow."""
    rows = source.rows("SELECT workflow, since_ts, who, reason FROM pauses ORDER BY workflow")
    return [Pause(**dict(row)) for row in rows]


def pause_of(source: Source, workflow: str) -> Pause | None:
    """The pause of that workflow, if it is paused."""
    return next((pause for pause in paused(source) if pause.workflow == workflow), None)


def pause(ledger: Ledger, workflows: Sequence[str], *, who: str, reason: str) -> list[str]:
    """Pause the workflows; returns those that were not paused before."""
    with ledger.transaction("pause") as tx:
        new = [
            workflow
            for workflow in workflows
            if ledger.execute(
                "INSERT INTO pauses (workflow, since_ts, who, reason) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (workflow) DO NOTHING",
                *(workflow, tx.at, who, reason),
            )
        ]
        for workflow in new:
            ledger.event(tx, "workflow.paused", subject=workflow, reason=reason)
    return new


def resume(ledger: Ledger, workflows: Sequence[str], *, reason: str) -> list[str]:
    """Send and prime the workflows again; returns those that were paused or not primed."""
    with ledger.transaction("resume") as tx:
        gone = [
            workflow
            for workflow in workflows
            if ledger.execute("DELETE FROM pauses WHERE workflow = ?", workflow)
        ]
        for workflow in gone:
            ledger.event(tx, "workflow.resumed", subject=workflow, reason=reason)
        primed = priming_records.lift(ledger, tx, workflows)
    return list(dict.fromkeys((*gone, *primed)))


def is_known(source: Source, workflow: str) -> bool:
    """Whether anything was ever submitted under that workflow."""
    return bool(source.rows("SELECT 1 FROM submissions WHERE workflow = ? LIMIT 1", workflow))


def unsent(source: Source, workflows: Sequence[str]) -> list[int]:
    """The queued requests of the workflows, neither sent nor run synchronously."""
    names = json.dumps(list(workflows))
    rows = source.rows(
        "SELECT r.id FROM requests r JOIN submissions s ON s.id = r.submission_id"  # noqa: S608 - our own words
        f" WHERE {QUEUED} AND s.workflow IN {LISTED_TEXTS} UNION"
        " SELECT request_id FROM attempts WHERE active = 1 AND batch_id IN (SELECT id FROM batches"
        f" WHERE status = 'queued' AND {is_open()} AND workflow IN {LISTED_TEXTS}) ORDER BY 1",
        names,
        names,
    )
    return [int(row[0]) for row in rows]


def count_at_api(source: Source, workflows: Sequence[str]) -> int:
    """Number of the workflows' batches that are, or may be, in progress at the API."""
    rows = source.rows(
        f"SELECT count(*) FROM batches WHERE {is_open()} AND status NOT IN ('queued', 'ended')"  # noqa: S608 - our own words
        f" AND workflow IN {LISTED_TEXTS}",
        json.dumps(list(workflows)),
    )
    return int(rows[0][0])
