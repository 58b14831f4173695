"""What polls, budgets and sums ask goes through an index: it costs the same in an old ledger.

A partial index is taken only where a query repeats its words, which no result would show.
"""

import re
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from support.builders import START, Bench, a_bench

from core.config import titan_file
from core.reporting import cache_report, metrics, savings
from core.reporting.poller_health import SILENT_AFTER
from state.batches import remote_status
from state.db.connection import sqlite3
from state.db.ledger import Ledger
from state.model.records import BatchKind
from state.model.timestamps import to_text
from state.operations import alerts, commands
from state.operations.commands import Action, CommandState, NewCommand
from state.queries import (
    batch_list,
    batch_models,
    ended_batches,
    find_by_id,
    job_runs,
    live_rates,
    mean_costs,
    poll_history,
    replays,
    request_list,
    spending,
)
from state.queries.ended_batches import BatchOrder
from state.queries.request_list import Query, SortOrder
from state.queries.spending import SumFilter
from state.queries.usage_by_day import usage_by_day
from titan_console.text.filters import Vocabulary, parse

_LARGE = ("requests", "attempts", "r", "a")
_OF_BATCHES = (batch_list.FIELDS, batch_list.STATES)


def full_scans(bench: Bench, queries: list[str]) -> list[str]:
    """The queries that read every request or every attempt there is."""
    connection = bench.engine.context.ledger.connection
    partial = {
        row["name"]
        for row in connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'index' AND sql LIKE '% WHERE %'"
        )
    }
    found: list[str] = []
    for query in dict.fromkeys(queries):
        try:
            plan = connection.execute(f"EXPLAIN QUERY PLAN {query}").fetchall()
        except sqlite3.Error:
            continue
        words = [str(row["detail"]).split() for row in plan]
        # A partial index has few rows; another one has all of them.
        if any(w[0] == "SCAN" and w[1] in _LARGE and w[-1] not in partial for w in words):
            found.append(query)
    return found


def test_a_poll_with_nothing_to_do_reads_no_table_whole(tmp_path: Path) -> None:
    with a_bench(tmp_path) as bench:
        bench.submit()
        bench.poll_after(120)
        queries: list[str] = []
        bench.engine.context.ledger.connection.set_trace_callback(queries.append)
        bench.poll_after(900)
        bench.engine.context.ledger.connection.set_trace_callback(None)
        assert queries
        assert full_scans(bench, queries) == []


def test_lanes_are_found_in_an_index_of_their_own(bench: Bench) -> None:
    with traced(bench) as queries:
        remote_status.lanes_in_use(bench.engine.context.ledger)
        remote_status.unfinished_by_lane(bench.engine.context.ledger)
    connection = bench.engine.context.ledger.connection
    plans = [
        str(row["detail"])
        for query in queries
        for row in connection.execute(f"EXPLAIN QUERY PLAN {query}")
        if " batches" in str(row["detail"])
    ]
    assert len(plans) == 2
    assert all("batches_of_lanes" in plan for plan in plans), plans


@contextmanager
def traced(bench: Bench) -> Generator[list[str], None, None]:
    """Every query that is made meanwhile."""
    queries: list[str] = []
    connection = bench.engine.context.ledger.connection
    connection.set_trace_callback(queries.append)
    yield queries
    connection.set_trace_callback(None)


def test_a_budget_is_checked_without_reading_all_attempts(tmp_path: Path) -> None:
    (tmp_path / "titan.toml").write_text("[budgets]\nday_usd = 100\n", "utf-8")
    with a_bench(tmp_path) as bench:
        bench.submit()
        bench.poll_after(120)
        with traced(bench) as queries:
            bench.submit(tag="another")
            bench.poll_after(900)
        assert any("at_most_batch_nano IS NULL" in query for query in queries)
        assert full_scans(bench, queries) == []


def test_money_since_any_time_is_read_without_older_attempts(bench: Bench) -> None:
    context = bench.engine.context
    bench.submit()
    bench.poll_after(120)
    today = bench.clock.now().date()
    with traced(bench) as queries:
        savings.read(context.ledger, context.prices, today)
        cache_report.since(context.ledger, context.prices, "2026-11-22")
        for by in spending.BY:
            spending.spending(context.ledger, by, since_ts="2026-11-22T00:00:01.000Z")
        for what in ("all", "cached", "duplicate", "model", "unpriced"):
            spending.batches_in_sum(context.ledger, SumFilter(what, "", "2026-11-22"))
        usage_by_day(
            context.ledger, first_day="2026-11-22", last_day="2026-11-23", kinds=(BatchKind.BATCH,)
        )
    assert full_scans(bench, queries) == []


