"""An operator's request for a command, and the shell command line that makes the same one."""

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct, field

from core.commands.body_edits import Params
from state.operations.commands import Action
from state.operations.selection import Filter

# A longer list of names is cut: such a command line is not readable.
MOST_NAMES = 8
_NAMES_SHOWN = 3


class CommandRequest(Struct, frozen=True, kw_only=True):
    """The action, the requests, batches or workflows, and the options.

    For pause and resume `wanted` names workflows.

    `changes` and `bodies` are edits for a replay (see `core.commands.body_edits.build_edits`).
    """

    action: Action
    wanted: Filter
    reason: str = ""
    force: bool = False
    canary: bool = False
    changes: Mapping[str, object] = field(default_factory=dict[str, object])
    bodies: Mapping[str, Params] = field(default_factory=dict[str, Params])


def command_line(request: CommandRequest, chosen: Sequence[str] = ()) -> str:
    """The same request as a command line, quoted for a shell, with `--yes`.

    `chosen` names the items of a frozen selection; of a long one only the first, then `...`.
    """
    names = _shortened(request.wanted.names)
    if request.wanted.is_frozen:
        names += _shortened(chosen)
    parts = ["titan-console", request.action.value, "--yes", *_options(request)]
    if any(name.startswith("-") for name in names):
        parts.append("--")
    return shlex.join([*parts, *names])


def _shortened(names: Sequence[str]) -> list[str]:
    return list(names) if len(names) <= MOST_NAMES else [*names[:_NAMES_SHOWN], "..."]


def with_option(line: str, option: str, value: str) -> str:
    """The same command line with that option, unless its value is empty."""
    if not value:
        return line
    words = shlex.split(line)
    after = words.index("--yes") + 1
    return shlex.join([*words[:after], f"{option}={value}", *words[after:]])


def _options(request: CommandRequest) -> Iterator[str]:
    wanted = request.wanted
    for option, value in (
        ("--workflow", wanted.workflow),
        ("--outcome", wanted.outcome),
        ("--error-type", wanted.error_type),
        ("--stop-reason", wanted.stop_reason),
        ("--since", wanted.since_ts),
        ("--reason", request.reason),
    ):
        if value:
            yield f"{option}={value}"
    for name, value in request.changes.items():
        yield f"--model={value}" if name == "model" else f"--set={name}={_setting(value)}"
    if request.bodies:
        yield "--edits=FILE.jsonl"
    if request.force:
        yield "--force"
    if request.canary:
        yield "--canary"


def _setting(value: object) -> str:
    """The value as `--set` parses it: a string is quoted only where it would parse as JSON."""
    if not isinstance(value, str):
        return json.dumps(value)
    try:
        json.loads(value)
    except ValueError:
        return value
    return json.dumps(value)
