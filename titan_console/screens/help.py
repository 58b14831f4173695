"""What the keys do and what the glyphs mean."""

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

_KEYS = (
    ("j k ↓ ↑", "move"),
    ("g G", "first, last"),
    ("ctrl+d/u", "a page down, up"),
    ("tab", "next list"),
    ("p", "pause the picture"),
    ("r", "read again now"),
    ("t", "light or dark"),
    ("? F1", "this page"),
    ("q", "quit"),
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


class HelpScreen(ModalScreen[None]):
    """Over the screen that it was asked for on."""

    CSS = """
    HelpScreen {
        align: center middle; background: $background 60%;
        #help {
            width: 78; max-width: 96%; height: auto; max-height: 94%; padding: 1 2;
            background: $panel; border: round $primary 60%; border-title-color: $primary;
            scrollbar-size-vertical: 1;
        }
        Horizontal { height: auto; }
        #keys { width: 29; }
        #glyphs { width: 1fr; }
        #promise { margin-top: 1; color: $secondary; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,f1", "dismiss", "Back", id="help.back"),
    ]

    def compose(self) -> ComposeResult:
        """Keys beside glyphs."""
        with VerticalScroll(id="help") as box:
            box.border_title = " Help "
            with Horizontal():
                yield Static(_listed(_KEYS, 10), id="keys")
                yield Static(_listed(_GLYPHS, 4), id="glyphs")
            yield Static(
                "This console only looks: it changes nothing and holds no key.",
                id="promise",
                markup=False,
            )


def _listed(entries: tuple[tuple[str, str], ...], width: int) -> Text:
    made = Text()
    for name, meaning in entries:
        made.append(f"{name:<{width}}", style="bold").append(f"{meaning}\n")
    made.right_crop()
    return made
