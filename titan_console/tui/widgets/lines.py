"""The lines around the lists: totals, status, pending commands and keys."""

from collections.abc import Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.reactive import reactive
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Footer, Input, Static
from textual.widgets._footer import FooterKey

from titan_console.text.format import Tone
from titan_console.text.lines import Part, Total
from titan_console.text.safe_text import cells, clean, pad
from titan_console.tui.theme import tones_of


class Line(Widget):
    """One line: parts on the left, cut where they meet the parts on the right.

    The first `kept` cells of the left are not cut; the right is, where it has less room.
    """

    DEFAULT_CSS = "Line { height: 1; padding: 0 1; }"

    left: reactive[tuple[Part, ...]] = reactive(())
    right: reactive[tuple[Part, ...]] = reactive(())
    kept: reactive[int] = reactive(0)

    def render(self) -> Text:
        """The line in exactly the width there is."""
        width = self.content_size.width
        right = self._text(self.right, width - self.kept if self.kept else width)
        room = max(self.kept, width - right.cell_len - (1 if right.plain else 0))
        line = self._text(self.left, room)
        return line.append(" " * (width - line.cell_len - right.cell_len)).append_text(right)

    def _text(self, parts: Sequence[Part], room: int) -> Text:
        styles = tones_of(self)
        made = Text(no_wrap=True, end="")
        for part in parts:
            left = room - made.cell_len
            if left < 1 and not part.text.strip():
                continue
            style = f"bold {styles[part.tone]}" if part.strong else styles[part.tone]
            # One cell too many where there is no room, so that the line ends with an ellipsis.
            made.append(clean(part.text, max(1, left)), style=style)
            if made.cell_len > room:
                break
        if room < 1:
            return Text(no_wrap=True, end="")
        made.truncate(room, overflow="ellipsis")
        return made


# A total is that wide at least, so that few digits more move none of the others.
_TOTAL_WIDTH = 8
# Columns between two totals, at least and at most.
_TOTAL_GAPS = (3, 8)


class TotalsStrip(Widget):
    """Totals side by side; in one line, label and number share it."""

    DEFAULT_CSS = "TotalsStrip { height: 1; padding: 0 1; }"

    totals: reactive[tuple[Total, ...]] = reactive(())

    def render(self) -> Text:
        """Labels above their numbers, or before them."""
        if not self.totals:
            return Text()
        if self.content_size.height < 2:  # noqa: PLR2004 - a line for each
            return self._in_one_line()
        return self._in_two_lines()

    def _in_two_lines(self) -> Text:
        styles = tones_of(self)
        labels, values = Text(no_wrap=True), Text(no_wrap=True)
        widths, gap = total_widths(self.totals, self.content_size.width)
        for total, width in zip(self.totals, widths, strict=False):
            labels.append(pad(total.label, width) + " " * gap, style=styles[Tone.DIM])
            bold = f"bold {styles[total.tone]}"
            shown = clean(total.value, width)
            values.append(shown, style=bold).append(" " * (width - cells(shown) + gap))
        return labels.append("\n").append_text(values)

    def _in_one_line(self) -> Text:
        styles = tones_of(self)
        made = Text(no_wrap=True)
        for total in self.totals:
            grown = len(made) + len(total.label) + len(total.value) + 3
            if grown > self.content_size.width:
                break
            made.append(f"{clean(total.label)} ", style=styles[Tone.DIM])
            made.append(clean(total.value), style=f"bold {styles[total.tone]}").append("  ")
        return made


def total_widths(totals: Sequence[Total], room: int) -> tuple[list[int], int]:
    """The widths of the totals that fit, and the gap between them.

    As in one line, the last ones are left out rather than cut off.
    """
    widths = [max(_TOTAL_WIDTH, cells(clean(t.label)), cells(clean(t.value))) for t in totals]
    least, most = _TOTAL_GAPS
    while len(widths) > 1 and sum(widths) + least * (len(widths) - 1) > room:
        widths.pop()
    spare = room - sum(widths)
    return widths, max(least, min(most, spare // max(1, len(widths) - 1)))


class CommandLines(Static):
    """The pending commands; long lines wrap."""

    DEFAULT_CSS = """
    CommandLines { height: auto; max-height: 3; padding: 0 1; display: none; background: $panel; }
    CommandLines.-shown { display: block; }
    """

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's own word
        """Empty and hidden."""
        super().__init__(id=id, markup=False)
        self._lines: Sequence[Sequence[Part]] = ()

    def show(self, lines: Sequence[Sequence[Part]]) -> None:
        """Show these lines."""
        if lines == self._lines:
            return
        self._lines = lines
        self.set_class(bool(lines), "-shown")
        styles = tones_of(self)
        made = Text(end="")
        for number, parts in enumerate(lines):
            made.append("\n" if number else "")
            for part in parts:
                weight = "bold " if part.strong else ""
                made.append(clean(part.text), f"{weight}{styles[part.tone]}")
        self.update(made)


def _is_character(key: FooterKey) -> bool:
    """Whether the key types a character where text is entered."""
    return len(key.key_display) == 1 and key.key_display.isascii()


# The keys that are shown first.
_ALWAYS = ("help", "quit")


class KeyLine(Footer):
    """Textual's footer without cut words, rebuilt only when its text or its width changes."""

    def __init__(self) -> None:
        """Without the palette, which has its own key."""
        super().__init__(show_command_palette=False)
        self._shown: list[tuple[str, str, str, bool]] | None = None
        self._room = 0

    def compose(self) -> ComposeResult:
        """Leave out keys that do not fit."""
        is_typing = isinstance(self.screen.focused, Input)
        keys = [
            key
            for key in super().compose()
            if isinstance(key, FooterKey) and not (is_typing and _is_character(key))
        ]
        for key in keys:
            # Its default is not the footer's: each key would be styled two more times.
            key.set_reactive(FooterKey.compact, self.compact)
        room = self._room
        fitting: set[FooterKey] = set()
        for key in sorted(keys, key=_rank):
            room -= _width(key)
            if room >= 0 or _rank(key) == 0:
                fitting.add(key)
        yield from (key for key in keys if key in fitting)

    def on_resize(self) -> None:
        """Choose again which keys fit."""
        if self.content_size.width != self._room:
            self._room = self.content_size.width
            self.refresh(recompose=True)

    def bindings_changed(self, screen: Screen[object]) -> None:
        """Rebuild it if the visible bindings have changed."""
        if not self.app.app_focus:  # pyright: ignore[reportUnknownMemberType]
            return
        shown = [
            (held.binding.key, held.binding.description, held.binding.action, held.enabled)
            for held in screen.active_bindings.values()
            if held.binding.show
        ]
        if shown != self._shown:
            self._shown = shown
            super().bindings_changed(screen)  # pyright: ignore[reportUnknownMemberType]


def _rank(key: FooterKey) -> int:
    """Help and quit first, then the commands: a small terminal has no buttons for them."""
    if key.action in _ALWAYS:
        return 0
    return 1 if key.action.startswith("command(") else 2


def _width(key: FooterKey) -> int:
    """Columns of the key, its description and three spaces."""
    return cells(key.key_display) + cells(key.description) + 3
