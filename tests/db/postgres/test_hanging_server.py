"""A server that hangs while its network answers: statements end, and long ones are not cut."""

import os
import signal
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import pytest
from support.ledgers.ledger_builders import START, spooled, submit
from support.ledgers.postgres_database import Database
from support.processes.postgres_server import the_server
from support.processes.slow_proxy import SlowProxy

from state.db.postgres import connection, watched
from state.db.postgres.ledger import PostgresLedger
from state.db.postgres.reader import PostgresReader
from state.files.file_store import LOCAL_FILES
from state.model.errors import LedgerBusy, LedgerUnusable
from state.queries import ledger_status

Patch = pytest.MonkeyPatch


@pytest.fixture
def proxy() -> Iterator[SlowProxy]:
    made = SlowProxy(the_server().socket)
    yield made
    made.close()


@pytest.fixture
def hangs_soon(monkeypatch: Patch) -> None:
    """Psycopg waits for a connection for two seconds at least."""
    monkeypatch.setattr(watched, "PROBE_S", 0.3)
    monkeypatch.setitem(connection._NETWORK, "connect_timeout", 2)


def opened(url: str, path: Path) -> PostgresLedger:
    made = PostgresLedger(
        url, path / "titan.db", now=lambda: START, actor="test", sleep=lambda _: None
    )
    # Its submissions have no spool files.
    made.files = LOCAL_FILES
    return made


def through(proxy: SlowProxy, database: Database) -> str:
    return f"postgresql://titan@127.0.0.1:{proxy.port}/{database.name}"


def session_of(ledger: PostgresLedger | PostgresReader) -> int:
    return ledger._postgres.info.backend_pid


@contextmanager
def stopped(*processes: int) -> Generator[Callable[[], None], None, None]:
    """Processes of the server do nothing meanwhile; the function lets them go on earlier."""

    def go_on() -> None:
        for process in processes:
            # A session whose client has gone ends.
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGCONT)

    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        yield go_on
    finally:
        go_on()


@pytest.mark.usefixtures("hangs_soon")
def test_a_server_that_answers_nothing_is_abandoned(
    tmp_path: Path, database: Database, proxy: SlowProxy
) -> None:
    with opened(through(proxy, database), tmp_path) as ledger:
        proxy.hang()
        with pytest.raises(LedgerUnusable, match="neither a statement nor a new connection") as one:
            ledger.rows("SELECT 1")
    assert (one.value.code, str(one.value).count("\n")) == ("ledger_unreachable", 0)


@pytest.mark.usefixtures("hangs_soon")
def test_all_processes_of_the_server_that_stop_are_found(
    tmp_path: Path, database: Database
) -> None:
    server = the_server()
    with opened(database.url, tmp_path) as ledger:
        main = int((server.folder / "data" / "postmaster.pid").read_text().split()[0])
        with (
            stopped(main, session_of(ledger)),
            pytest.raises(LedgerUnusable, match="nor a new connection"),
        ):
            ledger.rows("SELECT 1")
        assert ledger.rows("SELECT 7")[0][0] == 7


@pytest.mark.usefixtures("hangs_soon")
def test_a_session_that_stops_alone_is_abandoned_after_the_limit(
    tmp_path: Path, database: Database
) -> None:
    with opened(database.url, tmp_path) as ledger:
        ledger._postgres.limit_s = 1.0
        with (
            stopped(session_of(ledger)),
            pytest.raises(LedgerUnusable, match=r"no answer in 1 s: look in pg_stat_activity"),
        ):
            ledger.rows("SELECT 1")
        assert ledger.rows("SELECT 7")[0][0] == 7


@pytest.mark.usefixtures("hangs_soon")
def test_a_commit_that_is_abandoned_is_looked_up_and_not_repeated(
    tmp_path: Path, database: Database
) -> None:
    with opened(database.url, tmp_path) as ledger, ExitStack() as held:
        ledger._postgres.limit_s = 1.0

        def go_on(_: float) -> None:
            held.close()

        def stop(point: str) -> None:
            if point == "submit:commit":
                held.enter_context(stopped(session_of(ledger)))
                ledger._sleep = go_on

        ledger.crash_point = stop
        before = ledger_status.revision(ledger)
        assert submit(ledger, [spooled("a")])[1]
        assert ledger_status.revision(ledger) == before + 1
        assert ledger_status.totals(ledger).requests == 1


