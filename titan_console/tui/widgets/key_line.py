"""The line of keys at the foot of every screen."""

from textual.screen import Screen
from textual.widgets import Footer


class KeyLine(Footer):
    """Textual's own line, made anew only when it would read differently."""

    def __init__(self) -> None:
        """Without the palette, which has a key of its own here."""
        super().__init__(show_command_palette=False)
        self._shown: list[tuple[str, str, str, bool]] | None = None

    def bindings_changed(self, screen: Screen[object]) -> None:
        """Other bindings are active: show them, if any of those that are named is another."""
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
