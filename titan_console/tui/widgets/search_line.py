"""The line for the search in a document."""

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input


class SearchLine(Input):
    """One line above the status line; hidden unless a search is open."""

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
            """`text` is the search text; empty ends the search."""
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
        """Show it with the former text selected."""
        self.add_class("-open")
        self.value = text
        # At once, so that the next key goes here.
        self.screen.set_focus(self)
        self.select_all()

    def close(self) -> None:
        """Hide it."""
        self.remove_class("-open")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Post the text."""
        event.stop()
        self.post_message(self.Asked(event.value))
