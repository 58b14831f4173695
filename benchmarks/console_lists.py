"""Measures the lists of the console from outside: open, page, jump, filter, sort, select.

`python benchmarks/console_lists.py [--requests 1000000] [--folder KEPT]`; needs ptys. The number
of requests is a multiple of 1,000, at least 21,000.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter, sleep

sys.path.insert(0, str(Path(__file__).parent))

from console import Console
from large_ledger import fill

_KEYS = 20
_PAGE_DOWN, _END, _ESCAPE = b"\x1b[6~", b"G", b"\x1b"


def _report(name: str, seconds: float, console: Console, cpu_before: float) -> None:
    cpu = console.cpu_s() - cpu_before
    print(f"{name:44} {1000 * seconds:8.0f} ms   cpu {1000 * cpu:7.0f} ms", flush=True)


def _once(console: Console, name: str, keys: bytes, text: bytes) -> None:
    """Time from the last key to the bytes that show its effect."""
    console.drain()
    cpu, began = console.cpu_s(), perf_counter()
    console.type(keys)
    seconds = console.until(text) - began
    console.drain()
    _report(name, seconds, console, cpu)


def _often(console: Console, name: str, key: Callable[[int], bytes]) -> None:
    """Median and slowest time from a key to the first bytes on the terminal."""
    console.drain()
    cpu, took = console.cpu_s(), list[float]()
    for number in range(_KEYS):
        began = perf_counter()
        console.type(key(number))
        console.read(5.0)
        took.append(perf_counter() - began)
        sleep(0.05)
        console.drain(0.05)
    slowest = f"{name}, slowest {1000 * max(took):.0f} ms of {_KEYS}"
    _report(slowest, median(took), console, cpu)


def measure(home: Path, requests: int) -> None:
    """Print a line for each action in a list."""
    console = Console(home)
    print(f"first picture {1000 * (console.until(b'LIVE') - console.started):.0f} ms")
    _once(console, "Requests: open", b"2", b"request-")
    print(f"memory with the list open {console.memory_mib():.0f} MiB")
    _often(console, "Requests: page down", lambda _: _PAGE_DOWN)
    _often(console, "Requests: last and first", lambda n: b"g" if n % 2 else _END)
    console.type(b"g")
    _once(console, "Requests: filter by state", b"/state:errored\r", b"match")
    _once(console, "Requests: without the filter", _ESCAPE, b"request-")
    _once(console, "Requests: filter by text, no index", b"/0000500\r", b"match")
    _once(console, "Requests: select all matching", b"A", b" selected")
    _once(console, "Requests: without that filter", _ESCAPE, b"request-")
    _once(console, "Requests: clear the selection", b"U", b"request-")
    all_selected = f"{requests:,} selected".encode()
    _once(console, "Requests: select all", b"A", all_selected)
    print(f"memory with all selected {console.memory_mib():.0f} MiB")
    _once(console, "Requests: clear a selection of all", b"U", b"request-")
    _once(console, "Requests: sort by tag", b"st", "⇅ tag\x1b".encode())
    _once(console, "Requests: sort by cost", b"sc", "⇅ cost, highest first\x1b".encode())
    _often(console, "Requests: page down, sorted by cost", lambda _: _PAGE_DOWN)
    console.type(b"sk")
    _often(console, "Requests: down, while it sorts", lambda _: b"j")
    # The sort may have ended before the last key.
    sleep(5)
    _once(console, "Requests: select all, sorted by tokens", b"A", all_selected)
    print(f"memory sorted and selected {console.memory_mib():.0f} MiB")
    _once(console, "Errors: open", b"3", b"errored request")
    _once(console, "Errors: open a group", b"\r", b"errored")
    print(f"memory at the end {console.memory_mib():.0f} MiB")
    console.close()


def main() -> int:
    """Fill a ledger, or use the one in --folder, and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        home: Path = options.folder or Path(made)
        if not (home / "titan.db").exists():
            fill(home / "titan.db", options.requests)
        measure(home, options.requests)
    return 0


if __name__ == "__main__":
    sys.exit(main())
