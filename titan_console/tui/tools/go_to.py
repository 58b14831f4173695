"""`:`: goes to a screen, a batch, a request or a tag by its name or link."""

from collections.abc import Sequence
from typing import ClassVar

from msgspec import Struct
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Input, Static

from state.db.reader import Source
from state.queries import find_by_id
from state.queries.find_by_id import Match, MatchKind
from titan_console.session.console_state import ConsoleState
from titan_console.session.query_worker import LiveQuery, QueryWorker, Work
from titan_console.text import links
from titan_console.text.format import Tone
from titan_console.text.links import ByName, Destination, Quit, ToBatch, ToRequest, ToScreen
from titan_console.text.safe_text import clean
from titan_console.tui.pages.dialog import Dialog
from titan_console.tui.pages.page import Page
from titan_console.tui.screens import navigation
from titan_console.tui.screens.navigation import app_of
from titan_console.tui.widgets.record_table import RecordTable
from titan_console.tui.widgets.row_drawing import Cell, Column, Row

_COLUMNS = (
    Column("kind", "", 8, 1),
    Column("name", "", 20, 0, grow=3, widest=70),
    Column("detail", "", 20, 2, grow=2),
)
_HINT = "Screen, batch key, API batch id, tag, custom_id or titan:// link. Tab completes."


class _Answer(Struct, frozen=True):
    text: str
    exact: Sequence[Match]
    beginning: Sequence[Match]


