"""The numbered screens, and what a name on the `:` line or a `titan://` link leads to. Pure."""

from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import quote, unquote

from msgspec import Struct


class Tab(Struct, frozen=True):
    """A screen: its digit, its mode and its name."""

    digit: str
    mode: str
    name: str


SCHEME = "titan://"
# Former names of screens, understood for one release.
_RENAMED = {"audit": "events"}
_QUIT = ("q", "quit", "exit")
_BATCH, _REQUEST = "batch", "request"


class ToScreen(Struct, frozen=True):
    """One of the numbered screens."""

    mode: str


class ToBatch(Struct, frozen=True):
    """One batch, by its key or its remote id."""

    name: str


class ToRequest(Struct, frozen=True):
    """One request."""

    tag: str
    custom_id: str


class Quit(Struct, frozen=True):
    """Quit the console."""


class ByName(Struct, frozen=True):
    """A batch, request or tag with that name."""

    name: str


Destination = ToScreen | ToBatch | ToRequest | Quit | ByName


def to_batch(key: str) -> str:
    """The link to a batch."""
    return f"{SCHEME}{_BATCH}/{_quoted(key)}"


def to_request(tag: str, custom_id: str) -> str:
    """The link to a request."""
    return f"{SCHEME}{_REQUEST}/{_quoted(tag)}/{_quoted(custom_id)}"


# The same names at every drawing.
@lru_cache(maxsize=1000)
def _quoted(name: str) -> str:
    return quote(name, safe="", errors="replace")


def to_screen(mode: str) -> str:
    """The link to a numbered screen."""
    return SCHEME + mode


def parse(text: str, tabs: Sequence[Tab]) -> Destination | None:
    """The destination; None for an unknown link or an empty text."""
    text = text.strip().removeprefix(":").strip()
    if text[: len(SCHEME)].lower() == SCHEME:
        return _of_link(text[len(SCHEME) :], tabs)
    if text.lower() in _QUIT:
        return Quit()
    return _screen(text, tabs) or (ByName(text) if text else None)


def screens(text: str, tabs: Sequence[Tab]) -> list[Tab]:
    """The screens whose names start with the text."""
    return [tab for tab in tabs if tab.name.lower().startswith(text.strip().lower())]


def _screen(text: str, tabs: Sequence[Tab]) -> ToScreen | None:
    text = _RENAMED.get(text.lower(), text)
    found = screens(text, tabs) if text else []
    return ToScreen(found[0].mode) if found else None


def _of_link(rest: str, tabs: Sequence[Tab]) -> Destination | None:
    kind, *names = [_unquoted(part) for part in rest.split("/")]
    kind = _RENAMED.get(kind, kind)
    match kind, names:
        case "batch", [str(name)] if name:
            return ToBatch(name)
        case "request", [str(tag), str(custom_id)] if tag and custom_id:
            return ToRequest(tag, custom_id)
        case mode, [] if any(tab.mode == mode for tab in tabs):
            return ToScreen(mode)
        case _:
            return None


def _unquoted(part: str) -> str:
    return unquote(part, errors="replace")
