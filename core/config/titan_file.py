"""Reads and edits $TITAN_HOME/titan.toml; an absent file counts as an empty one."""

import shutil
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from core.config.job import Job
from core.config.titan_tables import TitanToml, parse
from core.config.toml_reader import FILE, Problem
from core.errors import TitanTomlError
from state.files.folder import Folder, make_private, open_private, replace
from state.files.regular_file import read_regular
from state.files.system_errors import cause

if TYPE_CHECKING:
    from tomlkit.items import Table

_BOM = "\ufeff"
# An edit takes milliseconds.
_LOCK_S = 20.0
# Keys that exclude each other: setting one removes the other.
_EXCLUDES = {
    "deadline_h": "deadline_at",
    "deadline_at": "deadline_h",
    **{new: old for old, new in Job.old_names().items()},
    **Job.old_names(),
}


def path_of(folder: Folder) -> Path:
    """The path of titan.toml."""
    return folder.root / FILE


def template() -> str:
    """The text that `titan-console jobs init` writes."""
    from importlib.resources import files  # noqa: PLC0415 - 10 ms, only to create a file

    return files("core.config").joinpath("titan-template.toml").read_text("utf-8")


def read(folder: Folder) -> TitanToml:
    """The content of the file, with its problems; an empty one without a file."""
    try:
        text = _text(folder)
    except TitanTomlError as error:
        return TitanToml(problems=(Problem((), str(error), error.code),))
    return TitanToml() if text is None else parse(text)


def read_strictly(folder: Folder, *, or_template: bool = False) -> TitanToml:
    """The content; without a file an empty titan_toml, or with `or_template` the template.

    Raises TitanTomlError if anything in the file is wrong.
    """
    text = _text(folder)
    if text is None:
        return parse(template()) if or_template else TitanToml()
    return checked(parse(text))


def checked(titan_toml: TitanToml) -> TitanToml:
    """The valid content. Raises TitanTomlError with its first problem and that one's code."""
    if titan_toml.problems:
        more = len(titan_toml.problems) - 1
        rest = f" {more:,} more: run `titan-console jobs check`." if more else ""
        raise TitanTomlError(f"{titan_toml.problems[0]}{rest}", code=titan_toml.problems[0].code)
    return titan_toml


def begin(folder: Folder) -> list[str]:
    """Write the template; add the jobs that an existing file lacks and keep its comments.

    Returns the names of the added jobs. Raises TitanTomlError.
    """
    with _locked(folder):
        text = _text(folder)
        if text is None:
            _write(folder, template())
            return list(parse(template()).jobs)
        known = checked(parse(text))
        offered = parse(template())
        added = [name for name in offered.jobs if name not in known.jobs]
        if added:
            _write(folder, _with_jobs(text, added, known))
        return added


class NewJob(Struct, frozen=True, kw_only=True):
    """A job to add, and the title of its workload, which is added too where it is missing."""

    name: str
    keys: Mapping[str, str | int]
    workload_title: str


def addition(folder: Folder, jobs: Iterable[NewJob]) -> str:
    """The text that `add` would append: jobs and workloads that the file lacks.

    Raises TitanTomlError.
    """
    return _addition(_text(folder) or "", jobs)


def add(folder: Folder, jobs: Iterable[NewJob]) -> list[str]:
    """Append the jobs that the file lacks, and change nothing in it; returns their names.

    Raises TitanTomlError.
    """
    with _locked(folder):
        before = _text(folder) or ""
        text = _addition(before, jobs)
        joined = _followed_by(before, text)
        added = [name for name in checked(parse(joined)).jobs if name not in parse(before).jobs]
        if added:
            _write(folder, joined)
        return added


def _addition(before: str, jobs: Iterable[NewJob]) -> str:
    import tomlkit  # noqa: PLC0415 - only an edit needs it

    known = checked(parse(before))
    new = [job for job in jobs if job.name not in known.jobs]
    workloads = {str(job.keys["workload"]): job.workload_title for job in new}
    missing = {name: title for name, title in workloads.items() if name not in known.workloads}
    tables = [("workloads", name, {"title": title}) for name, title in missing.items()]
    tables += [("jobs", job.name, dict(job.keys)) for job in new]
    texts = list[str]()
    for parent, name, keys in tables:
        document, above = tomlkit.document(), tomlkit.table(is_super_table=True)
        above.add(name, tomlkit.item(keys))
        document.add(parent, above)
        texts.append(document.as_string())
    return "\n".join(texts)


