"""Savings, spending, volumes and KPIs of a known ledger: each sum is that of its attempts."""

import pytest
from msgspec.structs import replace
from support.console.console_builders import USAGE, Failure, LedgerBuilder
from support.ledgers.ledger_builders import a_result
from support.ledgers.ledger_views import ids
from support.ledgers.recount import KEYS, counted, recount
from support.ledgers.storage import Storage

from state.batches import recorded_calls, repricing, stuck_batches
from state.model.records import BatchKind, Outcome
from state.model.usage import Iteration, Usage
from state.operations import command_effects
from state.queries import (
    console_snapshot,
    digest_figures,
    job_runs,
    kpi_figures,
    ledger_status,
    mean_costs,
    spending,
    unpriced,
    usage_by_day,
)
from state.queries.spending import SumFilter

# Three of these are more than 2**53.
COST = 2**53 + 1
DAYS = ("2026-11-22", "2026-11-23", "2026-11-24")
TAGS = {"one": "abcd", "two": "ef", "three": "g", "call": "c"}
ITERATED = replace(USAGE, iterations=(Iteration(type="compaction", input_tokens=7),))


@pytest.fixture(autouse=True, params=[False, True], ids=["dense", "with gaps"])
def figures(request: pytest.FixtureRequest, storage: Storage, made: LedgerBuilder) -> None:
    """Three days: failures, a duplicate, an unpriced answer, a recorded call, a new price."""
    late = Failure("x", "late", Outcome.EXPIRED)
    first = made.accept(made.submit("one", ["a", "b", "c", "d"]))
    command_effects.detach(made.ledger, first, list(ids(made.ledger, "d").values()), "run now")
    (second,) = made.plan()
    made.collect(made.accept(second), cost_nano=COST)
    if request.param:
        storage.spread_ids(made.ledger)
    made.clock.advance(86_400)
    made.collect(made.batch(first.key), [Failure(), late], cost_nano=COST, usage=ITERATED)
    made.collected("two", ["e", "f"], cost_nano=None, workflow="news")
    made.clock.advance(86_400)
    priced = made.collected("three", ["g"], cost_nano=1, workflow="news")
    (answer,) = repricing.answers(made.ledger, priced, list(ids(made.ledger, "g").values()))
    repriced = replace(answer, cost_nano=COST, sync_cost_nano=3 * COST, fee_nano=5)
    repricing.store(made.ledger, priced, [repriced])
    recorded_calls.record(
        made.ledger,
        key="tb_call",
        tag="call",
        workflow="talk",
        model="claude-sonnet-4-6",
        answered=replace(a_result("c"), cost_nano=7, sync_cost_nano=7),
    )


@pytest.mark.parametrize("by", spending.BY)
@pytest.mark.parametrize("since", ["2026-11-22T00:00:00.000Z", "2026-11-22T00:00:00.001Z"])
def test_sums_are_those_of_the_attempts(made: LedgerBuilder, by: str, since: str) -> None:
    rows = spending.spending(made.ledger, by, since_ts=since)
    assert {row.name: counted(row) for row in rows} == recount(made.ledger, KEYS[by], *TAGS)
    assert [row.name for row in rows] == sorted(row.name for row in rows)


@pytest.mark.parametrize("column", ["workflow", "model", "day", "kind"])
def test_daily_totals_are_those_of_the_attempts(made: LedgerBuilder, column: str) -> None:
    rows = spending.by_day_column(made.ledger, column, since_day=DAYS[0])
    assert {row.name: counted(row) for row in rows} == recount(made.ledger, KEYS[column], *TAGS)


def test_sums_since_a_time_of_day_are_of_what_came_later(made: LedgerBuilder) -> None:
    found = spending.spending(made.ledger, "day", since_ts=f"{DAYS[1]}T06:00:00.000Z")
    assert [row.name for row in found] == list(DAYS[1:])
    found = spending.spending(made.ledger, "day", since_ts=f"{DAYS[1]}T06:00:00.001Z")
    assert [row.name for row in found] == list(DAYS[2:])
    assert spending.spending(made.ledger, "tag", since_ts="2027-01-01T00:00:00.000Z") == []


def test_the_totals_of_the_ledger_are_those_of_its_attempts(made: LedgerBuilder) -> None:
    (all_of_it,) = recount(made.ledger, lambda _: "", *TAGS).values()
    totals = ledger_status.totals(made.ledger)
    for name in ("cost_nano", "sync_cost_nano", "fee_nano", "duplicate_nano", "unpriced"):
        assert getattr(totals, name) == all_of_it[name], name
    assert (totals.requests, totals.succeeded, totals.failed_requests) == (8, 6, 2)
    assert totals.savings_nano == totals.sync_cost_nano - totals.cost_nano
    assert (totals.batches, totals.open_batches, totals.in_flight_requests) == (5, 0, 0)


def test_the_console_shows_what_was_saved_on_its_days(
    storage: Storage, made: LedgerBuilder
) -> None:
    seen = console_snapshot.take(storage.reader(), made.clock.now())
    assert (seen.saved_today.nano, seen.saved_today.unpriced) == (2 * COST, 0)
    assert seen.saved_30d.nano == seen.totals.savings_nano
    assert seen.saved_30d.unpriced == 2
    # Of those that ended at one time, the newest first.
    assert [b.tag for b in seen.recent] == ["call", "three", "two", "one", "one"]


