"""The console's screens by mode: their digits, their words, and where each one's code lies."""

from importlib import import_module
from typing import TYPE_CHECKING

from msgspec import Struct

from titan_console.text.links import Tab

if TYPE_CHECKING:
    from collections.abc import Callable

    from titan_console.session.console_state import View
    from titan_console.tui.pages.page import Page


class Place(Struct, frozen=True):
    """A screen that a digit leads to; its code loads when it is first gone to."""

    tab: Tab
    module: str
    name: str

    def opener(self, view: "View") -> "Callable[[], Page]":
        """What makes the screen."""

        def open_page() -> "Page":
            module = import_module(f"titan_console.tui.screens.{self.module}")
            page: Page = getattr(module, self.name)(view)
            return page

        return open_page


PLACES = (
    Place(Tab("1", "batches", "Batches"), "batches", "BatchesScreen"),
    Place(Tab("2", "requests", "Requests"), "requests", "RequestsScreen"),
    Place(Tab("3", "errors", "Errors"), "errors", "ErrorsScreen"),
    Place(Tab("4", "savings", "Savings"), "savings", "SavingsScreen"),
    Place(Tab("5", "kpis", "KPIs"), "kpis", "KpisScreen"),
    Place(Tab("6", "jobs", "Jobs"), "jobs", "JobsScreen"),
    Place(Tab("7", "audit", "Audit"), "audit", "AuditScreen"),
    Place(Tab("8", "doctor", "Doctor"), "doctor", "DoctorScreen"),
)
TABS = tuple(place.tab for place in PLACES)
FIRST = TABS[0].mode