def set_key(folder: Folder, job: str, key: str, value: str) -> str | None:
    """Change one key of one job and nothing else in the file. Raises TitanTomlError.

    A key that excludes another one, or is its other spelling, replaces it; returns that one.
    """
    from tomlkit import value as read_value  # noqa: PLC0415 - only an edit needs it
    from tomlkit.exceptions import TOMLKitError  # noqa: PLC0415 - as above
    from tomlkit.items import Array, Bool, Float, Integer, String  # noqa: PLC0415 - as above

    replaced = list[str]()

    def change(table: "Table") -> None:
        if (other := _EXCLUDES.get(key, "")) and other in table:
            del table[other]
            replaced.append(other)
        table[key] = value
        # A time of day stays a string.
        with suppress(TOMLKitError, ValueError):
            if isinstance(item := read_value(value), Integer | Float | Bool | Array | String):
                table[key] = item

    _edit(folder, job, change)
    return replaced[0] if replaced else None


def unset_key(folder: Folder, job: str, key: str) -> None:
    """Remove one key of one job from the file. Raises TitanTomlError."""

    def change(table: "Table") -> None:
        if key not in table:
            raise TitanTomlError(f"Job {job!r} in {FILE} has no key {key!r}.", code="key_missing")
        del table[key]

    _edit(folder, job, change)


def _edit(folder: Folder, job: str, change: "Callable[[Table], None]") -> None:
    if not path_of(folder).exists():
        raise TitanTomlError(
            f"{path_of(folder)} does not exist; run `titan-console jobs init`.", code="file_missing"
        )
    with _locked(folder):
        _write(folder, _changed(_text(folder) or "", job, change))


def _changed(text: str, job: str, change: "Callable[[Table], None]") -> str:
    """The file's text after the change of one job. Raises TitanTomlError."""
    import tomlkit  # noqa: PLC0415 - only an edit needs it

    if job not in checked(parse(text)).jobs:
        raise TitanTomlError(
            f"No job {job!r} in {FILE}; `titan-console jobs` lists them.", code="unknown_job"
        )
    document: Any = tomlkit.parse(text)
    change(document["jobs"][job])
    changed = document.as_string()
    checked(parse(changed))
    return changed


def _with_jobs(text: str, names: list[str], known: TitanToml) -> str:
    """The file, followed by these jobs of the template and the workloads they need."""
    import tomlkit  # noqa: PLC0415 - only an edit needs it

    document: Any = tomlkit.parse(template())
    chosen = parse(template())
    needed = {chosen.jobs[name].workload for name in names} - set(known.workloads)
    parts = [_table("workloads", name, document) for name in chosen.workloads if name in needed]
    parts += [_table("jobs", name, document) for name in names]
    joined = _followed_by(text, "\n".join(parts))
    checked(parse(joined))
    return joined


def _followed_by(before: str, tables: str) -> str:
    """The file's text and these tables after it, with the file's line ends."""
    end = "\r\n" if "\r\n" in before else "\n"
    return (before.rstrip() + 2 * end + tables.replace("\n", end)).lstrip()


def _table(parent: str, name: str, document: Mapping[str, Any]) -> str:
    body: str = document[parent][name].as_string()
    # After an empty line comes the heading of the next table.
    own = body.partition("\n\n")[0].rstrip()
    return f"[{parent}.{name}]\n{own}\n"


def _text(folder: Folder) -> str | None:
    path = path_of(folder)
    try:
        return read_regular(path).decode("utf-8").removeprefix(_BOM)
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise TitanTomlError(f"{path} is not UTF-8: {error.reason}.", code="not_utf8") from error
    except OSError as error:
        message = f"Cannot read {path}: {cause(error, path).text}."
        raise TitanTomlError(message, code="file_unreadable") from error


@contextmanager
def _locked(folder: Folder) -> Generator[None, None, None]:
    """Keep other processes from changing the file, from reading it until it is written."""
    from filelock import FileLock, Timeout  # noqa: PLC0415 - only an edit needs it

    lock = FileLock(path_of(folder).resolve().with_suffix(".toml.lock"), timeout=_LOCK_S)
    try:
        make_private(folder.root)
        lock.acquire()
    except Timeout as error:
        message = f"Another process edits {path_of(folder)}; try again."
        raise TitanTomlError(message, code="file_locked") from error
    except OSError as error:
        message = f"Cannot write {path_of(folder)}: {cause(error, path_of(folder)).text}."
        raise TitanTomlError(message, code="file_unwritable") from error
    try:
        yield
    finally:
        lock.release()


def _write(folder: Folder, text: str) -> None:
    """Replace the file and keep its mode; a symbolic link keeps its target."""
    path = path_of(folder)
    try:
        make_private(folder.root)
        target = path.resolve()
        part = target.with_suffix(".toml.part")
        try:
            with open_private(part) as file:
                file.write(text.encode())
            if target.exists():
                shutil.copymode(target, part)
            replace(part, target)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        message = f"Cannot write {path}: {cause(error, path).text}."
        raise TitanTomlError(message, code="file_unwritable") from error
