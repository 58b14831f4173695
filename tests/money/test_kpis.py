"""The KPIs: pure, over the ledger, and over a simulated month."""

from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import to_builtins
from support.builders import a_bench, a_request
from support.error_codes import code_is
from support.lifecycle import batches

from core.commands import planner
from core.commands.command_request import CommandRequest
from core.config.never_batch import NeverBatchList
from core.errors import PayloadError
from core.intake.options import SubmitOptions
from core.intake.recorded_calls import record_sync
from core.money.batchable import BatchableJob, Fleet
from core.money.kpis import Facts, kpis, percentile, report, shown
from core.reporting.history import History
from state.db.reader import Source
from state.operations.commands import Action
from state.operations.selection import Filter
from state.queries import ledger_status
from titan_console.sandbox.model.timing import Plan

USAGE = {"input_tokens": 1000, "output_tokens": 100}
GOOD = Facts(
    batch_tokens=80,
    sync_tokens=20,
    savings_nano=40 * 10**9,
    requests=100,
    errored=1,
    sync_runs=5,
    turnarounds_s=[3600.0 * 4] * 19 + [3600.0 * 12],
)


def history(source: Source, *jobs: BatchableJob) -> History:
    fleet = Fleet(never=NeverBatchList({"live": "a user waits"}), jobs=jobs)
    return History(source, fleet, date(2026, 12, 31), days=365)


def test_at_the_targets_all_are_met() -> None:
    found = to_builtins(report(kpis(GOOD)))
    assert found == {
        "batch_share": {"value": 0.8, "target": 0.8, "ok": True},
        "saved_usd_30d": {"value": 40.0, "target": 40.0, "ok": True},
        "turnaround_p50_h": {"value": 4.0, "target": 4.0, "ok": True},
        "turnaround_p95_h": {"value": 4.0, "target": 12.0, "ok": True},
        "error_rate": {"value": 0.01, "target": 0.01, "ok": True},
        "fallbacks_30d": {"value": 5, "target": 5.0, "ok": True},
    }


def test_just_beyond_them_none_is() -> None:
    bad = Facts(
        batch_tokens=79,
        sync_tokens=21,
        savings_nano=39_990_000_000,
        requests=100,
        errored=1,
        lost=1,
        sync_runs=6,
        turnarounds_s=[3600.0 * 12.01],
    )
    assert [kpi.ok for kpi in kpis(bad)] == [False] * 6


def test_a_missed_target_never_looks_like_the_value() -> None:
    facts = Facts(requests=1_000_000, errored=10_400, savings_nano=39_996_000_000)
    found = {kpi.name: kpi for kpi in kpis(facts)}
    rate, saved = found["error_rate"], found["saved_usd_30d"]
    assert (rate.ok, saved.ok) == (False, False)
    assert shown(rate, rate.value or 0) == "1.040%"
    assert shown(rate, rate.target) == "1.0%"
    assert shown(saved, saved.value or 0) == "$39.9960"
    assert shown(saved, saved.target) == "$40.00"


def test_without_data_every_value_is_null() -> None:
    assert {kpi.value for kpi in kpis(Facts())} == {None}
    assert {kpi.ok for kpi in kpis(Facts())} == {None}


def test_monthly_targets_follow_the_days() -> None:
    targets = {kpi.name: kpi.target for kpi in kpis(GOOD, days=3)}
    assert targets["saved_usd_30d"] == 4
    assert targets["fallbacks_30d"] == 0.5
    assert targets["batch_share"] == 0.8


@given(values=st.lists(st.floats(0, 1e6), min_size=1), percent=st.sampled_from([50, 95]))
def test_so_many_per_cent_do_not_exceed_the_percentile(values: list[float], percent: int) -> None:
    found = percentile(values, percent)
    assert found in values
    assert found is not None
    assert sum(value <= found for value in values) * 100 >= percent * len(values)


def test_the_ledger_has_the_facts_for_all_kpis(tmp_path: Path) -> None:
    with a_bench(tmp_path / "home") as bench:
        bench.submit(4)
        bench.poll_after(1800)
        bench.poll_after(1800)
        context = bench.engine.context
        before = history(context.ledger).facts()
        assert before.batch_tokens > 0
        assert (before.requests, before.errored, before.sync_runs) == (4, 0, 0)
        assert before.turnarounds_s == [1800.0]
        record_sync(context, tag="t", model="claude-sonnet-4-6", usage=USAGE, workflow="report")
        record_sync(context, tag="t", model="claude-sonnet-4-6", usage=USAGE, workflow="live")
        after = history(context.ledger).facts()
        assert after.sync_tokens == 1100
        assert (after.batch_tokens, after.savings_nano) == (
            before.batch_tokens,
            before.savings_nano,
        )
        assert after.sync_runs == 0
        assert history(context.ledger).workflows() == ["feed-classify", "live", "report"]


