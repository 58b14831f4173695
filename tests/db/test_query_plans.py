"""What every poll asks goes through an index, so that a poll costs the same however old the ledger.

A partial index is taken only where a query repeats its words, which no result would show.
"""

from pathlib import Path

import pytest
from support.builders import Bench, a_bench

from state.db.connection import sqlite3

_LARGE = ("requests", "attempts", "r", "a")


def full_scans(bench: Bench, queries: list[str]) -> list[str]:
    """The queries that read every request or every attempt there is."""
    connection = bench.engine.context.ledger.connection
    found: list[str] = []
    for query in dict.fromkeys(queries):
        try:
            plan = connection.execute(f"EXPLAIN QUERY PLAN {query}").fetchall()
        except sqlite3.Error:
            continue
        words = [str(row["detail"]).split() for row in plan]
        if any(w[0] == "SCAN" and w[1] in _LARGE and "USING" not in w for w in words):
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


@pytest.mark.parametrize("query", ["SELECT 1 FROM requests WHERE status = 'queued'"])
def test_the_check_itself_finds_one(tmp_path: Path, query: str) -> None:
    with a_bench(tmp_path) as bench:
        assert full_scans(bench, [query]) == [query]
