"""Reads and edits $TITAN_HOME/titan.toml; a file that is not there counts as an empty one."""

import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.config.catalogue import Catalogue, parse
from core.config.toml_reader import FILE, Mistake
from core.errors import CatalogueError
from state.files.folder import Folder, make_private, open_private, replace

if TYPE_CHECKING:
    from tomlkit.items import Table

_BOM = "\ufeff"
_INSTEAD_OF = {"deadline_h": "deadline_at", "deadline_at": "deadline_h"}


def path_of(folder: Folder) -> Path:
    """Where the file lies."""
    return folder.root / FILE


def template() -> str:
    """What `titan jobs init` writes: every job of the mission."""
    from importlib.resources import files  # noqa: PLC0415 - 10 ms, only to begin a file

    return files("core.config").joinpath("titan-template.toml").read_text("utf-8")


def read(folder: Folder) -> Catalogue:
    """What the file says, mistakes included; nothing at all where there is no file."""
    try:
        text = _text(folder)
    except CatalogueError as error:
        return Catalogue(mistakes=(Mistake((), str(error)),))
    return Catalogue() if text is None else parse(text)


def read_strictly(folder: Folder, *, or_template: bool = False) -> Catalogue:
    """What the file says; where there is none, what the template says if that is wanted.

    Raises CatalogueError where anything in the file is wrong.
    """
    text = _text(folder)
    if text is None:
        return parse(template()) if or_template else Catalogue()
    return checked(parse(text))


def checked(catalogue: Catalogue) -> Catalogue:
    """The catalogue itself. Raises CatalogueError with its first mistake."""
    if catalogue.mistakes:
        more = len(catalogue.mistakes) - 1
        rest = f" And {more:,} more: `titan-console jobs check`." if more else ""
        raise CatalogueError(f"{catalogue.mistakes[0]}{rest}")
    return catalogue


def begin(folder: Folder) -> list[str]:
    """Write the template; a file that is there gets the jobs it lacks, and keeps its comments.

    Returns the names of the jobs that were added. Raises CatalogueError.
    """
    text = _text(folder)
    if text is None:
        _write(folder, template())
        return list(parse(template()).jobs)
    known = checked(parse(text))
    offered = parse(template())
    added = {name: job for name, job in offered.jobs.items() if name not in known.jobs}
    if added:
        _write(folder, _with_jobs(text, list(added), known))
    return list(added)


def set_key(folder: Folder, job: str, key: str, value: str) -> None:
    """Change one key of one job and nothing else in the file. Raises CatalogueError.

    Of the two ways to name a deadline, the one that is set takes the place of the other.
    """
    from tomlkit import value as read_value  # noqa: PLC0415 - only an edit needs it
    from tomlkit.exceptions import TOMLKitError  # noqa: PLC0415 - as above
    from tomlkit.items import Array, Bool, Float, Integer, String  # noqa: PLC0415 - as above

    def change(table: "Table") -> None:
        if (other := _INSTEAD_OF.get(key, "")) and other in table:
            del table[other]
        table[key] = value
        # A time of day stays text: so it is written in the file.
        with suppress(TOMLKitError, ValueError):
            if isinstance(item := read_value(value), Integer | Float | Bool | Array | String):
                table[key] = item

    _edit(folder, job, change)


def unset_key(folder: Folder, job: str, key: str) -> None:
    """Take one key of one job out of the file. Raises CatalogueError."""

    def change(table: "Table") -> None:
        if key not in table:
            raise CatalogueError(f"The job {job!r} in {FILE} has no {key!r}.")
        del table[key]

    _edit(folder, job, change)


def _edit(folder: Folder, job: str, change: "Callable[[Table], None]") -> None:
    import tomlkit  # noqa: PLC0415 - only an edit needs it

    text = _text(folder)
    if text is None:
        raise CatalogueError(f"There is no {path_of(folder)} yet: `titan-console jobs init`.")
    if job not in checked(parse(text)).jobs:
        raise CatalogueError(f"There is no job {job!r} in {FILE}: `titan-console jobs` lists them.")
    document: Any = tomlkit.parse(text)
    change(document["jobs"][job])
    changed = document.as_string()
    checked(parse(changed))
    _write(folder, changed)


def _with_jobs(text: str, names: list[str], known: Catalogue) -> str:
    """The file with these jobs of the template, and the workloads that they need, at its end."""
    import tomlkit  # noqa: PLC0415 - only an edit needs it

    document: Any = tomlkit.parse(template())
    chosen = parse(template())
    needed = {chosen.jobs[name].workload for name in names} - set(known.workloads)
    parts = [_table("workloads", name, document) for name in chosen.workloads if name in needed]
    parts += [_table("jobs", name, document) for name in names]
    joined = f"{text.rstrip()}\n\n" + "\n".join(parts)
    checked(parse(joined))
    return joined


def _table(parent: str, name: str, document: Mapping[str, Any]) -> str:
    body: str = document[parent][name].as_string()
    # What follows an empty line is a heading for the next table.
    own = body.partition("\n\n")[0].rstrip()
    return f"[{parent}.{name}]\n{own}\n"


def _text(folder: Folder) -> str | None:
    path = path_of(folder)
    try:
        return path.read_bytes().decode("utf-8").removeprefix(_BOM)
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise CatalogueError(f"{path} is not UTF-8: {error.reason}.") from error
    except OSError as error:
        raise CatalogueError(f"{path} cannot be read: {error.strerror or error}.") from error


def _write(folder: Folder, text: str) -> None:
    """In the place of what is there, with its rights; a link goes on leading there."""
    path = path_of(folder)
    try:
        make_private(folder.root)
        target = path.resolve()
        part = target.with_suffix(".toml.part")
        with open_private(part) as file:
            file.write(text.encode())
        if target.exists():
            shutil.copymode(target, part)
        replace(part, target)
    except OSError as error:
        raise CatalogueError(f"{path} cannot be written: {error.strerror or error}.") from error
