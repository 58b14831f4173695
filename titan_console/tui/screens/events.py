"""The Events screen: commands above, the event log below."""

import json
from datetime import datetime
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from state.queries import event_list
from state.queries.event_list import EventLine
from titan_console.session.console_state import ConsoleState
from titan_console.text import event_labels, links
from titan_console.text.document import Document, DocumentBuilder
from titan_console.text.filters import Vocabulary
from titan_console.text.format import Tone
from titan_console.text.lines import Part
from titan_console.tui.pages.list_page import FilteredPage, Sort
from titan_console.tui.pages.page import Page
from titan_console.tui.screens.event_rows import (
    COMMAND_COLUMNS,
    EVENT_COLUMNS,
    FoundEvents,
    command_rows,
    commands_title,
    local,
)
from titan_console.tui.widgets.record_table import RecordTable
from titan_console.tui.widgets.section import Section
from titan_console.tui.widgets.text_view import TextView
from titan_console.tui.widgets.virtual_table import VirtualTable


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
        Binding("tab", "app.focus_next", "Next list", id="list.next"),
        Binding("shift+tab", "app.focus_previous", "Previous list", show=False, id="list.previous"),
    ]

    VOCABULARY = Vocabulary(event_list.FIELDS, ())
    SORTS = (Sort("n", "newest", "newest first"), Sort("o", "oldest", "oldest first"))

    def __init__(self, state: ConsoleState) -> None:
        """`state` is the state of the console."""
        super().__init__(state)
        self._commands = Section("No commands yet.", COMMAND_COLUMNS, id="commands-section")
        self.table = VirtualTable(
            EVENT_COLUMNS, self._listing(), state.path, state.clock, id="events-table"
        )
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

    def narrow(self) -> None:
        """Query what matches the filter."""
        self._name_the_order()
        self.table.list(self._listing())

    def matches(self) -> int | None:
        """The number of matching events."""
        return self.table.row_count if self.table.is_loaded else None

    def main_table(self) -> VirtualTable[EventLine]:
        """The log."""
        return self.table

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


class EventPage(Page):
    """One event with all its details."""

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
    builder.field("Time", f"{event.at}, local {local(event.at, '%Y-%m-%d %H:%M:%S %z')}")
    builder.field("Actor", event.actor)
    builder.field("Subject", event.subject)
    builder.field("Batch", event.batch_key)
    builder.field("Tag", line.tag)
    builder.field("Cost", event_labels.cost(line))
    builder.field("Reason", event_labels.why(event.detail))
    builder.field("Kind", event.kind, Tone.DIM)
    builder.field("Number", f"{event.id:,}", Tone.DIM)
    if event.detail:
        builder.heading("Detail")
        builder.text(json.dumps(event.detail, indent=2, ensure_ascii=False))
    return builder.build()
