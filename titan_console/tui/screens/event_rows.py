"""The rows of the Events screen: commands and events."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from state.db.reader import Source
from state.model.filter_terms import Term
from state.model.timestamps import from_text
from state.operations.commands import Command, CommandState
from state.queries import event_list
from state.queries.event_list import EventLine
from titan_console.text import event_labels, ledger_messages
from titan_console.text import format as fmt
from titan_console.text.format import Label, Tone
from titan_console.tui.widgets.row_drawing import Cell, Column, Row

EVENT_COLUMNS = (
    Column("age", "Age", 7, 0, right=True),
    Column("what", "Event", 22, 1, grow=1, widest=30),
    Column("concerns", "Subject", 18, 2, grow=3, widest=48, keeps_end=True),
    Column("who", "Actor", 10, 5, grow=1, widest=28),
    Column("why", "Reason", 14, 4, grow=3),
    Column("cost", "Cost", 9, 6, right=True),
    Column("outcome", "Result", 14, 3, grow=3),
)
COMMAND_COLUMNS = (
    Column("state", "State", 20, 0),
    Column("action", "Action", 11, 1),
    Column("items", "Items", 8, 2, right=True),
    Column("who", "Actor", 14, 5, grow=1, widest=30),
    Column("why", "Reason", 14, 4, grow=3),
    Column("outcome", "Result", 16, 3, grow=4),
    Column("age", "Age", 7, 6, right=True),
)
_STATES: Mapping[CommandState, Label] = {
    CommandState.PENDING: Label("◔", "pending", Tone.WARN),
    CommandState.RUNNING: Label("▸", "running", Tone.BUSY),
    CommandState.DONE: Label("✓", "done", Tone.GOOD),
    CommandState.FAILED: Label("✗", "failed", Tone.BAD),
    CommandState.WITHDRAWN: Label("⊘", "withdrawn", Tone.DIM),
}
_NOTHING_TO_DO = Label("-", "no change", Tone.DIM)
_SEPARATOR = "  ·  "


class FoundEvents:
    """The events that match a filter; without one, all."""

    def __init__(
        self, terms: Sequence[Term], now: Callable[[], datetime], *, oldest_first: bool
    ) -> None:
        """`now` gives the time from which ages are counted."""
        self._terms = terms
        self._now = now
        self._is_oldest_first = oldest_first

    def keys(self, source: Source) -> Sequence[int]:
        """Their ids, oldest or newest first."""
        return event_list.ids(source, self._terms, self._now(), oldest_first=self._is_oldest_first)

    def records(self, source: Source, keys: Sequence[int]) -> Mapping[int, EventLine]:
        """The records with these keys."""
        return event_list.lines(source, keys)

    def row(self, key: int, record: EventLine, now: datetime) -> Row:
        """The row of one record."""
        event = record.event
        label = event_labels.what(event.kind)
        why = ledger_messages.in_list(event_labels.why(event.detail), now)
        outcome = ledger_messages.in_list(event_labels.outcome(event.detail), now)
        return Row(
            key=key,
            cells={
                "age": Cell(fmt.since(event.at, now), Tone.DIM),
                "what": Cell(str(label), label.tone),
                "concerns": Cell(event_labels.concerns(record, is_short=True)),
                "who": Cell(event.actor, Tone.DIM),
                "why": Cell(why, Tone.DIM),
                "cost": Cell(event_labels.cost(record)),
                "outcome": Cell(outcome),
            },
            about=_SEPARATOR.join(
                part for part in (label.word, event_labels.concerns(record), why, outcome) if part
            ),
        )


def command_rows(
    commands: Sequence[Command], now: datetime, reasons: Mapping[str, str]
) -> list[Row]:
    """Open commands first, then finished ones, newest first. `reasons`: why one has not ended."""
    ordered = sorted(commands, key=lambda c: (not _is_open(c), -c.id))
    return [_command_row(command, now, reasons.get(command.key)) for command in ordered]


def commands_title(commands: Sequence[Command]) -> str:
    """The title, with the number of open commands."""
    waiting = sum(_is_open(command) for command in commands)
    return f"Commands · {waiting:,} pending" if waiting else "Commands"


def _is_open(command: Command) -> bool:
    return command.state in (CommandState.PENDING, CommandState.RUNNING)


def _command_row(command: Command, now: datetime, waits: str | None) -> Row:
    label = _NOTHING_TO_DO if command.changed_nothing else _STATES[command.state]
    left = from_text(command.not_before_ts) - now
    count = ""
    if command.state == CommandState.PENDING:
        count = f" in {fmt.span(left)}" if left.total_seconds() > 0 else ", next poll"
    message = ledger_messages.in_list(command.outcome or waits or "", now)
    return Row(
        key=command.key,
        cells={
            "state": Cell(f"{label}{count}", label.tone),
            "action": Cell(command.action.value),
            "items": Cell(fmt.count(command.item_count)),
            "who": Cell(command.who, Tone.DIM),
            "why": Cell(ledger_messages.in_list(command.reason, now), Tone.DIM),
            "outcome": Cell(message),
            "age": Cell(fmt.since(command.created_ts, now), Tone.DIM),
        },
        about=_SEPARATOR.join(
            part
            for part in (
                command.action.value,
                command.key,
                ledger_messages.in_list(command.reason, now),
                message,
            )
            if part
        ),
    )
