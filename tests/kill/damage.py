"""Copies of the ledger with its files, each damaged in one of several ways."""

import random
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_PAGE = 4096


def copy_files(home: Path, to: Path) -> None:
    """Copy a folder that others are working in."""
    with suppress(shutil.Error):
        # Files may be removed meanwhile.
        shutil.copytree(home, to, ignore=shutil.ignore_patterns("*.lock"))


def damage(home: Path, rng: random.Random) -> str:
    """Damage the ledger of a copy; how."""
    name = rng.choice(tuple(WAYS))
    WAYS[name](home / "titan.db", rng)
    for log in home.glob("titan.db-*"):
        log.unlink()
    return name


def _zero_a_page(ledger: Path, rng: random.Random) -> None:
    with ledger.open("r+b") as file:
        pages = ledger.stat().st_size // _PAGE
        file.seek(rng.randrange(1, max(2, pages)) * _PAGE)
        file.write(bytes(_PAGE))


def _cut(ledger: Path, rng: random.Random) -> None:
    with ledger.open("r+b") as file:
        file.truncate(rng.randrange(1, max(2, ledger.stat().st_size // _PAGE)) * _PAGE)


def _empty(ledger: Path, _rng: random.Random) -> None:
    ledger.write_bytes(b"")


def _remove(ledger: Path, _rng: random.Random) -> None:
    ledger.unlink(missing_ok=True)


def _garbage(ledger: Path, rng: random.Random) -> None:
    ledger.write_bytes(rng.randbytes(_PAGE))


WAYS: dict[str, Callable[[Path, random.Random], None]] = {
    "a page of zeros": _zero_a_page,
    "cut short": _cut,
    "emptied": _empty,
    "removed": _remove,
    "overwritten": _garbage,
}
