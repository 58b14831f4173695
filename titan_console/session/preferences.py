"""`[console]` of titan.toml: the theme, the mouse, ASCII alone, and other keys."""

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace

from core.config.toml_reader import FILE, Mistake, Section, load

THEMES = ("dark", "light", "mono")


class Preferences(Struct, frozen=True):
    """How the operator wants the console; `keys` maps ids of bindings to keys, unchecked."""

    theme: str = ""
    mouse: bool = True
    ascii: bool = False
    keys: Mapping[str, str] = field(default_factory=dict[str, str])
    mistakes: tuple[Mistake, ...] = ()


def read(home: Path) -> Preferences:
    """What the file says; a file that is no TOML says nothing, and `doctor` names it."""
    try:
        text = (home / FILE).read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return Preferences()
    return parse(text)


def parse(text: str) -> Preferences:
    """What a text says; each mistake is left out and told."""
    document, unreadable = load(text)
    if unreadable:
        return Preferences()
    mistakes: list[Mistake] = []
    table = Section(document, (), mistakes).table("console")
    keys = table.table("keys")
    found = Preferences(
        theme=table.choice("theme", THEMES, ""),
        mouse=table.flag("mouse", default=True),
        ascii=table.flag("ascii", default=False),
        keys={name: key for name in keys.values if (key := keys.text(name))},
    )
    # The catalogue reads it, where an order is given.
    table.whole("countdown_s", most=3600)
    table.finish()
    return replace(found, mistakes=tuple(mistakes))
