"""The rows of the Batches screen. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from core.money.eta import Eta, by_risk, estimate_eta
from core.reporting.queued_reason import WAITS_FOR_SYNC
from state.model.records import Batch
from state.model.timestamps import from_text
from state.queries.console_snapshot import Snapshot
from state.queries.ended_batches import BatchOrder, EndedBatch
from state.queries.error_list import ErrorRow
from titan_console.session.batch_outlook import Outlook
from titan_console.text import eta_labels, ledger_messages, links
from titan_console.text import format as fmt
from titan_console.text.format import Tone
from titan_console.text.run_names import marked, model_names, run_of
from titan_console.tui.pages.list_page import Sort
from titan_console.tui.widgets.row_drawing import Cell, Column, Row

_WORKFLOW = Column("workflow", "Workflow", 8, 0, grow=4, widest=40, keeps_end=True, is_name=True)
_RUN = Column("run", "Run", 8, 1, grow=4, widest=48, keeps_end=True, is_name=True)
OPEN_COLUMNS = (
    Column("status", "Status", 13, 2, narrow=1, keeps_room=True),
    _WORKFLOW,
    _RUN,
    Column("mode", "Mode", 6, 11, usual=("batch",)),
    Column("model", "Model", 12, 8, grow=1, widest=24),
    Column("requests", "Requests", 8, 9, right=True),
    Column("saving", "Est. saved", 10, 7, right=True),
    Column("age", "Age", 7, 10, right=True),
    Column("ends", "ETA", 20, 6, grow=1, widest=24, right=True, keeps_room=True),
    Column("due", "Deadline", 10, 4, grow=1, widest=12, right=True, keeps_room=True),
    Column("risk", "Late risk", 10, 3, usual=eta_labels.USUAL_RISKS, keeps_room=True),
    Column("problem", "Problem", 18, 5, grow=8, keeps_room=True),
    Column("key", "Batch", 14, 12, grow=1, widest=24, is_extra=True),
    Column("sent", "Sent", 7, 13, right=True, is_extra=True),
)
ENDED_COLUMNS = (
    Column("status", "Status", 11, 2, narrow=1, keeps_room=True),
    _WORKFLOW,
    _RUN,
    Column("mode", "Mode", 6, 10, usual=("batch",)),
    Column("model", "Model", 12, 9, grow=1, widest=24),
    Column("good", "Succeeded", 9, 6, right=True, keeps_room=True),
    Column("failed", "Errored", 7, 4, right=True, usual=("0",), keeps_room=True),
    Column("canceled", "Canceled", 8, 8, right=True, usual=("0",)),
    Column("cost", "Cost", 9, 5, right=True, keeps_room=True),
    Column("saved", "Saved", 9, 7, right=True, keeps_room=True),
    Column("ended", "Ended", 7, 3, right=True, keeps_room=True),
    Column("problem", "Problem", 12, 8, grow=4),
    Column("key", "Batch", 14, 11, grow=1, widest=24, is_extra=True),
    Column("took", "At API", 7, 12, right=True, is_extra=True),
)
ERROR_COLUMNS = (
    Column("type", "Error", 19, 0, grow=1, widest=23),
    Column("custom_id", "Request", 18, 1, grow=2, widest=64, keeps_end=True, is_name=True),
    Column("message", "Message", 16, 3, grow=3),
    Column("tag", "Tag", 14, 4, grow=1, widest=48, keeps_end=True, is_extra=True),
    Column("ended", "Ended", 7, 2, right=True),
)
_SEPARATOR = "  ·  "


OPEN_SORTS = (
    Sort("a", "age", "oldest first", "age"),
    Sort("r", "risk", "highest risk first", "risk"),
    Sort("d", "due", "earliest deadline first", "due"),
    Sort("e", "ends", "earliest ETA first", "ends"),
    Sort("n", "requests", "most requests first", "requests"),
    Sort("v", "saving", "highest est. saved first", "saving"),
    Sort("w", "workflow", "workflow", "workflow"),
    Sort("u", "run", "run", "run"),
    Sort("m", "model", "model", "model"),
    Sort("o", "mode", "mode", "mode"),
    Sort("s", "status", "status", "status"),
)
ENDED_SORTS = (
    Sort("t", BatchOrder.ENDED, "latest first", "ended"),
    Sort("w", BatchOrder.WORKFLOW, "workflow", "workflow"),
    Sort("u", BatchOrder.RUN, "run", "run"),
    Sort("s", BatchOrder.STATUS, "status", "status"),
    Sort("n", BatchOrder.REQUESTS, "most requests first", ""),
    Sort("g", BatchOrder.SUCCEEDED, "most succeeded first", "good"),
    Sort("x", BatchOrder.FAILED, "most errored first", "failed"),
    Sort("l", BatchOrder.CANCELED, "most canceled first", "canceled"),
    Sort("c", BatchOrder.COST, "highest cost first", "cost"),
    Sort("v", BatchOrder.SAVED, "highest saved first", "saved"),
    Sort("m", BatchOrder.MODEL, "model", "model"),
    Sort("o", BatchOrder.MODE, "mode", "mode"),
)
ERROR_SORTS = (Sort("t", "ended", "latest first", "ended"),)


def open_rows(snapshot: Snapshot, now: datetime, outlook: Outlook, sort: str = "age") -> list[Row]:
    """Open batches, then those not sent whose requests are queued again."""
    found = [
        (batch, estimate_eta(batch, outlook.api_times.get(batch.workflow, ()), now))
        for batch in (*snapshot.open_batches, *snapshot.not_sent)
    ]
    found.sort(key=lambda pair: _sort_key(sort, *pair, outlook))
    return [_open_row(batch, eta, now, outlook, snapshot) for batch, eta in found]


def _sort_key(sort: str, batch: Batch, eta: Eta, outlook: Outlook) -> tuple[str | float, ...]:
    """What open batches are sorted by; all keep the order of age otherwise."""
    if sort == "risk":
        return by_risk(batch, eta)
    keys: Mapping[str, tuple[str | float, ...]] = {
        "due": (batch.deadline_ts or batch.expires_ts or "~",),
        "ends": (eta.p50.timestamp() if eta.p50 else float("inf"),),
        "requests": (-batch.request_count,),
        "saving": (-(outlook.saving_of(batch) or 0),),
        "workflow": (batch.workflow, batch.tag),
        "run": (run_of(batch.tag, batch.workflow),),
        "model": outlook.models_of(batch),
        "mode": (batch.kind,),
        "status": (batch.status,),
    }
    return keys.get(sort, ())


def _identity(batch: Batch, models: Sequence[str], *, is_replay: bool) -> dict[str, Cell]:
    """The cells that open and ended batches have in common."""
    label = fmt.status(batch)
    return {
        "status": Cell(str(label), label.tone),
        "workflow": Cell(batch.workflow),
        "run": Cell(marked(run_of(batch.tag, batch.workflow), batch.kind, is_replay=is_replay)),
        "mode": Cell(fmt.mode(batch.kind, is_replay=is_replay), Tone.DIM),
        "model": Cell(model_names(models or (batch.model,)), Tone.DIM),
        "key": Cell(batch.key, Tone.DIM),
    }


def _open_row(batch: Batch, found: Eta, now: datetime, outlook: Outlook, seen: Snapshot) -> Row:
    why, is_paused = seen.reasons.get(batch.key), batch.workflow in seen.paused
    due, due_tone = fmt.due(batch, now)
    # A passing "no history yet" would be wrong, and make the column wide.
    known = eta_labels.ends(found, now, is_paused=is_paused)
    ends, ends_tone = known if outlook.knows(batch) else ("", Tone.DIM)
    risk = eta_labels.risk(found)
    problem = ledger_messages.in_list(why or fmt.problem(batch, now), now)
    # Then the problem says it.
    runs_soon = bool(why) and why.startswith(WAITS_FOR_SYNC)
    saving = outlook.saving_of(batch)
    return Row(
        key=batch.key,
        cells={
            **_identity(batch, outlook.models_of(batch), is_replay=batch.id in outlook.replays),
            "requests": Cell(fmt.count(batch.request_count)),
            "saving": Cell(fmt.NOTHING if saving is None else fmt.money(saving), Tone.GOOD),
            "age": Cell(fmt.age(batch, now)),
            "ends": Cell(ends, ends_tone),
            "due": Cell(due, due_tone),
            "risk": Cell(str(risk) if batch.deadline_ts and not runs_soon else "", risk.tone),
            "problem": Cell(problem, Tone.WARN),
            "sent": Cell(fmt.since(batch.sent_ts, now), Tone.DIM),
        },
        about=_about(batch.tag, problem, eta_labels.reason(found), batch.key),
        link=links.to_batch(batch.key),
    )


def ended_row(ended: EndedBatch, now: datetime) -> Row:
    """An ended batch with counts and cost."""
    batch = ended.batch
    canceled, saved = batch.counts.canceled, fmt.saved(batch)
    failed = fmt.failed(batch) - canceled
    problem = ledger_messages.in_list(batch.last_error or "", now)
    return Row(
        key=batch.id,
        cells={
            **_identity(batch, ended.models, is_replay=ended.is_replay),
            "good": Cell(fmt.count(batch.counts.succeeded)),
            "failed": Cell(fmt.count(failed), Tone.BAD if failed else Tone.DIM),
            "canceled": Cell(fmt.count(canceled), Tone.WARN if canceled else Tone.DIM),
            "cost": Cell(fmt.cost(batch)),
            "saved": Cell(saved, Tone.GOOD if saved.startswith("$") else Tone.DIM),
            "ended": Cell(fmt.since(batch.ended_ts, now)),
            "problem": Cell(problem, Tone.WARN),
            "took": Cell(_took(batch), Tone.DIM),
        },
        about=_about(batch.tag, problem, batch.key),
        link=links.to_batch(batch.key),
    )


def _took(batch: Batch) -> str:
    began = batch.accepted_ts or batch.sent_ts
    if began is None or batch.ended_ts is None:
        return fmt.NOTHING
    return fmt.span(from_text(batch.ended_ts) - from_text(began))


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
