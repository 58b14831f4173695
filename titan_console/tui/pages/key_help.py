"""Every key that works on a page, and the help that lists them with the glyphs."""

from collections.abc import Iterable, Sequence
from typing import ClassVar

from msgspec import Struct
from rich.table import Table
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

# Prefix of a binding's id -> heading in the help, in this order.
GROUPS = {
    "command": "Commands",
    "alerts": "Alerts",
    "go": "Screens",
    "tool": "Tools",
    "detail": "Batch or request",
    "list": "List",
    "text": "Text",
    "page": "Console",
    "app": "Console",
}
_OTHERS = "This screen"


class Action(Struct, frozen=True):
    """An action with its keys, its label, its binding id and its node; `does` explains it."""

    name: str
    keys: tuple[str, ...]
    label: str
    group: str
    action: str
    node: DOMNode
    does: str = ""


def actions_of(screen: Screen[None]) -> list[Action]:
    """The active actions in the order of their groups."""
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
        label=binding.description,
        group=GROUPS.get(name.split(".", maxsplit=1)[0], _OTHERS),
        action=binding.action,
        node=actives[0].node,
        does=binding.tooltip,
    )


_GLYPHS = (
    ("◦", "queued, not sent yet"),
    ("⇡", "sending"),
    ("?", "unconfirmed: sent, not confirmed by a response"),
    ("▸", "in progress, or running"),
    ("⊘", "canceling, canceled or withdrawn"),
    ("⇣", "to collect: ended, results not downloaded yet"),
    ("✓", "collected"),
    ("!", "collected, some requests errored"),
    ("✗", "errored, failed or rejected, or results no longer available"),
    ("◔", "due, or pending until the next poll"),
    ("⇠", "not sent: requests are queued again"),
    ("↻", "can be replayed as it is"),
    ("✎", "edit it, then replay"),
    ("+?", "plus answers without a known price"),
)
_KEYS_WIDTH = 16
_LEGEND = "Symbols"
_GLYPHS_WIDTH = 3
# From that width on, there is room for sentences beside the glyphs.
_WIDE = 116
# Lines of the box beside the keys: its border, the search and a blank one.
_FRAME = 4
# Below that width the glyphs stand below the keys.
_SIDE_BY_SIDE = 90


class HelpScreen(Dialog[None]):
    """Shown over the page whose keys it lists."""

    CSS = """
    HelpScreen {
        align: center middle; background: $background 60%;
        #help {
            width: 116; max-width: 96%; height: auto; max-height: 94%; padding: 0 2;
            background: $panel; border: round $primary 60%; border-title-color: $primary;
        }
        #search { background: $panel; margin: 0 0 1 0; }
        VerticalScroll { height: auto; scrollbar-size-vertical: 1; }
        Horizontal { height: auto; }
        #keys { width: 1fr; height: auto; }
        #glyphs { width: 42; height: auto; margin: 0 0 0 2; }
    }
    HelpScreen.-stacked {
        Horizontal { layout: vertical; }
        #keys, #glyphs { width: 1fr; }
        #glyphs { margin: 1 0 0 0; }
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
        """`screen` is the page whose keys are listed."""
        super().__init__()
        self._actions = actions_of(screen)
        self._keys = Static(id="keys")
        self._glyphs = Static(id="glyphs")
        self._scroll = VerticalScroll(can_focus=False)

    def compose(self) -> ComposeResult:
        """Keys and glyphs below the search line."""
        with Vertical(id="help") as box:
            box.border_title = " Help "
            yield _Search(placeholder="type to search, Esc closes", compact=True, id="search")
            with self._scroll, Horizontal():
                yield self._keys
                yield self._glyphs

    def on_mount(self) -> None:
        """Show all of it."""
        self._show("")
        self.query_one(Input).focus()

    def on_resize(self) -> None:
        """What does not fit is scrolled."""
        self.set_class(self.size.width < _SIDE_BY_SIDE, "-stacked")
        self._scroll.styles.max_height = max(1, self.size.height * 94 // 100 - _FRAME)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter keys and glyphs."""
        self._show(event.value)

    def on_input_submitted(self) -> None:
        """Enter closes it too."""
        self.dismiss()

    def action_scroll(self, lines: int) -> None:
        """Scroll or move by that many lines."""
        self._scroll.scroll_relative(y=lines, animate=False)

    def _show(self, wanted: str) -> None:
        found, is_wide = matching(self._actions, wanted), self.app.size.width >= _WIDE  # pyright: ignore[reportUnknownMemberType]
        self._keys.update(keys_table(found, explained=is_wide))
        self._glyphs.update(_glyphs(wanted))


class _Search(Input):
    async def _on_key(self, event: Key) -> None:
        """`?` closes the help while nothing is typed."""
        if event.key == "question_mark" and not self.value:
            event.stop()
            event.prevent_default()
            self.post_message(self.Submitted(self, ""))
            return
        await super()._on_key(event)


def matching(found: Sequence[Action], wanted: str) -> list[Action]:
    """Actions whose label, keys, id or group contain every word."""
    words = wanted.casefold().split()
    return [
        one
        for one in found
        if all(
            word in f"{one.label} {' '.join(one.keys)} {one.name} {one.group} {one.does}".casefold()
            for word in words
        )
    ]


def keys_table(found: Sequence[Action], *, explained: bool = False) -> Table | Text:
    """The keys under their groups; `explained`: with what the commands do."""
    made = _grid(_KEYS_WIDTH)
    group = ""
    for one in found:
        if one.group != group:
            if group:
                made.add_row()
            made.add_row(Text(one.group, "bold underline"))
            group = one.group
        label = Text(one.label)
        label.append(f": {one.does}" if one.does and explained else "", "dim")
        made.add_row(Text(" ".join(one.keys), "bold"), label)
    return made if found else Text("No matching key.")


def _glyphs(wanted: str) -> Table | Text:
    made = _grid(_GLYPHS_WIDTH)
    found = [one for one in _GLYPHS if wanted.casefold() in " ".join(one).casefold()]
    for glyph, meaning in found:
        made.add_row(Text(glyph, "bold"), Text(meaning))
    made.title, made.title_style, made.title_justify = _LEGEND, "bold underline", "left"
    return made if found else Text("")


def _grid(width: int) -> Table:
    """Two columns; what is too long for the second one goes on below its start."""
    made = Table.grid(padding=(0, 1))
    made.add_column(width=width)
    made.add_column(ratio=1)
    return made
