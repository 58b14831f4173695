"""The rows of the latest replays on the Errors screen. Pure."""

from collections.abc import Sequence
from datetime import datetime

from state.model.records import RequestStatus
from state.queries.replays import MOST_COUNTED, Replay
from titan_console.text import format as fmt
from titan_console.text import ledger_messages
from titan_console.text.format import Label, Tone
from titan_console.tui.widgets.row_drawing import Cell, Column, Row

COLUMNS = (
    Column("state", "Result", 15, 0),
    Column("error", "Previous error", 19, 1, grow=1, widest=40, is_name=True),
    Column("workflow", "Workflow", 12, 3, grow=2, widest=40, keeps_end=True, is_name=True),
    Column("requests", "Requests", 8, 4, right=True),
    Column("good", "Succeeded", 9, 2, right=True, usual=("0",)),
    Column("failed", "Errored", 7, 2, right=True, usual=("0",)),
    Column("canceled", "Canceled", 8, 5, right=True, usual=("0",)),
    Column("open", "In progress", 11, 5, right=True, usual=("0",)),
    Column("rest", "Not replayed", 12, 5, right=True, usual=("0",)),
    Column("edit", "Edit", 6, 7),
    Column("who", "Actor", 10, 8, grow=1, widest=24),
    Column("why", "Reason", 12, 9, grow=3),
    Column("age", "Replayed", 8, 6, right=True),
)
_PARTLY = Label("!", "some replayed", Tone.WARN)
_NOT_REPLAYED = Label("✗", "not replayed", Tone.BAD)
_OPEN = (RequestStatus.QUEUED, RequestStatus.IN_FLIGHT)


def label(replay: Replay) -> Label:
    """What became of the requests so far."""
    if replay.is_open:
        return Label("▸", "in progress", Tone.BUSY)
    succeeded = replay.by_status.get(RequestStatus.SUCCEEDED, 0)
    if not replay.failed and replay.not_replayed:
        return _PARTLY if succeeded else _NOT_REPLAYED
    if not replay.failed:
        return Label("✓", "succeeded", Tone.GOOD)
    if replay.failed == replay.canceled:
        word = "some canceled" if succeeded else "canceled"
        return Label("!" if succeeded else "⊘", word, Tone.WARN)
    if succeeded:
        return Label("!", "some errored", Tone.WARN)
    return Label("✗", "errored again", Tone.BAD)


def rows(replays: Sequence[Replay], now: datetime) -> list[Row]:
    """One row for each, newest first."""
    return [_row(replay, now) for replay in replays]


def title(replays: Sequence[Replay]) -> str:
    """The title of the list."""
    return f"Latest replays {len(replays)} · Enter opens the requests"


def _first_of(names: Sequence[str]) -> str:
    more = f" +{len(names) - 1}" if len(names) > 1 else ""
    return f"{names[0]}{more}" if names else fmt.NOTHING


def _row(replay: Replay, now: datetime) -> Row:
    command, shown = replay.command, label(replay)
    good = replay.by_status.get(RequestStatus.SUCCEEDED, 0)
    is_open = sum(replay.by_status.get(status, 0) for status in _OPEN)
    first = f"  ·  of the first {MOST_COUNTED:,}" if command.item_count > MOST_COUNTED else ""
    errored = replay.failed - replay.canceled
    canceled = f", {replay.canceled:,} canceled" if replay.canceled else ""
    rest = f", {replay.not_replayed:,} not replayed" if replay.not_replayed else ""
    result = (
        f"{good:,} succeeded, {errored:,} errored{canceled}, {is_open:,} in progress{rest}{first}"
    )
    said = "  ·  ".join(filter(None, (", ".join(replay.errors), replay.message)))
    return Row(
        key=command.id,
        cells={
            "state": Cell(str(shown), shown.tone),
            "error": Cell(_first_of(replay.errors)),
            "workflow": Cell(_first_of(replay.workflows)),
            "requests": Cell(fmt.count(command.item_count)),
            "good": Cell(fmt.count(good), Tone.GOOD),
            "failed": Cell(fmt.count(errored), Tone.BAD),
            "canceled": Cell(fmt.count(replay.canceled), Tone.WARN),
            "open": Cell(fmt.count(is_open), Tone.BUSY),
            "rest": Cell(fmt.count(replay.not_replayed), Tone.WARN),
            "edit": Cell("edited" if replay.is_edited else "", Tone.DIM),
            "who": Cell(command.who, Tone.DIM),
            "why": Cell(ledger_messages.in_list(command.reason, now), Tone.DIM),
            "age": Cell(fmt.since(command.created_ts, now), Tone.DIM),
        },
        about="  ·  ".join(filter(None, (f"replay {command.key}", result, said, command.reason))),
    )
