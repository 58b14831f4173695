"""Staged rows: a temporary table that is passed on, dropped at the end, and fails in one line."""

from collections.abc import Iterator

import pytest
from support.error_codes import code_is
from support.ledgers.ledger_builders import spooled, submit

from state.db.ledger import Ledger
from state.model.errors import IllegalTransition, LedgerUnusable

COLUMNS = {"n": int, "word": str, "none": str}


def rows(count: int) -> Iterator[tuple[int, str, None]]:
    return ((n, f'"\u2028é\0{n}', None) for n in range(count))


def tables(ledger: Ledger) -> list[str]:
    return [row[0] for row in ledger.rows("SELECT name FROM temp.sqlite_master")]


@pytest.mark.parametrize("count", [0, 1, 10_000])
def test_every_row_is_there_as_it_was_and_then_dropped(ledger: Ledger, count: int) -> None:
    with ledger.staged(COLUMNS, rows(count), key="n") as staged:
        assert list(ledger.tuples(f"SELECT * FROM {staged} ORDER BY n")) == list(rows(count))  # noqa: S608 - our own table
    assert tables(ledger) == []


def test_two_at_once_are_apart(ledger: Ledger) -> None:
    with ledger.staged(COLUMNS, rows(2)) as one, ledger.staged(COLUMNS) as two:
        two.add_rows(rows(3))
        counts = [ledger.rows(f"SELECT count(*) FROM {table}")[0][0] for table in (one, two)]  # noqa: S608 - our own tables
    assert counts == [2, 3]


def test_a_row_that_violates_a_constraint_is_one_error(ledger: Ledger) -> None:
    twice = (row for row in rows(3) for _ in range(2))
    with pytest.raises(IllegalTransition, match="UNIQUE"), ledger.staged(COLUMNS, twice, key="n"):
        pass
    assert tables(ledger) == []
    assert not ledger.connection.in_transaction


def _stage_on_a_full_disk(ledger: Ledger) -> None:
    with ledger.staged(COLUMNS) as staged:
        # The rows are in the last one: a file of their own, or that of temporary tables.
        schema = ledger.rows("PRAGMA database_list")[-1][1]
        ledger.execute(f"PRAGMA {schema}.max_page_count=20")
        staged.add_rows(rows(50_000))


def test_a_full_disk_is_one_error(ledger: Ledger) -> None:
    ledger.execute("CREATE TEMP TABLE other (n INTEGER)")
    with pytest.raises(LedgerUnusable, check=code_is("disk_full")) as caught:
        _stage_on_a_full_disk(ledger)
    assert "\n" not in str(caught.value)
    cause = caught.value.__cause__
    assert cause is not None
    assert cause.__context__ is None
    assert caught.value.__context__ is cause
    ledger.execute("PRAGMA temp.max_page_count=1000000")
    submit(ledger, [spooled("a")])
    assert ledger.rows("SELECT count(*) FROM requests")[0][0] == 1
