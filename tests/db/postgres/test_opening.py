"""Which databases a ledger in PostgreSQL is created in, and which are refused in one line."""

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import pytest
from support.ledgers.ledger_builders import START
from support.processes.postgres_server import PostgresServer, another_server, the_server

from state.db.postgres import schema
from state.db.postgres.ledger import PostgresLedger
from state.db.postgres.reader import PostgresReader
from state.db.postgres.schema import OWN_TABLES
from state.db.postgres.statements import REFUSE
from state.db.postgres.statements import schema as statements_of
from state.db.tables import LANES, OUTPUT, PEAKS, SILENCES, TABLES, TOTALS, TRIGGERS
from state.db.views import REPLACE_VIEWS
from state.model.errors import LedgerError, LedgerTooNew

Run = Callable[..., None]
# The first version that PostgreSQL had.
BEFORE_10 = TABLES + TOTALS + OUTPUT + PEAKS + SILENCES + LANES + TRIGGERS + REPLACE_VIEWS


@pytest.fixture
def name() -> Iterator[str]:
    """A new, empty database."""
    made = the_server().new_database()
    yield made
    the_server().drop_database(made)


@pytest.fixture
def run(name: str) -> Run:
    def run(*statements: str) -> None:
        the_server().run(name, *statements)

    return run


def open_ledger(name: str, *, user: str = "titan", server: PostgresServer | None = None) -> None:
    url = (server or the_server()).url(name, user=user)
    PostgresLedger(url, Path("titan.db"), now=lambda: START, actor="test").close()


def refusal(name: str, *, user: str = "titan", server: PostgresServer | None = None) -> LedgerError:
    with pytest.raises(LedgerError) as error:
        open_ledger(name, user=user, server=server)
    assert "\n" not in str(error.value)
    return error.value


