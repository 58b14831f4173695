"""What polls, budgets and sums ask goes through an index: it costs the same in an old ledger.

A partial index is taken only where a query repeats its words, which no result would show.
"""

import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.builders import START, Bench, a_bench

from core.reporting import cache_report, savings
from state.db.connection import sqlite3
from state.db.ledger import Ledger
from state.model.records import BatchKind
from state.queries import request_list, spending
from state.queries.spending import SumFilter
from state.queries.usage_by_day import usage_by_day
from titan_console.text.filters import Vocabulary, parse

_LARGE = ("requests", "attempts", "r", "a")


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
