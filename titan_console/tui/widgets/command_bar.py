"""The commands as buttons in one line, for the mouse; each shows its key."""

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from rich.text import Text
from textual.events import Click
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from state.operations.commands import Action
from titan_console.text.command_labels import KEYS, button
from titan_console.text.format import Tone
from titan_console.text.safe_text import cells
from titan_console.tui.theme import tones_of, without_colours

if TYPE_CHECKING:
    from textual.theme import Theme

_GAP = 1


class CommandBar(Widget):
    """Commands that do not fit are dim. A click keeps the focus of the list."""

    DEFAULT_CSS = "CommandBar { height: 1; padding: 0 1; }"

    # The buttons, from left to right.
    actions: reactive[Sequence[Action]] = reactive(tuple(KEYS))
    offered: reactive[Collection[Action]] = reactive(frozenset[Action])
    # Whether P resumes what it would pause.
    resumes: reactive[bool] = reactive(False)

    class Pressed(Message):
        """A button was pressed."""

        def __init__(self, action: Action) -> None:
            """`action` is the command of the button."""
            super().__init__()
            self.action = action

    def render(self) -> Text:
        """The buttons that fit."""
        made = Text(no_wrap=True, end="")
        for action, begin, _width in self._button_spans():
            made.append(" " * (begin - made.cell_len))
            made.append_text(self._button(action))
        return made

    def on_click(self, event: Click) -> None:
        """Press the one under the mouse."""
        x = event.x - 1  # the padding
        for action, begin, width in self._button_spans():
            if begin <= x < begin + width:
                self.post_message(self.Pressed(action))

    def _button_spans(self) -> Iterator[tuple[Action, int, int]]:
        """Each button with its start and width."""
        begin = 0
        for action in self.actions:
            width = cells(f" {KEYS[action]} {button(action, resumes=self.resumes)} ")
            if begin + width > self.content_size.width:
                return
            yield action, begin, width
            begin += width + _GAP

    def _button(self, action: Action) -> Text:
        theme: Theme = self.app.current_theme  # pyright: ignore[reportUnknownMemberType]
        text = f"{KEYS[action]} {button(action, resumes=self.resumes)}"
        if action not in self.offered:
            return Text(f" {text} ", tones_of(self)[Tone.DIM])
        if without_colours(self):
            return Text(f"[{text}]", "bold")
        base = f"{theme.foreground} on {theme.panel}"
        made = Text(f" {text} ", base)
        made.stylize(f"bold {theme.accent}", 1, 2)
        return made
