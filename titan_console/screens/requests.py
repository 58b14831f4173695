"""Every request of the ledger, newest first, a thousand or a million of them."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from textual.app import ComposeResult

from state import request_views
from state.reader import Source
from state.request_views import RequestRow
from titan_console import format as fmt
from titan_console import links
from titan_console.format import Tone
from titan_console.screens.page import Page
from titan_console.view import View
from titan_console.widgets.columns import Column
from titan_console.widgets.record_table import Cell, Row
from titan_console.widgets.virtual_table import VirtualTable

COLUMNS = (
    Column("status", "Status", 12, 0),
    Column("custom_id", "Request", 20, 1, grow=4, widest=64),
    Column("tag", "Tag", 16, 3, grow=2, widest=32),
    Column("tries", "Tries", 5, 6, right=True),
    Column("model", "Model", 17, 7, grow=1, widest=26),
    Column("tokens", "In/out", 13, 8, right=True),
    Column("cost", "Cost", 9, 5, right=True),
    Column("age", "Age", 7, 4, right=True),
    Column("remark", "Remark", 14, 9, grow=4),
)


class AllRequests:
    """The listing of every request."""

    def keys(self, source: Source) -> Sequence[int]:
        """Newest first."""
        return request_views.newest_first(source)

    def records(self, source: Source, keys: Sequence[int]) -> Mapping[int, RequestRow]:
        """What the table shows of them."""
        return request_views.requests(source, keys)

    def row(self, key: int, record: RequestRow, now: datetime) -> Row:
        """One line."""
        label = fmt.request_status(record.status)
        remark = record.error_message or record.error_type or record.stop_reason or ""
        return Row(
            key=key,
            cells={
                "status": Cell(str(label), label.tone),
                "custom_id": Cell(record.custom_id),
                "tag": Cell(record.tag, Tone.DIM),
                "tries": Cell(fmt.count(record.attempts)),
                "model": Cell(record.model, Tone.DIM),
                "tokens": Cell(f"{record.input_tokens:,}/{record.output_tokens:,}", Tone.DIM),
                "cost": Cell(
                    fmt.NOTHING if record.outcome is None else fmt.money(record.cost_nano)
                ),
                "age": Cell(fmt.since(record.created_ts, now)),
                "remark": Cell(remark, Tone.DIM),
            },
            about="  ·  ".join(
                part
                for part in (f"{record.tag} / {record.custom_id}", record.batch_key, remark)
                if part
            ),
            link=links.to_request(record.tag, record.custom_id),
        )


class RequestsScreen(Page):
    """One list, of any length."""

    WORD = "Requests"

    def __init__(self, view: View) -> None:
        """`view` is what the app knows of the ledger."""
        super().__init__(view)
        self.table = VirtualTable(
            COLUMNS, AllRequests(), view.path, view.clock, id="requests-table"
        )
        self.table.add_class("content")

    def content(self) -> ComposeResult:
        """The list."""
        yield self.table

    def on_mount(self) -> None:
        """Begin on the list."""
        self.table.focus()

    def draw(self, now: datetime) -> None:
        """Ages grow by themselves; the list keeps itself current."""
        del now
        self.table.tick()

    def ledger_changed(self) -> None:
        """Ask again for what is seen."""
        self.table.ledger_changed()
