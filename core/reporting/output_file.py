"""A file at a path that a user chose: never an existing one by accident, never one of the state."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path

from core.errors import InputError
from state.files.folder import Folder, open_private_text, replace


@contextmanager
def open_output(
    path: Path, folder: Folder, *, overwrite: bool, is_public: bool = False
) -> Generator[TextIOWrapper, None, None]:
    """A new file at that path, there only once it is complete; private unless `is_public`.

    Raises InputError where a file is there already, unless `overwrite`, and always for a file
    under TITAN_HOME outside its exports, whatever name or link leads to it.
    """
    target = path.resolve()
    check_output(path, folder, overwrite=overwrite)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        if path.exists() and not path.is_file():
            # A device or a pipe is written to, not replaced.
            with path.open("w", encoding="utf-8", errors="replace", newline="") as file:
                yield file
            return
        with open_private_text(part) as file:
            yield file
        if is_public:
            part.chmod(0o644)
        if overwrite:
            replace(part, target)
        else:
            _name(part, target, shown=path)
    except OSError as error:
        # The error of a write has no name, and that of the part no name that the user knows.
        if error.filename is None or Path(error.filename) == part:
            error.filename = str(path)
        raise
    finally:
        part.unlink(missing_ok=True)


def check_output(path: Path, folder: Folder, *, overwrite: bool) -> None:
    """Raise the InputError that `open_output` would raise now."""
    target = path.resolve()
    if is_of_the_state(target, folder):
        raise InputError(
            f"{path} belongs to the state in {folder.root}: write to another folder.",
            code="output_in_state_folder",
        )
    if target.exists() and target.is_file() and not overwrite:
        raise InputError(f"{path} exists; pass --force to overwrite it.", code="output_exists")


def is_of_the_state(target: Path, folder: Folder) -> bool:
    """Whether the resolved path lies under TITAN_HOME, or is another name of a file there."""
    if not folder.root.exists():
        return False
    home, exports = folder.root.resolve(), folder.exports.resolve()
    for above in target.parents:
        # On some systems names differ in letter case and mean the same folder.
        if above == exports or _is_same(above, exports):
            break
        if above == home or _is_same(above, home):
            return True
    if not target.is_file() or target.stat().st_nlink < 2:  # noqa: PLR2004 - no other name
        return False
    return any(
        _is_same(target, Path(found, name)) for found, _, names in os.walk(home) for name in names
    )


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _name(part: Path, target: Path, *, shown: Path) -> None:
    """Give the file its name, unless another file has got it meanwhile."""
    try:
        os.link(part, target)
    except FileExistsError as error:
        raise InputError(
            f"{shown} exists; pass --force to overwrite it.", code="output_exists"
        ) from error
    except OSError:
        # A file system without links.
        replace(part, target)
