"""Who did what when: what is ordered and waits, and under it the whole event log."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from state import audit_views
from state.audit_views import AuditLine
from state.commands import Command, CommandState
from state.reader import Source
from state.timestamps import from_text
from titan_console import audit_words, links
from titan_console import format as fmt
from titan_console.format import Label, Tone
from titan_console.screens.page import Page
from titan_console.sheet import Sheet, SheetMaker
from titan_console.view import View
from titan_console.widgets.columns import Column
from titan_console.widgets.lines import Part
from titan_console.widgets.record_table import RecordTable
from titan_console.widgets.row_drawing import Cell, Row
from titan_console.widgets.section import Section
from titan_console.widgets.text_view import TextView
from titan_console.widgets.virtual_table import VirtualTable

EVENT_COLUMNS = (
    Column("at", "When", 15, 0),
    Column("what", "What", 22, 1, grow=1, widest=30),
    Column("concerns", "About", 18, 2, grow=3, widest=48),
    Column("who", "Who", 10, 5, grow=1, widest=28),
    Column("why", "Why", 14, 4, grow=3),
    Column("cost", "Cost", 9, 6, right=True),
    Column("outcome", "Outcome", 14, 3, grow=3),
)
COMMAND_COLUMNS = (
    Column("state", "State", 20, 0),
    Column("verb", "Order", 11, 1),
    Column("items", "Items", 8, 2, right=True),
    Column("who", "Who", 14, 5, grow=1, widest=30),
    Column("why", "Why", 14, 4, grow=3),
    Column("outcome", "Outcome", 16, 3, grow=4),
)
_STATES: Mapping[CommandState, Label] = {
    CommandState.PENDING: Label("◔", "pending", Tone.WARN),
    CommandState.TAKEN: Label("▸", "under way", Tone.BUSY),
    CommandState.DONE: Label("✓", "done", Tone.GOOD),
    CommandState.FAILED: Label("✗", "failed", Tone.BAD),
    CommandState.WITHDRAWN: Label("⊘", "withdrawn", Tone.DIM),
}
_SEPARATOR = "  ·  "


def local(timestamp: str, form: str = "%b %d %H:%M:%S") -> str:
    """A time as this machine's clocks show it."""
    return f"{from_text(timestamp).astimezone():{form}}"


class AllEvents:
    """The listing of the whole log."""

    def keys(self, source: Source) -> Sequence[int]:
        """Newest first."""
        return audit_views.newest_first(source)

    def records(self, source: Source, keys: Sequence[int]) -> Mapping[int, AuditLine]:
        """What the table shows of them."""
        return audit_views.lines(source, keys)

    def row(self, key: int, record: AuditLine, now: datetime) -> Row:
        """One line."""
        del now
        event = record.event
        label = audit_words.what(event.kind)
        why, outcome = audit_words.why(event.detail), audit_words.outcome(event.detail)
        return Row(
            key=key,
            cells={
                "at": Cell(local(event.at), Tone.DIM),
                "what": Cell(str(label), label.tone),
                "concerns": Cell(audit_words.concerns(record)),
                "who": Cell(event.actor, Tone.DIM),
                "why": Cell(why, Tone.DIM),
                "cost": Cell(audit_words.cost(record)),
                "outcome": Cell(outcome),
            },
            about=_SEPARATOR.join(
                part for part in (label.word, audit_words.concerns(record), why, outcome) if part
            ),
        )


def command_rows(commands: Sequence[Command], now: datetime) -> list[Row]:
    """What is to be done first, then what was done, the newest first."""
    ordered = sorted(commands, key=lambda c: (not _is_open(c), -c.id))
    return [_command_row(command, now) for command in ordered]


def commands_title(commands: Sequence[Command]) -> str:
    """How many wait."""
    waiting = sum(_is_open(command) for command in commands)
    return f"Orders · {waiting:,} to be done" if waiting else "Orders"


def _is_open(command: Command) -> bool:
    return command.state in (CommandState.PENDING, CommandState.TAKEN)