@pytest.mark.usefixtures("hangs_soon")
def test_an_upload_and_a_long_read_are_also_abandoned(
    tmp_path: Path, database: Database, proxy: SlowProxy
) -> None:
    file = tmp_path / "spool" / "s.jsonl"
    file.parent.mkdir()
    file.write_bytes(os.urandom(16 << 20))
    with PostgresLedger(
        through(proxy, database), tmp_path / "titan.db", now=lambda: START, actor="test"
    ) as ledger:
        rows = ledger.tuples("SELECT * FROM generate_series(1, 5000)")
        next(rows)
        ledger.files.upload(file)
        proxy.hang()
        with pytest.raises(LedgerUnusable, match="hangs"):
            list(rows)
    other = SlowProxy(the_server().socket)
    with PostgresLedger(
        through(other, database), tmp_path / "titan.db", now=lambda: START, actor="test"
    ) as ledger:

        def hang(point: str) -> None:
            if point == "upload:pieces":
                other.hang()

        ledger.files._crash_point = hang  # pyright: ignore[reportAttributeAccessIssue]
        with pytest.raises(LedgerUnusable, match="hangs"):
            ledger.files.upload(file)
    other.close()


@pytest.mark.usefixtures("hangs_soon")
def test_a_long_statement_is_not_cut_while_the_server_lives(
    tmp_path: Path, database: Database
) -> None:
    with opened(database.url, tmp_path) as ledger:
        assert len(ledger.rows("SELECT pg_sleep(1.5)")) == 1


def test_a_lock_that_another_client_keeps_is_not_waited_for_for_ever(
    tmp_path: Path, database: Database, monkeypatch: Patch
) -> None:
    monkeypatch.setattr(connection, "BUSY_TIMEOUT_S", 1)
    other = connection.connect(database.url)
    with closing(other), PostgresReader(database.url, tmp_path / "titan.db") as reader:
        other.execute("BEGIN; LOCK TABLE requests IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(LedgerBusy, match="Try again"):
            reader.rows("SELECT count(*) FROM requests")


def test_the_server_ends_a_statement_after_the_limit(
    tmp_path: Path, database: Database, monkeypatch: Patch
) -> None:
    monkeypatch.setattr(connection, "STATEMENT_S", 1)
    with PostgresReader(database.url, tmp_path / "titan.db") as reader:
        with pytest.raises(LedgerBusy) as error:
            reader.rows("SELECT pg_sleep(20)")
        assert error.value.code == "ledger_canceled"
        # A query has a limit of its own.
        with reader.select(
            "SELECT pg_sleep(1.5), 7 AS n", timeout_s=20, is_stopped=lambda: False
        ) as (_, rows):
            assert [row[1] for row in rows] == [7]
        ((limit,),) = reader.rows("SHOW statement_timeout")
        assert limit == "1s"


def test_creation_and_copies_have_no_limit(
    tmp_path: Path, database: Database, monkeypatch: Patch
) -> None:
    monkeypatch.setattr(connection, "STATEMENT_S", 1)
    with closing(connection.connect(database.url)) as made:
        with connection.unlimited(made):
            made.execute("SELECT pg_sleep(1.3)")
            assert made.limit_s is None
        assert made.execute("SHOW statement_timeout").fetchall()[0][0] == "1s"
    with closing(connection.connect(database.url, is_limited=False)) as made:
        made.execute("SELECT pg_sleep(1.3)")
    # Its first transaction takes longer than that where a trigger is slow.
    name = the_server().new_database()
    the_server().run(
        name,
        "CREATE FUNCTION slow() RETURNS event_trigger LANGUAGE plpgsql AS"
        " $$ BEGIN IF tg_tag = 'CREATE VIEW' THEN PERFORM pg_sleep(0.3); END IF; END $$",
        "CREATE EVENT TRIGGER slow ON ddl_command_end EXECUTE FUNCTION slow()",
    )
    opened(the_server().url(name), tmp_path).close()
    the_server().drop_database(name)
