"""The filter line: underlines mistakes, completes with Tab."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from rich.highlighter import Highlighter
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Input

from state.model.filter_terms import Field
from titan_console.text.filters import Filter, Vocabulary, complete, parse
from titan_console.text.format import Tone
from titan_console.text.lines import Part
from titan_console.text.safe_text import clean
from titan_console.tui.theme import tones_of
from titan_console.tui.widgets.lines import Line

_OFFERED = 12
_EXAMPLES = {
    Field.STATUS: "status:rejected",
    Field.KIND: "kind:collected",
    Field.WHO: "who:poller",
    Field.WORKFLOW: "wf:feed",
    Field.ERROR: "err:overloaded",
    Field.AGE: "age>2h",
    Field.COST: "cost>0.1",
    Field.ATTEMPTS: "attempts>1",
}
_HINT = "Enter applies · Esc cancels · Tab completes"


class FilterLine(Vertical):
    """Two lines above the status line: the input, and hints or the first mistake."""

    DEFAULT_CSS = """
    FilterLine {
        height: 2; background: $panel;
        Input, Input:focus { background: $panel; padding: 0 1; }
    }
    """

    class Changed(Message):
        """The filter has changed; `is_done` after Enter."""

        def __init__(self, text: str, filter_: Filter, *, is_done: bool) -> None:
            """`text` is the line as it was typed."""
            super().__init__()
            self.text = text
            self.filter = filter_
            self.is_done = is_done

    def __init__(self, vocabulary: Vocabulary) -> None:
        """Hidden."""
        super().__init__(id="filter")
        self.display = False
        self.known: Mapping[Field, Sequence[str]] = {}
        self._vocabulary = vocabulary
        self._input = _FilterInput(_Mistakes(self), _examples(vocabulary))
        self._hint = Line()
        self._offers: Sequence[str] = ()
        self._offer = -1

    def compose(self) -> ComposeResult:
        """The input and the hint."""
        yield self._input
        yield self._hint

    @property
    def is_open(self) -> bool:
        """Whether it is open."""
        return self.display

    def open(self, text: str) -> None:
        """Open it with the former text."""
        self.display = True
        self._input.value = text
        self._input.cursor_position = len(text)
        # At once, so that the next key goes here.
        self.screen.set_focus(self._input)
        self._show_hint()

    def close(self) -> None:
        """Hide it."""
        self.display = False

    def learn(self, known: Mapping[Field, Sequence[str]]) -> None:
        """Set the values to complete; values with control characters are left out."""
        self.known = {
            field: [value for value in values if clean(value) == value]
            for field, values in known.items()
        }
        self._show_hint()

    def read(self, text: str) -> Filter:
        """Parse a line."""
        return parse(text, self._vocabulary)

    def complete(self) -> None:
        """Insert the next completion."""
        if not self._is_offered():
            self._offers = complete(self._input.value, self._vocabulary, self.known)
            self._offer = -1
        if self._offers:
            self._offer = (self._offer + 1) % len(self._offers)
            self._input.value = self._offers[self._offer]
            self._input.cursor_position = len(self._input.value)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Post the text."""
        event.stop()
        self._show_hint()
        if self.is_open:
            self.post_message(self.Changed(event.value, self.read(event.value), is_done=False))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Post the filter; one with mistakes stays open."""
        event.stop()
        found = self.read(event.value)
        if not found.mistakes:
            self.post_message(self.Changed(event.value.strip(), found, is_done=True))

    def _is_offered(self) -> bool:
        return 0 <= self._offer < len(self._offers) and (
            self._offers[self._offer] == self._input.value and len(self._offers) > 1
        )

    def _show_hint(self) -> None:
        mistakes = self.read(self._input.value).mistakes
        if mistakes and not self._is_being_written():
            self._hint.left = (Part(f"! {mistakes[0].reason}", Tone.BAD),)
            return
        before = max(self._input.value.rfind(" "), self._input.value.rfind(":")) + 1
        offers = complete(self._input.value, self._vocabulary, self.known)[:_OFFERED]
        text = "  ".join(offer[before:] for offer in offers)
        self._hint.left = (Part(text or _HINT, Tone.DIM),)

    def _is_being_written(self) -> bool:
        """Whether the line ends in a field without its value."""
        value = self._input.value
        return value.endswith((":", ">", "<", "=")) and bool(
            complete(value, self._vocabulary, self.known)
        )


def _examples(vocabulary: Vocabulary) -> str:
    """An example term per field."""
    examples = [_EXAMPLES[field] for field in vocabulary.fields if field in _EXAMPLES]
    if "rejected" not in vocabulary.states:
        state = "errored" if "errored" in vocabulary.states else "failed"
        examples = [one.replace("status:rejected", f"status:{state}") for one in examples]
    return " ".join([*examples, "text", "!excluded"])


class _FilterInput(Input):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "complete", "Complete", show=False, id="filter.complete"),
    ]

    def __init__(self, highlighter: Highlighter, examples: str) -> None:
        super().__init__(
            compact=True, highlighter=highlighter, select_on_focus=False, placeholder=examples
        )

    def action_complete(self) -> None:
        """Tab."""
        if isinstance(self.parent, FilterLine):
            self.parent.complete()


class _Mistakes(Highlighter):
    """Underlines mistakes."""

    def __init__(self, line: FilterLine) -> None:
        self._line = line

    def highlight(self, text: Text) -> None:
        """Add the underlines."""
        style = f"{tones_of(self._line)[Tone.BAD]} underline"
        for mistake in self._line.read(text.plain).mistakes:
            text.stylize(style, mistake.begin, mistake.end)
