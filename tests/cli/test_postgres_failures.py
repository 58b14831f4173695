"""A server that fails: one line and the right exit code at the command line, and nothing lost."""

import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from support.builders import some_requests
from support.ledgers.postgres_database import Database, an_empty_ledger
from support.processes.cut_proxy import CutProxy
from support.processes.in_process import Run, request_file, runner
from support.processes.postgres_server import the_server
from support.processes.slow_proxy import SlowProxy

import titan_batch
from state.db.postgres import connection, ledger
from state.files import fallback_file
from state.files.folder import Folder
from titan_console.cli.exit_codes import Exit
from titan_console.sandbox.api import Sandbox

Patch = pytest.MonkeyPatch


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    return runner(capsys)


@pytest.fixture
def database(monkeypatch: Patch) -> Iterator[Database]:
    made = an_empty_ledger()
    monkeypatch.setenv("TITAN_LEDGER", made.url)
    yield made
    made.clear()


@contextmanager
def no_free_connection(database: Database, patch: Patch) -> Generator[None, None, None]:
    """As where `max_connections` are open: the limit is that of a role."""
    the_server().run(
        database.name,
        "DROP ROLE IF EXISTS crowded",
        "CREATE ROLE crowded LOGIN CONNECTION LIMIT 0",
    )
    patch.setenv("TITAN_LEDGER", the_server().url(database.name, user="crowded"))
    yield


@contextmanager
def full_disk(database: Database, patch: Patch) -> Generator[None, None, None]:
    """Each write needs space that the disk of the server has not."""
    del patch
    the_server().run(
        database.name,
        "CREATE OR REPLACE FUNCTION no_space() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE 'could not extend file' USING ERRCODE = '53100'; END $$",
        "CREATE TRIGGER no_space BEFORE UPDATE ON revision EXECUTE FUNCTION no_space()",
    )
    try:
        yield
    finally:
        the_server().run(database.name, "DROP TRIGGER no_space ON revision")


@contextmanager
def no_driver(database: Database, patch: Patch) -> Generator[None, None, None]:
    """As where psycopg is not installed."""
    del database
    patch.setitem(sys.modules, "psycopg", None)
    yield


@contextmanager
def hanging_network(database: Database, patch: Patch) -> Generator[None, None, None]:
    """Connections are accepted and get no answer; psycopg waits for two seconds at least."""
    patch.setitem(connection._NETWORK, "connect_timeout", 2)
    proxy = SlowProxy(the_server().socket)
    proxy.hang()
    patch.setenv("TITAN_LEDGER", f"postgresql://titan@127.0.0.1:{proxy.port}/{database.name}")
    try:
        yield
    finally:
        proxy.close()


WRITES = (("submit", "FILE", "--tag", "second"), ("--poll",), ("replay", "first", "--yes"))
READS = (("status",), ("query", "SELECT 1"))
FAILURES = [
    pytest.param(no_free_connection, "ledger_no_connection", (*WRITES, *READS), id="connections"),
    pytest.param(full_disk, "disk_full", WRITES[:2], id="disk"),
    pytest.param(no_driver, "driver_missing", (*WRITES, *READS), id="driver"),
    pytest.param(
        hanging_network, "ledger_unreachable", WRITES[:1], id="network", marks=pytest.mark.slow
    ),
]


@pytest.mark.parametrize(("failure", "code", "commands"), FAILURES)
def test_a_server_that_fails_is_one_line_and_loses_nothing(
    home: Path,
    sandbox: Sandbox,
    run: Run,
    database: Database,
    monkeypatch: Patch,
    failure: Callable[[Database, Patch], AbstractContextManager[None]],
    code: str,
    commands: tuple[tuple[str, ...], ...],
) -> None:
    first, second = (request_file(home.with_name(f"{n}.jsonl"), n) for n in (2, 3))
    assert run("submit", first, "--tag", "first").code == 0
    with monkeypatch.context() as patch, failure(database, patch):
        for words in commands:
            command = [second if word == "FILE" else word for word in words]
            failed = run(*command, "--json")
            assert (failed.code, failed.error_code()) == (Exit.UNUSABLE, code), (words, failed)
            assert (failed.out, failed.err.count("\n")) == ("", 1), (words, failed)
        key = titan_batch.submit(some_requests(4, "third"), tag="third")
        assert fallback_file.pending(Folder(home))
    assert sandbox.billing_log().creates == 1
    assert run("submit", second, "--tag", "second").code == 0
    assert run("--poll").code == 0
    assert run("--poll").code == 0
    assert len(run("results", key, "--json").lines()) == 4
    (status,) = run("query", "SELECT count(*) AS n FROM v_requests", "--json").lines()
    assert (status["n"], sandbox.billing_log().creates) == (9, 3)


@pytest.mark.parametrize("delivered", [True, False])
def test_of_a_commit_that_is_unknown_nothing_is_said_that_is_not_so(
    home: Path,
    sandbox: Sandbox,
    run: Run,
    database: Database,
    monkeypatch: Patch,
    delivered: bool,
) -> None:
    proxy = CutProxy(the_server().socket)
    proxy.after, proxy.at, proxy.delivered = b"INSERT INTO submissions", b"COMMIT\0", delivered
    monkeypatch.setattr(ledger, "_RECONNECT_S", ())
    file = request_file(home.with_name("daily.jsonl"), 3)
    with monkeypatch.context() as patch:
        patch.setenv("TITAN_LEDGER", f"postgresql://titan@127.0.0.1:{proxy.port}/{database.name}")
        failed = run("submit", file, "--json")
    proxy.close()
    assert (failed.code, failed.error_code()) == (Exit.UNUSABLE, "commit_unknown")
    assert "Nothing was sent or stored" not in failed.err
    assert run("submit", file).code == 0
    assert run("--poll").code == 0
    (found,) = run("query", "SELECT count(*) AS n FROM v_requests", "--json").lines()
    assert (found["n"], sandbox.billing_log().creates) == (3, 1)


def test_a_server_that_has_lost_transactions_is_refused_and_sends_nothing_twice(
    home: Path, sandbox: Sandbox, run: Run, monkeypatch: Patch
) -> None:
    server = the_server()
    primary, standby = server.new_database(), server.new_database()
    server.drop_database(standby)
    monkeypatch.setenv("TITAN_LEDGER", server.url(primary))
    with monkeypatch.context() as without_key:
        without_key.delenv("ANTHROPIC_API_KEY")
        key = run("submit", request_file(home.with_name("daily.jsonl"), 3)).out.strip()
    assert sandbox.batches() == []
    # What the standby had when the primary server failed.
    server.run("postgres", f"CREATE DATABASE {standby} TEMPLATE {primary}")
    run("--poll")
    assert len(sandbox.batches()) == 1

    monkeypatch.setenv("TITAN_LEDGER", server.url(standby))
    for command in (("--poll",), ("submit", request_file(home.with_name("other.jsonl"), 1))):
        refused = run(*command, "--json")
        assert (refused.code, refused.error_code()) == (Exit.UNUSABLE, "ledger_rolled_back")
    accepted = run("ledger", "accept-loss", "--yes", "--json")
    assert (accepted.code, accepted.json()) == (0, {"batches": 1, "commands": 0}), accepted
    for _ in range(3):
        run("--poll")
    assert len(run("results", key, "--json").lines()) == 3
    assert len(sandbox.batches()) == 1
    last = run("--poll", "--json")
    assert last.code == 0, last
    for name in (primary, standby):
        server.drop_database(name)
