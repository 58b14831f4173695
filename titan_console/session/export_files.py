"""New files under TITAN_HOME/exports, for their owner only."""

from datetime import datetime
from pathlib import Path

from state.files.folder import Folder, make_private, open_private_text, safe_name


def new_path(home: Path, name: str, suffix: str, now: datetime) -> Path:
    """An unused path in the exports folder, which is created. Raises OSError."""
    folder = Folder(home).exports
    make_private(folder)
    stem = f"{safe_name(name)}-{now:%Y%m%dT%H%M%S}"
    path = folder / f"{stem}.{suffix}"
    number = 1
    while path.exists():
        number += 1
        path = folder / f"{stem}-{number}.{suffix}"
    return path


def keep(home: Path, name: str, suffix: str, text: str, now: datetime) -> Path:
    """Write the text to a new file; its path. Raises OSError."""
    path = new_path(home, name, suffix, now)
    with open_private_text(path) as file:
        file.write(text)
    return path
