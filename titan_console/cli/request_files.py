"""The argument that names a file of requests, and the tag that follows from its name."""

import os
import stat
from pathlib import Path
from typing import IO, Any

import click

_COMPRESSED = (".gz", ".zst")
# Where a shell has the pipe of `<(command)`: open already, so that opening it does not wait.
_OPEN_PIPES = ("/dev/fd/", "/dev/stdin", "/proc/")


class RequestFileArgument(click.File):
    """A file to read, or `-` for stdin; no named pipe, whose opening may wait for ever."""

    def __init__(self) -> None:
        """Open the file as bytes."""
        super().__init__("rb")

    def convert(
        self,
        value: Any,  # noqa: ANN401 - as click has it
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> IO[Any]:
        """Open the file. Raises BadParameter for what cannot be opened."""
        if isinstance(value, str) and _is_named_pipe(value):
            self.fail(f"'{value}' is a named pipe: pass - and redirect it to stdin.", param, ctx)
        return super().convert(value, param, ctx)


def _is_named_pipe(path: str) -> bool:
    try:
        is_pipe = stat.S_ISFIFO(os.stat(path).st_mode)  # noqa: PTH116 - text that may be no path
    except (OSError, ValueError):
        return False
    return is_pipe and not path.startswith(_OPEN_PIPES)


def tag_of(name: str) -> str:
    """The name of the file without its endings. Raises UsageError for stdin and other pipes."""
    if name == "<stdin>" or name.startswith(_OPEN_PIPES):
        raise click.UsageError("--tag is required when reading from stdin")
    path = Path(name)
    return (path.with_suffix("") if path.suffix.lower() in _COMPRESSED else path).stem
