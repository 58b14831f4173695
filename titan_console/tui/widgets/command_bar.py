"""The commands as buttons in one line, for the mouse, Tab, the arrows and Enter."""

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
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


class CommandBar(Widget, can_focus=True):
    """One tab stop; commands that do not fit are dim. A click keeps the focus of the list."""

    FOCUS_ON_CLICK = False
    DEFAULT_CSS = "CommandBar { height: 1; padding: 0 1; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "turn(-1)", "Previous button", show=False, id="commands.left"),
        Binding("right,l", "turn(1)", "Next button", show=False, id="commands.right"),
        Binding("enter,space", "press", "Press the button", show=False, id="commands.press"),
    ]

    # The buttons, from left to right.
    actions: reactive[Sequence[Action]] = reactive(tuple(KEYS))
    offered: reactive[Collection[Action]] = reactive(frozenset[Action])
    # Whether P resumes what it would pause.
    resumes: reactive[bool] = reactive(False)
    position: reactive[int] = reactive(0)

    class Pressed(Message):
        """A button was pressed."""

        def __init__(self, action: Action) -> None:
            """`action` is the command of the button."""
            super().__init__()
            self.action = action

    def render(self) -> Text:
        """The buttons that fit."""
        made = Text(no_wrap=True, end="")
        for number, (action, begin, _width) in enumerate(self._button_spans()):
            made.append(" " * (begin - made.cell_len))
            has_cursor = self.has_focus and number == self.position
            made.append_text(self._button(action, has_cursor=has_cursor))
        return made

    def on_click(self, event: Click) -> None:
        """Press the one under the mouse."""
        x = event.x - 1  # the padding
        for action, begin, width in self._button_spans():
            if begin <= x < begin + width:
                self.post_message(self.Pressed(action))

    def watch_offered(self) -> None:
        """Tab passes a bar without a button to press."""
        self.can_focus = bool(self.offered) or self.has_focus

    def action_turn(self, steps: int) -> None:
        """Move to another button that can be pressed."""
        for distance in range(1, len(self.actions) + 1):
            position = (self.position + steps * distance) % len(self.actions)
            if self.actions[position] in self.offered:
                self.position = position
                return

    def action_press(self) -> None:
        """Press this one."""
        self.post_message(self.Pressed(self.actions[self.position]))

    def on_focus(self) -> None:
        """Highlight the current button, else the next that can be pressed."""
        if self.actions[self.position] not in self.offered:
            self.action_turn(1)
        self.refresh()

    def on_blur(self) -> None:
        """Remove the highlight."""
        self.refresh()

    def _button_spans(self) -> Iterator[tuple[Action, int, int]]:
        """Each button with its start and width."""
        begin = 0
        for action in self.actions:
            width = cells(f" {KEYS[action]} {button(action, resumes=self.resumes)} ")
            if begin + width > self.content_size.width:
                return
            yield action, begin, width
            begin += width + _GAP

    def _button(self, action: Action, *, has_cursor: bool) -> Text:
        theme: Theme = self.app.current_theme  # pyright: ignore[reportUnknownMemberType]
        style = " reverse" if has_cursor else ""
        text = f"{KEYS[action]} {button(action, resumes=self.resumes)}"
        if action not in self.offered:
            return Text(f" {text} ", f"{tones_of(self)[Tone.DIM]}{style}")
        if without_colours(self):
            return Text(f"[{text}]", f"bold{style}")
        base = f"{theme.foreground} on {theme.panel}{style}"
        made = Text(f" {text} ", base)
        made.stylize(f"bold {theme.accent}", 1, 2)
        return made
