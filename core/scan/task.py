"""What a scan finds: tasks, how often they run, and what could not be read."""

from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

from core.config.job import Schedule

_DAY_H = 24.0


class Problem(NamedTuple):
    """A file or folder that was not read, or not all of it, and why."""

    path: str
    message: str


class Source(StrEnum):
    """Where a task was found."""

    SCHEDULED_TASK = "scheduled-task"
    SKILL = "skill"
    CRONTAB = "crontab"
    SYSTEMD = "systemd"
    WINDOWS = "windows"


class Runner(StrEnum):
    """What runs a task, as far as its command shows."""

    AGENT = "agent session"
    PYTHON = "python"
    SCRIPT = "script"
    #: Nothing in it calls a model.
    NO_MODEL = "no model"
    #: Its requests already go through the Batches API.
    BATCH = "batch"


class Rhythm(Struct, frozen=True, kw_only=True):
    """How often a task runs. Without `gap_h`, at events, such as the start of the machine.

    `gap_h`: the shortest time between two runs, in hours. A month has 30 days or 4 weeks.
    """

    text: str
    gap_h: float | None
    runs_a_month: float
    #: The minute of the day at which it runs, where that is always the same.
    minute: int | None = None

    @property
    def schedule(self) -> Schedule:
        """The nearest schedule of a job in titan.toml."""
        hours = 0.0 if self.gap_h is None else self.gap_h
        steps = (
            (4, Schedule.HOURLY),
            (_DAY_H * 0.6, Schedule.EVERY_6H),
            (_DAY_H * 4, Schedule.DAILY),
            (_DAY_H * 18, Schedule.WEEKLY),
            (_DAY_H * 50, Schedule.MONTHLY),
        )
        return next((name for most, name in steps if hours < most), Schedule.QUARTERLY)


class Tokens(NamedTuple):
    """Input and output tokens of one run."""

    tokens_in: int
    tokens_out: int


class Task(Struct, frozen=True, kw_only=True):
    """A scheduled task or a skill. All texts are untrusted, and only searched for words.

    `place` is the file, with the line in a crontab. `text` is the prompt of an agent, or the
    comments and strings of a script; `prompt` what a command gives to an agent; `stated` the
    tokens of one run that the task itself names.
    """

    name: str
    source: Source
    place: str
    runner: Runner
    rhythm: Rhythm | None = None
    description: str = ""
    text: str = ""
    prompt: str = ""
    folder: str = ""
    script: Path | None = None
    #: The command names a script that could not be read.
    is_unread: bool = False
    model: str | None = None
    stated: Tokens | None = None
