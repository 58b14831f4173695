"""kill -9 on real processes over a real loopback sandbox: `python tests/kill/run.py --kills 1000`.

Processes that do random commands are killed at random moments while others run. Then all work is
run to its end, and the ledger and its files are compared with the sandbox's own billing log. With
`--hosts 3` they run on hosts that share a ledger in PostgreSQL.
"""

import argparse
import random
import sys
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from kill.copies import copy_findings, is_damaged
from kill.damage import damage
from kill.findings import Bill, bill, findings, findings_after_loss, hook_lines
from kill.jobs import write_settings
from kill.kill_runner import Orders, Report
from kill.many_hosts import run_hosts
from kill.outcome import Outcome, crash_points, print_outcome
from kill.sandbox import KillSandbox, changing_faults
from kill.to_the_end import run_processes, run_to_end
from kill.worker import AT_ONCE, KEY, SPEED, RunTarget, SharedClock, real_monotonic
from simulation.oracle import read_oracle

from core.bootstrap import rebuild_ledger
from core.config.settings import Settings
from state.db.connection import connect
from state.files.folder import Folder
from titan_console.sandbox.http.server import running

_KILLED_AFTER_LOSS = 0.6


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
            report = run_processes(orders)
        # Few kills may end the run before its first job; one is then submitted, and paid for.
        report = replace(report, jobs=max(report.jobs, 1))
        polls = run_to_end([_settings(target)], target, clock, report.jobs)
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
            crash_points=crash_points(target),
            hooks=Counter(line.split()[0] for line in hook_lines(target)),
            faults=sandbox.hits,
            polls=polls,
            fallback_imports=imports,
            follow_ups=follow_ups,
            bill=billed,
            findings=found,
        )


def _settings(target: RunTarget) -> Settings:
    return Settings(home=target.home, base_url=target.address, api_key=KEY)


def _lose_the_ledger(
    orders: Orders, report: Report, target: RunTarget, clock: SharedClock
) -> Report:
    """Damage the ledger itself; rebuild, submit and poll at the same time, with kills."""
    damage(target.home, random.Random(orders.seed))
    after = run_processes(
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
    run_to_end([_settings(target)], target, clock, after.jobs)
    return after


def _bill(target: RunTarget, sandbox: KillSandbox) -> tuple[Bill, int, int]:
    """The totals, and the numbers of imported fallback files and of follow-ups."""
    ledger = connect(target.home / "titan.db")
    try:
        (imports,) = ledger.execute("SELECT count(*) FROM fallback_imports").fetchone()
        (follow_ups,) = ledger.execute("SELECT count(DISTINCT edit_id) FROM attempts").fetchone()
        return bill(ledger, sandbox, read_oracle(sandbox)), imports, follow_ups
    finally:
        ledger.close()


def main() -> int:
    """Run and report; 1 where a check fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--hosts", type=int, default=0, help="hosts with one ledger in PostgreSQL")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="titan-kill-", ignore_cleanup_errors=True) as folder:
        if options.hosts:
            outcome = run_hosts(
                Path(folder), count=options.hosts, kills=options.kills, seed=options.seed
            )
        else:
            outcome = run(Path(folder) / "home", kills=options.kills, seed=options.seed)
    print_outcome(outcome)
    return 1 if outcome.findings else 0


if __name__ == "__main__":
    sys.exit(main())
