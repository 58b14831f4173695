"""Fields of the preview dialog: a number that confirms, and a yes or no."""

from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Input


class NumberField(Input):
    """Takes digits, none in the place of another; the key that confirms does so here too."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "screen.confirm", "Confirm", id="preview.confirm", priority=True)
    ]

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's name for it
        """Nothing is selected when it is focused: the next digit would take its place."""
        super().__init__(id=id, compact=True, restrict="[0-9]*", select_on_focus=False)


class Toggle(Widget, can_focus=True):
    """`[x] words`; space, Enter or a click turns it."""

    DEFAULT_CSS = """
    Toggle { width: auto; height: 1; margin: 0 2 0 0; }
    Toggle:focus { text-style: reverse; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space,enter", "turn", "Turn on or off", show=False, id="toggle.turn"),
    ]

    value: reactive[bool] = reactive(default=False)

    class Changed(Message):
        """It was turned."""

    def __init__(self, words: str, *, id: str) -> None:  # noqa: A002 - Textual's own word
        """Off, to begin with."""
        super().__init__(id=id)
        self._words = words

    def render(self) -> Text:
        """The box and the words."""
        return Text(f"[{'x' if self.value else ' '}] {self._words}")

    def action_turn(self) -> None:
        """On, or off."""
        self.value = not self.value
        self.post_message(self.Changed())

    def on_click(self) -> None:
        """So does a click."""
        self.action_turn()
