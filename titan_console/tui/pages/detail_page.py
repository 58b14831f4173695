"""Pages about one record or document: tabs, the neighbouring rows, and a search."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widget import Widget

from state.db.reader import Source
from titan_console.session.console_state import ConsoleState
from titan_console.session.query_worker import LiveQuery, QueryWorker
from titan_console.text import links
from titan_console.text.document import Document
from titan_console.text.format import Tone
from titan_console.text.lines import Part
from titan_console.text.links import ByName, Destination
from titan_console.tui.pages.page import Page
from titan_console.tui.widgets.record_table import Key, RecordTable, index_of
from titan_console.tui.widgets.search_line import SearchLine
from titan_console.tui.widgets.tab_strip import SectionStrip
from titan_console.tui.widgets.text_view import TextView

if TYPE_CHECKING:
    from collections.abc import Sequence


# A tab's document at a given time; made on the worker thread, called on the drawing thread.
Drawing = Callable[[datetime], Document]


class DetailPage(Page):
    """One record in tabs, refreshed when the ledger changes; queries run on a thread."""

    SECTIONS: ClassVar["Sequence[str]"] = ()
    TOOLS = frozenset(("copy", "view", "compare"))
    DEFAULT_CSS = """
    DetailPage {
        #totals, &.-low #tabs { display: none; }
        #section { height: 1fr; }
        #section-text, #section-list { display: none; }
        #section.-text #section-text, #section.-list #section-list { display: block; }
        .content { margin: 0; }
        &.-high .content { margin: 1 0 0 0; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right,tab", "section(1)", "Next tab", key_display="→", id="detail.next_tab"),
        Binding(
            "left,shift+tab", "section(-1)", "Previous tab", show=False, id="detail.previous_tab"
        ),
        Binding("n", "neighbour(1)", "Next row", id="detail.next_row"),
        Binding("N", "neighbour(-1)", "Previous row", show=False, id="detail.previous_row"),
        Binding("slash", "search", "Search", key_display="/", id="detail.search"),
    ]

    def __init__(
        self, state: ConsoleState, destination: Destination, origin: RecordTable | None
    ) -> None:
        """`origin` is the list that it was opened from."""
        super().__init__(state)
        self.destination = destination
        self.sections = SectionStrip(self.SECTIONS, id="sections")
        self.body = TextView(id="section-text")
        self._searching = SearchLine(id="searching")
        self._origin = origin
        self._key: Key | None = origin.current_key() if origin else None
        self._drawing: Drawing | None = None
        self._is_other = True
        self._worker = QueryWorker(state.folder)
        self._answers: LiveQuery[Drawing] = LiveQuery(
            self._worker, lambda _: _nothing, self._take, self._fail, self._start
        )

    # Subclasses define

    def question(self, section: str) -> Callable[[Source], Drawing]:
        """The query of a section; it runs on the worker thread."""
        raise NotImplementedError

    def show_other(self, link: str) -> bool:
        """Show another record; false where the link is to another kind of record."""
        raise NotImplementedError

    def list_of(self, section: str) -> Widget | None:
        """The list of a section that is not a document."""
        del section
        return None

    # Common to all

    def content(self) -> ComposeResult:
        """The tabs above what they show."""
        yield self.sections
        with Vertical(id="section", classes="content -text"):
            yield self.body
        yield self._searching

    def on_mount(self) -> None:
        """Show the first tab."""
        self.body.focus()
        self.ask_anew()

    def on_unmount(self) -> None:
        """Close the ledger."""
        self._worker.close()

    def ask_anew(self) -> None:
        """Load another record or tab."""
        self._is_other = True
        container = self.query_one("#section")
        listed = self.list_of(self.sections.current)
        container.set_class(listed is None, "-text")
        container.set_class(listed is not None, "-list")
        if listed is None:
            self._answers.ask(self.question(self.sections.current))
            self.body.focus()
            return
        if not listed.is_attached:
            container.mount(listed)
        listed.focus()

    def draw(self, now: datetime) -> None:
        """Redraw, so that ages are current."""
        if self._drawing is not None:
            self.body.show(self._drawing(now), keep_position=not self._is_other)
            self._is_other = False

    def ledger_changed(self) -> None:
        """Refresh what is shown."""
        if self.list_of(self.sections.current) is None:
            self._answers.changed()

    def about(self) -> tuple[Part, ...]:
        """The row under the cursor of a list; else the search and the link of the page."""
        if self.list_of(self.sections.current) is not None:
            return super().about()
        found = self.body.found()
        return (Part(f"{found}  ·  " if found else "", Tone.BUSY), Part(self.link(), Tone.DIM))

    def link(self) -> str:
        """The link to this page."""
        match self.destination:
            case links.ToBatch(name=name):
                return links.to_batch(name)
            case links.ToRequest(tag=tag, custom_id=custom_id):
                return links.to_request(tag, custom_id)
            case _:
                return ""

    def step_back(self) -> bool:
        """Close the search first."""
        if self._searching.is_open:
            self._searching.close()
            self.body.focus()
            return True
        if self.body.wanted:
            self.body.search("")
            self.show_about()
            return True
        return super().step_back()

    def redraw(self) -> None:
        """Redraw everything in the current theme."""
        super().redraw()
        self.body.redraw()
        self.sections.refresh()

    # Keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Hide keys that have nowhere to go."""
        if action == "section" and len(self.SECTIONS) < 2:  # noqa: PLR2004 - nowhere to go
            return False
        if action == "neighbour" and self._origin is None:
            return False
        return super().check_action(action, parameters)

    def action_section(self, step: int) -> None:
        """Go to the next or previous tab, wrapping around."""
        self.sections.move(step)
        self.ask_anew()

    def on_section_strip_chosen(self, message: SectionStrip.Chosen) -> None:
        """A tab was clicked."""
        message.stop()
        self.sections.current = message.mode
        self.ask_anew()

    def action_neighbour(self, step: int) -> None:
        """Show the next record of the list that this one was opened from."""
        origin = self._origin
        if origin is None or not origin.row_count:
            return
        at = index_of(origin.keys, self._key) if self._key is not None else None
        row = (origin.cursor_row if at is None else at) + step
        if not 0 <= row < origin.row_count:
            self.notify("Last row of the list." if step > 0 else "First row of the list.")
            return
        origin.move_to(row)
        found = origin.current()
        if found is not None and self.show_other(found.link):
            self._key = found.key
            self.ask_anew()
            self.show()

    async def action_search(self) -> None:
        """Open the search line."""
        self._searching.open(self.body.wanted)

    def on_search_line_asked(self, message: SearchLine.Asked) -> None:
        """Search for it."""
        self._searching.close()
        self.body.focus()
        self.body.search(message.text)

    def on_text_view_searched(self) -> None:
        """Show the result of the search."""
        self.show_about()

    def _start(self, work: object) -> None:
        self.run_worker(work, exit_on_error=True)  # pyright: ignore[reportArgumentType]

    def _take(self, drawing: Drawing) -> None:
        self._drawing = drawing
        self.show_problem("")
        self.draw(self.state.now())

    def _fail(self, reason: str) -> None:
        self.show_problem(reason)


def _nothing(_now: datetime) -> Document:
    return Document(())


class DocumentPage(DetailPage):
    """The comparison of two texts."""

    TOOLS = frozenset[str]()

    NAME = "Comparison"
    SECTIONS: ClassVar = ("Comparison",)

    def __init__(self, state: ConsoleState, document: Document) -> None:
        """`document` is what it shows."""
        super().__init__(state, ByName(""), None)
        self._made = document

    def question(self, section: str) -> Callable[[Source], Drawing]:
        """No query: the document is given."""
        del section
        document = self._made

        def drawn(_now: datetime) -> Document:
            return document

        return lambda _source: drawn

    def show_other(self, link: str) -> bool:
        """It shows no other record."""
        del link
        return False
