"""A service and a timer for the user's own systemd."""

import glob

from core.errors import InputError
from titan_console.schedule.poller import ARGUMENTS, MINUTES, Poller

# What systemd takes in no program's path, however it is written.
_UNSAFE = "'\"\\"


def service(poller: Poller) -> str:
    """One poll. It ends with 1 when something needs a person, and then shows as failed."""
    if set(poller.python) & set(_UNSAFE):
        raise InputError(f"systemd runs no program with quotes in its path: {poller.python}.")
    return f"""\
{poller.mark}
[Unit]
Description=Titan Console: one poll of the batch poller

[Service]
Type=oneshot
Environment={_quoted(f"TITAN_HOME={poller.home}")}
# The API key is not in here. The file below has it, with the line ANTHROPIC_API_KEY=...,
# and only you may read it: chmod 600.
EnvironmentFile=-{_pattern(poller.env_file)}
ExecStart={_quoted(poller.python)} {" ".join(ARGUMENTS)}
"""


def timer(poller: Poller) -> str:
    """Every quarter of an hour, and once at the start where one was missed."""
    return f"""\
{poller.mark}
[Unit]
Description=Titan Console: the batch poller, every {MINUTES} minutes

[Timer]
OnCalendar=*:0/{MINUTES}
RandomizedDelaySec=30
Persistent=true

[Install]
WantedBy=timers.target
"""


def _quoted(text: str) -> str:
    """One word: quotes and backslashes escaped, and no percent sign a specifier.

    A dollar sign stands for itself both in Environment= and in the name of a program.
    """
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


def _pattern(path: str) -> str:
    """EnvironmentFile= takes the rest of its line, unquoted, as a pattern for file names."""
    return glob.escape(path.replace("\\", "\\\\")).replace("%", "%%")
