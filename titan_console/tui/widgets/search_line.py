"""Where one types what to search for in a text."""

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input


class SearchLine(Input):
    """One line above the status; hidden while nobody searches."""

    DEFAULT_CSS = """
    SearchLine { display: none; }
    SearchLine.-open { display: block; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "app.step_back", "Back", show=False, id="search.back"),
    ]

    class Asked(Message):
        """Enter was pressed."""

        def __init__(self, text: str) -> None:
            """`text` is what to search for; empty, to search no more."""
            super().__init__()
            self.text = text

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's own word
        """Hidden."""
        super().__init__(id=id, placeholder="search in this text", compact=True)

    @property
    def is_open(self) -> bool:
        """Whether it is shown."""
        return self.has_class("-open")

    def open(self, text: str) -> None:
        """Ask, with the former text to type over."""
        self.add_class("-open")
        self.value = text
        self.focus()
        self.select_all()

    def close(self) -> None:
        """Go away."""
        self.remove_class("-open")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Tell it on."""
        event.stop()
        self.post_message(self.Asked(event.value))
