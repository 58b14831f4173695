"""Runs each program in its own process and measures it from outside."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from threading import Timer
from urllib.request import urlopen

_SERVER = Path(__file__).parent / "server.py"
_LONGEST_S = 900
# What is kept of a program's output: the peak memory of a child starts at the memory of its parent.
_MOST_OUTPUT = 1 << 16
TEXT = "An article about many things that happened today, told at some length. " * 19


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One process: wall-clock and CPU seconds, and peak memory in MB."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    calls: int
    output: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """The medians of several runs."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    calls: float


class WrongResultError(Exception):
    """A program failed or returned wrong results."""


def median(runs: Sequence[Run]) -> Figure:
    """The median of each measurement separately."""
    return Figure(
        wall_s=statistics.median(run.wall_s for run in runs),
        cpu_s=statistics.median(run.cpu_s for run in runs),
        peak_mb=statistics.median(run.peak_mb for run in runs),
        calls=statistics.median(run.calls for run in runs),
    )


class Server:
    """A running server: its address and the calls it received."""

    def __init__(self, address: str) -> None:
        """For that address."""
        self.address = address

    def calls(self) -> dict[str, int]:
        """Calls by kind since the last time this was read."""
        with urlopen(f"{self.address}/calls") as answer:  # noqa: S310 - our own server
            return json.load(answer)


@contextmanager
def serving(*options: str) -> Generator[Server, None, None]:
    """A server in its own process."""
    with subprocess.Popen(
        [sys.executable, str(_SERVER), *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        if process.stdout is None or process.stdin is None:
            raise WrongResultError("the server did not start")
        try:
            yield Server(process.stdout.readline().strip())
        finally:
            process.stdin.close()


def environment(server: Server | None, home: Path) -> dict[str, str]:
    """The environment of a process that uses this server and this TITAN_HOME."""
    values = dict(os.environ) | {"TITAN_HOME": str(home), "ANTHROPIC_API_KEY": "bench"}
    if server is not None:
        values["ANTHROPIC_BASE_URL"] = server.address
    return values


def run(command: Sequence[str], *, env: Mapping[str, str], server: Server | None = None) -> Run:
    """Run a command to its end. Raises WrongResultError if its exit code is not 0."""
    if server is not None:
        server.calls()
    with TemporaryFile("w+") as out, TemporaryFile("w+") as err:
        began = time.monotonic()
        process = subprocess.Popen(command, env=dict(env), stdout=out, stderr=err)
        # A command that hangs is killed and reported like one that fails.
        limit = Timer(_LONGEST_S, process.kill)
        limit.daemon = True
        limit.start()
        _, status, used = os.wait4(process.pid, 0)
        wall = time.monotonic() - began
        limit.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode:
            ended = f"ended with {process.returncode}"
            how = f"did not end within {_LONGEST_S} s" if wall >= _LONGEST_S else ended
            problem = f"{how}: {err.read()[-500:]}"
            raise WrongResultError(f"{' '.join(command)[:200]} {problem}")
        output = out.read(_MOST_OUTPUT)
    return Run(
        wall_s=wall,
        cpu_s=used.ru_utime + used.ru_stime,
        peak_mb=used.ru_maxrss / (1024 if sys.platform == "linux" else 1 << 20),
        calls=sum(server.calls().values()) if server is not None else 0,
        output=output,
    )


def requests(count: int, *, text: str = TEXT, name: str = "feed-classify") -> Iterator[str]:
    """Yield JSON lines of about 1.5 kB, each an article to classify."""
    for number in range(count):
        yield json.dumps(
            {
                "custom_id": f"{name}-2026-11-22-{number:06d}",
                "max_tokens": 64,
                "messages": [{"role": "user", "content": f"{number}: {text}"}],
            }
        )


def write_requests(path: Path, count: int, **options: str) -> Path:
    """Write these requests to a file."""
    with path.open("w") as file:
        file.writelines(f"{line}\n" for line in requests(count, **options))
    return path
