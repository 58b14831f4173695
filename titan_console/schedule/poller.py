"""The scheduled command: which Python polls which folder."""

import re
from dataclasses import dataclass

from core.config.settings import ENV_FILE
from core.errors import InputError

NAME = "titan-batch-poll-15m"
MINUTES = 15
# -P: never import a package `core` from the working folder.
_ARGUMENTS = ("-P", "-m", "titan_console", "--poll", "--home")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,59}")
_POLLS = "# polls "


@dataclass(frozen=True, kw_only=True, slots=True)
class Poller:
    """The absolute paths that a scheduler needs; never the API key."""

    python: str
    home: str
    name: str = NAME
    # Windows: the account that the task runs as, DOMAIN\\USER.
    user: str = ""
    # Where an agent keeps its scheduled tasks.
    agent_folder: str = ""

    def __post_init__(self) -> None:
        """Raise InputError for names and paths that a schedule file cannot contain."""
        if not _NAME.fullmatch(self.name):
            raise InputError(
                f"--name {self.name!r} must be 1 to 60 letters, digits and dashes.",
                code="invalid_name",
            )
        for path in (self.python, self.home, self.user, self.agent_folder):
            if not path.isprintable():
                raise InputError(
                    f"{path!r} contains a character that schedules do not support.",
                    code="unsupported_path",
                )

    @property
    def env_file(self) -> str:
        """The file from which a scheduled poll reads the API key; mode 0600."""
        return f"{self.home}/{ENV_FILE}"

    @property
    def arguments(self) -> tuple[str, ...]:
        """What Python is called with."""
        return (*_ARGUMENTS, self.home)

    @property
    def mark(self) -> str:
        """The comment that records which folder a schedule polls."""
        return f"{_POLLS}{self.home}"


def refuse_other_home(text: str, poller: Poller) -> None:
    """Raise InputError if the schedule of this name polls another folder."""
    for line in text.splitlines():
        if line.startswith(_POLLS) and line != poller.mark:
            other = line.removeprefix(_POLLS)
            raise InputError(
                f"{poller.name} already polls {other}, not {poller.home}: set TITAN_HOME to that"
                " folder or choose another --name.",
                code="name_in_use",
            )
