"""The page of one batch: overview, requests, events, cost, raw."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import ClassVar

from textual.widget import Widget

from core.config import titan_file
from core.money.pricing import PriceBook
from core.reporting import cache_report
from state.db.reader import Source
from state.files.folder import Folder
from state.model.errors import UnknownId
from state.model.records import Batch
from state.operations.commands import Action
from state.queries import batch_detail, event_list, request_list
from state.queries.request_list import Query, RequestRow
from titan_console.session import batch_overview
from titan_console.session.command_worker import Target
from titan_console.session.console_state import ConsoleState
from titan_console.text import batch_documents, links
from titan_console.text.links import ToBatch
from titan_console.tui.pages import targets
from titan_console.tui.pages.detail_page import DetailPage, Drawing
from titan_console.tui.screens import requests
from titan_console.tui.screens.requests import FoundRequests, RequestListPage
from titan_console.tui.widgets.record_table import RecordTable
from titan_console.tui.widgets.row_drawing import Row
from titan_console.tui.widgets.virtual_table import VirtualTable

_EVENTS_SHOWN = 2000


class BatchRequests:
    """The requests of one batch: those that failed in it first, each in the order of the send."""

    def __init__(self, key: str) -> None:
        """`key` is the batch's key or API id."""
        self._name = key
        self._rows = requests.AllRequests()

    def keys(self, source: Source) -> Sequence[int]:
        """Their ids."""
        return batch_detail.requests_of(source, self._name)

    def records(self, source: Source, keys: Sequence[int]) -> Mapping[int, RequestRow]:
        """The records with these keys."""
        return batch_detail.rows_in(source, self._name, keys)

    def row(self, key: int, record: RequestRow, now: datetime) -> Row:
        """The row of one record."""
        return self._rows.row(key, record, now)


class FoundBatchRequests(FoundRequests):
    """The requests of one batch that match a query."""

    def __init__(self, key: str, query: Query, now: Callable[[], datetime]) -> None:
        """`now` gives the time from which ages are counted."""
        super().__init__(query, now)
        self._name = key

    def keys(self, source: Source) -> Sequence[int]:
        """Their ids in the sort order."""
        sent = batch_detail.requests_of(source, self._name)
        return request_list.ids(source, self.query, self._now(), among=sent)


class BatchRequestsPage(RequestListPage):
    """The requests of one batch with a filter and a sort; Esc leads back to the batch."""

    def __init__(self, state: ConsoleState, key: str) -> None:
        """`key` is the batch's key or API id."""
        self._batch = key
        super().__init__(state, table_id="batch-requests-table")

    def listing(self) -> FoundRequests:
        """The matching requests of the batch in the sort order."""
        return FoundBatchRequests(self._batch, self.query_now(), self.state.clock.now)

    def breadcrumb(self) -> str:
        """What they are."""
        return "requests"


class BatchDetail(DetailPage):
    """In five tabs."""

    TOOLS = DetailPage.TOOLS | {"export", "columns"}

    NAME = "Batch"
    SECTIONS: ClassVar = ("Overview", "Requests", "Events", "Cost", "Raw")

    def __init__(
        self, state: ConsoleState, destination: ToBatch, origin: RecordTable | None
    ) -> None:
        """`destination` is the batch."""
        super().__init__(state, destination, origin)
        self._workflow = ""
        self._list = VirtualTable(
            requests.COLUMNS,
            BatchRequests(destination.name),
            state.folder,
            state.clock,
            id="section-list",
        )

    def breadcrumb(self) -> str:
        """Its key."""
        return self.destination.name

    def show_other(self, link: str) -> bool:
        """Show another batch."""
        found = links.parse(link, self.state.tabs)
        if not isinstance(found, ToBatch):
            return False
        self.destination = found
        self._list.selection.clear()
        if self._list.is_attached:
            self._list.list(BatchRequests(found.name))
        else:
            self._list.listing = BatchRequests(found.name)
        return True

    def list_of(self, section: str) -> Widget | None:
        """The requests are a list."""
        return self._list if section == "Requests" else None

    def ledger_changed(self) -> None:
        """Refresh what is shown."""
        super().ledger_changed()
        if self._list.is_attached:
            self._list.ledger_changed()

    async def action_search(self) -> None:
        """Open the search line; for the list of requests, the page with its filter line."""
        if self.list_of(self.sections.current) is None:
            await super().action_search()
            return
        page = BatchRequestsPage(self.state, self.destination.name)
        await self.app.push_screen(page)  # pyright: ignore[reportUnknownMemberType]
        # After its list has got the focus, which is queued.
        self.app.call_later(page.action_filter)  # pyright: ignore[reportUnknownMemberType]

    def target(self, action: Action) -> Target | None:
        """The requests in the Requests tab, else the batch."""
        if self.list_of(self.sections.current) is None:
            return targets.batch_named(self.destination.name, *self.workflows())
        record = self._list.record_under_cursor()
        if record is None:
            return targets.requests(self._list, "", (), action)
        fitting = targets.actions_of_request(record)
        return targets.requests(self._list, record.custom_id, fitting, action)

    def workflows(self) -> Collection[str]:
        """That of the batch, once it is read."""
        return (self._workflow,) if self._workflow else ()

    def draw(self, now: datetime) -> None:
        """Redraw, so that ages are current."""
        super().draw(now)
        self._list.tick()

    def question(self, section: str) -> Callable[[Source], Drawing]:
        """The query of a section."""
        name, folder = self.destination.name, self.state.folder

        def answer(source: Source) -> Drawing:
            found = batch_detail.batch(source, name)
            if found is None:
                raise UnknownId(f"Batch {name!r} not found.")
            self._workflow = found.workflow
            return _draw_section(section, source, found, folder, self.state.now())

        return answer


def _draw_section(
    section: str, source: Source, found: Batch, folder: Folder, now: datetime
) -> Drawing:
    match section:
        case "Events":
            happened = event_list.events(source, batch=found, limit=_EVENTS_SHOWN)
            return lambda now: batch_documents.events(happened, now)
        case "Cost":
            sums = batch_detail.sums_of(source, found.key)
            prices = PriceBook.with_cache(folder, titan_file.read(folder))
            cache = cache_report.of_batch(source, prices, found.key)
            return lambda _now: batch_documents.cost(found, sums, cache)
        case "Raw":
            return lambda _now: batch_documents.raw(found)
        case _:
            return batch_overview.read(source, found, now)
