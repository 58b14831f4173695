"""Queries of any length are read in parts, as they were at the first row."""

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.ledgers.ledger_builders import START, a_submission, spooled, submit
from support.ledgers.postgres_database import an_empty_ledger

from state.batches import submissions
from state.db.ledger import Ledger
from state.db.postgres.ledger import PostgresLedger
from state.db.postgres.reader import PostgresReader
from state.files.file_store import LOCAL_FILES


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    database = an_empty_ledger()
    path = tmp_path / "titan.db"
    with PostgresLedger(database.url, path, now=lambda: START, actor="test") as made:
        made.files = LOCAL_FILES
        yield made
    database.clear()


def test_many_rows_are_read_while_others_are_written(ledger: Ledger) -> None:
    with submissions.staged(ledger, (spooled(f"a{n}") for n in range(5000))) as staged:
        submissions.store(ledger, staged, a_submission(ledger), wire_overhead=0)
    read = list[str]()
    for (custom_id,) in ledger.tuples("SELECT custom_id FROM requests ORDER BY id"):
        read.append(custom_id)
        if len(read) % 2500 == 1:
            submit(ledger, [spooled("b")], tag=f"tag-{len(read)}")
            assert ledger.rows("SELECT count(*) FROM requests")[0][0] > 5000
    assert read[:5000] == [f"a{n}" for n in range(5000)]
    with ledger.transaction("test"):
        some = ledger.tuples("SELECT custom_id FROM requests ORDER BY id")
        assert next(some) == ("a0",)
        ledger.execute("DELETE FROM mirrors")
    some.close()  # pyright: ignore[reportAttributeAccessIssue] - a generator
    assert next(ledger.tuples("SELECT count(*) FROM mirrors")) == (0,)


def test_a_hundred_thousand_rows_take_no_memory(tmp_path: Path) -> None:
    url = an_empty_ledger().url
    with PostgresReader(url, tmp_path / "titan.db") as reader:
        rows = reader.tuples("SELECT g, repeat('x', 100) FROM generate_series(1, 100000) g")
        next(rows)
        tracemalloc.start()
        assert sum(1 for _ in rows) == 99_999
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    # Of all rows at once it would be 20 MB.
    assert peak < 3_000_000
