"""The batch share counts jobs of the catalogue and the scan that never ran in a batch."""

from datetime import date
from pathlib import Path

from support.builders import a_bench

from core.config import scan_file
from core.config.never_batch import NeverBatchList
from core.config.scan_file import Basis, ScannedJob, ScanRecord
from core.config.titan_tables import parse
from core.money.batchable import BatchableJob, Fleet, fleet_of, unmoved
from core.reporting import history
from state.files.folder import Folder
from titan_console.text.batch_share import share_basis

TODAY = date(2026, 11, 30)
CATALOGUE = """
[workloads.a]
[workloads.live]
batched = false
[jobs.daily]
workload = "a"
schedule = "daily"
tokens_in = 900
tokens_out = 100
[jobs.unmeasured]
workload = "a"
schedule = "weekly"
[jobs.chat]
workload = "live"
schedule = "daily"
tokens_in = 9
tokens_out = 9
"""
PLANNED = BatchableJob(name="feed", tokens=30_000, basis=Basis.STATED, period_days=1)
MEASURED = BatchableJob(name="feed", tokens=30_000, basis=Basis.MEASURED)


def scan(*jobs: tuple[str, int | None, Basis | None]) -> ScanRecord:
    return ScanRecord(
        scanned_ts="2026-11-29T00:00:00.000Z",
        jobs=tuple(ScannedJob(name=n, tokens=t, basis=b) for n, t, b in jobs),
    )


def test_jobs_come_from_both_and_measured_figures_count_rather_than_planned_ones() -> None:
    found = fleet_of(
        parse(CATALOGUE),
        scan(
            ("daily", 7, Basis.MEASURED),
            ("unmeasured", 8, Basis.STATED),
            ("new", 9, Basis.MEASURED),
            ("titan-inbox-watch", 10, Basis.MEASURED),
        ),
    )
    assert {job.name: job.tokens for job in found.jobs} == {"daily": 7, "unmeasured": 8, "new": 9}
    stated = fleet_of(parse(CATALOGUE), scan(("daily", 7, Basis.STATED)))
    assert {job.name: job.tokens for job in stated.jobs} == {"daily": 30_000, "unmeasured": None}


def test_a_record_in_the_days_or_in_the_last_two_periods_counts_instead() -> None:
    weekly = BatchableJob(name="w", tokens=60, basis=Basis.STATED, period_days=7)
    none = BatchableJob(name="n", tokens=None, basis=None)
    fleet = Fleet(jobs=(weekly, none))
    assert unmoved(fleet, {}, TODAY, days=30).tokens == {"w": 60}
    assert unmoved(fleet, {}, TODAY, days=15).tokens == {"w": 30}
    assert unmoved(fleet, {}, TODAY, days=30).unknown == ("n",)
    assert unmoved(fleet, {"w": "2026-11-20"}, TODAY, days=3).tokens == {}
    assert unmoved(fleet, {"w": "2026-11-10"}, TODAY, days=3).tokens == {"w": 6}


def test_a_job_that_never_moved_lowers_the_share_and_is_listed(tmp_path: Path) -> None:
    with a_bench(tmp_path / "home") as bench:
        bench.submit(4)
        bench.poll_after(1800)
        bench.poll_after(1800)
        today = bench.clock.now().date()
        ledger = bench.engine.context.ledger
        alone = history.kpi_month(ledger, Fleet(), today)
        moved = alone.batch_tokens
        other = BatchableJob(name="other", tokens=3 * moved, basis=Basis.STATED)
        # The ledger has this one's batches: its plan does not count.
        reported = BatchableJob(name="feed-classify", tokens=10**9, basis=Basis.MEASURED)
        found = history.kpi_month(ledger, Fleet(jobs=(other, reported)), today)
    assert (alone.overall[0].value, found.overall[0].value) == (1, 0.25)
    assert found.by_workflow["other"][0].value == 0
    assert found.by_workflow["feed-classify"][0].value == 1
    assert "of 1 job without a record (1 estimated)" in share_basis(found)
    assert "other" in found.by_workflow_and_day


def test_plans_alone_are_no_evidence_and_a_measured_job_alone_is(tmp_path: Path) -> None:
    with a_bench(tmp_path / "home") as bench:
        ledger, today = bench.engine.context.ledger, bench.clock.now().date()
        planned = history.kpi_month(ledger, Fleet(jobs=(PLANNED,)), today)
        measured = history.kpi_month(ledger, Fleet(jobs=(MEASURED,)), today)
    assert (planned.overall[0].value, planned.unmoved.unknown) == (None, ("feed",))
    assert (measured.overall[0].value, measured.unmoved.total) == (0, 30_000)


def test_never_batched_jobs_are_left_out() -> None:
    never = NeverBatchList({"feed": "no"})
    assert not Fleet(never=never).is_batchable("feed")


def test_a_damaged_scan_record_counts_as_none(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    assert scan_file.read(folder) == ScanRecord()
    record = scan(("a", 1, Basis.MEASURED))
    scan_file.write(folder, record)
    assert scan_file.read(folder) == record
    for damaged in (b"{", b'{"jobs": 5}', b"\xff\xfe"):
        (tmp_path / scan_file.FILE).write_bytes(damaged)
        assert scan_file.read(folder) == ScanRecord()
