"""kill -9 on real processes over a real loopback sandbox: `python tests/kill/run.py --kills 1000`.

Processes that do random commands are killed at random moments while others run. Then all work is
run to its end, and the ledger and its files are compared with the sandbox's own billing log.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from kill.copies import copy_findings, is_damaged
from kill.damage import damage
from kill.findings import Bill, bill, findings, findings_after_loss
from kill.jobs import WORKFLOWS, Job, write_settings
from kill.kill_runner import Orders, Report
from kill.process import append
from kill.sandbox import KillSandbox, changing_faults
from kill.worker import KEY, RunTarget, SharedClock, real_monotonic
from simulation.oracle import read_oracle

from core.bootstrap import open_engine, rebuild_ledger
from core.config.settings import Settings
from state.db.connection import connect
from state.files.folder import Folder
from state.operations import pauses
from titan_console.sandbox.http.server import running

SPEED = 60.0
AT_ONCE = 6
_KILLED_AFTER_LOSS = 0.6
_STEP_S = 600.0
_MOST_POLLS = 400
_UNFINISHED = (
    "SELECT (SELECT count(*) FROM submissions WHERE delivered_ts IS NULL)"
    " + (SELECT count(*) FROM commands WHERE state IN ('pending', 'running'))"
    " + (SELECT count(*) FROM batches WHERE status NOT IN ('not_sent', 'rejected', 'ended')"
    " OR collection = 'pending') + (SELECT count(*) FROM requests WHERE status = 'queued')"
    " + (SELECT count(*) FROM hook_runs WHERE state IN ('due', 'running'))"
)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one run did, and the violations found after it."""

    report: Report
    after_loss: Report
    crash_points: Counter[str]
    hooks: Counter[str]
    faults: int
    polls: int
    fallback_imports: int
    # Bodies that polls made to ask again, and that were sent.
    follow_ups: int
    bill: Bill
    findings: list[str]

    @property
    def kills(self) -> Counter[str]:
        return Counter(self.report.killed) + Counter(self.after_loss.killed)


def run(
    home: Path,
    *,
    kills: int,
    seed: int,
    seconds: float = 1e9,
    at_once: int = AT_ONCE,
    killed_share: float = 0.85,
) -> Outcome:
    """One run in that folder: until so many kills, or for so long."""
    write_settings(home)
    clock = SharedClock(real_monotonic(), SPEED)
    sandbox = KillSandbox(clock, seed=seed)
    with running(sandbox) as address:
        target = RunTarget(home=home, address=address, origin=clock.origin, speed=SPEED)
        orders = Orders(
            home=str(home),
            address=address,
            origin=clock.origin,
            speed=SPEED,
            seed=seed,
            at_once=at_once,
            kills=kills,
            seconds=seconds,
            killed_share=killed_share,
        )
        with changing_faults(sandbox, seed):
            report = _run_processes(orders)
        # Few kills may end the run before its first job; one is then submitted, and paid for.
        report = replace(report, jobs=max(report.jobs, 1))
        polls = _run_to_end(target, clock, report.jobs)
        found = [
            *report.errors,
            *findings(target, sandbox, report.jobs),
            *copy_findings(target, sandbox, report.copies),
        ]
        billed, imports, follow_ups = _bill(target, sandbox)
        after_loss = _lose_the_ledger(orders, report, target, clock)
        found += [
            f"after a rebuild in place: {line}"
            for line in (
                *after_loss.errors,
                *findings_after_loss(target, sandbox, after_loss.jobs),
            )
        ]
        return Outcome(
            report=report,
            after_loss=after_loss,
            crash_points=_lines(target.beside("crash-points")),
            hooks=Counter(key.split()[0] for key in _lines(target.beside("hooks")).elements()),
            faults=sandbox.hits,
            polls=polls,
            fallback_imports=imports,
            follow_ups=follow_ups,
            bill=billed,
            findings=found,
        )


def _run_processes(orders: Orders) -> Report:
    done = subprocess.run(
        [sys.executable, "-m", "kill.kill_runner", json.dumps(asdict(orders))],
        cwd=Path(__file__).parents[1],
        stdout=subprocess.PIPE,
        check=True,
    )
    return Report(**json.loads(done.stdout))


