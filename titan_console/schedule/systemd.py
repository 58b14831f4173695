"""A service and a timer for the systemd user instance."""

import re

from core.errors import InputError
from titan_console.schedule.poller import MINUTES, Poller

# Characters that systemd rejects in the path of a program, however escaped.
_UNSAFE = "'\"\\"


def service(poller: Poller) -> str:
    """Polls once. Exit code 1 (needs attention) shows the unit as failed."""
    if set(poller.python) & set(_UNSAFE):
        raise InputError(
            f"systemd does not support quotes in a program path: {poller.python}.",
            code="unsupported_path",
        )
    return f"""\
{poller.mark}
[Unit]
Description=Titan Console: batch poller

[Service]
Type=oneshot
# The API key is not stored here. It is read from poller.env in the folder below, which must
# contain ANTHROPIC_API_KEY=... and be readable by you only (chmod 600).
ExecStart={_quoted(poller.python)} {" ".join(map(_argument, poller.arguments))}
"""


def timer(poller: Poller) -> str:
    """Every 15 minutes, and once after boot if a run was missed."""
    return f"""\
{poller.mark}
[Unit]
Description=Titan Console: batch poller, every {MINUTES} minutes

[Timer]
OnCalendar=*:0/{MINUTES}
RandomizedDelaySec=30
Persistent=true

[Install]
WantedBy=timers.target
"""


def _quoted(text: str) -> str:
    """A quoted word: quotes, backslashes and percent signs (specifiers) are escaped.

    A dollar sign needs no escape in the path of a program.
    """
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


def _argument(text: str) -> str:
    """A dollar sign would begin a variable."""
    return text if re.fullmatch(r"[\w-]+", text) else _quoted(text.replace("$", "$$"))
