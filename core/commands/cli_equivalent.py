"""The command line that asks for the same as a wish does, to copy into a shell or a script."""

import json
import shlex
from collections.abc import Iterator, Sequence

from core.commands.request import CommandRequest

# A choice of more than this is cut: nobody reads such a line.
_MOST_NAMES = 8
_FIRST = 3


def command_line(command_request: CommandRequest, chosen: Sequence[str] = ()) -> str:
    """The line, quoted for a shell; it does not ask again.

    `chosen` names what a frozen choice holds. Of a long one the first names stand, then `...`.
    """
    names = list(command_request.wanted.names)
    if command_request.wanted.is_frozen:
        names += chosen if len(chosen) <= _MOST_NAMES else [*chosen[:_FIRST], "..."]
    parts = ["titan-console", command_request.action.value, "--yes", *_options(command_request)]
    if any(name.startswith("-") for name in names):
        parts.append("--")
    return shlex.join([*parts, *names])


def with_reason(line: str, reason: str) -> str:
    """The same line, with a reason to keep."""
    if not reason:
        return line
    words = shlex.split(line)
    place = words.index("--yes") + 1
    return shlex.join([*words[:place], f"--reason={reason}", *words[place:]])


def _options(command_request: CommandRequest) -> Iterator[str]:
    wanted = command_request.wanted
    for option, value in (
        ("--workflow", wanted.workflow),
        ("--outcome", wanted.outcome),
        ("--error-type", wanted.error_type),
        ("--stop-reason", wanted.stop_reason),
        ("--since", wanted.since_ts),
        ("--reason", command_request.reason),
    ):
        if value:
            yield f"{option}={value}"
    for name, value in command_request.changes.items():
        yield f"--model={value}" if name == "model" else f"--set={name}={_setting(value)}"
    if command_request.bodies:
        yield "--edits=FILE.jsonl"
    if command_request.force:
        yield "--force"
    if command_request.canary:
        yield "--canary"


def _setting(value: object) -> str:
    """As `--set` reads it: text stands as it is, unless it would be read as JSON."""
    if not isinstance(value, str):
        return json.dumps(value)
    try:
        json.loads(value)
    except ValueError:
        return value
    return json.dumps(value)
