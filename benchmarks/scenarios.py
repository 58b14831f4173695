"""Measurements other than sizes: many open batches, a large ledger, process start and others."""

import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from measure import Run, WrongResultError, environment, run, serving, write_requests
from programs import bare_python, download, in_process, sdk_results_alone, titan

from core.text import pluralize
from state.db.ledger import Ledger

_TIMES = 7
_Command = tuple[list[str], dict[str, str]]
# Half of the requests of the ended batches of `large_ledger.py`.
FAILED = 490_000
_FILL = Path(__file__).parent / "large_ledger.py"


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One line of the table: a measurement and its target."""

    what: str
    target: str
    measured: str
    met: bool


def starts(folder: Path) -> Iterator[Finding]:
    """The time of a command that finds no work."""
    env = environment(None, folder / "starts")
    run(titan("--poll"), env=env)
    for name, arguments, most in (("--help", ("--help",), 0.15), ("--poll", ("--poll",), 0.3)):
        over = _over((titan(*arguments), env), (bare_python(), env))
        yield Finding(
            what=f"`{name}`, an empty ledger: time added to starting Python",
            target=f"at most {most} s",
            measured=f"{over:.2f} s",
            met=over <= most,
        )


def open_batches(folder: Path) -> Iterator[Finding]:
    """A poll while the API processes 1,000 batches."""
    source = write_requests(folder / "one.jsonl", 1)
    with serving("--open") as server:
        env = environment(server, folder / "open")
        run(titan("submit", str(source), "--tag", "t0"), env=env)
        run(in_process("submit_many", 1000), env=env)
        calls = int(run(titan("--poll"), env=env, server=server).calls)
        over = _over((titan("--poll"), env), (titan("--poll"), environment(None, folder / "idle")))
    yield Finding(
        what="a poll with 1,000 open batches: calls, and time added to a poll with none",
        target="at most 3 calls, 0.5 s",
        measured=f"{pluralize(calls, 'call')}, {over:.2f} s",
        met=calls <= 3 and over <= 0.5,
    )


def collecting(folder: Path, count: int, runs: int) -> Iterator[Finding]:
    """Collecting, against the SDK's results iterator and a download with fsync."""
    source = write_requests(folder / "collected.jsonl", count)
    ours: list[float] = []
    tails: list[float] = []
    theirs: list[float] = []
    raw: list[float] = []
    with serving() as server:
        for number in range(runs):
            env = environment(server, folder / f"collecting-{number}")
            run(titan("submit", str(source), "--tag", "t"), env=env)
            (batch,) = json.loads(run(titan("status", "--json"), env=env).output)["open"]
            target = folder / "downloaded"
            raw.append(float(run(download(batch["remote_id"], target), env=env).output))
            theirs.append(float(run(sdk_results_alone(batch["remote_id"]), env=env).output))
            whole, after_last = run(in_process("collect", count), env=env).output.split()
            ours.append(float(whole))
            tails.append(float(after_last))
    source.unlink()
    took, tail, sdk, bare = (statistics.median(times) for times in (ours, tails, theirs, raw))
    yield Finding(
        what=f"collect {count:,} results: SDK iterator time ÷ Titan Console time",
        target="at least 8 x",
        measured=f"{sdk / took:.2f} x ({sdk:.2f} s and {took:.2f} s)",
        met=sdk / took >= 8,
    )
    yield Finding(
        what=f"collect {count:,} results: Titan Console time ÷ download time with fsync",
        target="at most 3.5 x",
        measured=f"{took / bare:.2f} x ({bare:.2f} s)",
        met=took / bare <= 3.5,
    )
    yield Finding(
        what=f"collect {count:,} results: from the last byte to the commit",
        target="at most 0.2 s",
        measured=f"{tail:.2f} s",
        met=tail <= 0.2,
    )


def large_ledger(folder: Path, attempts: int) -> Iterator[Finding]:
    """Reports and a screen over a ledger of that many attempts, against an empty one."""
    empty, large = folder / "empty", folder / "large"
    env = {name: environment(None, home) for name, home in (("e", empty), ("l", large))}
    run(titan("--poll"), env=env["e"])
    # In its own process: the peak memory of a child starts at the memory of its parent.
    filling = [sys.executable, str(_FILL), str(large), "--requests", str(attempts)]
    subprocess.run(filling, check=True, stdout=subprocess.DEVNULL)
    _end_the_open(large / "titan.db")
    commands: list[tuple[str, Callable[[Path], list[str]]]] = [
        ("status", lambda _home: titan("status", "--json")),
        ("errors", lambda _home: titan("errors", "--limit", "50", "--json")),
        ("kpis", lambda _home: titan("kpis", "--json")),
        ("--poll", lambda _home: titan("--poll")),
    ]
    run(titan("--poll"), env=env["l"])
    for name, command in commands:
        over = _over((command(large), env["l"]), (command(empty), env["e"]))
        yield _within(f"`{name}`: time added by {attempts:,} attempts in the ledger", over)
    bare, full = (
        statistics.median(
            float(run(in_process("console_page", home), env=env["e"]).output) for _ in range(_TIMES)
        )
        for home in (empty, large)
    )
    yield _within(f"a console page: time added by {attempts:,} attempts in the ledger", full - bare)


