"""Real texts that every machine has, the standard library's docstrings; or a folder's files."""

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
# These hold no library: tests, bundled installers, and modules that do something when read.
_SKIPPED = ("test", "tests", "idlelib", "site-packages", "lib2to3", "turtledemo", "__phello__")


class Text(Struct, frozen=True):
    """One text, and a name for it that may stand in a custom_id."""

    name: str
    body: str


def standard_library() -> list[Text]:
    """The docstrings of the standard library's modules, some hundreds of them, read not run."""
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
        raise SettingsError(f"There is no text of {_SHORTEST} characters or more in {path}.")
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
