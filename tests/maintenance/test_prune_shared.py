"""Retention where bodies and results are in the database: they leave it, and the disk, too."""

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from support.builders import Bench, a_bench
from support.ledgers.postgres_database import an_empty_ledger

from core.maintenance.prune import prune
from state.model.errors import FileMissing
from state.model.ledger_url import LedgerUrl


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    database = an_empty_ledger()
    with a_bench(tmp_path / "home", ledger_url=LedgerUrl(database.url)) as made:
        yield made
    database.clear()


def stored(bench: Bench) -> list[int]:
    tables = ("stored_files", "stored_pieces")
    rows = bench.engine.context.ledger.rows
    return [rows(f"SELECT count(*) FROM {table}")[0][0] for table in tables]  # noqa: S608 - our own tables


def age_copies(bench: Bench) -> None:
    for folder in (bench.folder.spool, bench.folder.results):
        for path in folder.glob("*"):
            os.utime(path, (0, 0))


def test_old_copies_leave_the_disk_and_are_read_from_the_database(bench: Bench) -> None:
    key = bench.submit().submission.key
    bench.poll_after(120)
    expected = list(bench.engine.results(key))
    age_copies(bench)
    bench.poll_after(1)
    assert [*bench.folder.spool.glob("*"), *bench.folder.results.glob("*")] == []
    assert list(bench.engine.results(key)) == expected
    assert stored(bench) == [2, 2]


def test_what_is_pruned_leaves_the_database(bench: Bench) -> None:
    key = bench.submit().submission.key
    bench.poll_after(120)
    bench.clock.advance(91 * 86_400)
    now = bench.clock.now()
    done = prune(bench.engine.context, before=now - timedelta(days=90), compress_before=now)
    assert (done.submissions, done.files_compressed) == (1, 0)
    assert done.bytes_removed > 0
    assert stored(bench) == [0, 0]
    with pytest.raises(FileMissing, match="were deleted on"):
        list(bench.engine.results(key))
