"""A ledger that cannot be written can still be read: what it knows is not bought again."""

import resource
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.builders import a_request, some_requests
from support.ledgers.broken_ledger import corrupt, poll
from support.processes.terminal import Terminal

import titan_batch
from core.intake import fallback_contents
from state.db.connection import sqlite3
from state.files import fallback_file
from state.files.archive import compress
from state.files.folder import Folder
from titan_console.sandbox.api import Sandbox

Lock = Callable[[Path], AbstractContextManager[None]]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    monkeypatch.setattr("state.db.connection.BUSY_TIMEOUT_S", 0.05)


@contextmanager
def _locked(home: Path) -> Generator[None, None, None]:
    """Another program has the write lock."""
    with closing(sqlite3.connect(home / "titan.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def _full(_home: Path) -> Generator[None, None, None]:
    """No file may grow beyond what a reader needs."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def _unwritable(home: Path) -> Generator[None, None, None]:
    """The spool cannot be written."""
    (home / "spool").rename(home / "moved")
    (home / "spool").write_text("a file in the way")
    yield
    (home / "spool").unlink()
    (home / "moved").rename(home / "spool")


@contextmanager
def _exclusive(home: Path) -> Generator[None, None, None]:
    """Another program has the whole file, so that it cannot be read either."""
    with closing(sqlite3.connect(home / "titan.db", isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("BEGIN IMMEDIATE")
        other.execute("UPDATE revision SET value = value + 1")
        yield
        other.execute("ROLLBACK")


LOCKS = [
    pytest.param(_locked, id="locked"),
    pytest.param(_full, id="full disk"),
    pytest.param(_unwritable, id="unwritable"),
]


@pytest.mark.parametrize("on_failure", ["sync", "queue"])
@pytest.mark.parametrize("lock", LOCKS)
def test_a_call_made_again_is_the_same_submission_although_nothing_can_be_written(
    home: Path, sandbox: Sandbox, lock: Lock, on_failure: str
) -> None:
    asked = {"tag": "t", "on_failure": on_failure}
    key = titan_batch.submit(some_requests(3), **asked)  # pyright: ignore[reportArgumentType]
    with lock(home):
        assert titan_batch.submit(some_requests(3), **asked) == key  # pyright: ignore[reportArgumentType]
    assert fallback_file.pending(Folder(home)) == []
    billed = sandbox.billing_log()
    assert (billed.creates, len(billed.messages)) == (1, 0)


def test_what_is_answered_is_returned_while_the_ledger_is_locked(
    home: Path, sandbox: Sandbox
) -> None:
    key = titan_batch.submit(some_requests(2), tag="t", on_failure="sync")
    poll()
    with _locked(home):
        assert titan_batch.submit(some_requests(2), tag="t", on_failure="sync") == key
        assert len(titan_batch.poll_and_collect(key) or []) == 2
    assert len(sandbox.billing_log().messages) == 0


@pytest.mark.usefixtures("sandbox")
def test_a_poll_of_a_job_that_meets_a_locked_ledger_is_no_error(home: Path) -> None:
    key = titan_batch.submit(some_requests(2), tag="t")
    with _locked(home):
        assert titan_batch.poll_and_collect(key) is None
    assert len(titan_batch.poll_and_collect(key) or []) == 2


def test_what_is_surely_new_runs_while_the_ledger_is_locked(home: Path, sandbox: Sandbox) -> None:
    titan_batch.submit(some_requests(2), tag="t", on_failure="sync")
    with _locked(home):
        key = titan_batch.submit([a_request("new")], tag="t", on_failure="sync")
        (row,) = titan_batch.poll_and_collect(key) or []
    assert row["outcome"] == "succeeded"
    assert len(sandbox.billing_log().messages) == 1


def test_a_call_that_is_known_in_part_or_with_another_body_is_refused_as_ever(
    home: Path, sandbox: Sandbox
) -> None:
    titan_batch.submit(some_requests(2), tag="t", on_failure="sync")
    with _locked(home):
        with pytest.raises(titan_batch.AlreadySubmitted, match="2 of 3"):
            titan_batch.submit(some_requests(3), tag="t", on_failure="sync")
        changed = [dict(some_requests(1)[0], max_tokens=65), some_requests(2)[1]]
        with pytest.raises(titan_batch.AlreadySubmitted, match="another body"):
            titan_batch.submit(changed, tag="t", on_failure="sync")
    assert len(sandbox.billing_log().messages) == 0


@pytest.mark.parametrize("spool", ["plain", "compressed", "damaged", "unreadable"])
def test_what_may_be_known_to_a_ledger_that_cannot_be_read_is_kept_and_not_run(
    home: Path, sandbox: Sandbox, spool: str
) -> None:
    key = titan_batch.submit(some_requests(2), tag="t", on_failure="sync")
    path = home / "spool" / f"{key}.jsonl"
    if spool in ("compressed", "damaged"):
        compress(path)
    if spool == "damaged":
        packed = path.with_name(f"{path.name}.zst")
        packed.write_bytes(packed.read_bytes()[:10] + b"damaged" * 9)
    if spool == "unreadable":
        path.rename(home / "elsewhere")
        path.mkdir()
    whole = (home / "titan.db").read_bytes()
    corrupt(home)
    kept = titan_batch.submit(some_requests(2), tag="t", on_failure="sync")
    assert titan_batch.poll_and_collect(kept) is None
    (home / "titan.db").write_bytes(whole)
    poll()
    assert len(titan_batch.poll_and_collect(kept) or []) == 2
    assert titan_batch.reconcile("t")["submissions"] == [key]
    assert (sandbox.billing_log().creates, len(sandbox.billing_log().messages)) == (1, 0)


def test_a_ledger_that_another_program_has_for_itself_alone_pays_nothing_twice(
    home: Path, sandbox: Sandbox
) -> None:
    key = titan_batch.submit(some_requests(2), tag="t", on_failure="sync")
    with _exclusive(home):
        titan_batch.submit(some_requests(2), tag="t", on_failure="sync")
    poll()
    assert titan_batch.reconcile("t")["submissions"] == [key]
    assert (sandbox.billing_log().creates, len(sandbox.billing_log().messages)) == (1, 0)


def _another_poll_runs(_engine: object) -> None:
    pass


def test_what_a_locked_ledger_did_not_get_is_counted_under_its_tag_and_not_finished(
    home: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = titan_batch.submit(some_requests(2), tag="t")
    assert titan_batch.poll_and_collect("t") is not None
    with _locked(home):
        kept, alone = (titan_batch.submit([a_request("kept")], tag=tag) for tag in ("t", "another"))
    with monkeypatch.context() as patch:
        patch.setattr("titan_batch._poll", _another_poll_runs)
        found = titan_batch.reconcile("t")
        assert found["submissions"] == [first, kept]
        assert (found["requests"], found["by_status"]["queued"]) == (3, 1)
        assert (found["finished"], found["settled"]) == (False, False)
        for name in ("t", kept, "another", alone):
            assert titan_batch.poll_and_collect(name) is None
            for command in ("results", "show"):
                assert "fallback" in Terminal(home).run(command, name).err
        assert len(titan_batch.poll_and_collect(first) or []) == 2
    assert titan_batch.reconcile("another")["by_status"]["queued"] == 0
    assert titan_batch.reconcile("t")["submissions"] == [first, kept]
    assert len(titan_batch.poll_and_collect("t") or []) == 3
    assert sandbox.billing_log().creates == 3


def test_a_file_that_another_poll_imports_meanwhile_is_counted_once(
    home: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    titan_batch.submit(some_requests(2), tag="t")
    titan_batch.poll_and_collect("t")
    with _locked(home):
        kept = titan_batch.submit([a_request("kept")], tag="t")
    (file,) = fallback_file.pending(Folder(home))
    read = fallback_contents.with_files

    with monkeypatch.context() as patch:

        def after_an_import(*arguments: Any) -> dict[str, Any]:
            patch.undo()
            poll()
            return read(*arguments)

        patch.setattr("core.intake.fallback_contents.with_files", after_an_import)
        found = titan_batch.reconcile("t")
    assert (found["requests"], found["submissions"].count(kept)) == (3, 1)
    assert fallback_contents.results(file) is None
    assert sandbox.billing_log().creates == 2
