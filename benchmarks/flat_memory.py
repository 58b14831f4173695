"""Submit, poll and collect many requests over a loopback server; print time and peak memory.

    python benchmarks/flat_memory.py [COUNT ...]

Each step is a process of its own, as in real life. It fails on wrong results only.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

from core.settings import Settings, child_environment

# A process of its own: a child's peak memory begins with what its parent holds.
_SERVER = """
from core.clock import SystemClock
from titan_console.sandbox.api import Sandbox
from titan_console.sandbox.plan import Plan
from titan_console.sandbox.server import running
with running(Sandbox(SystemClock(), plan=Plan.instant())) as address:
    print(address, flush=True)
    input()
"""

_MEASURE = """
import resource, sys, time
from titan_console.cli import main
began = time.monotonic()
try:
    main({arguments!r})
finally:
    used = resource.getrusage(resource.RUSAGE_SELF)
    peak = used.ru_maxrss / (1024 if sys.platform == "linux" else 1024 * 1024)
    cpu = used.ru_utime + used.ru_stime
    print(f"{{time.monotonic() - began:.2f}} {{cpu:.2f}} {{peak:.0f}}", file=sys.stderr)
"""


def _requests(count: int) -> Iterator[str]:
    """About 1.5 kB each, as an article to classify."""
    text = "An article about many things that happened today, told at some length. " * 19
    for number in range(count):
        yield json.dumps(
            {
                "custom_id": f"feed-classify-2026-11-22-{number:06d}",
                "max_tokens": 64,
                "messages": [{"role": "user", "content": f"{number}: {text}"}],
            }
        )


@contextmanager
def _server() -> Generator[str, None, None]:
    with subprocess.Popen(
        [sys.executable, "-c", _SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        if server.stdout is None:
            raise SystemExit("the sandbox did not start")
        yield server.stdout.readline().strip()
        server.communicate("\n")


def _run(settings: Settings, *arguments: str) -> tuple[str, list[float]]:
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE.format(arguments=list(arguments))],
        capture_output=True,
        text=True,
        env=child_environment(settings),
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{arguments} ended with {done.returncode}: {done.stderr}")
    return done.stdout, [float(figure) for figure in done.stderr.splitlines()[-1].split()]


def measure(count: int, folder: Path) -> None:
    """One size: a line for each step."""
    source = folder / "requests.jsonl"
    with source.open("w") as file:
        file.writelines(f"{line}\n" for line in _requests(count))
    with _server() as address:
        settings = Settings(home=folder / "home", base_url=address, api_key="sandbox")
        for name, arguments in (
            ("submit", ("submit", str(source), "--tag", "bench")),
            ("poll", ("--poll", "--json")),
            ("poll, nothing open", ("--poll",)),
            ("status", ("status", "--json")),
        ):
            out, (wall, cpu, peak) = _run(settings, *arguments)
            print(f"{count:>9,}  {name:<20} {wall:>7.2f} s  {cpu:>7.2f} s CPU  {peak:>5.0f} MB")
            if name == "poll" and json.loads(out)["results"] != count:
                raise SystemExit(f"collected {out}, not {count} results")


def main() -> None:
    """Measure each size that the command line names."""
    for count in [int(text) for text in sys.argv[1:]] or [1_000, 10_000]:
        with tempfile.TemporaryDirectory() as folder:
            measure(count, Path(folder))


if __name__ == "__main__":
    main()
