"""Sample texts for the examples, and their two command line options."""

import argparse
import ast
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

TODAY = time.strftime("%Y-%m-%d")
_LIBRARY = Path(sysconfig.get_paths()["stdlib"])
_REPOSITORY = Path(__file__).resolve().parents[1]
_SHORTEST, _LONGEST = 80, 4000


class Text(NamedTuple):
    """One text with its name."""

    name: str
    body: str


class Options(argparse.Namespace):
    """The command line options."""

    collect: bool
    input: Path | None


def options(description: str | None) -> Options:
    """`--collect` prints results instead of submitting; `--input` reads texts from a folder."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=description, formatter_class=form)
    parser.add_argument("--collect", action="store_true", help="print the results")
    parser.add_argument("--input", type=Path, metavar="FOLDER", help="read texts from this folder")
    return parser.parse_args(namespace=Options())


def texts(folder: Path | None, most: int) -> list[Text]:
    """The files of the folder, or else the docstrings of the standard library."""
    if folder:
        return list(islice(_files(folder, "*"), most))
    documented = (
        Text(text.name, ast.get_docstring(ast.parse(text.body)) or "")
        for text in _files(_LIBRARY, "[a-z]*.py")
    )
    return list(islice((text for text in documented if len(text.body) >= _SHORTEST), most))


def sources(folder: Path | None, most: int) -> list[Text]:
    """The folder's Python files, or the standard library's."""
    return list(islice(_files(folder or _LIBRARY, "*.py"), most))


def history(folder: Path | None, most: int) -> list[Text]:
    """The latest commits of the repository in the folder, or of this one; else its texts."""
    command = ["git", "log", f"-{most}", "--format=%h%x1f%s%n%b%x1e"]
    try:
        log = subprocess.run(
            command, cwd=folder or _REPOSITORY, capture_output=True, check=True
        ).stdout.decode("utf-8", "replace")
    except (OSError, subprocess.CalledProcessError):
        return texts(folder, most)
    commits = (entry.strip().partition("\x1f") for entry in log.split("\x1e") if entry.strip())
    return [Text(name, body) for name, _, body in commits]


def _files(folder: Path, pattern: str) -> Iterator[Text]:
    for path in sorted(folder.glob(pattern)):
        try:
            body = path.read_text("utf-8") if path.is_file() else ""
        except (OSError, UnicodeDecodeError):
            continue
        if len(body) >= _SHORTEST:
            yield Text(path.stem, body if folder == _LIBRARY else body[:_LONGEST])
