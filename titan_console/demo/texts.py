"""Sample texts: docstrings of the standard library, or the files of a folder."""

import ast
import re
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from core.errors import SettingsError

_SHORTEST = 80
_LONGEST = 4000
_MOST = 400
# Not library code: tests, bundled installers, and modules with import side effects.
_SKIPPED = ("test", "tests", "idlelib", "site-packages", "lib2to3", "turtledemo", "__phello__")


class Text(Struct, frozen=True):
    """One text, and a name that is valid in a custom_id."""

    name: str
    body: str


def standard_library() -> list[Text]:
    """The module docstrings of the standard library, parsed without importing."""
    root = Path(sysconfig.get_paths()["stdlib"])
    return _first(
        Text(_name(path.relative_to(root)), text)
        for path in sorted(root.rglob("*.py"))
        if not set(_SKIPPED).intersection(path.relative_to(root).parts)
        and path.relative_to(root).parts[0].removesuffix(".py") in sys.stdlib_module_names
        and (text := _docstring(path))
    )


def folder(path: Path) -> list[Text]:
    """The text files of a folder. Raises SettingsError when there are none."""
    texts = _first(
        Text(_name(file.relative_to(path)), text)
        for file in sorted(path.rglob("*"))
        if file.is_file() and (text := _readable(file))
    )
    if not texts:
        raise SettingsError(f"{path} contains no text file of at least {_SHORTEST} characters.")
    return texts


def _first(texts: Iterator[Text]) -> list[Text]:
    return [text for text, _ in zip(texts, range(_MOST), strict=False)]


def _docstring(path: Path) -> str | None:
    try:
        source = path.read_text("utf-8")
        text = ast.get_docstring(ast.parse(source)) or ""
    except (OSError, ValueError, SyntaxError, RecursionError):
        return None
    return text[:_LONGEST] if len(text) >= _SHORTEST else None


def _readable(path: Path) -> str | None:
    try:
        text = path.read_text("utf-8")
    except (OSError, ValueError):
        return None
    return text[:_LONGEST] if len(text) >= _SHORTEST else None


def _name(path: Path) -> str:
    plain = re.sub(r"[^A-Za-z0-9_]+", "-", str(path.with_suffix(""))).strip("-")
    return plain[:24].strip("-") or "text"
