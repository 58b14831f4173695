"""Files that cannot be read or written for a while: a folder stands in their place."""

import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from state.files.folder import Folder

if TYPE_CHECKING:
    from simulation.world import World

_FOLDERS = ("spool", "batch-results", "staging", "fallback")


class UnreadableFiles:
    """Hides files behind folders of the same name, and puts them back."""

    def __init__(self, hosts: Sequence[Folder], rng: Random) -> None:
        self._hosts = hosts
        self._rng = rng
        self._hidden: dict[Path, Path | None] = {}

    def add(self, world: "World") -> None:
        """Put a folder in the place of a file that exists, or of results that are to come."""
        home = self._hosts[0].root if len(self._hosts) == 1 else self._rng.choice(self._hosts).root
        path = self._choose(home, world)
        if path is None or path in self._hidden:
            return
        kept = None
        if path.exists():
            kept = home / "hidden" / str(len(self._hidden)) / path.name
            kept.parent.mkdir(parents=True, exist_ok=True)
            path.rename(kept)
        (path / "in the way").mkdir(parents=True)
        self._hidden[path] = kept
        world.figures.operations[f"unreadable file: {path.parent.name}"] += 1
        world.note(f"{path.parent.name}/{path.name} cannot be read or written")

    def restore(self) -> None:
        """All files are as they were."""
        for path, kept in self._hidden.items():
            shutil.rmtree(path)
            if kept is not None:
                kept.rename(path)
        self._hidden.clear()
        for folder in self._hosts:
            shutil.rmtree(folder.root / "hidden", ignore_errors=True)

    def _choose(self, home: Path, world: "World") -> Path | None:
        folder = home / self._rng.choice(_FOLDERS)
        found = [path for path in sorted(folder.glob("*.jsonl")) if path.is_file()]
        if folder.name == "batch-results":
            with suppress(LookupError):
                found.append(folder / f"{self._rng.choice(world.batch_keys())}.jsonl")
        return self._rng.choice(found) if found else None