def test_savings_are_read_from_totals_and_not_from_attempts(bench: Bench) -> None:
    context = bench.engine.context
    bench.submit()
    bench.poll_after(120)
    with traced(bench) as queries:
        savings.read(context.ledger, context.prices, bench.clock.now().date())
        cache_report.since(context.ledger, context.prices, "2026-11-22")
        for by in spending.BY:
            for since_ts in ("2026-11-22T00:00:00.000Z", "2026-11-22T00:00:01.000Z"):
                spending.spending(context.ledger, by, since_ts=since_ts)
        for what in ("all", "day", "workflow", "model"):
            spending.batches_in_sum(context.ledger, SumFilter(what, "", "2026-11-22"))
    of_attempts = [query for query in queries if re.search(r"(FROM|JOIN) attempts\b", query)]
    # The reasons of unpriced answers have an index of their own.
    assert [query for query in of_attempts if "a.unpriced IS NOT NULL" not in query] == []
    assert len(queries) > 15


def test_metrics_are_read_without_all_requests_and_attempts(bench: Bench) -> None:
    bench.submit()
    bench.poll_after(120)
    bench.submit(tag="open")
    facts = metrics.Facts(
        version="1",
        now=bench.clock.now(),
        silent_after=SILENT_AFTER,
        budgets=titan_file.parse("[budgets]\nday_usd = 100").budgets,
        config_problems=0,
        fallback_files=0,
    )
    context = bench.engine.context
    with traced(bench) as queries:
        found = metrics.metrics(context.ledger, context.folder, facts)
    assert len(found) > 30
    assert len(queries) > 20
    assert full_scans(bench, queries) == []


def test_the_lists_of_the_console_read_no_table_whole(bench: Bench) -> None:
    ledger, now = bench.engine.context.ledger, bench.clock.now()
    bench.submit()
    bench.poll_after(120)
    bench.submit(tag="open")
    open_one = batch_list.open_batches(ledger)[0].id
    day_ago = to_text(now - timedelta(days=1))
    with traced(bench) as queries:
        for order in BatchOrder:
            for terms in ((), parse("wf:feed status:failed", Vocabulary(*_OF_BATCHES)).terms):
                found = ended_batches.ids(ledger, terms, now, order, is_inverted=True)
                ended_batches.rows(ledger, found[:60])
        batch_models.requested(ledger, [open_one])
        mean_costs.answer_costs(ledger, "feed", since_day="2026-11-01")
        live_rates.ended_since(ledger, day_ago)
        poll_history.latest(ledger, limit=30)
        job_runs.latest_runs(ledger)
        job_runs.runs_of(ledger, ["feed"], limit=100)
        job_runs.failed_requests(ledger, ["feed"])
        job_runs.unanswered_requests(ledger, ["feed"])
        job_runs.open_batches(ledger, ["feed"])
        job_runs.last_failure(ledger, ["feed"])
        alerts.raised(ledger)
        replays.latest(ledger, since_ts=day_ago, limit=10)
        find_by_id.containing(ledger, "eed")
    assert len(queries) > 40
    assert full_scans(bench, queries) == []


def test_the_requests_of_a_replay_are_read_without_the_others(bench: Bench) -> None:
    ledger, now = bench.engine.context.ledger, bench.clock.now()
    bench.submit()
    bench.poll_after(120)
    ids = [int(row[0]) for row in ledger.rows("SELECT id FROM requests")]
    new = NewCommand(action=Action.REPLAY, items=ids, reason="", not_before=now)
    # The earlier one is read before the later one.
    for _ in range(2):
        command, _ = commands.enqueue(ledger, new)
        commands.claim(ledger, command)
        commands.finish(ledger, command, CommandState.DONE, "")
    words = Vocabulary(request_list.FIELDS, request_list.STATES)
    with traced(bench) as queries:
        for found in replays.latest(ledger, since_ts="", limit=10):
            assert sum(found.by_status.values()) == len(ids)
            replays.failed_of(ledger, found.command.id)
        for order in SortOrder:
            for line in ("", "status:errored err:overloaded cost>1"):
                query = Query(parse(line, words).terms, order)
                request_list.ids(ledger, query, now, among=ids)
    assert len(queries) > 15
    assert full_scans(bench, queries) == []


@pytest.mark.parametrize(
    ("line", "index"),
    [
        ("state:failed", "requests_to_do"),
        ("state:queued", "requests_to_do"),
        ("state:in_flight", "one_active_attempt"),
        ("state:review", "attempts_for_review"),
        ("wf:feed state:errored", "requests_to_do"),
    ],
)
def test_a_state_is_found_by_its_index(ledger: Ledger, line: str, index: str) -> None:
    words = Vocabulary(request_list.FIELDS, request_list.STATES)
    where = request_list.condition(parse(line, words).terms, START)
    plan = ledger.rows(
        f"EXPLAIN QUERY PLAN SELECT r.id FROM requests r WHERE {where.sql} ORDER BY r.id DESC",  # noqa: S608
        *where.parameters,
    )
    assert any(index in row["detail"] for row in plan)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1 FROM requests WHERE status = 'queued'",
        "SELECT count(request_id) FROM attempts",
    ],
)
def test_the_check_itself_finds_one(tmp_path: Path, query: str) -> None:
    with a_bench(tmp_path) as bench:
        assert full_scans(bench, [query]) == [query]
