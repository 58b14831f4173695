"""Runs commands and programs in processes forked from one that has loaded what they need."""

import multiprocessing
import os
import runpy
import sys
from importlib import import_module
from multiprocessing.context import ForkServerContext
from pathlib import Path

from msgspec import Struct

# What nearly every command loads, and what a call of the API or a new ledger does; the SDK and
# Textual are not among it.
_LOADED = (
    "titan_console.cli.main",
    *(
        f"titan_console.cli.commands.{name}"
        for name in ("actions", "doctor", "errors", "export", "poll", "results", "savings", "show")
    ),
    "titan_console.cli.commands.status",
    "titan_console.cli.commands.submit",
    "core.api.client",
    "core.delivery.deliver",
    "genai_prices.data",
    "httpcore2",
    "platformdirs",
    "sqlite_utils",
    "titan_batch",
)
IS_POSSIBLE = sys.platform != "win32"


class Streams(Struct, frozen=True):
    """The standard streams of a command: which are missing, and the encoding of the others."""

    missing: tuple[str, ...] = ()
    encoding: str = "utf-8"


_USUAL = Streams()


def run(
    arguments: tuple[str, ...],
    environment: dict[str, str],
    cwd: Path,
    files: Path,
    streams: Streams = _USUAL,
) -> int:
    """Run `titan-console`, or the program that comes first in `arguments` if it is a path of one.

    `stdin`, `stdout` and `stderr` are files in the folder `files`.
    """
    process = _server().Process(target=_command, args=(arguments, environment, cwd, files, streams))
    process.start()
    process.join()
    code = process.exitcode
    process.close()
    assert code is not None
    return code


def _server() -> ForkServerContext:
    server = multiprocessing.get_context("forkserver")
    # Without `__main__`: a child that imported pytest would be slow and no command of a user.
    server.set_forkserver_preload(list(_LOADED))
    return server


def _command(
    arguments: tuple[str, ...],
    environment: dict[str, str],
    cwd: Path,
    files: Path,
    streams: Streams,
) -> None:
    for number, (name, flags) in enumerate(
        (("stdin", os.O_RDONLY), ("stdout", os.O_WRONLY), ("stderr", os.O_WRONLY))
    ):
        opened = os.open(files / name, flags)
        os.dup2(opened, number)
        os.close(opened)
    _open(streams)
    values = os.environ  # noqa: TID251 - a process has the environment that it is given
    values.clear()
    values.update(environment)
    os.chdir(cwd)
    if arguments and arguments[0].endswith(".py"):
        sys.argv = [*arguments]
        sys.path.insert(0, str(Path(arguments[0]).parent))
        runpy.run_path(arguments[0], run_name="__main__")
        return
    sys.argv = ["titan-console", *arguments]
    import_module("titan_console.cli.main").main(list(arguments))


def _open(streams: Streams) -> None:
    """As the interpreter would at its start; it has None for a stream that is missing."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if name in streams.missing:
            os.close(number)
            setattr(sys, name, None)
            setattr(sys, f"__{name}__", None)
        elif number == 0 or streams is not _USUAL:
            mode, errors = (
                "r" if number == 0 else "w",
                "backslashreplace" if number > 1 else "strict",
            )
            # The forkserver gave its children /dev/null as their input.
            made = open(number, mode, encoding=streams.encoding, errors=errors, closefd=False)  # noqa: SIM115
            setattr(sys, name, made)
