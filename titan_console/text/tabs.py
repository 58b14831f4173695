"""The numbered screens, as the tab strip and the `:` line name them."""

from msgspec import Struct


class Tab(Struct, frozen=True):
    """A screen: its digit, its mode and its word."""

    digit: str
    mode: str
    word: str
