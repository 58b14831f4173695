"""The pane beside a list in a wide terminal: the overview of the record under the cursor."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Vertical

from state.db.reader import Source
from titan_console.session.console_state import ConsoleState
from titan_console.session.query_worker import LiveQuery, QueryWorker, Work
from titan_console.text import links
from titan_console.text.document import Document
from titan_console.text.links import ToBatch, ToRequest
from titan_console.tui.widgets.record_table import RecordTable
from titan_console.tui.widgets.text_view import TextView

if TYPE_CHECKING:
    from textual.timer import Timer

# Longer than the gap between cursor moves, too short to be noticed.
_DEBOUNCE_S = 0.12
Drawing = Callable[[datetime], Document]


class DetailPane(Vertical):
    """Follows the cursor of a list; records are read on a thread."""

    DEFAULT_CSS = """
    DetailPane {
        display: none; width: 32%; min-width: 48; max-width: 72; height: 1fr; margin: 0 0 0 1;
        border-left: solid $secondary 55%;
    }
    """

    def __init__(self, state: ConsoleState) -> None:
        """`state` is the state of the console."""
        super().__init__()
        self._state = state
        self._text = TextView(id="preview-text")
        self._text.can_focus = False
        self._link = self._asked = ""
        self._drawing: Drawing | None = None
        self._waiting: Timer | None = None
        self._worker = QueryWorker(state.folder)
        self._answers: LiveQuery[Drawing] = LiveQuery(
            self._worker, lambda _: _nothing, self._take, self._fail, self._start
        )

    def compose(self) -> ComposeResult:
        """A text."""
        yield self._text

    def on_unmount(self) -> None:
        """Close the ledger."""
        self._worker.close()

    def follow(self, table: RecordTable | None) -> None:
        """Show the record under the cursor after a short delay; redraw the same one."""
        if not self.display:
            return
        row = table.current() if table else None
        self._link = row.link if row else ""
        if self._link != self._asked and self._waiting is None:
            self._waiting = self.set_timer(_DEBOUNCE_S, self._ask)
        elif self._drawing is not None:
            self._text.show(self._drawing(self._state.now()), keep_position=True)

    def ledger_changed(self) -> None:
        """Refresh what is shown."""
        if self.display and self._asked:
            self._answers.changed()

    def redraw(self) -> None:
        """Redraw it in the current theme."""
        self._text.redraw()

    def _ask(self) -> None:
        self._waiting = None
        self._asked = link = self._link
        now = self._state.now
        self._answers.ask(lambda source: _overview(source, link, now()))

    def _take(self, drawing: Drawing) -> None:
        self._drawing = drawing
        self._text.show(drawing(self._state.now()))

    def _fail(self, reason: str) -> None:
        self._text.show(Document([reason]))

    def _start(self, work: Work) -> None:
        self.run_worker(work, exit_on_error=True)


def _overview(source: Source, link: str, now: datetime) -> Drawing:
    """The overview of that record."""
    from state.queries import batch_detail, request_detail  # noqa: PLC0415 - the first picture comes before it, and prices
    from titan_console.session import batch_overview  # noqa: PLC0415 - as above
    from titan_console.text import request_documents  # noqa: PLC0415 - as above

    match links.parse(link, ()):
        case ToBatch(name=name):
            batch = batch_detail.batch(source, name)
            return _nothing if batch is None else batch_overview.read(source, batch, now)
        case ToRequest(tag=tag, custom_id=custom_id):
            found = request_detail.request(source, tag, custom_id)
            return _nothing if found is None else lambda now: request_documents.overview(found, now)
        case _:
            return _nothing


def _nothing(_now: datetime) -> Document:
    return Document(("No record selected.",))
