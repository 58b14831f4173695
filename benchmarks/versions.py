"""Compares this version with an earlier one: the same commands, in turn, in one run."""

import statistics
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from measure import Run, Server, WrongResultError, environment, run, serving, write_requests
from programs import titan
from scenarios import Finding, within_memory

MILLION = 1_000_000
_TAG = "compared"
_GROUPINGS = ("workflow", "model", "day", "tag", "batch")
_SAVINGS = [("savings", "--by", by, "--json") for by in _GROUPINGS]
_COMMANDS = (
    ("--poll",),
    ("export", "--all"),
    ("results", _TAG, "--json"),
    *_SAVINGS,
    ("savings", "--cache", "--json"),
    ("status", "--json"),
)
# Seconds added to the start of a process, and the peak memory in MB.
_SAVINGS_S, _SAVINGS_MB = 0.2, 50
_WRITTEN_S = 12
_BYTES_PER_REQUEST = 220


@dataclass(frozen=True, kw_only=True, slots=True)
class Compared:
    """One command at one size: this version, and the earlier one where there is one."""

    command: str
    requests: int
    now: Run
    before: Run | None


def compare(folder: Path, before: str | None, count: int) -> list[Compared]:
    """Submit that many requests, collect and report them; `before` has an earlier version."""
    source = write_requests(folder / "compared.jsonl", count, text="A short article. ")
    found: list[Compared] = []
    with serving() as server:
        for arguments in (("submit", str(source), "--tag", _TAG), *_COMMANDS):
            shown = " ".join(arguments).replace(str(source), "FILE")
            now, earlier = _run(server, folder / "now", arguments, None), None
            if before is not None:
                # It may not have the command or the option yet.
                with suppress(WrongResultError):
                    earlier = _run(server, folder / "before", arguments, before)
            found.append(Compared(command=shown, requests=count, now=now, before=earlier))
            times = (f"{one.wall_s:.2f} s" for one in (now, earlier) if one)
            print(f"{count:>9,}  {shown:<32}", *times)
    source.unlink()
    return found


def _run(server: Server, home: Path, arguments: tuple[str, ...], python: str | None) -> Run:
    command = titan(*arguments, python=python) if python else titan(*arguments)
    return run(command, env=environment(server, home), server=server)


def findings(folder: Path, found: list[Compared]) -> Iterator[Finding]:
    """The targets for that many requests, and the size of their ledger."""
    count, start = found[0].requests, _seconds_without_work(folder / "empty")
    for one in found:
        name, done = f"`{one.command}`, {count:,} requests", one.now
        if one.command.startswith(("submit", "--poll")):
            yield within_memory(f"{name}: peak memory", done)
        elif one.command.startswith(("export", "results")):
            yield Finding(
                what=name,
                target=f"at most {_WRITTEN_S} s",
                measured=f"{done.wall_s:.1f} s, {done.peak_mb:.0f} MB",
                met=done.wall_s <= _WRITTEN_S,
            )
        elif one.command.startswith("savings"):
            over = done.wall_s - start
            yield Finding(
                what=f"{name}: time added to an empty ledger's, and peak memory",
                target=f"at most {_SAVINGS_S} s and {_SAVINGS_MB} MB",
                measured=f"{over:+.2f} s, {done.peak_mb:.0f} MB",
                met=over <= _SAVINGS_S and done.peak_mb <= _SAVINGS_MB,
            )
    size = (folder / "now" / "titan.db").stat().st_size / count
    yield Finding(
        what=f"bytes of ledger per request, {count:,} collected requests",
        target=f"at most {_BYTES_PER_REQUEST}",
        measured=f"{size:.0f}",
        met=size <= _BYTES_PER_REQUEST,
    )


def _seconds_without_work(home: Path) -> float:
    env = environment(None, home)
    run(titan("--poll"), env=env)
    return statistics.median(run(titan("savings", "--json"), env=env).wall_s for _ in range(5))
