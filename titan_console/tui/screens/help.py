"""What the keys do here and what the glyphs mean; typing narrows it down."""

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.events import Key
from textual.screen import Screen
from textual.widgets import Input, Static

from titan_console.tui.screens import available_actions
from titan_console.tui.screens.available_actions import Action
from titan_console.tui.screens.dialog import Dialog

_GLYPHS = (
    ("◦", "recorded, to be sent"),
    ("⇡", "being sent"),
    ("?", "sent, answer lost: held until proved"),
    ("▸", "in progress at the API"),
    ("⊘", "canceling"),
    ("⇣", "ended, results to collect"),
    ("✓", "collected"),
    ("!", "collected, and some requests failed"),
    ("✗", "refused, or its results are gone"),
    ("↻", "never reached the API, requests wait"),
    ("+?", "but for answers without a known price"),
)
_KEYS_WIDTH = 16


class HelpScreen(Dialog[None]):
    """Over the screen that it was asked for on."""

    CSS = """
    HelpScreen {
        align: center middle; background: $background 60%;
        #help {
            width: 90; max-width: 96%; height: auto; max-height: 94%; padding: 0 2;
            background: $panel; border: round $primary 60%; border-title-color: $primary;
        }
        #search { background: $panel; margin: 0 0 1 0; }
        VerticalScroll { height: auto; max-height: 80vh; scrollbar-size-vertical: 1; }
        Horizontal { height: auto; }
        #keys { width: 1fr; }
        #glyphs { width: 40; height: auto; }
    }
    HelpScreen.-flat #search { margin: 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,f1", "dismiss", "Back", id="help.back"),
        Binding("down", "scroll(3)", "Down", show=False, id="help.down"),
        Binding("up", "scroll(-3)", "Up", show=False, id="help.up"),
        Binding("pagedown", "scroll(12)", "Page down", show=False, id="help.page_down"),
        Binding("pageup", "scroll(-12)", "Page up", show=False, id="help.page_up"),
    ]

    def __init__(self, screen: Screen[None]) -> None:
        """`screen` is what the keys are explained of."""
        super().__init__()
        self._actions = available_actions.of(screen)
        self._keys = Static(id="keys")
        self._glyphs = Static(id="glyphs")
        self._scroll = VerticalScroll(can_focus=False)

    def compose(self) -> ComposeResult:
        """Keys beside glyphs, under the line that narrows them."""
        with Vertical(id="help") as box:
            box.border_title = " Help "
            yield Input(placeholder="type to search, Esc to go back", compact=True, id="search")
            with self._scroll, Horizontal():
                yield self._keys
                yield self._glyphs

    def on_mount(self) -> None:
        """Show all of it."""
        self._show("")
        self.query_one(Input).focus()

    def on_key(self, event: Key) -> None:
        """The key that opened it closes it, while nothing is typed."""
        if event.key == "question_mark" and not self.query_one(Input).value:
            event.stop()
            self.dismiss()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Narrow it down."""
        self._show(event.value)

    def on_input_submitted(self) -> None:
        """Enter goes back, too."""
        self.dismiss()

    def action_scroll(self, lines: int) -> None:
        """Up or down."""
        self._scroll.scroll_relative(y=lines, animate=False)

    def _show(self, wanted: str) -> None:
        self._keys.update(keys_text(matching(self._actions, wanted)))
        self._glyphs.update(_glyphs(wanted))


def matching(found: Sequence[Action], wanted: str) -> list[Action]:
    """Those whose words, keys, id or group hold every word of what is wanted."""
    words = wanted.casefold().split()
    return [
        one
        for one in found
        if all(
            word in f"{one.words} {' '.join(one.keys)} {one.name} {one.group}".casefold()
            for word in words
        )
    ]


def keys_text(found: Sequence[Action]) -> Text:
    """The keys under their groups."""
    made = Text()
    group = ""
    for one in found:
        if one.group != group:
            made.append(f"{chr(10) if group else ''}{one.group}\n", "bold underline")
            group = one.group
        made.append(f"{' '.join(one.keys):<{_KEYS_WIDTH}}", "bold").append(f" {one.words}\n")
    made.right_crop()
    return made if found else Text("No key does that here.")


def _glyphs(wanted: str) -> Text:
    made = Text()
    for glyph, meaning in _GLYPHS:
        if wanted.casefold() in f"{glyph} {meaning}".casefold():
            made.append(f"{glyph:<4}", "bold").append(f"{meaning}\n")
    made.right_crop()
    return made
