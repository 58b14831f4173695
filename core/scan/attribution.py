"""Which task a recorded session ran, by its prompt or its working folder. Pure."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePath

from msgspec import Struct, field

from core.scan.task import Source, Task
from core.scan.transcripts import Recorded, SessionUsage

_SCHEDULED = re.compile(r"<scheduled-task name=\"([^\"]+)\"")
_COMMAND = re.compile(r"<command-name>/?([^<\s]+)|^/([\w:-]+)")
_HOME = re.compile(r"(?:~|\$HOME|\$\{HOME\})(?=/.)")
_WORDS = re.compile(r"\w+")
# Fewer words begin more than one prompt.
_FEWEST_WORDS = 5
_COMPARED_WORDS = 30
_SHALLOW = 3


class Measured(Struct, kw_only=True):
    """The recorded usage of one task in a number of days; see `SessionUsage`.

    `runs` is 0 where only calls are known.
    """

    runs: int = 0
    days: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cache_read: int = 0
    cost_nano: int = 0
    unpriced: int = 0
    models: Counter[str] = field(default_factory=Counter[str])

    def add(self, session: SessionUsage) -> None:
        """Add one session, which is one run."""
        self.runs += 1
        self.tokens_in += session.tokens_in
        self.tokens_out += session.tokens_out
        self.cache_read += session.cache_read
        self.cost_nano += session.cost_nano
        self.unpriced += session.unpriced
        self.models.update(session.models)

    @property
    def model(self) -> str | None:
        """The model with the most tokens."""
        return self.models.most_common(1)[0][0] if self.models else None


class Attributed(Struct, kw_only=True):
    """The usage of each task by its name, and of all sessions that belong to none."""

    by_task: Mapping[str, Measured]
    others: Measured


def attribute(recorded: Recorded, tasks: Sequence[Task], *, days: int) -> Attributed:
    """Add up the sessions of each task."""
    index = _Index(tasks)
    by_task, others = dict[str, Measured](), Measured(days=days)
    for session in recorded.sessions.values():
        if session.answers:
            name = index.task_of(session)
            (by_task.setdefault(name, Measured(days=days)) if name else others).add(session)
    return Attributed(by_task=by_task, others=others)


class _Index:
    """The tasks by what their sessions begin with, and by folder."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._names = {task.name.casefold(): task.name for task in tasks}
        for task in tasks:
            if task.source in (Source.SCHEDULED_TASK, Source.SKILL):
                self._names.setdefault(PurePath(task.place).parent.name.casefold(), task.name)
        self._prompts = [(words, task.name) for task in tasks if (words := _opening(task.prompt))]
        folders = Counter(_plain(task.folder) for task in tasks)
        alone = [task for task in tasks if folders[_plain(task.folder)] == 1]
        self._folders = {_plain(t.folder): t.name for t in alone if _is_own(t.folder)}
        self._of_home = {_plain(t.folder): t.name for t in alone if _HOME.match(t.folder)}

    def task_of(self, session: SessionUsage) -> str | None:
        """The name of the task that a session ran."""
        if found := _SCHEDULED.search(session.prompt):
            return self._names.get(found[1].casefold())
        if found := _COMMAND.search(session.prompt):
            return self._names.get((found[1] or found[2]).casefold())
        said = _WORDS.findall(session.prompt.casefold())
        for words, name in self._prompts:
            if said[: len(words)] == words:
                return name
        return self._task_in(_plain(session.folder))

    def _task_in(self, folder: str) -> str | None:
        if folder in self._folders:
            return self._folders[folder]
        named = (name for own, name in self._of_home.items() if folder.endswith(own))
        return next(named, None)


def _opening(prompt: str) -> list[str]:
    words = _WORDS.findall(prompt.casefold())[:_COMPARED_WORDS]
    return words if len(words) >= _FEWEST_WORDS else []


def _plain(folder: str) -> str:
    return _HOME.sub("", folder).replace("\\", "/").rstrip("/")


def _is_own(folder: str) -> bool:
    """Whether it can be the folder of one task: not a home folder, where everything runs."""
    return len(PurePath(folder.replace("\\", "/")).parts) > _SHALLOW
