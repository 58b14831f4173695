"""A month of the mission's mix through the sandbox, on a clock driven by hand.

    python tests/support/month_simulation.py [SHARE_OF_TOKENS]

prints the KPIs; the test runs it at a small share of the tokens.
"""

import sys
import tempfile
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.builders import START, Bench, a_bench

from core.config.job import Job
from core.config.scan_file import ScanRecord
from core.config.titan_file import template
from core.config.titan_tables import TitanToml, parse
from core.intake.options import SubmitOptions
from core.intake.recorded_calls import record_sync
from core.money.batchable import fleet_of
from core.money.kpis import Kpi, kpis
from core.reporting.history import History
from titan_console.sandbox.model.timing import Plan

_SLOT_H = 6
_MONTH_DAYS = 30
_WEEK = 28
_POLL_S = 900.0


def is_due(job: Job, slot: int) -> bool:
    """Whether the job runs in that quarter of a day: daily at night, weekly in four weeks."""
    day, quarter = divmod(slot, 24 // _SLOT_H)
    match job.schedule:
        case "every-6h":
            return True
        case "weekly":
            return quarter == 0 and day % 7 == 0 and day < _WEEK
        case _:
            return quarter == 0


def simulate(bench: Bench, share: float, days: int = _MONTH_DAYS) -> tuple[Kpi, ...]:
    """Every run of tiers 1 and 2 on each day; one call in fifty is made synchronously instead."""
    titan_toml = parse(template())
    jobs = [job for job in titan_toml.jobs.values() if job.tokens_in is not None]
    for slot in range(days * 24 // _SLOT_H):
        for number, job in enumerate(job for job in jobs if is_due(job, slot)):
            _run(bench, job, slot, share, is_batch=(slot * 8 + number) % 50 != 0)
        bench.poll_after(_POLL_S)
        bench.poll_after(_POLL_S)
        bench.clock.advance(_SLOT_H * 3600 - 2 * _POLL_S)
    bench.poll_after(_POLL_S)
    return kpis(_history(bench, titan_toml).facts(), days=days)


def _run(bench: Bench, job: Job, slot: int, share: float, *, is_batch: bool) -> None:
    now = bench.clock.now()
    size_in, size_out = int((job.tokens_in or 0) * share), int((job.tokens_out or 0) * share)
    if not is_batch:
        usage = {"input_tokens": size_in, "output_tokens": size_out}
        record_sync(
            bench.engine.context, tag=job.name, model=job.model, usage=usage, workflow=job.name
        )
        return
    request = {
        "custom_id": f"{job.name[:40]}-{_date(now)}-{slot:03d}",
        "max_tokens": max(1, size_out),
        "messages": [{"role": "user", "content": "word" * max(1, size_in)}],
    }
    bench.engine.submit([request], SubmitOptions(tag=f"{job.name}-{slot}", workflow=job.name))


def _date(now: datetime) -> str:
    return now.date().isoformat()


def _history(bench: Bench, titan_toml: TitanToml) -> History:
    today, fleet = bench.clock.now().date(), fleet_of(titan_toml, ScanRecord())
    days = (today - START.date()).days + 1
    return History(bench.engine.context.ledger, fleet, today, days=days)


def main() -> None:
    """Print the five figures."""
    share = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    with (
        tempfile.TemporaryDirectory() as folder,
        a_bench(Path(folder), plan=Plan.realistic()) as bench,
    ):
        for kpi in simulate(bench, share):
            bound = "at least" if kpi.is_floor else "at most"
            print(f"{kpi.title:24} {kpi.value!s:>12}  {bound} {kpi.target:g}  {kpi.ok}")  # noqa: T201


if __name__ == "__main__":
    main()
