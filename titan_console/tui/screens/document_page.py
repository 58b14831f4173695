"""A page that shows one text that is made already."""

from collections.abc import Callable
from datetime import datetime
from typing import ClassVar

from state.db.reader import Source
from titan_console.session.console_state import View
from titan_console.text.document import Sheet
from titan_console.text.links import Named
from titan_console.tui.screens.detail import DetailPage, Drawing


class SheetPage(DetailPage):
    """The comparison of two things."""

    WORD = "Comparison"
    SECTIONS: ClassVar = ("Comparison",)

    def __init__(self, view: View, sheet: Sheet) -> None:
        """`sheet` is what it shows."""
        super().__init__(view, Named(""), None)
        self._made = sheet

    def question(self, section: str) -> Callable[[Source], Drawing]:
        """Nothing has to be found out."""
        del section
        sheet = self._made

        def drawn(_now: datetime) -> Sheet:
            return sheet

        return lambda _source: drawn

    def retarget(self, link: str) -> bool:
        """It stays what it is."""
        del link
        return False
