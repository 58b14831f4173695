"""Every key binding by its id, and the keys that titan.toml assigns to them."""

import pkgutil
import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from importlib import import_module

from msgspec import Struct
from textual.app import App
from textual.binding import Binding
from textual.dom import DOMNode
from textual.screen import ModalScreen, Screen
from textual.widgets import Input

from titan_console import tui

_OURS = "titan_console."
# Ids of bindings under which titan.toml may still name them, for one release.
RENAMED = {
    "app.pause": "app.freeze",
    "detail.row_before": "detail.previous_row",
    "detail.tab_before": "detail.previous_tab",
    "go.audit": "go.events",
    "list.mark": "list.select",
    "list.mark_all": "list.select_all",
    "list.mark_range": "list.select_range",
    "list.preview": "list.toggle_pane",
    "list.unmark_all": "list.clear_selection",
    "page.figures": "page.totals",
    "receipt.close": "preview.close",
    "receipt.confirm": "preview.confirm",
    "receipt.copy": "preview.copy",
    "text.match_before": "text.previous_match",
    "tool.picture": "tool.screenshot",
    "verb.acknowledge": "command.acknowledge",
    "verb.cancel": "command.cancel",
    "verb.pause": "command.pause",
    "verb.replay": "command.replay",
    "verb.sync": "command.sync",
    "verb.withdraw": "command.withdraw",
}
_KEY = re.compile(r"((ctrl|shift|alt|super)\+)*([a-z0-9_]+|[^\s,])", re.IGNORECASE)


class KeyBinding(Struct, frozen=True):
    """A binding: its id, its keys in Textual's names, its label, and its node class."""

    name: str
    keys: tuple[str, ...]
    label: str
    where: type[DOMNode]


class Keymap(Struct, frozen=True):
    """The keys to remap, and the mistakes in titan.toml."""

    keys: Mapping[str, str]
    problems: tuple[str, ...] = ()


def key_bindings() -> list[KeyBinding]:
    """All of them; loads every screen."""
    for module in pkgutil.walk_packages(tui.__path__, f"{tui.__name__}."):
        import_module(module.name)
    found: dict[tuple[str, type[DOMNode]], KeyBinding] = {}
    for node in sorted(_classes(DOMNode), key=lambda node: node.__name__):
        for binding in Binding.make_bindings(vars(node).get("BINDINGS", ())):
            if binding.id and node.__module__.startswith(_OURS):
                identity = (binding.id, node)
                before = found[identity].keys if identity in found else ()
                keys = (*before, binding.key)
                found[identity] = KeyBinding(binding.id, keys, binding.description, node)
    return sorted(found.values(), key=lambda one: one.name)


def _classes(node: type[DOMNode]) -> Iterator[type[DOMNode]]:
    for one in set(node.__subclasses__()):
        yield one
        yield from _classes(one)


def check(asked: Mapping[str, str], bindings: list[KeyBinding]) -> Keymap:
    """Leave out unknown ids, invalid keys, and keys of another active binding."""
    asked = {RENAMED.get(name, name): keys for name, keys in asked.items()}
    names = {one.name for one in bindings}
    taken: dict[str, str] = {}
    problems: list[str] = []
    for name, keys in asked.items():
        problem = _unknown(name, names) or _no_key(keys)
        if not problem:
            problem = _clash(name, keys, taken, bindings, asked)
        if problem:
            problems.append(f"titan.toml: console.keys.{name}: {problem}")
        else:
            taken[name] = ",".join(_split(keys))
    return Keymap(taken, tuple(problems))


def problems_in(asked: Mapping[str, str]) -> Sequence[str]:
    """The mistakes in the keys of titan.toml."""
    return check(asked, key_bindings()).problems


def keys_of(one: KeyBinding, keymap: Keymap) -> tuple[str, ...]:
    """Its current keys."""
    asked = keymap.keys.get(one.name)
    return tuple(_split(asked)) if asked else one.keys


def _unknown(name: str, names: set[str]) -> str:
    if name in names:
        return ""
    near = get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]}?" if near else "see `titan-console keys`."
    return f"unknown key binding; {hint}"


def _no_key(keys: str) -> str:
    parts = [part.strip() for part in keys.split(",")]
    wrong = [part for part in parts if not _KEY.fullmatch(part)]
    return f"{wrong[0]!r} is not a key." if wrong else ""


def _clash(
    name: str,
    keys: str,
    taken: Mapping[str, str],
    bindings: list[KeyBinding],
    asked: Mapping[str, str],
) -> str:
    mine = [one for one in bindings if one.name == name]
    for other in bindings:
        if other.name == name:
            continue
        # A binding that is remapped later in the file frees its old key.
        theirs = taken.get(other.name) or ("" if other.name in asked else ",".join(other.keys))
        # A screen may override a key of the console.
        own = {key for one in mine for key in one.keys}
        shared = set(_split(keys)) & set(_split(theirs)) - own
        if shared and any(_meet(one.where, other.where) for one in mine):
            return f"{shared.pop()} is the key of {other.name} ({other.label})."
    return ""


def _split(keys: str) -> list[str]:
    """The keys in Textual's names."""
    return [one.key for one in Binding.make_bindings([(keys, "")])] if keys else []


def _meet(one: type[DOMNode], other: type[DOMNode]) -> bool:
    """Whether both can be active at the same time."""
    if issubclass(one, other) or issubclass(other, one):
        return True
    kinds = _kind(one), _kind(other)
    return "dialog" not in kinds and kinds[0] != kinds[1]


def _kind(node: type[DOMNode]) -> str:
    if issubclass(node, ModalScreen | Input):
        return "dialog"
    if issubclass(node, App):
        return "app"
    return "page" if issubclass(node, Screen) else "widget"