class GoTo(Dialog[Destination | None]):
    """Returns the chosen destination, or None."""

    CSS = """
    GoTo {
        align: center bottom; background: $background 40%;
        #go { width: 100%; height: auto; background: $panel; border-top: solid $primary 60%; }
        #go RecordTable { height: 8; background: $panel; }
        &.-chosen RecordTable > .record-table--cursor { background: $primary 22%; }
        &.-chosen:nocolor RecordTable > .record-table--cursor {
            background: $foreground; color: $background;
        }
        #go Static { padding: 0 1; color: $secondary; }
        Input { background: $panel; }
    }
    GoTo.-flat #go RecordTable { height: 4; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "Back", id="go_to.back"),
        Binding("down", "move(1)", "Down", id="go_to.down"),
        Binding("up", "move(-1)", "Up", id="go_to.up"),
        Binding("tab", "complete", "Complete", id="go_to.complete", priority=True),
    ]

    def __init__(self, state: ConsoleState) -> None:
        """`state` is the state of the console."""
        super().__init__()
        self._state = state
        self._input = Input(placeholder="go to", compact=True, id="go-input")
        self._hint = Static(_HINT, markup=False)
        self._table = RecordTable(_COLUMNS, id="go-table")
        self._table.show_header = False
        self._table.can_focus = False
        self._destinations: dict[str, Destination] = {}
        self._is_chosen = False
        self._is_sent = False
        self._worker = QueryWorker(state.folder)
        self._answers: LiveQuery[_Answer] = LiveQuery(
            self._worker, lambda _: _Answer("", (), ()), self._take, self._fail, self._start
        )

    def compose(self) -> ComposeResult:
        """The matches above the line."""
        with Vertical(id="go"):
            yield self._table
            yield self._hint
            yield self._input

    def on_mount(self) -> None:
        """Offer the screens."""
        self._input.focus()
        self._offer("", ())

    def on_unmount(self) -> None:
        """Close the ledger."""
        self._worker.close()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Search for the text."""
        text = event.value.strip()
        self._choose(chosen=False)
        self._is_sent = False
        self._hint.update(_HINT)
        self._offer(text, ())
        if isinstance(links.parse(text, ()), ByName):
            self._ask(text)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Go to the chosen row; else to the destination of the text."""
        text = event.value.strip()
        found = links.parse(text, self._state.tabs)
        if self._is_chosen:
            self._go(self._table.current())
        elif found is not None and not isinstance(found, ByName):
            self.dismiss(found)
        elif found is None:
            self._hint.update("Unknown link." if text else _HINT)
        else:
            self._is_sent = True
            self._ask(text)

    def on_record_table_opened(self, message: RecordTable.Opened) -> None:
        """A second click opens a row."""
        message.stop()
        self._go(message.row)

    def action_move(self, lines: int) -> None:
        """Move among the matches."""
        self._table.action_move(lines if self._is_chosen else 0)
        self._choose(chosen=True)

    def _choose(self, *, chosen: bool) -> None:
        """Whether Enter takes the row under the cursor instead of the text."""
        self._is_chosen = chosen
        self.set_class(chosen, "-chosen")
        self._table.redraw()

    def action_complete(self) -> None:
        """Complete the text with the name under the cursor."""
        row = self._table.current()
        if row is not None:
            self._input.value = row.cells["name"].text
            self._input.cursor_position = len(self._input.value)

    def _ask(self, text: str) -> None:
        def question(source: Source) -> _Answer:
            exact, beginning = find_by_id.exact(source, text), find_by_id.prefixed(source, text)
            parts = () if exact or beginning else find_by_id.containing(source, text)
            return _Answer(text, exact, beginning or parts)

        self._answers.ask(question)

    def _take(self, answer: "_Answer") -> None:
        if answer.text != self._input.value.strip():
            return
        found = list(dict.fromkeys((*answer.exact, *answer.beginning)))
        self._offer(answer.text, found)
        if self._is_sent:
            self._is_sent = False
            self._decide(answer, found)

    def _decide(self, answer: "_Answer", found: Sequence[Match]) -> None:
        """Go to a unique match; else show why not."""
        candidates = answer.exact or found
        first = candidates[0] if candidates else None
        if first is None:
            self._hint.update(
                f"{clean(answer.text, 60)} not found (screen, batch key, API batch id, tag or"
                " custom_id)."
            )
        elif len(candidates) == 1 or (answer.exact and first.meaning != MatchKind.REQUEST):
            self.dismiss(_way(first)[1])
        else:
            self._hint.update("Several matches: choose with the arrow keys.")
            self._choose(chosen=True)

    def _offer(self, text: str, found: Sequence[Match]) -> None:
        tabs = links.screens(text, self._state.tabs)
        rows = [
            (links.to_screen(tab.mode), ToScreen(tab.mode), "screen", tab.name, f"key {tab.digit}")
            for tab in tabs
        ] + [(*_way(one), one.meaning.value, one.name, _detail(one)) for one in found]
        self._destinations = {key: destination for key, destination, *_ in rows}
        self._table.show(
            [
                Row(
                    key,
                    {
                        "kind": Cell(kind, Tone.DIM),
                        "name": Cell(name),
                        "detail": Cell(detail, Tone.DIM),
                    },
                )
                for key, _, kind, name, detail in rows
            ]
        )

    def _go(self, row: Row | None) -> None:
        if row is not None:
            self.dismiss(self._destinations[str(row.key)])

    def _fail(self, reason: str) -> None:
        self._hint.update(clean(reason))

    def _start(self, work: Work) -> None:
        self.run_worker(work, exit_on_error=True)


def _way(found: Match) -> tuple[str, Destination]:
    match found.meaning:
        case MatchKind.BATCH:
            return links.to_batch(found.name), ToBatch(found.name)
        case MatchKind.REQUEST:
            return links.to_request(found.tag, found.name), ToRequest(found.tag, found.name)
        case MatchKind.TAG:
            return f"tag:{found.name}", ByName(found.name)


def _detail(found: Match) -> str:
    if found.meaning == MatchKind.TAG:
        return found.detail
    return f"{found.tag}  ·  {found.detail.replace('_', ' ')}"


def start(page: Page) -> None:
    """Ask."""
    page.run_worker(_go(page), exit_on_error=True)


async def _go(page: Page) -> None:
    app = app_of(page)
    destination = await app.push_screen_wait(GoTo(page.state))
    match destination:
        case None:
            return
        case Quit():
            await app.run_action("quit")
        case ByName(name=tag):
            await navigation.open_tag(app, tag)
        case _:
            navigation.open_destination(page, destination)
