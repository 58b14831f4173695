"""What the operator chose for this ledger's console, kept in `console.json`."""

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

FILE = "console.json"
# As many as have a digit in the menu.
MOST_FILTERS = 9


class Preferences(Struct):
    """`columns`: by list, which are shown or hidden other than by default. `filters`: by screen.

    `orders`: by list, the name of its sort order where it is not the default; `-` reverses it.
    """

    columns: dict[str, dict[str, bool]] = {}
    filters: dict[str, list[str]] = {}
    orders: dict[str, str] = {}

    def columns_of(self, name: str) -> Mapping[str, bool]:
        """The choices for a list."""
        return self.columns.get(name, {})

    def choose(self, name: str, choice: Mapping[str, bool]) -> None:
        """Replace the choices for a list."""
        self.columns.pop(name, None)
        if choice:
            self.columns[name] = dict(choice)

    def order_of(self, name: str) -> tuple[str, bool]:
        """The order of a list and whether it is reversed; an empty name for the default."""
        order = self.orders.get(name, "")
        return order.removeprefix("-"), order.startswith("-")

    def sort(self, name: str, order: str, *, is_reversed: bool = False) -> None:
        """Remember the order of a list; an empty one is the default."""
        self.orders.pop(name, None)
        if order:
            self.orders[name] = f"{'-' if is_reversed else ''}{order}"

    def filters_of(self, screen: str) -> list[str]:
        """The saved filters of a screen, the latest first."""
        return self.filters.get(screen, [])

    def save_filter(self, screen: str, text: str) -> None:
        """Put it first; the oldest is dropped where there are nine."""
        others = [one for one in self.filters_of(screen) if one != text]
        self.filters[screen] = [text, *others][:MOST_FILTERS]

    def drop_filter(self, screen: str, text: str) -> None:
        """Forget it."""
        self.filters[screen] = [one for one in self.filters_of(screen) if one != text]


def read(home: Path) -> Preferences:
    """Those of the file; the defaults where it is missing or unreadable."""
    try:
        return msgspec.json.decode((home / FILE).read_bytes(), type=Preferences)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return Preferences()


def write(home: Path, preferences: Preferences) -> None:
    """Replace the file at once. Raises OSError."""
    path = home / FILE
    other = path.with_name(f".{FILE}.{os.getpid()}")
    file = os.open(other, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(file, "wb") as made:
        made.write(msgspec.json.format(msgspec.json.encode(preferences), indent=2))
    other.replace(path)