def test_volumes_are_by_day_workflow_and_mode(made: LedgerBuilder) -> None:
    found = kpi_figures.volumes(made.ledger, since_day=DAYS[1])
    assert [(v.day, v.workflow, v.kind, v.requests) for v in found] == [
        (DAYS[1], "feed", BatchKind.BATCH, 4),
        (DAYS[1], "news", BatchKind.BATCH, 2),
        (DAYS[2], "news", BatchKind.BATCH, 1),
        (DAYS[2], "talk", BatchKind.SYNC, 1),
    ]
    feed, news, *_ = found
    assert (feed.errored, feed.lost, feed.cost_nano) == (1, 1, 2 * COST)
    assert (news.unpriced, news.cost_nano, news.savings_nano) == (2, 0, 0)


def test_a_turnaround_is_from_the_submission_to_its_results(made: LedgerBuilder) -> None:
    found = kpi_figures.turnarounds(made.ledger, since_day=DAYS[0])
    assert sorted(found) == [
        (DAYS[0], "feed", 0.0),
        (DAYS[1], "feed", 86_400.0),
        (DAYS[1], "news", 0.0),
        (DAYS[2], "news", 0.0),
    ]
    # A call that a job made itself is no run of the engine.
    assert kpi_figures.sync_runs(made.ledger, since_ts=DAYS[0]) == []


def test_usage_is_by_day_model_and_region(made: LedgerBuilder) -> None:
    found = usage_by_day.usage_by_day(
        made.ledger, first_day=DAYS[0], last_day=DAYS[1], kinds=(BatchKind.BATCH,)
    )
    model = "claude-haiku-4-5"
    assert found == {
        (DAYS[0], model, ""): Usage(input_tokens=900, output_tokens=80),
        (DAYS[1], model, ""): Usage(input_tokens=4 * 900 + 14, output_tokens=320),
    }
    sync = usage_by_day.usage_by_day(
        made.ledger, first_day=DAYS[0], last_day=DAYS[2], kinds=(BatchKind.SYNC,)
    )
    assert list(sync) == [(DAYS[2], "claude-sonnet-4-6", "")]
    assert (
        usage_by_day.without_usage(
            made.ledger, first_day=DAYS[0], last_day=DAYS[2], kinds=(BatchKind.BATCH,)
        )
        == 0
    )


def test_mean_costs_leave_out_what_has_no_price(made: LedgerBuilder) -> None:
    (news,) = mean_costs.answer_costs(made.ledger, "news", since_day=DAYS[0])
    assert (news.answers, news.cost_nano, news.fee_nano) == (1, COST, 5)
    assert mean_costs.answer_costs(made.ledger, "news", since_day="2026-11-25") == []


def test_reasons_for_unpriced_answers_are_counted(made: LedgerBuilder) -> None:
    assert unpriced.reasons(made.ledger) == [("no known price", 2)]
    assert unpriced.reasons(made.ledger, since_ts=DAYS[2]) == []


def test_the_digest_counts_since_a_time(made: LedgerBuilder) -> None:
    counts = digest_figures.counts_since(made.ledger, f"{DAYS[1]}T00:00:00.000Z")
    assert (counts.ended, counts.answered, counts.failed, counts.sync_runs) == (4, 6, 2, 0)
    assert (counts.cost_nano, counts.duplicate_nano) == (3 * COST + 7, COST)
    none = digest_figures.counts_since(made.ledger, "2027")
    assert (none.ended, none.answered, none.cost_nano) == (0, 0, 0)


def test_the_latest_submissions_of_each_workflow_are_listed(made: LedgerBuilder) -> None:
    made.submit("queued", 1)
    found = job_runs.latest_runs(made.ledger, each=1)
    assert [(run.workflow, run.is_sent, run.failed) for run in found] == [
        ("feed", False, 0),
        ("talk", True, 0),
        ("news", True, 0),
    ]
    every = {run.workflow: run for run in job_runs.latest_runs(made.ledger)[1:]}
    assert every["feed"].failed == 2


def test_a_sum_opens_into_its_batches_and_answers(made: LedgerBuilder) -> None:
    found = spending.batches_in_sum(made.ledger, SumFilter("all", "", DAYS[0]))
    assert {one.tag for one in found} == set(TAGS)
    assert [one.collected_ts for one in found] == sorted(
        (one.collected_ts for one in found), reverse=True
    )
    (twice,) = spending.batches_in_sum(made.ledger, SumFilter("duplicate", "", DAYS[0]))
    assert (twice.attempts, twice.cost_nano, twice.duplicate_nano) == (1, COST, COST)
    (answer,) = spending.answers_in_sum(made.ledger, SumFilter("duplicate", "", DAYS[0]), twice.key)
    assert (answer.custom_id, answer.is_duplicate, answer.sync_cost_nano) == ("d", True, 0)
    (none,) = spending.batches_in_sum(made.ledger, SumFilter("unpriced", "", DAYS[0]))
    assert (none.models, none.unpriced) == (("claude-haiku-4-5",), 2)
    assert spending.batches_in_sum(made.ledger, SumFilter("workflow", "none", DAYS[0])) == []


def test_a_priced_attempt_has_all_that_its_price_depends_on(made: LedgerBuilder) -> None:
    found = spending.priced_attempts(made.ledger, "one/d")
    assert [(one.is_duplicate, one.sync_cost_nano) for one in found] == [
        (True, 0),
        (False, 2 * COST),
    ]
    assert found[0].usage == ITERATED
    assert len(spending.priced_attempts(made.ledger, found[0].batch_key)) == 4
    assert spending.priced_attempts(made.ledger, "none") == []
    assert stuck_batches.awaited(made.ledger) == []
