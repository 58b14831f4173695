"""Finds the tasks below folders, and those of this machine's own schedulers."""

import os
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace

from core.scan import schedulers, skill_file
from core.scan.folder_walk import files_below
from core.scan.program import PROMPTS, SCRIPTS, Files, task_of
from core.scan.schedulers import Entry
from core.scan.task import Problem, Runner, Task
from core.scan.text_file import (
    MOST_BYTES,
    MOST_BYTES_OF_LIST,
    NotTextError,
    decoded,
    read_text,
)
from state.files.system_errors import cause

_TIMEOUT_S = 30.0
_CRON_FOLDERS = {"cron.d", "crontabs"}
_TRANSCRIPTS = "projects"
_OWN_POLLER = ("titan_console --poll", "titan-console --poll", "titan-console poll")


class Survey(Struct, frozen=True, kw_only=True):
    """What was found; `transcripts` are files that may record token usage."""

    tasks: list[Task] = field(default_factory=list[Task])
    problems: list[Problem] = field(default_factory=list[Problem])
    transcripts: list[Path] = field(default_factory=list[Path])


class _Paths(Struct, frozen=True, kw_only=True):
    """Files by what they hold."""

    skills: list[Path] = field(default_factory=list[Path])
    crontabs: list[Path] = field(default_factory=list[Path])
    timers: list[Path] = field(default_factory=list[Path])
    services: list[Path] = field(default_factory=list[Path])
    xml: list[Path] = field(default_factory=list[Path])
    transcripts: list[Path] = field(default_factory=list[Path])
    named: list[Path] = field(default_factory=list[Path])


def survey(roots: Iterable[Path], own: Sequence[tuple[str, Sequence[str]]] = ()) -> Survey:
    """The tasks below the roots; `own` commands print a crontab or exported tasks.

    Nothing that is found is run, and no link is followed twice.
    """
    problems, paths = list[Problem](), _Paths()
    seen = set[str]()
    for root in roots:
        if not root.exists():
            problems.append(Problem(str(root), "No such file or directory"))
            continue
        for path in files_below(root, problems):
            real = os.path.realpath(path)
            if real not in seen:
                seen.add(real)
                _sort_in(path, paths)
    files = Files(paths.named)
    entries = [*_entries(paths, problems), *_own_entries(own, problems)]
    tasks = [*_skills(paths, problems)]
    tasks += [task_of(entry, place, files) for place, entry in entries if not _is_own_poller(entry)]
    services = [task_of(entry, place, files) for place, entry in _services(paths, problems)]
    tasks += [task for task in services if task.runner != Runner.NO_MODEL]
    problems += [Problem(str(path), _only(MOST_BYTES)) for path in sorted(files.cut)]
    return Survey(tasks=_named_apart(tasks), problems=problems, transcripts=paths.transcripts)


def _sort_in(path: Path, paths: _Paths) -> None:
    name, suffix = path.name.lower(), path.suffix.lower()
    by_suffix = {".timer": paths.timers, ".service": paths.services, ".xml": paths.xml}
    if name == skill_file.FILE:
        paths.skills.append(path)
    elif suffix in by_suffix:
        by_suffix[suffix].append(path)
    elif suffix == ".jsonl" and _TRANSCRIPTS in path.parts:
        paths.transcripts.append(path)
    elif _is_crontab(path):
        paths.crontabs.append(path)
    if suffix in SCRIPTS or suffix in PROMPTS:
        paths.named.append(path)


def _is_crontab(path: Path) -> bool:
    name = path.name.lower()
    return (
        path.parent.name in _CRON_FOLDERS
        or name.startswith("crontab")
        or name.endswith((".cron", ".crontab"))
        or name in ("cron", "cron.txt")
    )


def _skills(paths: _Paths, problems: list[Problem]) -> Iterator[Task]:
    for path in paths.skills:
        text = _read(path, problems)
        if text is not None:
            yield skill_file.task_of(path, text)


def _entries(paths: _Paths, problems: list[Problem]) -> Iterator[tuple[str, Entry]]:
    for path in paths.crontabs:
        text = _read(path, problems, most=MOST_BYTES_OF_LIST)
        has_user = path.parent.name == "cron.d" or str(path) == "/etc/crontab"
        for entry in schedulers.crontab(text or "", has_user=has_user):
            yield str(path), entry
    for path in paths.timers:
        text = _read(path, problems)
        if text is not None:
            started = schedulers.unit(text).get("Timer.Unit", [f"{path.stem}.service"])[0]
            service = path.with_name(Path(started).name)
            service_text = _read(service, problems) if service.exists() else None
            yield str(path), schedulers.timer(path.stem, text, service_text or "")
    for path in paths.xml:
        text = _read(path, problems, most=MOST_BYTES_OF_LIST)
        if text and "<Task" in text:
            yield from _exported(str(path), text, problems)


def _services(paths: _Paths, problems: list[Problem]) -> Iterator[tuple[str, Entry]]:
    """Services without a timer, which run all the time."""
    timed = {path.with_suffix(".service") for path in paths.timers}
    for path in paths.services:
        if path not in timed and (text := _read(path, problems)):
            yield str(path), schedulers.service(path.stem, text)


def _exported(place: str, text: str, problems: list[Problem]) -> Iterator[tuple[str, Entry]]:
    try:
        for entry in schedulers.windows_tasks(text, Path(place).stem):
            yield place, entry
    except ValueError as error:
        problems.append(Problem(place, str(error)))


def _own_entries(
    own: Sequence[tuple[str, Sequence[str]]], problems: list[Problem]
) -> Iterator[tuple[str, Entry]]:
    for place, command in own:
        text = _printed(place, command, problems)
        if "<Task" in text[:1_000]:
            yield from _exported(place, text, problems)
        else:
            for entry in schedulers.crontab(text):
                yield place, entry


def _printed(place: str, command: Sequence[str], problems: list[Problem]) -> str:
    """The output of a command of the system; empty where it is missing or has nothing."""
    try:
        done = subprocess.run(  # noqa: S603 - fixed programs, no shell
            list(command), capture_output=True, timeout=_TIMEOUT_S, check=False
        )
    except FileNotFoundError:
        return ""
    except (OSError, subprocess.TimeoutExpired) as error:
        problems.append(Problem(place, str(error)))
        return ""
    return decoded(done.stdout) if not done.returncode else ""


def _read(path: Path, problems: list[Problem], *, most: int = MOST_BYTES) -> str | None:
    try:
        text, is_cut = read_text(path, most=most)
    except OSError as error:
        problems.append(Problem(str(path), cause(error, path).text))
    except NotTextError as error:
        problems.append(Problem(str(path), str(error)))
    else:
        if is_cut:
            problems.append(Problem(str(path), _only(most)))
        return text
    return None


def _only(most: int) -> str:
    return f"only its first {most // 1_000:,} kB were read"


def _is_own_poller(entry: Entry) -> bool:
    return any(words in entry.command for words in _OWN_POLLER)


def _named_apart(tasks: list[Task]) -> list[Task]:
    """Tasks with names of their own: a second one of a name gets a number."""
    counts, found = dict[str, int](), list[Task]()
    for task in tasks:
        number = counts[task.name] = counts.get(task.name, 0) + 1
        found.append(task if number == 1 else replace(task, name=f"{task.name}-{number}"))
    return found
