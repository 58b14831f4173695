"""A page of lists with a pane beside them, in a terminal that is wide enough for both."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal

from titan_console.session.console_state import View
from titan_console.tui.screens.filtered import FilteredPage
from titan_console.tui.widgets.preview_pane import Preview

_NONE, _NORMAL, _LARGE = range(3)


class PreviewedPage(FilteredPage):
    """Shows what is under the cursor beside the lists that it gives in `lists`."""

    DEFAULT_CSS = """
    PreviewedPage.-wide Preview { display: block; }
    PreviewedPage.-no-preview Preview { display: none; }
    PreviewedPage.-large-preview Preview { width: 2fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("w", "preview", "Wide columns, no pane", show=False, id="list.preview"),
        Binding("plus", "pane(1)", "Larger pane", show=False, id="list.pane_larger"),
        Binding("underscore", "pane(-1)", "Smaller pane", show=False, id="list.pane_smaller"),
    ]

    def __init__(self, view: View) -> None:
        """`view` is what the app knows of the ledger."""
        super().__init__(view)
        self._preview = Preview(view)
        self._pane = _NORMAL

    def lists(self) -> ComposeResult:
        """The lists, in one widget."""
        raise NotImplementedError

    def content(self) -> ComposeResult:
        """The lists, the pane beside them, the filter below."""
        with Horizontal(classes="content"):
            yield from self.lists()
            yield self._preview
        yield self.filter_line

    def action_preview(self) -> None:
        """Give the width of the pane to the columns; take it back."""
        self._set_pane(_NORMAL if self._pane == _NONE else _NONE)

    def action_pane(self, step: int) -> None:
        """None, as usual, or the larger part of the width."""
        self._set_pane(max(_NONE, min(self._pane + step, _LARGE)))

    def _set_pane(self, pane: int) -> None:
        self._pane = pane
        self.set_class(pane == _NONE, "-no-preview")
        self.set_class(pane == _LARGE, "-large-preview")
        self.call_after_refresh(self.show_about)

    def show_about(self) -> None:
        """Say what is under the cursor, in the pane too."""
        super().show_about()
        self._preview.follow(self.list_in_use() or self.main_table())

    def ledger_changed(self) -> None:
        """Ask again for what is seen."""
        super().ledger_changed()
        self._preview.ledger_changed()

    def redraw(self) -> None:
        """Draw all of it in new colours."""
        super().redraw()
        self._preview.redraw()
