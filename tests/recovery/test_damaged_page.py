"""Submissions to a ledger of which a page is damaged: none is lost, and none is left twice."""

import shutil
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from support.builders import a_request, some_requests
from support.ledgers.broken_ledger import poll

import titan_batch
from core.bootstrap import rebuild_ledger
from core.clock import ManualClock, SystemClock
from core.config.settings import from_environment
from core.intake.fallback_files import save
from core.intake.options import SubmitOptions
from state.db import integrity
from state.db.connection import sqlite3
from state.files import fallback_file
from state.files.folder import Folder
from state.model.errors import LedgerError, LedgerUnusable
from state.recovery import recovered_batches
from titan_console.sandbox.api import Sandbox

_PAGE = 4096
# One in so many pages; the whole takes minutes.
_EACH = 5


def _zero(ledger: Path, page: int) -> None:
    """As a bad disk does; the first page has the number 1."""
    with ledger.open("r+b") as file:
        file.seek((page - 1) * _PAGE)
        file.write(bytes(_PAGE))


def _page_of(ledger: Path, name: str) -> int:
    sql = "SELECT rootpage FROM sqlite_master WHERE name = ?"
    with closing(sqlite3.connect(ledger)) as connection:
        return int(connection.execute(sql, (name,)).fetchone()[0])


def _is_damaged(ledger: Path) -> bool:
    try:
        return integrity.damage(ledger, thorough=True) is not None
    except LedgerError:
        return True


def _outcomes(key: str) -> list[str]:
    return [row["outcome"] for row in titan_batch.poll_and_collect(key) or []]


@pytest.mark.parametrize("on_failure", ["queue", "sync"])
def test_requests_that_a_damaged_ledger_refused_run_once(
    home: Path, sandbox: Sandbox, on_failure: str
) -> None:
    """The ledger cannot even say whether it has their key: the index of the keys is damaged."""
    titan_batch.submit(some_requests(2), tag="earlier")
    poll()
    _zero(home / "titan.db", _page_of(home / "titan.db", "sqlite_autoindex_submissions_1"))
    spooled = set((home / "spool").iterdir())
    key = titan_batch.submit([a_request("new")], tag="new", on_failure=on_failure)  # pyright: ignore[reportArgumentType]
    assert set((home / "spool").iterdir()) == spooled
    assert [file.key for file in fallback_file.pending(Folder(home))] == [key]
    rebuilt, _ = rebuild_ledger(from_environment(), actor="test")
    assert (rebuilt.submissions, rebuilt.missing) == (1, 0)
    poll()
    assert _outcomes(key) == ["succeeded"]
    assert titan_batch.reconcile("new")["by_status"]["missing"] == 0
    billed = sandbox.billing_log()
    assert billed.creates + len(billed.messages) == 2


def test_a_damaged_table_of_fallback_imports_stops_no_line_of_the_mirror(
    home: Path, sandbox: Sandbox
) -> None:
    """The lines lack the keys of the files; those before have them, and a rebuild takes them."""
    kept = save(
        Folder(home),
        some_requests(2),
        SubmitOptions(tag="kept"),
        clock=SystemClock(),
        actor="job",
        error=LedgerUnusable("The disk was full."),
    )
    poll()
    later = titan_batch.submit([a_request("later")], tag="later")
    _zero(home / "titan.db", _page_of(home / "titan.db", "fallback_imports"))
    key = titan_batch.submit([a_request("new")], tag="new")
    problems = poll().problems
    (problem,) = [line for line in problems if "fallback files" in line]
    assert "damaged" in problem
    mirror = recovered_batches.mirror(Folder(home))
    assert {key, later, kept.key} == {batch.submission_key for batch in mirror.batches.values()}
    assert {batch.status for batch in mirror.batches.values()} <= {"in_progress", "ended"}
    assert [batch.fallback_imports for batch in mirror.batches.values()] == [[kept.key], [], []]
    rebuilt, _ = rebuild_ledger(from_environment(), actor="test")
    assert (rebuilt.submissions, rebuilt.missing) == (3, 0)
    for known in (kept.key, later, key):
        poll()
        assert set(_outcomes(known)) == {"succeeded"}
    assert sandbox.billing_log().creates == 3


@pytest.mark.slow
def test_a_submission_is_known_after_the_damage_of_any_page(home: Path, sandbox: Sandbox) -> None:
    """Sent once: a batch without a line in a complete mirror was not sent before the rebuild."""
    titan_batch.submit(some_requests(3), tag="earlier")
    poll()
    whole = home.with_name("whole")
    home.rename(whole)
    pages = range(2, (whole / "titan.db").stat().st_size // _PAGE + 1, _EACH)
    for page in pages:
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(whole, home, ignore=shutil.ignore_patterns("*.lock"))
        _zero(home / "titan.db", page)
        key = titan_batch.submit([a_request(f"new-{page}")], tag=f"new-{page}")
        assert _is_damaged(home / "titan.db"), page
        rebuild_ledger(from_environment(), actor="test")
        poll()
        if not _outcomes(key):
            # The damage was found after the line that comes before a POST: it may have been made.
            (batch,) = titan_batch.reconcile(f"new-{page}")["batches"]
            assert batch["status"] == "sending", page
            # The sender's time passes, then that of the API; it is sent, and collected.
            clock = ManualClock(SystemClock().now())
            for _ in range(3):
                clock.advance(3600)
                poll(clock)
        assert _outcomes(key) == ["succeeded"], page
        assert not fallback_file.pending(Folder(home)), page
    billed = Counter(row.custom_id.rpartition("-")[0] for row in sandbox.billing_log().billed())
    assert set(billed.values()) == {1}
