"""Parses the CSS of the console once in a process, not for each console that a test opens."""

from textual.css.model import RuleSet
from textual.css.stylesheet import Stylesheet

_PARSED: dict[tuple[object, ...], list[RuleSet]] = {}
_parse = Stylesheet._parse_rules


def _parse_once(self: Stylesheet, css: str, **source: object) -> list[RuleSet]:
    key = (css, *source.values(), *self._variables.items())
    if key not in _PARSED:
        _PARSED[key] = _parse(self, css, **source)  # pyright: ignore[reportArgumentType]
    return _PARSED[key]


def share() -> None:
    """Let all consoles of this process share what was parsed with the same colours."""
    Stylesheet._parse_rules = _parse_once  # pyright: ignore[reportAttributeAccessIssue]
