"""Hosts with one ledger in PostgreSQL: against SQLite, and a submit while two others are busy.

    python benchmarks/many_hosts.py [--count 100000] [--megabytes 256] [--runs 3]

It starts a server of its own, which syncs to the disk. `run.py` includes it where one is installed.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from measure import TEXT, Server, WrongResultError, environment, run, serving, write_requests
from programs import in_process, titan
from scenarios import Finding
from support.processes import postgres_server

_SAFE = {
    "fsync": "on",
    "full_page_writes": "on",
    "autovacuum": "on",
    "wal_level": "replica",
    "shared_buffers": "128MB",
}
_ALONE = 300
_Process = tuple["subprocess.Popen[str]", IO[str]]


def many_hosts(folder: Path, count: int, megabytes: int, runs: int) -> Iterator[Finding]:
    """Collecting, and a small submit beside large work; nothing where no server is installed."""
    if postgres_server.programs() is None:
        return
    with postgres_server.another_server(**_SAFE) as server, serving() as api:
        yield _collecting(folder, api, server, count, runs)
        yield from _beside(folder, api, server, count, megabytes)


def _on_host(api: Server, home: Path, url: str) -> dict[str, str]:
    """The environment of a host with that home."""
    return environment(api, home) | {"TITAN_LEDGER": url, "TITAN_HOST": home.name}


def _collecting(
    folder: Path, api: Server, server: postgres_server.PostgresServer, count: int, runs: int
) -> Finding:
    source = write_requests(folder / "collected.jsonl", count)
    took: dict[bool, list[float]] = {False: [], True: []}
    for number in range(runs):
        for is_shared, times in took.items():
            home = folder / f"collecting-{number}-{is_shared}"
            env = environment(api, home)
            if is_shared:
                env = _on_host(api, home, server.url(server.new_database()))
            run(titan("submit", str(source), "--tag", "t"), env=env)
            whole, _ = run(in_process("collect", count), env=env).output.split()
            times.append(float(whole))
    source.unlink()
    sqlite, postgres = (statistics.median(took[is_shared]) for is_shared in (False, True))
    return Finding(
        what=f"collect {count:,} results: PostgreSQL time ÷ SQLite time",
        target="at most 2 x",
        measured=f"{postgres / sqlite:.2f} x ({postgres:.2f} s and {sqlite:.2f} s)",
        met=postgres / sqlite <= 2,
    )


def _beside(
    folder: Path, api: Server, server: postgres_server.PostgresServer, count: int, megabytes: int
) -> Iterator[Finding]:
    """One host submits ten requests at a time, while two others have much to do."""
    url = server.url(server.new_database())
    small, large, collector = (_on_host(api, folder / name, url) for name in ("a", "b", "c"))
    source = write_requests(folder / "ended.jsonl", count)
    run(titan("submit", str(source), "--tag", "ended"), env=collector)
    alone = json.loads(run(in_process("submit_times", _ALONE), env=small).output)
    body = write_requests(
        folder / "large.jsonl", megabytes * 19, text=TEXT * 36, name="large-bodies"
    )
    over = folder / "over"
    with _started(in_process("submit_times", over), small) as submitting:
        try:
            with (
                _started(titan("submit", str(body), "--tag", "large"), large) as other,
                _started(in_process("collect_one", count), collector) as third,
            ):
                _output(other)
                _output(third)
        finally:
            over.touch()
        beside = json.loads(_output(submitting))
    for path in (source, body):
        path.unlink()
    size = f"{megabytes} MB, another host collects {count:,} results"
    yield Finding(
        what=f"submit of ten requests, 99th percentile, while one host submits {size}",
        target="-",
        measured=f"{_p99(beside):.2f} s of {len(beside):,} (median"
        f" {statistics.median(beside):.3f} s; alone {_p99(alone):.3f} s, median"
        f" {statistics.median(alone):.3f} s)",
        met=True,
    )


def _p99(seconds: Sequence[float]) -> float:
    return sorted(seconds)[max(0, -(-99 * len(seconds) // 100) - 1)]


@contextmanager
def _started(command: Sequence[str], env: Mapping[str, str]) -> Generator[_Process]:
    with (
        tempfile.TemporaryFile("w+") as out,
        subprocess.Popen(command, env=dict(env), stdout=out, text=True) as process,
    ):
        yield process, out


def _output(started: _Process) -> str:
    process, out = started
    if process.wait():
        raise WrongResultError(f"{process.args} ended with {process.returncode}")
    out.seek(0)
    return out.read()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--megabytes", type=int, default=256)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="titan-bench-") as folder:
        for found in many_hosts(Path(folder), given.count, given.megabytes, given.runs):
            print(f"{found.what}: {found.measured} (target: {found.target})")


if __name__ == "__main__":
    main()
