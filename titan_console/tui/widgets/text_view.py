"""A document of any length, drawn line by line: 10 MB scroll like ten lines."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from titan_console.text.document import Document, Match, WrappedDocument, search, within, wrap
from titan_console.text.safe_text import clean
from titan_console.tui.theme import tones_of

if TYPE_CHECKING:
    from titan_console.text.format import Tone

# Smaller documents are wrapped at once, larger ones on a thread.
_SMALL = 50_000


class TextView(ScrollView, can_focus=True, inherit_bindings=False):
    """Shows a document wrapped into its width; searches it on a thread."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"text-view--match", "text-view--here"}
    DEFAULT_CSS = """
    TextView {
        background: $background; overflow-x: hidden; overflow-y: auto; height: 1fr;
        scrollbar-size-vertical: 1; scrollbar-gutter: stable; scrollbar-background: $background;
        scrollbar-color: $secondary 45%; scrollbar-color-hover: $secondary;
        scrollbar-background-hover: $background; padding: 0 1;
        & > .text-view--match { text-style: underline; color: $accent; }
        & > .text-view--here { text-style: reverse; color: $accent; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "lines(1)", "Down", show=False, id="text.down"),
        Binding("k,up", "lines(-1)", "Up", show=False, id="text.up"),
        Binding("ctrl+d,pagedown", "pages(1)", "Page down", show=False, id="text.page_down"),
        Binding("ctrl+u,pageup", "pages(-1)", "Page up", show=False, id="text.page_up"),
        Binding("g,home", "first", "First line", show=False, id="text.first"),
        Binding("G,end", "last", "Last line", show=False, id="text.last"),
        Binding("full_stop", "next(1)", "Next match", show=False, id="text.next_match"),
        Binding("comma", "next(-1)", "Previous match", show=False, id="text.previous_match"),
    ]

    class Searched(Message):
        """The search has another match, or none."""

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's own word
        """Empty."""
        super().__init__(id=id)
        self.document = Document(())
        self.wanted = ""
        self.matches: Sequence[Match] = ()
        self.match = 0
        self._wrapped = wrap(self.document, 1)
        self._strips: dict[int, Strip] = {}
        self._styles: Mapping[Tone, Style] = {}
        self._number = 0

    def show(self, document: Document, *, keep_position: bool = False) -> None:
        """Show this document from its start, or from the current line."""
        if document == self.document:
            return
        self.document = document
        if not keep_position:
            self.scroll_to(y=0, animate=False, immediate=True)
        self._rewrap()
        if self.wanted:
            self.search(self.wanted, move=False)

    def redraw(self) -> None:
        """Redraw everything in another theme or width."""
        self._styles = {}
        self._rewrap()

    @property
    def row_count(self) -> int:
        """The number of rows in this width."""
        return len(self._wrapped)

    def found(self) -> str:
        """The result of the search as text."""
        if not self.wanted:
            return ""
        if not self.matches:
            return f"/{self.wanted}: no match"
        return f"/{self.wanted}: {self.match + 1:,} of {len(self.matches):,}"

    # Moving

    def action_lines(self, lines: int) -> None:
        """Scroll or move by that many lines."""
        self.scroll_to(y=self.scroll_offset.y + lines, animate=False, immediate=True)

    def action_pages(self, pages: int) -> None:
        """A window up or down."""
        self.action_lines(pages * max(1, self.scrollable_content_region.height - 1))

    def action_first(self) -> None:
        """To the first line."""
        self.scroll_to(y=0, animate=False, immediate=True)

    def action_last(self) -> None:
        """To the last line."""
        self.scroll_to(y=self.max_scroll_y, animate=False, immediate=True)

    # Searching

    def search(self, wanted: str, *, move: bool = True) -> None:
        """Find all matches; go to the first one from here."""
        self.wanted = wanted
        if not wanted:
            self._take_matches((), move=False)
        elif _is_small(self.document):
            self._take_matches(search(self.document, wanted), move=move)
        else:
            self.run_worker(self._search(self.document, wanted, move=move), group="search")

    async def _search(self, document: Document, wanted: str, *, move: bool) -> None:
        matches = await asyncio.to_thread(search, document, wanted)
        if document is self.document and wanted == self.wanted:
            self._take_matches(matches, move=move)

    def _take_matches(self, matches: Sequence[Match], *, move: bool) -> None:
        self.matches, self.match = matches, 0
        if move and matches:
            top = self._wrapped.row(min(self.scroll_offset.y, len(self._wrapped) - 1))[:2]
            later = (n for n, found in enumerate(matches) if (found.line, found.begin) >= top)
            self._go_to(next(later, 0))
        self._strips.clear()
        self.refresh()
        self.post_message(self.Searched())

    def action_next(self, step: int) -> None:
        """Go to the next or previous match, wrapping around."""
        if self.matches:
            self._go_to((self.match + step) % len(self.matches))
            self._strips.clear()
            self.refresh()
            self.post_message(self.Searched())

    def _go_to(self, number: int) -> None:
        self.match = number
        found = self.matches[number]
        row = self._wrapped.row_at(found.line, found.begin)
        window = self.scrollable_content_region.height
        if not self.scroll_offset.y <= row < self.scroll_offset.y + window:
            self.scroll_to(y=max(0, row - window // 3), animate=False, immediate=True)

    # Drawing

    def on_resize(self) -> None:
        """The lines wrap elsewhere."""
        if self.scrollable_content_region.width != self._wrapped.width:
            self._rewrap()

    def _rewrap(self) -> None:
        self._number += 1
        width = self.scrollable_content_region.width
        if _is_small(self.document):
            self._take_wrapped(wrap(self.document, width))
        else:
            self.run_worker(self._wrap(self.document, width, self._number), group="wrap")

    async def _wrap(self, document: Document, width: int, number: int) -> None:
        wrapped = await asyncio.to_thread(wrap, document, width)
        if number == self._number:
            self._take_wrapped(wrapped)

    def _take_wrapped(self, wrapped: WrappedDocument) -> None:
        before, self._strips, self._wrapped = self._strips, {}, wrapped
        size, top = self.scrollable_content_region.size, self.scroll_offset.y
        self.virtual_size = Size(size.width, len(wrapped))
        if any(before.get(top + y) != self.render_line(y) for y in range(size.height)):
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """One line of the window."""
        row = y + self.scroll_offset.y
        width = self.scrollable_content_region.width
        strip = self._strips.get(row)
        if strip is None:
            if len(self._strips) > _SMALL:
                self._strips.clear()
            segments = self._segments(row) if row < len(self._wrapped) else ()
            strip = Strip(segments).adjust_cell_length(width, self.rich_style)
            self._strips[row] = strip
        return strip

    def _segments(self, row: int) -> list[Segment]:
        number, begin, end = self._wrapped.row(row)
        # Each character is replaced by one character, so that positions stay.
        shown = clean(self._wrapped.document.lines[number][begin:end])
        styles = self._span_styles(number, begin, end)
        edges = {edge for first, last, _ in styles for edge in (first, last)}
        cuts = sorted(edge for edge in edges if begin < edge < end)
        indent = self._wrapped.indent(row)
        made = [Segment(" " * indent, self.rich_style)] if indent else list[Segment]()
        for left, right in zip([begin, *cuts], [*cuts, end], strict=True):
            style = self.rich_style
            for first, last, style_of_span in styles:
                if first <= left < last:
                    style += style_of_span
            made.append(Segment(shown[left - begin : right - begin], style))
        return made

    def _span_styles(self, number: int, begin: int, end: int) -> list[tuple[int, int, Style]]:
        """The styled spans of the line: its tones, then the matches."""
        if not self._styles:
            self._styles = {tone: Style.parse(text) for tone, text in tones_of(self).items()}
        bold = Style(bold=True)
        styles = [
            (first, last, self._styles[tone] + bold if strong else self._styles[tone])
            for first, last, tone, strong in self._wrapped.document.spans.get(number, ())
        ]
        for index in within(self.matches, number, begin, end):
            name = "text-view--here" if index == self.match else "text-view--match"
            style_of_span = self.get_component_rich_style(name, partial=True)
            styles.append((self.matches[index].begin, self.matches[index].end, style_of_span))
        return styles


def _is_small(document: Document) -> bool:
    size = 0
    for line in document.lines:
        size += len(line) + 1
        if size > _SMALL:
            return False
    return True
