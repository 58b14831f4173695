"""The fallback of a job pays for nothing twice while a ledger in PostgreSQL cannot be used."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from support.builders import some_requests
from support.ledgers.postgres_database import Database, an_empty_ledger
from support.processes.cut_proxy import CutProxy
from support.processes.postgres_server import the_server

import titan_batch
from core.bootstrap import open_engine
from core.config.settings import from_environment
from state.db.postgres import ledger as postgres_ledger
from state.db.postgres.connection import connect
from state.db.postgres.schema import LOCK
from state.files import fallback_file
from state.files.folder import Folder
from titan_console.sandbox.api import Sandbox

TAG = "daily-feed"


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    made = an_empty_ledger()
    monkeypatch.setenv("TITAN_LEDGER", made.url)
    yield made
    made.clear()


@pytest.fixture
def proxy(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[CutProxy]:
    """A connection that can be cut, and is not opened again to look for a commit."""
    made = CutProxy(the_server().socket)
    url = f"postgresql://titan@127.0.0.1:{made.port}/{database.name}"
    monkeypatch.setenv("TITAN_LEDGER", url)
    monkeypatch.setattr(postgres_ledger, "_RECONNECT_S", ())
    yield made
    made.close()


def submit() -> str:
    return titan_batch.submit(some_requests(3), tag=TAG, on_failure="sync")


def poll() -> int:
    with open_engine(from_environment(), actor="poller") as engine:
        return engine.poll().results


def check_billed_once(sandbox: Sandbox, key: str) -> None:
    """Polls until all has ended: one batch of three, and no single call."""
    assert sum(poll() for _ in range(3)) == 3
    results = titan_batch.poll_and_collect(key)
    assert results is not None
    assert [result["outcome"] for result in results] == ["succeeded"] * 3
    billed = sandbox.billing_log()
    assert (billed.creates, len(billed.messages)) == (1, 0)
    assert titan_batch.reconcile(TAG)["requests"] == 3


@pytest.mark.parametrize("is_readable", [True, False])
@pytest.mark.parametrize("delivered", [True, False])
def test_an_unknown_commit_leads_to_no_call_and_no_second_submission(
    home: Path,
    sandbox: Sandbox,
    database: Database,
    proxy: CutProxy,
    monkeypatch: pytest.MonkeyPatch,
    delivered: bool,
    is_readable: bool,
) -> None:
    proxy.after, proxy.at = b"INSERT INTO submissions", b"COMMIT\0"
    proxy.delivered, proxy.is_last = delivered, not is_readable
    key = submit()
    assert proxy.cuts == 1
    assert len(sandbox.billing_log().messages) == 0
    # One that is found is that submission; otherwise the next poll finds it, or stores it.
    assert bool(fallback_file.pending(Folder(home))) != (delivered and is_readable)
    monkeypatch.setenv("TITAN_LEDGER", database.url)
    check_billed_once(sandbox, key)
    assert submit() != "", "the same call again"
    assert sandbox.billing_log().creates == 1


def test_what_another_host_may_have_submitted_is_kept_and_not_run(
    home: Path, sandbox: Sandbox, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for url in ("postgresql://titan@127.0.0.1:9/titan", database.url):
        monkeypatch.setenv("TITAN_LEDGER", url)
        if url == database.url:
            short = postgres_ledger._BEGIN.replace(b"'30s'", b"'50ms'")
            monkeypatch.setattr(postgres_ledger, "_BEGIN", short)
        with closing(connect(database.url)) as other, other.transaction():
            other.execute(LOCK)
            key = submit()
        assert len(fallback_file.pending(Folder(home))) == 1
        if url != database.url:
            assert titan_batch.poll_and_collect(key) is None
            assert titan_batch.reconcile(TAG)["requests"] == 3
    assert len(sandbox.billing_log().messages) == 0
    check_billed_once(sandbox, key)


def test_what_is_certainly_new_is_run_while_nothing_can_be_written(
    home: Path, sandbox: Sandbox, database: Database
) -> None:
    name = database.name
    the_server().run("postgres", f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    try:
        key = submit()
    finally:
        the_server().run("postgres", f"ALTER DATABASE {name} RESET default_transaction_read_only")
    assert len(fallback_file.pending(Folder(home))) == 1
    assert len(sandbox.billing_log().messages) == 3
    for _ in range(2):
        poll()
    assert len(titan_batch.poll_and_collect(key) or []) == 3
    billed = sandbox.billing_log()
    assert (billed.creates, len(billed.messages)) == (0, 3)


def test_what_two_hosts_ran_meanwhile_is_all_in_the_ledger(
    tmp_path: Path, sandbox: Sandbox, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def on(host: str) -> None:
        monkeypatch.setenv("TITAN_HOME", str(tmp_path / host))
        monkeypatch.setenv("TITAN_HOST", host)

    name = database.name
    the_server().run("postgres", f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    try:
        for host in ("one", "two"):
            on(host)
            key = submit()
            assert submit() == key
    finally:
        the_server().run("postgres", f"ALTER DATABASE {name} RESET default_transaction_read_only")
    assert len(sandbox.billing_log().messages) == 6
    for host in ("one", "two", "one"):
        on(host)
        poll()
    (found,) = database.rows(
        "SELECT count(*), sum(duplicate) FROM attempts WHERE outcome = 'succeeded'"
    )
    assert [int(number) for number in found] == [6, 3]
