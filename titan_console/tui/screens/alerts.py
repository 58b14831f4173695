"""The raised alerts: Enter shows their rows, X acknowledges, M mutes."""

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from msgspec import to_builtins
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message

from state.model.timestamps import to_text
from state.operations.alerts import Alert
from state.operations.commands import Action
from titan_console.session.console_state import ConsoleState
from titan_console.text import alert_labels, ledger_messages, links
from titan_console.text import format as fmt
from titan_console.text.filters import quoted
from titan_console.text.format import Tone
from titan_console.tui.pages.dialog import Entry, Menu
from titan_console.tui.pages.list_page import FilteredPage
from titan_console.tui.pages.page import Page, Records
from titan_console.tui.screens import navigation
from titan_console.tui.widgets.record_table import Key, RecordTable
from titan_console.tui.widgets.row_drawing import Cell, Column, Row
from titan_console.tui.widgets.section import Section

COLUMNS = (
    Column("state", "State", 16, 0),
    Column("rule", "Alert", 10, 1),
    Column("message", "Message", 24, 2, grow=5),
    Column("since", "Raised", 8, 3, right=True),
    Column("by", "Actor", 10, 4, grow=1, widest=24),
)
# Where the rows of an alert are, by its rule: a screen, and the filter on its subject.
_ROWS = {
    "errors": ("errors", ""),
    "replay": ("errors", "wf:"),
    "unpriced": ("requests", "model:"),
    "kpi": ("kpis", ""),
    "priming": ("jobs", ""),
}
_OTHERS = ("doctor", "")
_HOURS = {
    "1": ("1 hour", 1.0),
    "2": ("24 hours", 24.0),
    "3": ("7 days", 168.0),
    "0": ("unmute", 0.0),
}


def alert_rows(alerts: Sequence[Alert], now: datetime) -> list[Row]:
    """Those that are not silenced first, each newest first."""
    now_ts = to_text(now)
    ordered = sorted(alerts, key=lambda alert: (alert.is_silenced(now_ts), -alert.id))
    return [_row(alert, now) for alert in ordered]


def _row(alert: Alert, now: datetime) -> Row:
    label, message = alert_labels.state(alert, now), ledger_messages.in_list(alert.message, now)
    return Row(
        key=alert.id,
        cells={
            "state": Cell(str(label), label.tone),
            "rule": Cell(alert.rule),
            "message": Cell(message, label.tone if label.tone == Tone.DIM else Tone.PLAIN),
            "since": Cell(fmt.since(alert.raised_ts, now), Tone.DIM),
            "by": Cell(alert.acknowledged_by or "", Tone.DIM),
        },
        about=f"{_subject(alert)}  ·  {ledger_messages.in_details(alert.message)}",
        link=links.to_batch(alert.subject) if alert.subject.startswith("tb_") else "",
    )


def _subject(alert: Alert) -> str:
    subject = alert_labels.subject(alert.subject)
    if not subject:
        return f"{alert.rule}, last 24h" if alert.subject == "day" else alert.rule
    return f"{alert.rule}  ·  {subject}"


class AlertsPage(Page):
    """Opened with `!`, or by a click on the line of alerts."""

    NAME = "Alerts"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("X", "silence", "Acknowledge", priority=True, id="alerts.acknowledge"),
        Binding("M", "mute", "Mute", priority=True, id="alerts.mute"),
    ]

    class Silenced(Message):
        """The operator acknowledges alerts (`hours` is None), mutes them, or ends both (0)."""

        def __init__(self, ids: Sequence[int], hours: float | None) -> None:
            """`ids` are those of the alerts."""
            super().__init__()
            self.ids = ids
            self.hours = hours

    def __init__(self, state: ConsoleState) -> None:
        """`state` is the state of the console."""
        super().__init__(state)
        self._list = Section("No alerts.", COLUMNS, id="alerts")
        self._list.add_class("content")

    def content(self) -> ComposeResult:
        """One list."""
        yield self._list

    def on_mount(self) -> None:
        """Focus the list."""
        self._list.table.focus()

    def draw(self, now: datetime) -> None:
        """Fill it."""
        found = self.state.snapshot.alerts if self.state.snapshot else ()
        self._list.show(
            alert_rows(found, now), "Alerts · X acknowledge · M mute · Enter opens the rows"
        )

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Nothing is written in a read-only console."""
        if action in ("silence", "mute") and self.state.read_only:
            return False
        return super().check_action(action, parameters)

    def records(self, table: RecordTable, keys: Sequence[Key]) -> Records:
        """The alerts, as in `status --json`."""
        del table
        found = self.state.snapshot.alerts if self.state.snapshot else ()
        return lambda _source: [to_builtins(alert) for alert in found if alert.id in keys]

    def takes(self, action: Action) -> bool:
        """X is the page's own key."""
        return action == Action.ACKNOWLEDGE

    def action_silence(self) -> None:
        """Acknowledge the selected alerts, else the one under the cursor."""
        self._silence(None)

    async def action_mute(self) -> None:
        """Ask for how long."""
        found = self.state.snapshot.alerts if self.state.snapshot else ()
        keys, now_ts = self._list.table.target_keys(), to_text(self.state.now())
        silenced = any(alert.id in keys and alert.is_silenced(now_ts) for alert in found)
        entries = [
            Entry(letter, label) for letter, (label, hours) in _HOURS.items() if hours or silenced
        ]
        self.app.push_screen(Menu("Mute for", entries), self._mute)  # pyright: ignore[reportUnknownMemberType]

    def _mute(self, letter: str | None) -> None:
        if letter is not None:
            self._silence(_HOURS[letter][1])

    def _silence(self, hours: float | None) -> None:
        ids = [int(key) for key in self._list.table.target_keys()]
        self._list.table.action_clear_selection()
        if ids:
            self.post_message(self.Silenced(ids, hours))

    async def on_record_table_opened(self, message: RecordTable.Opened) -> None:
        """Show what the alert is about; a batch has a link, which the app opens."""
        if message.row.link:
            return
        message.stop()
        found = self.state.snapshot.alerts if self.state.snapshot else ()
        for alert in found:
            if alert.id == message.row.key:
                await self._open_rows(alert)

    async def _open_rows(self, alert: Alert) -> None:
        mode, prefix = _ROWS.get(alert.rule, _OTHERS)
        app = navigation.app_of(self)
        await app.run_action(f"open_list('{mode}')")
        screen = app.screen
        if prefix and isinstance(screen, FilteredPage):
            text = f"{prefix}{quoted(alert.subject, whole=True)}"
            screen.call_after_refresh(screen.set_filter, text)
