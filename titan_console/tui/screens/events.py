"""The Events screen: commands above, the event log below."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import ClassVar

from msgspec import to_builtins
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from core.commands.waiting_reason import waits_for
from core.reporting.command_report import as_report
from core.reporting.event_reports import event_report
from state.db.reader import Source
from state.queries import event_list
from state.queries.event_list import EventLine
from titan_console.session.console_state import ConsoleState
from titan_console.text import event_labels, ledger_messages, links
from titan_console.text import format as fmt
from titan_console.text.document import Document, DocumentBuilder
from titan_console.text.filters import Vocabulary
from titan_console.text.format import Tone
from titan_console.text.lines import Part
from titan_console.tui.pages.list_page import FilteredPage, Sort
from titan_console.tui.pages.page import Page, Records
from titan_console.tui.screens.event_rows import (
    COMMAND_COLUMNS,
    EVENT_COLUMNS,
    FoundEvents,
    command_rows,
    commands_title,
)
from titan_console.tui.widgets.record_table import Key, RecordTable
from titan_console.tui.widgets.section import Section
from titan_console.tui.widgets.text_view import TextView
from titan_console.tui.widgets.virtual_table import VirtualTable

# Events read at once for an export.
_AT_ONCE = 1000


class EventsScreen(FilteredPage):
    """Enter opens an event. The filter applies to the log."""

    NAME = "Events"
    CSS = """
    EventsScreen {
        #commands-section { height: 9; }
        #commands-section.-empty { height: 3; }
        #events-table { height: 1fr; border-top: solid $secondary 55%; }
    }
    EventsScreen.-low #commands-section { height: 5; }
    EventsScreen.-low #commands-section.-empty { height: 2; }
    EventsScreen.-flat #commands-section, EventsScreen.-flat #commands-section.-empty { height: 1; }
    EventsScreen.-flat #commands-section:focus-within { height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f", "follow", "Follow", id="list.follow"),
        Binding("tab", "app.focus_next", "Next list", id="list.next"),
        Binding("shift+tab", "app.focus_previous", "Previous list", show=False, id="list.previous"),
    ]

    VOCABULARY = Vocabulary(event_list.FIELDS, ())
    SORTS = (Sort("n", "newest", "newest first", "age"), Sort("o", "oldest", "oldest first"))

    def __init__(self, state: ConsoleState) -> None:
        """`state` is the state of the console."""
        super().__init__(state)
        self._commands = Section("No commands yet.", COMMAND_COLUMNS, id="commands-section")
        self.table = VirtualTable(
            EVENT_COLUMNS, self._listing(), state.folder, state.clock, id="events-table"
        )
        self.table.follows_at_top = not self._is_oldest_first()
        self._name_the_order()

    def content(self) -> ComposeResult:
        """Two lists, the filter below."""
        with Vertical(classes="content"):
            yield self._commands
            yield self.table
        yield self.filter_line

    def on_mount(self) -> None:
        """Focus the log."""
        self.table.focus()

    def draw(self, now: datetime) -> None:
        """Redraw the countdowns; the log refreshes itself."""
        commands = self.state.commands
        self._commands.show(
            command_rows(commands, now, self.state.reasons), commands_title(commands)
        )
        self.table.tick()
        self.show_problem(self.table.problem)

    def ledger_changed(self) -> None:
        """Refresh what is shown."""
        super().ledger_changed()
        self.table.ledger_changed()

    def action_follow(self) -> None:
        """Follow new events, or stop that."""
        self.follow_newest(self.table)

    def badges(self) -> tuple[Part, ...]:
        """Also whether it follows."""
        return (*self.table.follow_badge(), *super().badges())

    def narrow(self) -> None:
        """Query what matches the filter."""
        self.table.follows_at_top = not self._is_oldest_first()
        self.table.is_following = self.table.follows_at_top and self.table.cursor_row == 0
        self._name_the_order()
        self.table.list(self._listing())

    def matches(self) -> int | None:
        """The number of matching events."""
        return self.table.row_count if self.table.is_loaded else None

    def main_table(self) -> VirtualTable[EventLine]:
        """The log."""
        return self.table

    def records(self, table: RecordTable, keys: Sequence[Key]) -> Records | None:
        """The events, as `events --json` prints them, or commands, as `commands --json` does."""
        if table is not self.table:
            found = {command.key: command for command in self.state.commands}
            return lambda source: [
                to_builtins(as_report(found[str(key)], waits_for(source, found[str(key)])))
                for key in keys
                if key in found
            ]
        ids = [int(key) for key in keys]
        return lambda source: _event_records(source, ids)

    def _listing(self) -> FoundEvents:
        return FoundEvents(
            self.filter.terms, self.state.clock.now, oldest_first=self._is_oldest_first()
        )

    def _is_oldest_first(self) -> bool:
        return (self.sort.name == "oldest") != self.is_inverted

    def _name_the_order(self) -> None:
        first = "oldest" if self._is_oldest_first() else "newest"
        self.table.border_title = f" Event log, {first} first "

    def on_record_table_opened(self, message: RecordTable.Opened) -> None:
        """Open the event."""
        message.stop()
        line = self.table.record_under_cursor()
        if message.table is self.table and line is not None:
            self.app.push_screen(EventPage(self.state, line))  # pyright: ignore[reportUnknownMemberType]


def _event_records(source: Source, ids: Sequence[int]) -> Iterator[dict[str, object]]:
    for begin in range(0, len(ids), _AT_ONCE):
        part = ids[begin : begin + _AT_ONCE]
        lines = event_list.lines(source, part)
        yield from (to_builtins(event_report(lines[key])) for key in part if key in lines)


class EventPage(Page):
    """One event with all its details."""

    TOOLS = frozenset[str]()

    def __init__(self, state: ConsoleState, line: EventLine) -> None:
        """`line` never changes: the log is append-only."""
        super().__init__(state)
        self._line = line
        self._text = TextView(id="event")
        self._text.add_class("content")

    def content(self) -> ComposeResult:
        """One text."""
        yield self._text

    def breadcrumb(self) -> str:
        """Its number."""
        return f"event {self._line.event.id:,}"

    def on_mount(self) -> None:
        """Show it."""
        self._text.show(event_document(self._line))
        self._text.focus()

    def draw(self, now: datetime) -> None:
        """An event does not change."""
        del now

    def about(self) -> tuple[Part, ...]:
        """The link to its batch."""
        key = self._line.event.batch_key
        return (Part(links.to_batch(key), Tone.DIM),) if key else ()


def event_document(line: EventLine) -> Document:
    """Every field of an event, its detail as JSON."""
    event, builder = line.event, DocumentBuilder()
    label = event_labels.what(event.kind)
    builder.field("Event", str(label), label.tone)
    builder.field("Time", fmt.local_time(event.at))
    builder.field("Actor", event.actor)
    builder.field("Subject", event.subject)
    builder.field("Batch", event.batch_key)
    builder.field("Tag", line.tag)
    builder.field("Cost", event_labels.cost(line))
    builder.field("Reason", ledger_messages.in_details(event_labels.why(event.detail)))
    builder.field("Result", ledger_messages.in_details(event_labels.outcome(event.detail)))
    builder.heading("Raw, as events --json")
    record = to_builtins(event_report(line))
    builder.text(json.dumps(record, indent=2, ensure_ascii=False))
    return builder.build()
