"""Every key that works on a page, and the help that lists them with the glyphs."""

from collections.abc import Iterable, Sequence
from typing import ClassVar

from msgspec import Struct
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.dom import DOMNode
from textual.events import Key
from textual.keys import format_key
from textual.screen import Screen
from textual.widgets import Input, Static

from titan_console.tui.pages.dialog import Dialog

# The beginning of a binding's id -> the words above its keys in the help, in this order.
GROUPS = {
    "list": "List",
    "text": "Text",
    "detail": "Batch or request",
    "tool": "Tools",
    "command": "Commands",
    "go": "Screens",
    "page": "Console",
    "app": "Console",
}
_OTHERS = "Here"


class Action(Struct, frozen=True):
    """What some keys do, where, and under which name titan.toml can give them others."""

    name: str
    keys: tuple[str, ...]
    words: str
    group: str
    action: str
    node: DOMNode


def actions_of(screen: Screen[None]) -> list[Action]:
    """The actions that can be asked for now, in the order of their groups; no key twice."""
    found: dict[str, list[tuple[str, ActiveBinding]]] = {}
    for key, active in screen.active_bindings.items():
        if active.binding.id and active.binding.description and active.enabled:
            found.setdefault(active.binding.id, []).append((key, active))
    groups = [_OTHERS, *dict.fromkeys(GROUPS.values())]
    made = (_action(name, keys) for name, keys in found.items())
    return sorted(made, key=lambda action: groups.index(action.group))


def _action(name: str, found: Iterable[tuple[str, ActiveBinding]]) -> Action:
    keys, actives = zip(*found, strict=True)
    binding = actives[0].binding
    return Action(
        name=name,
        keys=tuple(map(format_key, keys)),
        words=binding.description,
        group=GROUPS.get(name.split(".", maxsplit=1)[0], _OTHERS),
        action=binding.action,
        node=actives[0].node,
    )


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
        self._actions = actions_of(screen)
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
