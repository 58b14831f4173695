"""Every key that works on a page now, with what it does: for the help and the palette."""

from collections.abc import Iterable

from msgspec import Struct
from textual.binding import ActiveBinding
from textual.dom import DOMNode
from textual.keys import format_key
from textual.screen import Screen

# The beginning of a binding's id -> the words above its keys in the help, in this order.
GROUPS = {
    "list": "List",
    "text": "Text",
    "detail": "Batch or request",
    "tool": "Tools",
    "verb": "Orders: upper case changes the world",
    "go": "Screens",
    "page": "Console",
    "app": "Console",
}
_OTHERS = "Here"


class Action(Struct, frozen=True):
    """What some keys do, where, and under which name titan.toml can give them others."""

    name: str
    keys: tuple[str, ...]
    words: str
    group: str
    action: str
    node: DOMNode


def of(screen: Screen[None]) -> list[Action]:
    """The actions that can be asked for now, in the order of their groups; no key twice."""
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
        words=binding.description,
        group=GROUPS.get(name.split(".", maxsplit=1)[0], _OTHERS),
        action=binding.action,
        node=actives[0].node,
    )
