"""Finds files below a folder: links are followed, and no folder is read more than once."""

import os
from collections.abc import Iterator
from pathlib import Path

from core.scan.task import Problem
from state.files.system_errors import cause

# Copies of other people's files, and caches.
_SKIPPED = {
    *(".git", ".hg", ".svn", ".venv", "venv", "node_modules", "__pycache__", "site-packages"),
    *(".cache", ".tox", ".nox", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".npm", ".cargo"),
    *(".rustup", "Caches", "Trash", ".Trash"),
}
MOST_DEPTH = 16
MOST_ENTRIES = 200_000


def files_below(root: Path, problems: list[Problem]) -> Iterator[Path]:
    """Every file, by name; a file given as root is the only one. Adds to `problems`."""
    if not root.is_dir():
        yield root
        return
    seen, left = set[tuple[int, int]](), MOST_ENTRIES
    folders = [(root, 0)]
    while folders:
        folder, depth = folders.pop()
        entries = _entries(folder, seen, problems)
        left -= len(entries)
        if left < 0 or depth > MOST_DEPTH:
            limit = f"{MOST_ENTRIES:,} files" if left < 0 else f"{MOST_DEPTH} folders deep"
            problems.append(Problem(str(folder), f"not read: the scan stops at {limit}"))
            if left < 0:
                return
            continue
        below = list[tuple[Path, int]]()
        for entry in entries:
            path = folder / entry.name
            if _is_folder(entry):
                below += [(path, depth + 1)] if entry.name not in _SKIPPED else []
            else:
                yield path
        folders += reversed(below)


def _entries(
    folder: Path, seen: set[tuple[int, int]], problems: list[Problem]
) -> list[os.DirEntry[str]]:
    """The entries of a folder that was not read yet, by name."""
    try:
        known = folder.stat()
        if (known.st_dev, known.st_ino) in seen:
            return []
        seen.add((known.st_dev, known.st_ino))
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        problems.append(Problem(str(folder), cause(error, folder).text))
        return []


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
