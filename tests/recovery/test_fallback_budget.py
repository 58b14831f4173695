"""Budgets hold for synchronous runs of fallback files, while the ledger cannot be written."""

from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from support.builders import a_bench, a_request, some_requests
from support.error_codes import code_is
from support.ledgers.broken_ledger import corrupt, heal, poll

import titan_batch
from core.bootstrap import open_engine
from core.config.settings import from_environment
from core.intake import fallback_files
from core.intake.options import SubmitOptions
from core.money.budgets import used_in
from state.batches.budget_reservations import Scope
from state.db.connection import sqlite3
from state.files import fallback_file
from state.files.folder import Folder
from state.model.errors import LedgerBusy
from state.model.records import OnFailure
from state.queries import ledger_status
from titan_console.sandbox.api import Sandbox
from titan_console.sandbox.model.timing import Plan


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    monkeypatch.setattr("state.db.connection.BUSY_TIMEOUT_S", 0.05)


@contextmanager
def locked(home: Path) -> Generator[None, None, None]:
    with closing(sqlite3.connect(home / "titan.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def limit(home: Path, dollars: float) -> None:
    home.mkdir(exist_ok=True)
    (home / "titan.toml").write_text(f"[budgets]\nday_usd = {dollars:.9f}\n", "utf-8")


def one(home: Path) -> float:
    """What one request can cost at most in a batch, in dollars; a synchronous run costs twice."""
    limit(home, 1)
    with open_engine(from_environment(), actor="test") as engine:
        engine.submit([a_request("probe")], SubmitOptions(tag="probe"))
        (row,) = engine.context.ledger.rows("SELECT max(at_most_batch_nano) FROM requests")
    poll()
    return row[0] / 1e9


def test_a_run_that_exceeds_a_budget_waits_for_a_poll(home: Path, sandbox: Sandbox) -> None:
    corrupt(home)
    # Between the price of a batch and that of a synchronous run.
    limit(home, 0.0025)
    key = titan_batch.submit(some_requests(2), tag="t", on_failure="sync")
    assert sandbox.billing_log().messages == ()
    heal(home)
    poll()
    poll()
    assert len(titan_batch.poll_and_collect(key) or []) == 2
    assert sandbox.billing_log().messages == ()


def test_a_locked_ledger_is_read_for_what_is_used(home: Path, sandbox: Sandbox) -> None:
    dollars = one(home)
    limit(home, 8 * dollars)
    sandbox.faults.add("create:429")
    titan_batch.submit(some_requests(5), tag="queued")
    with locked(home):
        titan_batch.submit(some_requests(2), tag="t", on_failure="sync")
        assert sandbox.billing_log().messages == ()
        titan_batch.submit(some_requests(1), tag="u", on_failure="sync")
        assert len(sandbox.billing_log().messages) == 1


def test_files_count_for_each_other_and_for_the_ledger_until_they_are_imported(
    home: Path, sandbox: Sandbox
) -> None:
    dollars = one(home)
    limit(home, 6.5 * dollars)
    with locked(home):
        titan_batch.submit(some_requests(2), tag="first", on_failure="sync")
        titan_batch.submit(some_requests(2), tag="second", on_failure="sync")
        assert len(sandbox.billing_log().messages) == 2
    with pytest.raises(titan_batch.PayloadError, check=code_is("over_budget")):
        titan_batch.submit(some_requests(3), tag="third")
    poll()
    with open_engine(from_environment(), actor="test") as engine:
        ledger = engine.context.ledger
        poll()
        assert fallback_file.pending(Folder(home)) == []
        used = used_in(ledger, Folder(home))(Scope()).nano
        assert used == ledger_status.totals(ledger).cost_nano > 0


def test_a_run_that_is_made_again_reserves_once(home: Path, sandbox: Sandbox) -> None:
    dollars = one(home)
    limit(home, 4.5 * dollars)
    sandbox.faults.add("messages:401")
    with locked(home):
        for _ in range(2):
            titan_batch.submit(some_requests(2), tag="t", on_failure="sync")
    (file,) = fallback_file.pending(Folder(home))
    assert 4 * dollars < file.reserved_nano() / 1e9 < 4.5 * dollars


def test_nothing_runs_while_a_limit_cannot_be_read(home: Path, sandbox: Sandbox) -> None:
    corrupt(home)
    (home / "titan.toml").write_text("[budgets]\nday_usd = 'much'", "utf-8")
    titan_batch.submit(some_requests(2), tag="t", on_failure="sync")
    assert sandbox.billing_log().messages == ()
    assert len(fallback_file.pending(Folder(home))) == 1


def test_answers_count_on_the_day_they_were_paid(tmp_path: Path) -> None:
    with a_bench(tmp_path / "titan", plan=Plan.instant()) as bench:
        limit(bench.folder.root, 1)
        options = SubmitOptions(tag="t", on_failure=OnFailure.SYNC)
        busy = LedgerBusy("The ledger is locked.")
        file = fallback_files.save(
            bench.folder, some_requests(2), options, clock=bench.clock, actor="test", error=busy
        )
        assert fallback_files.run_sync(bench.folder, file, bench.api(), bench.clock) is None
        paid_on = bench.clock.now().date().isoformat()
        bench.poll_after(86_400)
        bench.poll_after(60)
        ledger = bench.engine.context.ledger
        used = used_in(ledger, bench.folder)
        assert used(Scope(day=bench.clock.now().date().isoformat())).nano == 0
        assert used(Scope(day=paid_on)).nano == ledger_status.totals(ledger).cost_nano > 0