def replay(folder: Path) -> Iterator[Finding]:
    """Half a million failed requests: the preview of their replay, and the replay."""
    home = folder / "failed"
    filling = [sys.executable, str(_FILL), str(home), "--requests", "1000000"]
    subprocess.run([*filling, "--failed-every", "2"], check=True, stdout=subprocess.DEVNULL)
    done = run(in_process("replay", FAILED), env=environment(None, home))
    yield Finding(
        what=f"preview of a replay of {FAILED:,} requests, in a ledger of a million",
        target="at most 2 s",
        measured=f"{float(done.output):.2f} s",
        met=float(done.output) <= 2,
    )
    yield within_memory(
        f"replay of {FAILED:,} requests until their batches are queued: peak memory", done
    )
    shutil.rmtree(home)


_ENDED = """
UPDATE attempts SET active = 0, outcome = 'succeeded', cost_nano = 0, sync_cost_nano = 0
  WHERE active = 1;
UPDATE requests SET status = 'succeeded' WHERE status = 'assigned';
UPDATE submissions SET finished_ts = created_ts, delivered_ts = created_ts
  WHERE finished_ts IS NULL;
UPDATE batches SET status = 'ended', collection = 'pending', ended_ts = created_ts
  WHERE status = 'in_progress';
UPDATE batches SET collection = 'collected', collected_ts = ended_ts WHERE collection = 'pending';
INSERT OR REPLACE INTO listings (lane, started_ts)
  VALUES ('anthropic', strftime('%Y-%m-%dT%H:%M:%fZ', 'now'));
"""


def _end_the_open(path: Path) -> None:
    """End the open batches, so that a poll has nothing to do."""
    with (
        Ledger(path, now=lambda: datetime.now(UTC), actor="benchmark") as ledger,
        ledger.transaction("end"),
    ):
        for statement in _ENDED.strip().split(";\n"):
            ledger.execute(statement)


def _within(what: str, over: float) -> Finding:
    return Finding(
        what=what, target="at most +50 ms", measured=f"{over * 1000:+.0f} ms", met=over <= 0.05
    )


def synchronous(folder: Path) -> Iterator[Finding]:
    """1,000 synchronous requests, 100 ms each."""
    with serving("--latency", "0.1") as server:
        took = statistics.median(
            float(run(in_process("synchronous", 1000), env=environment(server, home)).output)
            for home in (folder / f"sync-{number}" for number in range(3))
        )
    yield Finding(
        what="1,000 synchronous requests of 100 ms, 50 at a time",
        target="at most 2.6 s",
        measured=f"{took:.2f} s",
        met=took <= 2.6,
    )


def eight_at_once(folder: Path) -> Iterator[Finding]:
    """Eight processes submit to one ledger, against one process."""
    each = 2_000
    source = write_requests(folder / "each.jsonl", each)
    with serving() as server:
        env = environment(server, folder / "eight")
        began = time.monotonic()
        processes = [
            subprocess.Popen(
                titan("submit", str(source), "--tag", f"e{n}"),
                env=env,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            for n in range(8)
        ]
        codes = [process.wait() for process in processes]
        together = 8 * each / (time.monotonic() - began)
        alone = each / run(titan("submit", str(source), "--tag", "alone"), env=env).wall_s
    if any(codes):
        raise WrongResultError(f"eight submitters ended with {codes}")
    yield Finding(
        what="eight processes submit to one ledger: requests per second",
        target=f"at least {alone:,.0f} (one process)",
        measured=f"{together:,.0f}, no error",
        met=together >= alone,
    )


def whole_limits(folder: Path) -> Iterator[Finding]:
    """A body of 256 MB, and a file of 250,000 requests."""
    text = "An article about many things that happened today, told at some length. " * 700
    with serving() as server:
        env = environment(server, folder / "limits")
        for name, source, batches in (
            ("about 250 MB in 5,000 requests", write_requests(folder / "w", 5_000, text=text), 1),
            ("250,000 requests", write_requests(folder / "m", 250_000), 3),
        ):
            done = run(titan("submit", str(source), "--tag", name, "--json"), env=env)
            if f'"batches": {batches}' not in done.output.replace('":', '": ').replace("  ", " "):
                raise WrongResultError(f"{name}: {done.output}")
            source.unlink()
            what = f"submit {name} ({pluralize(batches, 'batch', 'batches')}): peak memory"
            yield within_memory(what, done)


def within_memory(what: str, done: Run) -> Finding:
    """The peak memory of a process that may take 150 MB."""
    return Finding(
        what=what,
        target="at most 150 MB",
        measured=f"{done.peak_mb:.0f} MB in {done.wall_s:.1f} s",
        met=done.peak_mb <= 150,
    )


def _over(one: _Command, other: _Command) -> float:
    """Seconds by which `one` is slower than `other`; they alternate, to see the same noise."""
    pairs = [(run(one[0], env=one[1]), run(other[0], env=other[1])) for _ in range(_TIMES)]
    return statistics.median(a.wall_s for a, _ in pairs) - statistics.median(
        b.wall_s for _, b in pairs
    )
