"""A temporary table is filled on a thread of its own, and the ledger stays with its own thread."""

from collections.abc import Iterator
from threading import Thread

import pytest
from support.made import spooled, submit

from state.db.ledger import Ledger
from state.model.errors import IllegalTransition, LedgerUnusable


@pytest.fixture
def filled(ledger: Ledger) -> Ledger:
    ledger.execute("CREATE TEMP TABLE some (n INTEGER PRIMARY KEY, word TEXT, none TEXT)")
    return ledger


def rows(count: int) -> Iterator[tuple[int, str, None]]:
    return ((n, f'"\u2028é{n}', None) for n in range(count))


@pytest.mark.parametrize("count", [0, 1, 1999, 2000, 2001, 10_000])
def test_every_row_comes_in_as_it_was(filled: Ledger, count: int) -> None:
    filled.fill_beside("some", rows(count))
    assert list(filled.each("SELECT * FROM some ORDER BY n")) == list(rows(count))


@pytest.mark.parametrize("count", [3000, 10_000])
def test_what_sqlite_refuses_on_the_way_is_told(filled: Ledger, count: int) -> None:
    twice = (row for n, row in enumerate(rows(count)) for _ in range(1 + (n == 1)))
    with pytest.raises(IllegalTransition, match="UNIQUE"):
        filled.fill_beside("some", twice)


def test_rows_that_break_off_leave_a_ledger_that_works(filled: Ledger) -> None:
    def broken() -> Iterator[tuple[int, str, None]]:
        yield from rows(5000)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        filled.fill_beside("some", broken())
    submit(filled, [spooled("a")])
    assert filled.rows("SELECT count(*) FROM requests")[0][0] == 1


def test_no_other_thread_writes_with_a_ledger(ledger: Ledger) -> None:
    refused: list[str] = []

    def write() -> None:
        try:
            submit(ledger, [spooled("a")])
        except LedgerUnusable as error:
            refused.append(str(error))

    thread = Thread(target=write)
    thread.start()
    thread.join()
    assert "opened on another thread" in refused[0]
