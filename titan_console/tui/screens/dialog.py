"""What every dialog is: over a page, and gone once."""

from typing import TypeVar

from textual.await_complete import AwaitComplete
from textual.screen import ModalScreen

Result = TypeVar("Result")


class Dialog(ModalScreen[Result]):
    """Keys and clicks may come quicker than it goes: the first one counts.

    A second leave in the same moment would take the page behind away.
    """

    def dismiss(self, result: Result | None = None) -> AwaitComplete:
        """Go, with this result."""
        return super().dismiss(result) if self.is_current else AwaitComplete.nothing()
