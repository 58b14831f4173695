"""The user's crontab: one marked block of ours, all other lines unchanged."""

import shlex

from core.errors import InputError
from titan_console.schedule.poller import MINUTES, Poller

# Vixie cron accepts commands of 999 characters and truncates longer ones silently.
_LONGEST = 990


def block(poller: Poller) -> str:
    """The marked block."""
    return "\n".join(
        (
            _begin(poller.name),
            poller.mark,
            "# The API key is not stored here. It is read from poller.env in that folder, which",
            "# must contain ANTHROPIC_API_KEY=... and be readable by you only (chmod 600).",
            f"*/{MINUTES} * * * * {_command(poller)}",
            _end(poller.name),
            "",
        )
    )


def _command(poller: Poller) -> str:
    """For sh. Output is discarded; problems on stderr go to cron's mail."""
    command = f"{shlex.join((poller.python, *poller.arguments))} >/dev/null"
    if "\\" in command:
        raise InputError("Cron does not support paths with a backslash.", code="unsupported_path")
    # cron ends the command at a bare percent sign, also within quotes.
    escaped = command.replace("%", r"\%")
    if len(escaped.encode()) > _LONGEST:
        raise InputError(
            "The paths are too long: cron accepts commands of up to 999 characters.",
            code="path_too_long",
        )
    return escaped


def with_block(table: str, poller: Poller) -> str:
    """The crontab with our block added, or replaced in place."""
    before, _, after = split(table, poller.name)
    if before and not before.endswith("\n"):
        before += "\n"
    return before + block(poller) + after


def without_block(table: str, name: str) -> str:
    """The crontab without our block."""
    before, _, after = split(table, name)
    return before + after


def split(table: str, name: str) -> tuple[str, str, str]:
    """The text before our block, the block ("" if absent), and the text after it.

    Raises InputError if one of its marks is missing.
    """
    lines = table.splitlines(keepends=True)
    marks = [n for n, line in enumerate(lines) if line.strip() in (_begin(name), _end(name))]
    if not marks:
        return table, "", ""
    if [lines[n].strip() for n in marks] != [_begin(name), _end(name)]:
        raise InputError(
            f"The crontab block {name} is missing a marker line: restore {_begin(name)!r} and"
            f" {_end(name)!r} with `crontab -e`.",
            code="damaged_crontab",
        )
    first, last = marks
    return "".join(lines[:first]), "".join(lines[first : last + 1]), "".join(lines[last + 1 :])


def _begin(name: str) -> str:
    return f"# >>> titan-console: {name} >>>"


def _end(name: str) -> str:
    return f"# <<< titan-console: {name} <<<"