def open_at_once(name: str) -> None:
    """Three processes start at once."""
    failures = list[Exception]()

    def start() -> None:
        try:
            open_ledger(name)
        except Exception as error:  # noqa: BLE001 - named below
            failures.append(error)

    threads = [Thread(target=start) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_an_empty_database_becomes_a_ledger_once(name: str) -> None:
    open_at_once(name)
    with PostgresReader(the_server().url(name), Path("titan.db")) as reader:
        assert reader.data_version() == 0


def test_a_reader_creates_nothing(name: str) -> None:
    with pytest.raises(LedgerError) as error:
        PostgresReader(the_server().url(name), Path("titan.db"))
    assert error.value.code == "ledger_missing"
    open_ledger(name)


def test_the_database_of_another_program_is_refused(name: str, run: Run) -> None:
    run("CREATE TABLE requests (id int)")
    assert refusal(name).code == "ledger_other_program"


def test_a_ledger_of_a_later_version_is_refused(name: str, run: Run) -> None:
    open_ledger(name)
    run("UPDATE titan_ledger SET version = version + 1")
    assert isinstance(refusal(name), LedgerTooNew)
    with pytest.raises(LedgerTooNew):
        PostgresReader(the_server().url(name), Path("titan.db"))


def test_a_ledger_of_the_version_before_is_migrated_once(name: str, run: Run) -> None:
    run(
        *OWN_TABLES.split(";")[:-1],
        REFUSE,
        *statements_of(BEFORE_10),
        "INSERT INTO titan_ledger VALUES (1, 9)",
    )
    run("INSERT INTO leases VALUES ('poll', 'a', 'x', 'y', 1, 2)")
    url = the_server().url(name)
    with pytest.raises(LedgerError) as error:
        PostgresReader(url, Path("titan.db"))
    assert error.value.code == "ledger_too_old"
    open_at_once(name)
    with PostgresReader(url, Path("titan.db")) as reader:
        assert tuple(reader.rows("SELECT holder, epoch, lock_id FROM leases")[0]) == ("a", 0, "")
        assert reader.rows("SELECT to_regclass('stored_files') IS NOT NULL")[0][0]
    run("CREATE ROLE guest_10 LOGIN", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO guest_10")
    run("UPDATE titan_ledger SET version = 9")
    assert refusal(name, user="guest_10").code == "ledger_permission"


def test_a_program_that_had_it_open_before_a_migration_writes_no_more(name: str, run: Run) -> None:
    with PostgresLedger(
        the_server().url(name), Path("titan.db"), now=lambda: START, actor="test"
    ) as ledger:
        run("UPDATE titan_ledger SET version = version + 1")
        with pytest.raises(LedgerTooNew), ledger.transaction("x"):
            pytest.fail("it must not begin")
        run("UPDATE titan_ledger SET version = version - 1")
        with ledger.transaction("x") as tx:
            ledger.event(tx, "test")


def test_a_connection_that_ended_between_two_transactions_is_opened_again(
    name: str, run: Run
) -> None:
    with PostgresLedger(
        the_server().url(name), Path("titan.db"), now=lambda: START, actor="test"
    ) as ledger:
        run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        with ledger.transaction("x") as tx:
            ledger.event(tx, "test")
        assert ledger.rows("SELECT count(*) FROM events")[0][0] == 1


def test_a_second_ledger_in_another_schema_is_refused(name: str, run: Run) -> None:
    open_ledger(name)
    run("CREATE SCHEMA other", f"ALTER DATABASE {name} SET search_path = other")
    assert refusal(name).code == "ledger_other_schema"


def test_a_schema_of_its_own_beside_another_program_is_used(name: str, run: Run) -> None:
    run(
        "CREATE TABLE requests (id int)",
        "CREATE SCHEMA titan",
        f"ALTER DATABASE {name} SET search_path = titan",
    )
    open_ledger(name)
    open_ledger(name)


def test_a_role_that_may_not_create_tables_is_told(name: str, run: Run) -> None:
    run("DROP ROLE IF EXISTS guest", "CREATE ROLE guest LOGIN")
    assert refusal(name, user="guest").code == "ledger_permission"


def test_a_server_that_may_lose_a_commit_is_refused(name: str, run: Run) -> None:
    run(f"ALTER DATABASE {name} SET synchronous_commit = off")
    refused = refusal(name)
    assert refused.code == "ledger_server_unsuitable"
    assert "synchronous_commit is off" in str(refused)


def test_a_database_with_another_encoding_is_refused(name: str) -> None:
    del name  # a server is there
    the_server().run(
        "postgres",
        "DROP DATABASE IF EXISTS western",
        "CREATE DATABASE western TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'",
    )
    refused = refusal("western")
    assert refused.code == "ledger_server_unsuitable"
    assert "its encoding is LATIN1: create the database with encoding UTF8" in str(refused)


def test_a_search_path_without_a_schema_is_refused(name: str, run: Run) -> None:
    run(f"ALTER DATABASE {name} SET search_path = nowhere")
    refused = refusal(name)
    assert refused.code == "ledger_server_unsuitable"
    assert "no schema of its search_path exists" in str(refused)


def test_an_older_server_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A later version is demanded here than the installed one, which stands for an older one."""
    open_ledger(name)
    monkeypatch.setattr(schema, "OLDEST_SERVER", 10**6)
    refused = refusal(name)
    assert refused.code == "ledger_server_unsuitable"
    assert "use version 15 or later" in str(refused)
    with pytest.raises(LedgerError, match="use version 15 or later"):
        PostgresReader(the_server().url(name), Path("titan.db"))


def test_a_standby_is_refused_for_writing_and_read(tmp_path: Path) -> None:
    with another_server(wal_level="replica") as server:
        made = server.new_database()
        open_ledger(made, server=server)
        server.become_standby()
        refused = refusal(made, server=server)
        with PostgresReader(server.url(made), tmp_path / "titan.db") as reader:
            assert reader.rows("SELECT 1 FROM submissions") == []
    assert refused.code == "ledger_server_unsuitable"
    assert "its server is a standby: connect to the primary server" in str(refused)


def test_a_server_that_only_reads_is_named(name: str, run: Run) -> None:
    open_ledger(name)
    run(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    url = the_server().url(name)
    with PostgresLedger(url, Path("titan.db"), now=lambda: START, actor="test") as ledger:
        with pytest.raises(LedgerError) as error, ledger.transaction("x"):
            pass
        assert error.value.code == "ledger_read_only"


def test_a_database_and_a_server_that_are_not_there_are_named(tmp_path: Path) -> None:
    assert refusal("absent").code == "ledger_unreachable"
    url = f"postgresql://titan:secret@/x?host={tmp_path}"
    with pytest.raises(LedgerError) as error:
        PostgresLedger(url, Path("titan.db"), now=lambda: START, actor="test")
    assert error.value.code == "ledger_unreachable"
    assert "secret" not in str(error.value)
