"""Fields of the preview dialog: a number that confirms, and a yes or no."""

from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Input


class NumberField(Input):
    """Takes digits; `y` confirms here too."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "screen.confirm", "Confirm", id="preview.confirm", priority=True)
    ]

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's name for it
        """No text is selected on focus: the next digit would replace it."""
        super().__init__(id=id, compact=True, restrict="[0-9]*", select_on_focus=False)

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """Only digits are its own: a `y` on its way when it gets the focus confirms, too."""
        return (character or key).isdecimal() and super().check_consume_key(key, character)


class Toggle(Widget, can_focus=True):
    """`[x] label`; space, Enter or a click turns it."""

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

    def __init__(self, label: str, *, id: str) -> None:  # noqa: A002 - Textual's own word
        """Off at first."""
        super().__init__(id=id)
        self._label = label

    def render(self) -> Text:
        """The box and the words."""
        return Text(f"[{'x' if self.value else ' '}] {self._label}")

    def action_turn(self) -> None:
        """On, or off."""
        self.value = not self.value
        self.post_message(self.Changed())

    def on_click(self) -> None:
        """So does a click."""
        self.action_turn()