def _run_to_end(target: RunTarget, clock: SharedClock, jobs: int) -> int:
    """Repeat every job, then poll until nothing is unfinished; the number of polls."""
    with open_engine(_settings(target), actor="last", clock=clock) as engine:
        for number in range(1, jobs + 1):
            job = Job(number)
            key = engine.submit(job.requests(), job.options(clock.now())).submission.key
            append(target.beside("keys"), f"{number} {key}")
        polls = 0
        while polls < _MOST_POLLS and engine.context.ledger.rows(_UNFINISHED)[0][0]:
            # A pause that was killed may take effect in one of these polls.
            pauses.resume(engine.context.ledger, list(WORKFLOWS), reason="")
            engine.poll()
            clock.advance(_STEP_S)
            polls += 1
        engine.poll()
    return polls


def _settings(target: RunTarget) -> Settings:
    return Settings(home=target.home, base_url=target.address, api_key=KEY)


def _lose_the_ledger(
    orders: Orders, report: Report, target: RunTarget, clock: SharedClock
) -> Report:
    """Damage the ledger itself; rebuild, submit and poll at the same time, with kills."""
    damage(target.home, random.Random(orders.seed))
    after = _run_processes(
        replace(
            orders,
            origin=clock.origin,
            kills=min(orders.kills, 3 + sum(report.killed.values()) // 10),
            seconds=min(orders.seconds, 60.0),
            killed_share=_KILLED_AFTER_LOSS,
            jobs=report.jobs,
            after_loss=True,
        )
    )
    if is_damaged(Folder(target.home)):
        rebuild_ledger(_settings(target), actor="last")
    _run_to_end(target, clock, after.jobs)
    return after


def _lines(path: Path) -> Counter[str]:
    return Counter(path.read_text().splitlines() if path.exists() else ())


def _bill(target: RunTarget, sandbox: KillSandbox) -> tuple[Bill, int, int]:
    """The totals, and the numbers of imported fallback files and of follow-ups."""
    ledger = connect(target.home / "titan.db")
    try:
        (imports,) = ledger.execute("SELECT count(*) FROM fallback_imports").fetchone()
        (follow_ups,) = ledger.execute("SELECT count(DISTINCT edit_id) FROM attempts").fetchone()
        return bill(ledger, sandbox, read_oracle(sandbox)), imports, follow_ups
    finally:
        ledger.close()


def print_outcome(outcome: Outcome) -> None:
    """The figures, and each violation."""
    report = outcome.report
    for title, counts in (
        ("killed", outcome.kills),
        ("killed at a crash point", outcome.crash_points),
        ("ended", Counter(report.ended)),
        ("exit codes", Counter(report.codes)),
        ("exit codes while the ledger was lost", Counter(outcome.after_loss.codes)),
        ("rebuilt from a ledger that was", Counter(report.damage)),
        ("delivery hooks", outcome.hooks),
    ):
        print(f"{title} ({counts.total():,}):")  # noqa: T201 - the figures
        for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
            print(f"  {count:6,}  {name}")  # noqa: T201 - the figures
    print(f"jobs: {report.jobs:,}, faults: {outcome.faults:,}, last polls: {outcome.polls:,}")  # noqa: T201
    print(f"fallback files imported: {outcome.fallback_imports:,}")  # noqa: T201 - the figures
    print(f"follow-ups sent: {outcome.follow_ups:,}")  # noqa: T201 - the figures
    print(f"{outcome.bill}\nledger equals the bill: {outcome.bill.is_equal}")  # noqa: T201
    print(f"violations: {len(outcome.findings)}")  # noqa: T201 - the figures
    for finding in outcome.findings:
        print(f"  {finding}")  # noqa: T201 - the figures


def main() -> int:
    """Run and report; 1 where a check fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="titan-kill-", ignore_cleanup_errors=True) as folder:
        outcome = run(Path(folder) / "home", kills=options.kills, seed=options.seed)
    print_outcome(outcome)
    return 1 if outcome.findings else 0


if __name__ == "__main__":
    sys.exit(main())
