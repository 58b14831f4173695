"""The numbered screens: digit, mode, name, and the module that is loaded on the first visit."""

from importlib import import_module
from typing import TYPE_CHECKING

from msgspec import Struct

from titan_console.text.links import Tab

if TYPE_CHECKING:
    from collections.abc import Callable

    from titan_console.session.console_state import ConsoleState
    from titan_console.tui.pages.page import Page


class ScreenEntry(Struct, frozen=True):
    """A numbered screen; its module is loaded on the first visit."""

    tab: Tab
    module: str
    name: str

    def opener(self, state: "ConsoleState") -> "Callable[[], Page]":
        """The factory of the screen."""

        def open_page() -> "Page":
            module = import_module(f"titan_console.tui.screens.{self.module}")
            page: Page = getattr(module, self.name)(state)
            return page

        return open_page


SCREENS = (
    ScreenEntry(Tab("1", "batches", "Batches"), "batches", "BatchesScreen"),
    ScreenEntry(Tab("2", "requests", "Requests"), "requests", "RequestsScreen"),
    ScreenEntry(Tab("3", "errors", "Errors"), "errors", "ErrorsScreen"),
    ScreenEntry(Tab("4", "savings", "Savings"), "savings", "SavingsScreen"),
    ScreenEntry(Tab("5", "kpis", "KPIs"), "kpis", "KpisScreen"),
    ScreenEntry(Tab("6", "jobs", "Jobs"), "jobs", "JobsScreen"),
    ScreenEntry(Tab("7", "events", "Events"), "events", "EventsScreen"),
    ScreenEntry(Tab("8", "doctor", "Doctor"), "doctor", "DoctorScreen"),
)
TABS = tuple(entry.tab for entry in SCREENS)
FIRST = TABS[0].mode
