"""What is scheduled: one poll of the poller, by which Python and on which folder."""

import re
from dataclasses import dataclass

from core.errors import InputError

NAME = "titan-batch-poll-15m"
MINUTES = 15
# -P: a package `core` beside the script or in the working folder is not ours.
ARGUMENTS = ("-P", "-m", "titan_console", "--poll")
ENV_FILE = "poller.env"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,59}")
_POLLS = "# polls "


@dataclass(frozen=True, kw_only=True, slots=True)
class Poller:
    """The absolute paths that a scheduler needs; the API's key is never among them."""

    python: str
    home: str
    name: str = NAME

    def __post_init__(self) -> None:
        """Raise InputError for what no scheduler's file can carry."""
        if not _NAME.fullmatch(self.name):
            raise InputError(f"--name {self.name!r} must be letters, digits and dashes, up to 60.")
        for path in (self.python, self.home):
            if not path.isprintable():
                raise InputError(f"{path!r} has a character that no schedule can carry.")

    @property
    def env_file(self) -> str:
        """Where cron and systemd look for ANTHROPIC_API_KEY; the user's own, mode 0600."""
        return f"{self.home}/{ENV_FILE}"

    @property
    def mark(self) -> str:
        """The comment by which the folder of a schedule is known again."""
        return f"{_POLLS}{self.home}"


def refuse_other_home(text: str, poller: Poller) -> None:
    """Raise InputError where what is installed under this name polls another folder."""
    for line in text.splitlines():
        if line.startswith(_POLLS) and line != poller.mark:
            other = line.removeprefix(_POLLS)
            raise InputError(
                f"{poller.name} polls {other}, not {poller.home}: set TITAN_HOME to that folder,"
                " or give this one a --name of its own."
            )
