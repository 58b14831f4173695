"""The page of one request: overview, bodies, error, attempts, cost, raw."""

from collections.abc import Callable, Collection
from typing import ClassVar

from core.config import titan_file
from core.money.explain import explain
from core.money.pricing import PriceBook
from core.reporting import request_report
from state.db.reader import Source
from state.model.errors import UnknownId
from state.operations.commands import Action
from state.queries import request_detail
from state.queries.request_detail import AttemptRecord, RequestRecord
from state.queries.spending import PricedAttempt
from titan_console.session.body_reader import BodyReader
from titan_console.session.command_worker import Target
from titan_console.session.console_state import ConsoleState
from titan_console.text import links, request_documents
from titan_console.text.document import Document, DocumentBuilder
from titan_console.text.links import ToRequest
from titan_console.text.safe_text import clean
from titan_console.tui.pages import targets
from titan_console.tui.pages.detail_page import DetailPage, Drawing
from titan_console.tui.widgets.record_table import RecordTable


class RequestDetail(DetailPage):
    """In seven tabs."""

    NAME = "Request"
    SECTIONS: ClassVar = ("Overview", "Request", "Response", "Error", "Attempts", "Cost", "Raw")

    def __init__(
        self,
        state: ConsoleState,
        destination: ToRequest,
        origin: RecordTable | None,
        section: str = SECTIONS[0],
    ) -> None:
        """`destination` is the request, `section` the tab to start on."""
        super().__init__(state, destination, origin)
        self.sections.start_on(section)
        self._bodies = BodyReader(state.folder)
        self._prices: PriceBook | None = None
        self._workflow = ""

    def breadcrumb(self) -> str:
        """Its custom_id."""
        return clean(self.destination.custom_id)

    def show_other(self, link: str) -> bool:
        """Show another request."""
        found = links.parse(link, self.state.tabs)
        if isinstance(found, ToRequest):
            self.destination = found
        return isinstance(found, ToRequest)

    def target(self, action: Action) -> Target | None:
        """The request; the preview shows what does not fit."""
        del action
        return targets.request_named(self.destination.tag, self.destination.custom_id)

    def workflows(self) -> Collection[str]:
        """That of the request, once it is read."""
        return (self._workflow,) if self._workflow else ()

    def question(self, section: str) -> Callable[[Source], Drawing]:
        """The query of a section."""
        destination = self.destination

        def answer(source: Source) -> Drawing:
            found = request_detail.request(source, destination.tag, destination.custom_id)
            if found is None:
                raise UnknownId(
                    f"Request {destination.custom_id!r} of {destination.tag!r} not found."
                )
            self._workflow = found.workflow
            self._bodies.files = source.files
            return self._draw_section(section, source, found)

        return answer

    def _draw_section(self, section: str, source: Source, found: RequestRecord) -> Drawing:
        match section:
            case "Overview":
                return lambda now: request_documents.overview(found, now)
            case "Attempts":
                return lambda now: request_documents.attempts(found, now)
            case "Raw":
                folder = self.state.folder
                raw = request_documents.raw(found, request_report.origins(source, found), folder)
                return lambda _now: raw
            case _:
                document = self._still(section, found)
                return lambda _now: document

    def _still(self, section: str, found: RequestRecord) -> Document:
        """The sections without ages."""
        match section:
            case "Request":
                return self._bodies.payload_document(_body(found))
            case "Response":
                return self._response(found)
            case "Error":
                return request_documents.errors(found)
            case _:
                return self._cost(found)

    def _response(self, found: RequestRecord) -> Document:
        best = found.effective
        made = self._bodies.answer_document(best) if best else None
        return made or _text(_no_answer(best))

    def _cost(self, found: RequestRecord) -> Document:
        if self._prices is None:
            folder = self.state.folder
            self._prices = PriceBook.with_cache(folder, titan_file.read(folder))
        ended = [_priced(found, attempt) for attempt in found.attempts]
        return request_documents.cost([explain(a, self._prices) for a in ended if a is not None])


def _body(found: RequestRecord) -> request_detail.FileSpan:
    """The body of the effective attempt, else of the request."""
    return found.effective.body if found.effective else found.body


def _no_answer(attempt: AttemptRecord | None) -> str:
    if attempt is None:
        return "No response yet: the request is queued."
    if attempt.outcome is None:
        return "No response yet: the batch has not ended."
    return "No response from the API; see the Error tab."


def _text(text: str) -> Document:
    builder = DocumentBuilder()
    builder.text(text)
    return builder.build()


def _priced(request: RequestRecord, attempt: AttemptRecord) -> PricedAttempt | None:
    if attempt.outcome is None:
        return None
    return PricedAttempt(
        custom_id=request.custom_id,
        tag=request.tag,
        workflow=attempt.workflow,
        batch_key=attempt.batch_key,
        lane=attempt.lane,
        kind=attempt.kind,
        outcome=attempt.outcome,
        model=attempt.model or attempt.requested_model,
        usage=attempt.usage,
        cost_nano=attempt.cost_nano,
        sync_cost_nano=attempt.sync_cost_nano,
        fee_nano=attempt.fee_nano,
        unpriced=attempt.unpriced,
        is_duplicate=attempt.is_duplicate,
        priced_ts=attempt.accepted_ts or attempt.created_ts,
        collected_ts=attempt.collected_ts,
    )
