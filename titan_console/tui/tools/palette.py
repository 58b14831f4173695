"""ctrl+p: every action of the page and the console by name, and the themes."""

from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from textual.await_complete import AwaitComplete
from textual.command import CommandPalette, DiscoveryHit, Hit, Hits, Provider
from textual.content import Content

from titan_console.tui.pages import key_help
from titan_console.tui.pages.dialog import DialogDrawn
from titan_console.tui.pages.key_help import Action
from titan_console.tui.pages.page import Page
from titan_console.tui.screens.navigation import app_of
from titan_console.tui.theme import DARK, LIGHT, MONO

if TYPE_CHECKING:
    from textual.app import App

# Prefixes for actions that the help lists under a heading.
_MOVES = {
    f"{what}.{where}"
    for what in ("list", "text")
    for where in ("up", "down", "page_up", "page_down", "first", "last")
}
_PREFIXES = {
    "go": "Go to ",
    **dict.fromkeys(("command", "edit", "poll_now", "withdraw", "silence", "mute"), "Command: "),
}


class _Entry(Struct, frozen=True):
    label: str
    keys: str
    run: Callable[[], Coroutine[Any, Any, Any] | None]


class Palette(CommandPalette):
    """Textual's palette, safe in small terminals and for fast keys."""

    def on_screen_resume(self) -> None:
        """After the focus is set."""
        self.call_later(self.post_message, DialogDrawn(self))

    def dismiss(self, result: None = None) -> AwaitComplete:
        """Close once: a second choice would close the page behind."""
        return super().dismiss(result) if self.is_current else AwaitComplete.nothing()

    def _action_command_list(self, action: str) -> None:
        """Ignore a key for a list that has no room yet."""
        with suppress(KeyError):
            super()._action_command_list(action)


def start(page: Page) -> None:
    """Offer what can be done now."""
    app = app_of(page)
    entries = [*_actions(page, app), *_themes(page, app)]

    class Actions(Provider):
        """The actions available when the palette was opened."""

        async def discover(self) -> Hits:
            """All of it."""
            for entry in entries:
                yield DiscoveryHit(Content(entry.label), entry.run, entry.label, entry.keys)

        async def search(self, query: str) -> Hits:
            """What matches."""
            matcher = self.matcher(query)
            for entry in entries:
                score = matcher.match(entry.label)
                if score > 0:
                    shown = matcher.highlight(entry.label)
                    yield Hit(score, shown, entry.run, entry.label, entry.keys)

    app.push_screen(Palette(providers=[Actions], placeholder="Search actions"))


def _actions(page: Page, app: "App[None]") -> Sequence[_Entry]:
    return [
        _Entry(
            _PREFIXES.get(one.action.partition("(")[0], "") + one.label,
            ", ".join(one.keys),
            _runner(app, one),
        )
        for one in key_help.actions_of(page)
        if one.name != "tool.palette" and one.name not in _MOVES
    ]


def _runner(app: "App[None]", one: Action) -> Callable[[], Coroutine[Any, Any, Any]]:
    return lambda: app.run_action(one.action, one.node)


def _themes(page: Page, app: "App[None]") -> Sequence[_Entry]:
    if app.no_color:
        return ()

    def wear(name: str) -> Callable[[], None]:
        def change() -> None:
            app.theme = name
            page.redraw()

        return change

    return [_Entry(f"Theme {t.name}", "", wear(t.name)) for t in (DARK, LIGHT, MONO)]
