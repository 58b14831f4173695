"""An operator's request for a command, and the shell command line that makes the same one."""

import json
import shlex
from collections.abc import Iterator, Mapping

from msgspec import Struct, field

from core.commands.body_edits import Params
from state.operations.commands import Action
from state.operations.selection import Filter

# A longer list of names is not readable.
_MOST_SHOWN = 8
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


def command_line(request: CommandRequest, *, asks: bool = False) -> str:
    """The same request as a command line, quoted for a shell; with `--yes` unless it `asks`.

    A frozen selection is named first: see `core.commands.equivalent_filter`.
    """
    names = request.wanted.names
    parts = ["titan-console", request.action.value, *([] if asks else ["--yes"])]
    parts += _options(request)
    if any(name.startswith("-") for name in names):
        parts.append("--")
    return shlex.join([*parts, *names])


def shortened(line: str) -> str:
    """The command line as it is shown: of many names only the first, and how many there are."""
    words = shlex.split(line)
    named = [at for at, word in enumerate(words) if at > 1 and not word.startswith("-")]
    after = words.index("--") + 1 if "--" in words else next(iter(named), len(words))
    names = words[after:]
    if len(names) <= _MOST_SHOWN:
        return line
    shown = shlex.join([*words[:after], *names[:_NAMES_SHOWN]])
    return f"{shown} … ({len(names) - _NAMES_SHOWN:,} more names)"


def with_option(line: str, option: str, value: str) -> str:
    """The same command line with that option, unless its value or the line is empty."""
    if not value or not line:
        return line
    before, yes, after = line.partition(" --yes")
    return f"{before}{yes} {shlex.quote(f'{option}={value}')}{after}"


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
    """The value as `--set` parses it: a string with line ends, or that would parse, is JSON."""
    if not isinstance(value, str) or not value.isprintable():
        return json.dumps(value)
    try:
        json.loads(value)
    except ValueError:
        return value
    return json.dumps(value)