def test_what_a_vanished_batch_lost_and_a_sync_answered_is_a_fallback_and_no_error(
    tmp_path: Path,
) -> None:
    with a_bench(tmp_path / "home", plan=Plan.manual()) as bench:
        key = bench.submit(3).submission.key
        context = bench.engine.context
        (batch,) = batches(bench)
        bench.sandbox.vanish(batch.remote_id or "")
        for _ in range(12):
            bench.poll_after(900)
        lost = history(context.ledger).facts()
        assert (lost.requests, lost.lost, lost.errored, lost.sync_runs) == (3, 3, 0, 0)
        wanted = CommandRequest(action=Action.SYNC, wanted=Filter(names=(key,)))
        planner.submit(context, planner.plan(context, wanted), delay=timedelta())
        bench.engine.poll()
        answered = history(context.ledger).facts()
        assert (answered.requests, answered.lost, answered.errored) == (3, 0, 0)
        assert answered.sync_runs == 1
        assert (answered.batch_tokens, answered.turnarounds_s) == (0, [])
        assert answered.sync_tokens > 0
        found = {kpi.name: kpi.value for kpi in kpis(answered)}
        assert (found["error_rate"], found["fallbacks_30d"], found["batch_share"]) == (0, 1, 0)
        day = str(bench.clock.now().date())
        assert history(context.ledger).facts("feed-classify", day) == answered


def test_a_recorded_call_is_priced_in_full_and_saves_nothing(tmp_path: Path) -> None:
    with a_bench(tmp_path / "home") as bench:
        context = bench.engine.context
        key = record_sync(
            context,
            tag="daily",
            model="claude-sonnet-4-6",
            usage={**USAGE, "cache_read_input_tokens": None, "service_tier": "standard"},
            custom_id="feed-2026-11-22-001",
        )
        again = record_sync(
            context,
            tag="daily",
            model="claude-sonnet-4-6",
            usage=USAGE,
            custom_id="feed-2026-11-22-001",
        )
        assert again == key
        totals = ledger_status.totals(context.ledger)
        assert (totals.requests, totals.cost_nano, totals.savings_nano) == (1, 4_500_000, 0)
        submissions, batches = bench.engine.find(key)
        assert submissions[0].workflow == "feed"
        assert (batches[0].kind, batches[0].status) == ("sync", "ended")
        assert bench.engine.is_finished("daily")
        (result,) = bench.engine.results("daily")
        assert (result["outcome"], result["text"], result["cost_usd"]) == (
            "succeeded",
            None,
            0.0045,
        )
        bench.poll_after(60)
        assert not list(bench.folder.staging.glob("*")) if bench.folder.staging.exists() else True
        assert '"batch_savings_usd": 0' in bench.folder.cost_mirror.read_text("utf-8")


def test_an_unpriced_call_is_unpriced(tmp_path: Path) -> None:
    with a_bench(tmp_path / "home") as bench:
        record_sync(bench.engine.context, tag="t", model="claude-unknown-9", usage=USAGE)
        assert ledger_status.totals(bench.engine.context.ledger).unpriced == 1


@pytest.mark.parametrize(
    "usage",
    [{}, {"input_tokens": 1}, {"input_tokens": -1, "output_tokens": 1}, {"input_tokens": "1"}],
)
def test_a_negative_or_absent_usage_is_rejected(tmp_path: Path, usage: dict[str, object]) -> None:
    with a_bench(tmp_path / "home") as bench:
        with pytest.raises(PayloadError, check=code_is("usage_invalid")):
            record_sync(bench.engine.context, tag="t", model="claude-sonnet-4-6", usage=usage)
        assert ledger_status.totals(bench.engine.context.ledger).requests == 0


def test_turnaround_counts_from_submission(
    tmp_path: Path,
) -> None:
    with a_bench(tmp_path / "home") as bench:
        bench.engine.submit([a_request()], SubmitOptions(tag="t"))
        bench.poll_after(7200)
        assert history(bench.engine.context.ledger).facts().turnarounds_s == [7200.0]
