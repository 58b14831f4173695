"""The user's crontab: one marked block of ours, every other line as it was."""

import shlex

from core.errors import InputError
from titan_console.schedule.poller import ARGUMENTS, ENV_FILE, MINUTES, Poller

# Vixie cron takes a command of 999 characters, and cuts a longer one short without a word.
_LONGEST = 990


def block(poller: Poller) -> str:
    """The lines between the marks, and the marks."""
    return "\n".join(
        (
            _begin(poller.name),
            poller.mark,
            "# The API key is not in here. It is read from the file that is named below, with the",
            "# line ANTHROPIC_API_KEY=..., which only you may read: chmod 600.",
            f"*/{MINUTES} * * * * {_command(poller)}",
            _end(poller.name),
            "",
        )
    )


def _command(poller: Poller) -> str:
    """For sh. What the poll says goes nowhere, its problems go where cron's mail goes."""
    key = f'"$TITAN_HOME/{ENV_FILE}"'
    command = (
        f"set -a; TITAN_HOME={shlex.quote(poller.home)}; [ -r {key} ] && . {key};"
        f" {shlex.quote(poller.python)} {' '.join(ARGUMENTS)} >/dev/null"
    )
    if "\\" in command:
        raise InputError("cron has no way to write a path with a backslash.")
    # cron ends the command at a bare percent sign, also within quotes.
    escaped = command.replace("%", r"\%")
    if len(escaped.encode()) > _LONGEST:
        raise InputError("The paths are too long for cron, which takes 999 characters a command.")
    return escaped


def with_block(table: str, poller: Poller) -> str:
    """The crontab with our block, in its old place where it has one."""
    before, _, after = split(table, poller.name)
    if before and not before.endswith("\n"):
        before += "\n"
    return before + block(poller) + after


def without_block(table: str, name: str) -> str:
    """The crontab without our block."""
    before, _, after = split(table, name)
    return before + after


def split(table: str, name: str) -> tuple[str, str, str]:
    """What is before our block, the block ("" where there is none), and what follows it.

    Raises InputError where one of its marks is missing.
    """
    lines = table.splitlines(keepends=True)
    marks = [n for n, line in enumerate(lines) if line.strip() in (_begin(name), _end(name))]
    if not marks:
        return table, "", ""
    if [lines[n].strip() for n in marks] != [_begin(name), _end(name)]:
        raise InputError(
            f"The crontab's block {name} has lost a mark: put it right with `crontab -e`,"
            f" between {_begin(name)!r} and {_end(name)!r}."
        )
    first, last = marks
    return "".join(lines[:first]), "".join(lines[first : last + 1]), "".join(lines[last + 1 :])


def _begin(name: str) -> str:
    return f"# >>> titan-console: {name} >>>"


def _end(name: str) -> str:
    return f"# <<< titan-console: {name} <<<"
