"""How quick the console is, measured from outside at the bytes that a terminal gets.

`python benchmarks/console.py [--requests 1000000] [--folder KEPT]`; needs a system with ptys.
"""

import argparse
import fcntl
import os
import pty
import random
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median
from threading import Event, Thread
from time import perf_counter, sleep

sys.path.insert(0, str(Path(__file__).parent))

from large_ledger import fill

from core.clock import SystemClock
from core.config.settings import Settings, child_environment
from state.db.ledger import Ledger

_SIZE = struct.pack("HHHH", 40, 120, 0, 0)
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024


class Console:
    """The real console in a terminal of its own; tells when bytes came."""

    def __init__(self, home: Path) -> None:
        """Start it; `started` is the moment before the process was made."""
        self.started = perf_counter()
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            settings = Settings(home=home)
            environment = child_environment(settings) | {"TERM": "xterm-256color"}
            os.execve(  # noqa: S606 - ourselves, in the new terminal
                sys.executable, [sys.executable, "-P", "-m", "titan_console"], environment
            )
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, _SIZE)

    def until(self, text: bytes, within: float = 60.0) -> float:
        """The moment at which these bytes came."""
        seen, end = b"", perf_counter() + within
        while perf_counter() < end:
            piece = self.read(0.5)
            seen = seen[-4096:] + piece
            if text in seen:
                return perf_counter()
        raise AssertionError(f"{text!r} never came")

    def read(self, within: float) -> bytes:
        """What comes first within that time."""
        ready, _, _ = select.select([self._terminal], [], [], within)
        return os.read(self._terminal, 1 << 16) if ready else b""

    def drain(self, quiet: float = 0.3) -> None:
        """Read until nothing has come for that long."""
        while self.read(quiet):
            pass

    def type(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._terminal, keys)

    def cpu_s(self) -> float:
        """Processor time so far, of the console and of what it has started."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND

    def memory_mib(self) -> float:
        """Resident now."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * _PAGE_KIB / 1024

    def close(self) -> None:
        """End it."""
        with suppress(OSError):
            os.kill(self.pid, signal.SIGTERM)
        with suppress(OSError):
            while os.read(self._terminal, 1 << 16):
                pass
        os.waitpid(self.pid, 0)
        os.close(self._terminal)


@contextmanager
def opened(home: Path) -> Generator[Console, None, None]:
    """A console that has drawn its first picture."""
    console = Console(home)
    try:
        console.until(b"LIVE")
        console.drain()
        yield console
    finally:
        console.close()


def first_paint(home: Path, runs: int) -> None:
    """From the start of the process to the first picture of the ledger."""
    first_bytes: list[float] = []
    pictures: list[float] = []
    for _ in range(runs):
        console = Console(home)
        while not console.read(1):
            pass
        first_bytes.append(perf_counter() - console.started)
        pictures.append(console.until(b"LIVE") - console.started)
        console.close()
    show("first byte", first_bytes, "s", 1)
    show("first paint, figures and lists in it", pictures, "s", 1)


def commit_to_paint(home: Path, commits: int) -> None:
    """From a commit of another process to the bytes that show it."""
    taken: list[float] = []
    rng = random.Random(7)  # noqa: S311 - the same gaps each time
    with opened(home) as console, writing(home) as writer:
        for number in range(commits):
            sleep(rng.uniform(0.11, 0.3))
            console.drain(0.02)
            console_time = commit(writer, number)
            taken.append(console.until(f"n{number:05d}".encode()) - console_time)
    show(f"commit to paint, {commits} commits", taken, "ms", 1000)


def key_to_paint(home: Path, keys: int, commits_a_second: int) -> None:
    """From a key on the list of all requests to bytes, while others commit."""
    with opened(home) as console:
        console.type(b"2")
        console.drain(1.0)
        stop = Event()
        thread = Thread(target=keep_writing, args=(home, commits_a_second, stop))
        thread.start()
        taken: list[float] = []
        began, cpu = perf_counter(), console.cpu_s()
        for number in range(keys):
            sleep(0.11)
            console.drain(0.0)
            pressed = perf_counter()
            console.type(b"j" if number % 10 else b"\x04")
            console.read(1.0)
            taken.append(perf_counter() - pressed)
        spent = (console.cpu_s() - cpu) / (perf_counter() - began)
        stop.set()
        thread.join()
        show(f"key to paint under {commits_a_second} commits/s", taken, "ms", 1000)
        print(f"{'':4}processor {spent:.0%} of a core, memory {console.memory_mib():.0f} MiB")


def idle(home: Path, seconds: float) -> None:
    """What it takes when nothing happens."""
    with opened(home) as console:
        quiet_from = perf_counter() + 4.0
        while perf_counter() < quiet_from:
            console.read(0.5)
        began, cpu = perf_counter(), console.cpu_s()
        while perf_counter() - began < seconds:
            console.read(0.5)
        spent = (console.cpu_s() - cpu) / (perf_counter() - began)
        print(f"idle: {spent:.1%} of a core, memory {console.memory_mib():.0f} MiB")


@contextmanager
def writing(home: Path) -> Generator["subprocess.Popen[str]", None, None]:
    """Another process that commits when it is told to."""
    process = subprocess.Popen(
        [sys.executable, __file__, "--write", str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.communicate("")


def commit(writer: "subprocess.Popen[str]", number: int) -> float:
    """Have it commit; the moment after the commit."""
    assert writer.stdin
    assert writer.stdout
    writer.stdin.write(f"n{number:05d}\n")
    writer.stdin.flush()
    return float(writer.stdout.readline())


def write_when_told(home: Path) -> None:
    """For the other process: each line read is the new tag of the newest open batch."""
    with Ledger(home / "titan.db", now=SystemClock().now, actor="benchmark") as ledger:
        for line in sys.stdin:
            touch(ledger, line.strip())
            print(perf_counter(), flush=True)


def keep_writing(home: Path, commits_a_second: int, stop: Event) -> None:
    """That many commits a second, until it is enough."""
    with Ledger(home / "titan.db", now=SystemClock().now, actor="benchmark") as ledger:
        number = 0
        while not stop.is_set():
            began = perf_counter()
            touch(ledger, f"m{number:05d}")
            number += 1
            sleep(max(0.0, 1 / commits_a_second - (perf_counter() - began)))


def touch(ledger: Ledger, tag: str) -> None:
    """Change the oldest open batch, as a poll that looks at it would."""
    with ledger.transaction("touch"):
        ledger.execute(
            "UPDATE batches SET tag = ? WHERE id = (SELECT min(id) FROM batches"
            " WHERE status = 'in_progress')",
            tag,
        )


def show(what: str, taken: list[float], unit: str, factor: float) -> None:
    """The middle and the bad ends."""
    ordered = sorted(value * factor for value in taken)

    def at(share: float) -> float:
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]

    print(
        f"{what}: p50 {median(ordered):.3g} {unit}, p95 {at(0.95):.3g} {unit},"
        f" p99 {at(0.99):.3g} {unit}, worst {ordered[-1]:.3g} {unit}"
    )


def main() -> int:
    """Measure all of it on one ledger."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="keep the ledger here, and use it again")
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        write_when_told(options.write)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        home = options.folder or Path(folder)
        home.mkdir(parents=True, exist_ok=True)
        if not (home / "titan.db").exists():
            fill(home / "titan.db", options.requests)
        print(f"a ledger of {options.requests:,} requests, terminal 120x40")
        first_paint(home, 9)
        commit_to_paint(home, 200)
        key_to_paint(home, 200, 200)
        idle(home, 20)
    return 0


if __name__ == "__main__":
    sys.exit(main())
