"""A field for a number that confirms."""

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import Input


class NumberField(Input):
    """Takes digits, none in the place of another; the key that confirms does so here too."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "screen.confirm", "Confirm", id="receipt.confirm", priority=True)
    ]

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's name for it
        """Nothing is selected when it is focused: the next digit would take its place."""
        super().__init__(id=id, compact=True, restrict="[0-9]*", select_on_focus=False)
