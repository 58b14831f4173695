"""A commit whose reply is lost is looked up by its key, and never repeated."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.ledgers.ledger_builders import START, spooled, submit
from support.ledgers.postgres_database import Database
from support.processes.cut_proxy import CutProxy
from support.processes.postgres_server import the_server

from core.clock import ManualClock
from state.db.postgres.ledger import PostgresLedger
from state.files.file_store import LOCAL_FILES
from state.model.crash_points import no_crash_point
from state.model.errors import LedgerUnusable
from state.queries import ledger_status

Open = Callable[[str], PostgresLedger]


@pytest.fixture
def proxy() -> Iterator[CutProxy]:
    made = CutProxy(the_server().socket)
    yield made
    made.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def opened(tmp_path: Path, clock: ManualClock) -> Iterator[Open]:
    made = list[PostgresLedger]()

    def open_ledger(url: str) -> PostgresLedger:
        made.append(
            PostgresLedger(
                url,
                tmp_path / "titan.db",
                now=clock.now,
                monotonic=clock.monotonic,
                actor="test",
                sleep=lambda _: None,
            )
        )
        # Its submissions have no spool files.
        made[-1].files = LOCAL_FILES
        return made[-1]

    yield open_ledger
    for one in made:
        one.close()


def through(proxy: CutProxy, database: Database) -> str:
    return f"postgresql://titan@127.0.0.1:{proxy.port}/{database.name}"


def cut_commit(proxy: CutProxy, ledger: PostgresLedger, *, delivered: bool) -> None:
    """Cut the connection at the commit of the next submission."""

    def arm(point: str) -> None:
        if point == "submit:commit":
            proxy.at, proxy.delivered = b"COMMIT\0", delivered

    ledger.crash_point = arm


def test_a_commit_that_the_server_got_is_not_repeated(
    database: Database, proxy: CutProxy, opened: Open
) -> None:
    ledger = opened(through(proxy, database))
    before = ledger_status.revision(ledger)
    cut_commit(proxy, ledger, delivered=True)
    _, is_new = submit(ledger, [spooled("a")])
    assert (is_new, proxy.cuts) == (True, 1)
    assert ledger_status.revision(ledger) == before + 1
    assert ledger_status.totals(opened(database.url)).requests == 1


def test_a_commit_that_the_server_did_not_get_is_an_error(
    database: Database, proxy: CutProxy, opened: Open
) -> None:
    ledger = opened(through(proxy, database))
    cut_commit(proxy, ledger, delivered=False)
    with pytest.raises(LedgerUnusable) as error:
        submit(ledger, [spooled("a")])
    assert (error.value.code, proxy.cuts) == ("ledger_unreachable", 1)
    ledger.crash_point = no_crash_point
    assert ledger_status.totals(opened(database.url)).requests == 0
    assert submit(ledger, [spooled("a")])[1]


@pytest.mark.parametrize("delivered", [False, True])
def test_others_that_commit_in_between_do_not_confuse_it(
    database: Database, proxy: CutProxy, opened: Open, delivered: bool
) -> None:
    other = opened(database.url)
    ledger = opened(through(proxy, database))

    def commit_meanwhile(_: float) -> None:
        submit(other, [spooled("b")], tag="other")

    ledger._sleep = commit_meanwhile
    cut_commit(proxy, ledger, delivered=delivered)
    if delivered:
        submit(ledger, [spooled("a")])
    else:
        with pytest.raises(LedgerUnusable):
            submit(ledger, [spooled("a")])
    assert ledger_status.totals(other).requests == 1 + delivered


def test_what_cannot_be_found_out_is_said(
    database: Database, proxy: CutProxy, opened: Open
) -> None:
    ledger = opened(through(proxy, database))

    def lose_the_server(_: float) -> None:
        proxy.close()

    ledger._sleep = lose_the_server
    cut_commit(proxy, ledger, delivered=True)
    with pytest.raises(LedgerUnusable) as error:
        submit(ledger, [spooled("a")])
    assert error.value.code == "commit_unknown"
    assert ledger_status.totals(opened(database.url)).requests == 1


def test_a_connection_that_ended_is_opened_again(
    database: Database, proxy: CutProxy, opened: Open
) -> None:
    ledger = opened(through(proxy, database))
    proxy.at, proxy.delivered = b"INSERT INTO submissions", False
    with pytest.raises(LedgerUnusable) as error:
        submit(ledger, [spooled("a")])
    assert error.value.code == "ledger_unreachable"
    assert submit(ledger, [spooled("a")])[1]
