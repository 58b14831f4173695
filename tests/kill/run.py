"""kill -9 on real processes over a real loopback sandbox: `python tests/kill/run.py --kills 1000`.

Submitters and pollers are killed at random moments while others run. Then all work is run to its
end, and the ledger and its files are compared with the sandbox's own billing log.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from kill.worker import Place, SharedClock, job_size, submit
from simulation import checks
from simulation.file_checks import file_findings
from simulation.oracle import Oracle, read_oracle

from core.clock import SystemClock
from core.engine import Engine
from state.db.connection import connect, sqlite3
from state.files.folder import Folder
from state.queries import ledger_status
from titan_console.sandbox.api import Sandbox
from titan_console.sandbox.faults.profile import Faults
from titan_console.sandbox.http.server import running
from titan_console.sandbox.model.timing import Plan

SPEED = 240.0
_QUARTER = 900.0
_FAULTS = (
    "create:drop:p=0.04",
    "create:500:p=0.02",
    "create:504-after:p=0.02",
    "list:500:p=0.02",
    "results:broken:p=0.05",
    "retrieve:500:p=0.05",
)


class _Report(TypedDict):
    """What the kill runner prints."""

    killed: dict[str, int]
    ended: dict[str, int]
    jobs: int


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one run did, and the violations found after it."""

    kills: Counter[str]
    jobs: int
    requests: int
    batches: int
    adopted: int
    not_sent: int
    faults: int
    findings: list[str]


def run(home: Path, *, kills: int, seed: int) -> Outcome:
    """One run in that folder."""
    home.mkdir(parents=True, exist_ok=True)
    clock = SharedClock(SystemClock().monotonic(), SPEED)
    faults = Faults.parse(_FAULTS, seed=seed)
    sandbox = Sandbox(clock, seed=seed, plan=Plan.seconds(60, 3000), faults=faults)
    with running(sandbox) as address:
        place = Place(home=home, address=address, origin=clock.origin, speed=SPEED)
        report = _run_kills(place, kills, seed)
        struck = faults.hits()
        faults.clear()
        with place.engine("last") as engine:
            keys = _run_to_end(engine, report["jobs"])
            findings = list(_findings(place, engine, sandbox, report["jobs"], keys))
            return _outcome(engine, report, struck, findings)


def _run_kills(place: Place, kills: int, seed: int) -> _Report:
    arguments = (place.home, place.address, place.origin, place.speed, kills, seed)
    done = subprocess.run(
        [sys.executable, "-m", "kill.kill_runner", *map(str, arguments)],
        cwd=Path(__file__).parents[1],
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(done.stdout)


def _run_to_end(engine: Engine, jobs: int) -> dict[int, str]:
    """Repeat every job, then poll until nothing is open."""
    keys = {job: submit(engine, job) for job in range(1, jobs + 1)}
    for _ in range(200):
        engine.poll()
        totals = ledger_status.totals(engine.context.ledger)
        if not totals.open_batches and not totals.queued_requests:
            break
        engine.context.clock.sleep(_QUARTER / 3)
    engine.poll()
    return keys


@dataclass
class _Job:
    tag: str
    count: int
    keys: set[str]


def _findings(
    place: Place, engine: Engine, sandbox: Sandbox, jobs: int, keys: dict[int, str]
) -> Iterator[str]:
    errors = place.home / "kill-errors.txt"
    if errors.exists():
        yield from errors.read_text().split("\0")
    made = [_Job(f"job-{n}", job_size(n), {keys[n], submit(engine, n)}) for n in range(1, jobs + 1)]
    oracle = read_oracle(sandbox)
    ledger = connect(place.home / "titan.db")
    try:
        yield from checks._integrity(ledger)
        yield from checks._nothing_lost(ledger, made)
        yield from checks._nothing_stuck(ledger)
        yield from checks._one_answer(ledger)
        yield from checks._ledger_is_bill(ledger, oracle)
        yield from checks._sums(ledger)
        yield from _posted_and_paid_once(ledger, sandbox, oracle)
        yield from file_findings(Folder(place.home), ledger, oracle)
    finally:
        ledger.close()


def _posted_and_paid_once(
    ledger: sqlite3.Connection, sandbox: Sandbox, oracle: Oracle
) -> Iterator[str]:
    posts = Counter(post.custom_ids for post in sandbox.billing_log().posts)
    yield from (f"P4: posted {n} times: {ids[0]}" for ids, n in posts.items() if n > 1)
    paid = Counter(
        custom_id
        for rows in oracle.ours.values()
        for custom_id, row in rows.items()
        if row.outcome == "succeeded"
    )
    yield from (f"P4: {custom_id} was paid {n} times" for custom_id, n in paid.items() if n > 1)
    (duplicate,) = ledger.execute("SELECT count(*) FROM attempts WHERE duplicate = 1").fetchone()
    if duplicate:
        yield f"P4: {duplicate} answers have duplicate charges"


def _outcome(engine: Engine, report: _Report, faults: int, findings: list[str]) -> Outcome:
    (row,) = engine.context.ledger.rows(
        "SELECT count(*) AS batches, sum(identified_by = 'nonce') AS adopted,"
        " sum(status = 'not_sent') AS not_sent, (SELECT count(*) FROM requests) AS requests"
        " FROM batches"
    )
    return Outcome(
        kills=Counter(report["killed"]),
        jobs=report["jobs"],
        faults=faults,
        findings=findings,
        **dict(row),
    )


def main() -> int:
    """Run and report; 1 where a check fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="titan-kill-", ignore_cleanup_errors=True) as folder:
        outcome = run(Path(folder) / "home", kills=options.kills, seed=options.seed)
    print(outcome)  # noqa: T201 - the figures
    return 1 if outcome.findings else 0


if __name__ == "__main__":
    sys.exit(main())
