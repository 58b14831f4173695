"""The rows of the Batches screen. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from core.money.eta import Eta, by_risk, estimate_eta
from state.model.records import Batch
from state.queries.console_snapshot import Snapshot
from state.queries.error_list import ErrorRow
from titan_console.text import eta_labels, links
from titan_console.text import format as fmt
from titan_console.text.format import Tone
from titan_console.tui.widgets.row_drawing import Cell, Column, Row

OPEN_COLUMNS = (
    Column("status", "Status", 13, 0),
    Column("tag", "Tag", 16, 1, grow=6, widest=28, keeps_end=True),
    Column("key", "Batch", 14, 8, grow=1, widest=24),
    Column("requests", "Requests", 8, 6, right=True),
    Column("age", "Age", 7, 2, right=True),
    Column("ends", "Ends in", 14, 5, grow=1, widest=19, right=True),
    Column("due", "Deadline", 12, 3, right=True),
    Column("risk", "Deadline risk", 13, 4),
    Column("problem", "Problem", 16, 7, grow=4),
)
RECENT_COLUMNS = (
    Column("status", "Status", 11, 0),
    Column("tag", "Tag", 15, 1, grow=6, widest=28, keeps_end=True),
    Column("key", "Batch", 14, 8, grow=1, widest=24),
    Column("mode", "Mode", 5, 7),
    Column("good", "Succeeded", 9, 3, right=True),
    Column("failed", "Errored", 7, 4, right=True),
    Column("cost", "Cost", 9, 5, right=True),
    Column("saved", "Saved", 9, 6, right=True),
    Column("ended", "Ended", 7, 2, right=True),
    Column("problem", "Problem", 12, 9, grow=4),
)
ERROR_COLUMNS = (
    Column("type", "Error", 19, 0, grow=1, widest=23),
    Column("custom_id", "Request", 18, 1, grow=2, widest=40, keeps_end=True),
    Column("message", "Message", 16, 3, grow=3),
    Column("tag", "Tag", 14, 4, grow=1, widest=28, keeps_end=True),
    Column("ended", "Ended", 7, 2, right=True),
)
_SEPARATOR = "  ·  "


OPEN_SORTS = {
    "age": "oldest first",
    "risk": "risk first",
    "deadline": "earliest deadline first",
    "requests": "most requests first",
}


def open_rows(
    snapshot: Snapshot,
    now: datetime,
    histories: Mapping[str, Sequence[float]],
    sort: str = "age",
) -> list[Row]:
    """Open batches, then those not sent whose requests are queued again.

    `histories` is what earlier batches of each workflow took, in seconds.
    """
    found = [
        (batch, estimate_eta(batch, histories.get(batch.workflow, ()), now))
        for batch in (*snapshot.open_batches, *snapshot.not_sent)
    ]
    if sort == "risk":
        found.sort(key=lambda pair: by_risk(*pair))
    elif sort == "deadline":
        found.sort(key=lambda pair: pair[0].deadline_ts or pair[0].expires_ts or "~")
    elif sort == "requests":
        found.sort(key=lambda pair: -pair[0].request_count)
    return [_open_row(batch, eta, now, snapshot.reasons.get(batch.key)) for batch, eta in found]


def _open_row(batch: Batch, found: Eta, now: datetime, why: str | None) -> Row:
    label = fmt.status(batch)
    due, due_tone = fmt.due(batch, now)
    ends, ends_tone = eta_labels.ends(found, now)
    risk = eta_labels.risk(found)
    problem = why or fmt.problem(batch, now)
    return Row(
        key=batch.key,
        cells={
            "status": Cell(str(label), label.tone),
            "tag": Cell(batch.tag),
            "key": Cell(batch.key, Tone.DIM),
            "requests": Cell(fmt.count(batch.request_count)),
            "age": Cell(fmt.age(batch, now)),
            "ends": Cell(ends, ends_tone),
            "due": Cell(due, due_tone),
            "risk": Cell(str(risk), risk.tone),
            "problem": Cell(problem, Tone.WARN),
        },
        about=_about(batch.tag, problem, eta_labels.reason(found), batch.key, batch.remote_id),
        link=links.to_batch(batch.key),
    )


def recent_rows(snapshot: Snapshot, now: datetime) -> list[Row]:
    """The latest ended batches with counts and cost."""
    return [_recent_row(batch, now) for batch in snapshot.recent]


def _recent_row(batch: Batch, now: datetime) -> Row:
    label = fmt.status(batch)
    failed = fmt.failed(batch)
    saved = fmt.saved(batch)
    return Row(
        key=batch.key,
        cells={
            "status": Cell(str(label), label.tone),
            "tag": Cell(batch.tag),
            "key": Cell(batch.key, Tone.DIM),
            "mode": Cell(batch.kind.value, Tone.DIM),
            "good": Cell(fmt.count(batch.counts.succeeded)),
            "failed": Cell(fmt.count(failed), Tone.BAD if failed else Tone.DIM),
            "cost": Cell(fmt.cost(batch)),
            "saved": Cell(saved, Tone.GOOD if saved.startswith("$") else Tone.DIM),
            "ended": Cell(fmt.since(batch.ended_ts, now)),
            "problem": Cell(batch.last_error or "", Tone.WARN),
        },
        about=_about(batch.tag, batch.last_error, batch.key, batch.remote_id),
        link=links.to_batch(batch.key),
    )


def error_rows(snapshot: Snapshot, now: datetime) -> list[Row]:
    """Errored requests that are not settled, newest first."""
    return [_error_row(error, now) for error in snapshot.errors]


def _error_row(error: ErrorRow, now: datetime) -> Row:
    label = fmt.outcome(error.outcome)
    kind = error.error_type or label.word
    return Row(
        key=str(error.request_id),
        cells={
            "type": Cell(f"{label.glyph} {kind}", label.tone),
            "custom_id": Cell(error.custom_id),
            "message": Cell(error.error_message or "", Tone.DIM),
            "tag": Cell(error.tag, Tone.DIM),
            "ended": Cell(fmt.since(error.ended_ts, now)),
        },
        about=_about(error.custom_id, kind, error.error_message, error.tag),
        link=links.to_request(error.tag, error.custom_id),
    )


def _about(*parts: str | None) -> str:
    return _SEPARATOR.join(part for part in parts if part)