def _command_row(command: Command, now: datetime) -> Row:
    label = _STATES[command.state]
    left = from_text(command.not_before_ts) - now
    count = ""
    if command.state == CommandState.PENDING:
        count = f" in {fmt.span(left)}" if left.total_seconds() > 0 else ", next pass"
    said = command.outcome or ""
    return Row(
        key=command.key,
        cells={
            "state": Cell(f"{label}{count}", label.tone),
            "verb": Cell(command.verb.value),
            "items": Cell(fmt.count(command.item_count)),
            "who": Cell(command.who, Tone.DIM),
            "why": Cell(command.reason, Tone.DIM),
            "outcome": Cell(said),
        },
        about=_SEPARATOR.join(
            part for part in (command.verb.value, command.key, command.reason, said) if part
        ),
    )


class AuditScreen(Page):
    """Orders above, the log below; Enter shows a whole event."""

    WORD = "Audit"
    CSS = """
    AuditScreen {
        #orders-section { height: 9; }
        #orders-section.-empty { height: 3; }
        #events-table { height: 1fr; border-top: solid $secondary 55%; }
    }
    AuditScreen.-low #orders-section { height: 5; }
    AuditScreen.-low #orders-section.-empty { height: 2; }
    AuditScreen.-flat #orders-section, AuditScreen.-flat #orders-section.-empty { height: 1; }
    AuditScreen.-flat #orders-section:focus-within { height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "app.focus_next", "Next list", id="list.next"),
        Binding("shift+tab", "app.focus_previous", "Previous list", show=False, id="list.previous"),
    ]

    def __init__(self, view: View) -> None:
        """`view` is what the app knows of the ledger."""
        super().__init__(view)
        self._commands = Section("Nothing was ordered yet.", COMMAND_COLUMNS, id="orders-section")
        self.table = VirtualTable(
            EVENT_COLUMNS, AllEvents(), view.path, view.clock, id="events-table"
        )
        self.table.border_title = " Event log, newest first "

    def content(self) -> ComposeResult:
        """Two lists."""
        with Vertical(classes="content"):
            yield self._commands
            yield self.table

    def on_mount(self) -> None:
        """Begin on the log."""
        self.table.focus()

    def draw(self, now: datetime) -> None:
        """Countdowns run by themselves; the log keeps itself current."""
        commands = self.view.commands
        self._commands.show(command_rows(commands, now), commands_title(commands))
        self.table.tick()

    def ledger_changed(self) -> None:
        """Ask again for what is seen."""
        self.table.ledger_changed()

    def on_record_table_opened(self, message: RecordTable.Opened) -> None:
        """Show the whole event."""
        message.prevent_default()
        line = self.table.record_under_cursor()
        if message.table is self.table and line is not None:
            self.app.push_screen(EventPage(self.view, line))  # pyright: ignore[reportUnknownMemberType]


class EventPage(Page):
    """One event with everything that the log holds of it."""

    def __init__(self, view: View, line: AuditLine) -> None:
        """`line` never changes: the log is append-only."""
        super().__init__(view)
        self._line = line
        self._text = TextView(id="event")
        self._text.add_class("content")

    def content(self) -> ComposeResult:
        """One text."""
        yield self._text

    def crumb(self) -> str:
        """Its number."""
        return f"event {self._line.event.id:,}"

    def on_mount(self) -> None:
        """Show it."""
        self._text.show(event_sheet(self._line))
        self._text.focus()

    def draw(self, now: datetime) -> None:
        """It stays as it is."""
        del now

    def about(self) -> tuple[Part, ...]:
        """Where its batch is."""
        key = self._line.event.batch_key
        return (Part(links.to_batch(key), Tone.DIM),) if key else ()


def event_sheet(line: AuditLine) -> Sheet:
    """Every field of an event, its detail as it is kept."""
    event, made = line.event, SheetMaker()
    label = audit_words.what(event.kind)
    made.field("What", str(label), label.tone)
    made.field("When", f"{event.at}, here {local(event.at, '%Y-%m-%d %H:%M:%S %z')}")
    made.field("Who", event.actor)
    made.field("Subject", event.subject)
    made.field("Batch", event.batch_key)
    made.field("Tag", line.tag)
    made.field("Cost", audit_words.cost(line))
    made.field("Why", audit_words.why(event.detail))
    made.field("Kind", event.kind, Tone.DIM)
    made.field("Number", f"{event.id:,}", Tone.DIM)
    if event.detail:
        made.heading("Detail")
        made.text(json.dumps(event.detail, indent=2, ensure_ascii=False))
    return made.sheet()
