"""A ledger that cannot be used does not take the submitting job down."""

import json
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.builders import a_request, some_requests
from support.error_codes import code_is
from support.ledgers.broken_ledger import corrupt, heal, no_folder, poll, too_new
from support.processes.terminal import Terminal

import titan_batch
from core.bootstrap import open_engine
from core.config.settings import from_environment
from state.db.connection import sqlite3
from state.db.ledger import Ledger
from state.files import fallback_file
from state.files.folder import Folder
from state.queries import ledger_status
from titan_console.sandbox.api import Sandbox

BREAKS = [
    pytest.param(corrupt, id="corrupt"),
    pytest.param(no_folder, id="no folder"),
    pytest.param(too_new, id="too new"),
]


@pytest.mark.parametrize("break_it", BREAKS)
def test_a_queued_submission_is_kept_without_a_call_and_sent_by_the_next_poll(
    home: Path, sandbox: Sandbox, break_it: Callable[[Path], None]
) -> None:
    break_it(home)
    key = titan_batch.submit(some_requests(3), tag="daily-feed")
    assert titan_batch.poll_and_collect(key) is None
    assert (sandbox.billing_log().creates, sandbox.billing_log().messages) == (0, ())
    heal(home)
    assert poll().sent == 1
    poll()
    results = titan_batch.poll_and_collect(key)
    assert results is not None
    assert [row["custom_id"] for row in results] == [r["custom_id"] for r in some_requests(3)]
    assert fallback_file.pending(Folder(home)) == []
    assert sandbox.billing_log().creates == 1
    assert titan_batch.reconcile("daily-feed")["submissions"] == [key]


@pytest.mark.parametrize("break_it", BREAKS)
def test_policy_sync_answers_at_once_and_the_next_poll_imports_the_answers(
    home: Path, sandbox: Sandbox, break_it: Callable[[Path], None]
) -> None:
    break_it(home)
    key = titan_batch.submit(some_requests(3), tag="daily-feed", on_failure="sync")
    before = titan_batch.poll_and_collect(key)
    assert before is not None
    assert all(row["text"] and row["cost_usd"] > 0 and row["batch_id"] == key for row in before)
    assert len(sandbox.billing_log().messages) == 3
    heal(home)
    summary = poll()
    assert (summary.sent, summary.collected, summary.results) == (0, 1, 3)
    after = titan_batch.poll_and_collect(key)
    assert after is not None
    assert [(row["text"], row["cost_usd"]) for row in after] == [
        (row["text"], row["cost_usd"]) for row in before
    ]
    (batch,) = titan_batch.reconcile("daily-feed")["batches"]
    assert (batch["kind"], batch["status"], batch["savings_usd"]) == ("sync", "ended", 0)
    assert sandbox.billing_log().creates == 0
    assert len(sandbox.billing_log().messages) == 3


def test_a_job_that_is_started_again_finds_its_file_and_pays_nothing_twice(
    home: Path, sandbox: Sandbox
) -> None:
    corrupt(home)
    first = titan_batch.submit(some_requests(2), tag="t", on_failure="sync")
    assert titan_batch.submit(some_requests(2), tag="t", on_failure="sync") == first
    assert len(sandbox.billing_log().messages) == 2


def test_a_file_in_the_old_folder_is_imported_too(home: Path, sandbox: Sandbox) -> None:
    corrupt(home)
    key = titan_batch.submit(some_requests(2), tag="t", on_failure="sync")
    (home / "fallback").rename(home / "rescue")
    assert titan_batch.submit(some_requests(2), tag="t", on_failure="sync") == key
    heal(home)
    poll()
    assert len(titan_batch.poll_and_collect(key) or []) == 2
    assert fallback_file.pending(Folder(home)) == []
    assert (len(sandbox.billing_log().messages), sandbox.billing_log().creates) == (2, 0)


@pytest.mark.usefixtures("sandbox")
def test_a_file_is_imported_once_even_when_it_could_not_be_removed(home: Path) -> None:
    corrupt(home)
    titan_batch.submit(some_requests(2), tag="t", on_failure="sync")
    (file,) = fallback_file.pending(Folder(home))
    copy = file.path.read_bytes()
    heal(home)
    poll()
    file.path.write_bytes(copy)
    poll()
    summary = titan_batch.reconcile("t")
    assert (summary["requests"], len(summary["batches"])) == (2, 1)
    assert fallback_file.pending(Folder(home)) == []


def test_what_the_ledger_knows_already_is_not_sent_again(home: Path, sandbox: Sandbox) -> None:
    key = titan_batch.submit(some_requests(2), tag="t")
    ledger = (home / "titan.db").read_bytes()
    corrupt(home)
    kept = titan_batch.submit(some_requests(2), tag="t")
    assert kept != key
    heal(home)
    (home / "titan.db").write_bytes(ledger)
    poll()
    assert titan_batch.poll_and_collect(kept) == titan_batch.poll_and_collect(key)
    assert sandbox.billing_log().creates == 1
    assert titan_batch.reconcile("t")["submissions"] == [key]


def test_answers_that_the_ledger_has_too_are_duplicate_charges(
    home: Path, sandbox: Sandbox
) -> None:
    titan_batch.submit(some_requests(2), tag="t")
    poll()
    ledger = (home / "titan.db").read_bytes()
    corrupt(home)
    # Nothing is left that shows that it was submitted.
    shutil.rmtree(home / "spool")
    titan_batch.submit(some_requests(2), tag="t", on_failure="sync")
    heal(home)
    (home / "titan.db").write_bytes(ledger)
    poll()
    with open_engine(from_environment(), actor="test") as engine:
        totals = ledger_status.totals(engine.context.ledger)
    assert totals.duplicate_nano > 0
    assert len(sandbox.billing_log().messages) == 2


def test_a_synchronous_call_that_fails_is_errored_and_the_rest_is_answered(
    home: Path, sandbox: Sandbox
) -> None:
    sandbox.faults.add("messages:500:nth=1")
    corrupt(home)
    key = titan_batch.submit(some_requests(3), tag="t", on_failure="sync")
    outcomes = [row["outcome"] for row in titan_batch.poll_and_collect(key) or []]
    assert sorted(outcomes) == ["errored", "succeeded", "succeeded"]
    heal(home)
    assert poll().failed == 1


def test_requests_that_were_not_sent_are_queued_for_a_batch(home: Path, sandbox: Sandbox) -> None:
    sandbox.faults.add("messages:spend-cap")
    corrupt(home)
    key = titan_batch.submit(some_requests(3), tag="t", on_failure="sync")
    assert titan_batch.poll_and_collect(key) is None
    heal(home)
    poll()
    poll()
    assert {row["outcome"] for row in titan_batch.poll_and_collect(key) or []} == {"succeeded"}
    assert (len(sandbox.billing_log().messages), sandbox.billing_log().creates) == (0, 1)


@pytest.mark.usefixtures("sandbox")
def test_a_file_with_a_cut_last_line_brings_what_is_whole(home: Path) -> None:
    corrupt(home)
    key = titan_batch.submit(some_requests(2), tag="t", on_failure="sync")
    (file,) = fallback_file.pending(Folder(home))
    file.path.write_bytes(file.path.read_bytes()[:-40])
    heal(home)
    poll()
    poll()
    results = titan_batch.poll_and_collect(key)
    assert results is not None
    assert sorted(row["batch_id"] for row in results) == [key, f"{key}-2"]


def test_an_answer_behind_one_that_a_kill_has_cut_short_is_kept(
    home: Path, sandbox: Sandbox
) -> None:
    corrupt(home)
    key = titan_batch.submit(some_requests(2), tag="t", on_failure="sync")
    (file,) = fallback_file.pending(Folder(home))
    file.path.write_bytes(file.path.read_bytes()[:-40])
    assert titan_batch.submit(some_requests(2), tag="t", on_failure="sync") == key
    assert len(sandbox.billing_log().messages) == 3
    assert len(list(file.answers())) == 2
    heal(home)
    poll()
    assert len(sandbox.billing_log().messages) == 3


def test_a_file_that_is_being_answered_is_left_alone(home: Path, sandbox: Sandbox) -> None:
    corrupt(home)
    titan_batch.submit(some_requests(1), tag="t")
    (file,) = fallback_file.pending(Folder(home))
    heal(home)
    with file.try_lock():
        assert poll().sent == 0
    assert sandbox.billing_log().creates == 0
    assert poll().sent == 1


@pytest.mark.usefixtures("sandbox")
@pytest.mark.parametrize("on_failure", ["queue", "sync"])
def test_a_bad_request_is_an_error_with_a_broken_ledger_too(home: Path, on_failure: str) -> None:
    corrupt(home)
    with pytest.raises(titan_batch.PayloadError, check=code_is("max_tokens_invalid")):
        titan_batch.submit([a_request("a"), a_request("b", max_tokens=0)], tag="t")
    with pytest.raises(titan_batch.PayloadError, check=code_is("no_requests")):
        titan_batch.submit([], tag="t", on_failure=on_failure)  # pyright: ignore[reportArgumentType]
    with pytest.raises(titan_batch.PayloadError, check=code_is("on_failure_invalid")):
        titan_batch.submit([a_request()], tag="t", on_failure="later")  # pyright: ignore[reportArgumentType]
    assert fallback_file.pending(Folder(home)) == []


def test_a_locked_ledger_is_waited_for_until_the_timeout(
    home: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Ledger(home / "titan.db", now=sandbox.clock.now, actor="first"):
        pass
    monkeypatch.setattr("state.db.connection.BUSY_TIMEOUT_S", 0.05)
    other = sqlite3.connect(home / "titan.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    key = titan_batch.submit(some_requests(1), tag="t")
    other.execute("ROLLBACK")
    other.close()
    poll()
    poll()
    assert len(titan_batch.poll_and_collect(key) or []) == 1


def test_a_defect_of_the_helper_keeps_the_requests(
    home: Path,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def defect(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as broken, caplog.at_level(logging.WARNING):
        broken.setattr("core.intake.submit.submit", defect)
        key = titan_batch.submit(some_requests(1), tag="t")
    assert key in caplog.text
    poll()
    poll()
    assert len(titan_batch.poll_and_collect(key) or []) == 1
    assert home.is_dir()
    assert sandbox.billing_log().creates == 1


@pytest.mark.usefixtures("sandbox")
def test_a_fallback_file_is_private_and_holds_the_options(home: Path) -> None:
    corrupt(home)
    titan_batch.submit(some_requests(1), tag="t", workflow="w")
    (file,) = fallback_file.pending(Folder(home))
    assert file.path.stat().st_mode & 0o077 == 0
    assert file.path.parent.stat().st_mode & 0o077 == 0
    header, request = map(json.loads, file.path.read_text("utf-8").splitlines())
    assert (header["tag"], header["workflow"], header["requests"]) == ("t", "w", 1)
    assert request["params"]["max_tokens"] == 64


def test_without_any_place_to_write_the_ledgers_error_is_raised(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_folder(home)

    def directories(_folder: Folder) -> list[Path]:
        return [home / "a", home / "b"]

    monkeypatch.setattr("state.files.fallback_file.directories", directories)
    with pytest.raises(titan_batch.LedgerError, match="Cannot write the ledger"):
        titan_batch.submit(some_requests(1), tag="t")


def test_a_job_that_is_never_batched_is_refused_with_a_broken_ledger_too(home: Path) -> None:
    corrupt(home)
    with pytest.raises(titan_batch.PayloadError, check=code_is("never_batched")):
        titan_batch.submit(some_requests(1), tag="titan-inbox-watch")
    assert fallback_file.pending(Folder(home)) == []


def test_a_call_that_lies_in_another_place_already_is_not_kept_twice(
    home: Path, sandbox: Sandbox
) -> None:
    no_folder(home)
    first = titan_batch.submit(some_requests(2), tag="t", on_failure="sync")
    home.unlink()
    corrupt(home)
    assert titan_batch.submit(some_requests(2), tag="t", on_failure="sync") == first
    assert len(fallback_file.pending(Folder(home))) == 1
    assert len(sandbox.billing_log().messages) == 2


@pytest.mark.parametrize("break_it", BREAKS)
def test_a_reconcile_without_a_ledger_reports_the_problem_and_does_not_raise(
    home: Path, sandbox: Sandbox, break_it: Callable[[Path], None]
) -> None:
    whole = set(titan_batch.reconcile("t"))
    heal(home)
    shutil.rmtree(home)
    break_it(home)
    kept = titan_batch.submit(some_requests(3), tag="t")
    titan_batch.submit(some_requests(2), tag="t", workflow="w", on_failure="sync", model="m")
    titan_batch.submit(some_requests(1), tag="another")
    found = titan_batch.reconcile("t")
    assert set(found) == whole
    assert "ledger" in found["problem"]
    assert (found["requests"], len(found["submissions"])) == (5, 2)
    assert kept in found["submissions"]
    assert found["by_status"]["queued"] == 3
    assert (found["finished"], found["cost_usd"]) == (False, None)
    assert sandbox.billing_log().creates == 0


@pytest.mark.skipif(os.name == "nt", reason="Windows has one temporary folder")
def test_a_folder_that_a_reboot_empties_is_the_last_resort_and_still_searched(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    found = fallback_file.directories(Folder(home))
    user = f"titan-console-{os.getuid()}"
    kept, emptied = Path("/var/tmp"), Path("/tmp")  # noqa: S108 - only compared
    assert [directory.parent.parent for directory in found[2:]] == [kept, tmp_path, emptied]
    assert {directory.parent.name for directory in found[2:]} == {user}
    assert found[0].parent == home


@pytest.mark.usefixtures("sandbox")
def test_status_counts_fallback_files(home: Path) -> None:
    poll()
    whole = (home / "titan.db").read_bytes()
    corrupt(home)
    titan_batch.submit(some_requests(1), tag="t")
    (home / "titan.db").write_bytes(whole)
    assert "1 fallback file, for the next poll" in Terminal(home).run("status").out
    poll()
    assert "fallback" not in Terminal(home).run("status").out


@pytest.mark.usefixtures("sandbox")
@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xff"])
def test_doctor_names_a_file_that_no_poll_can_import(home: Path, content: bytes) -> None:
    poll()
    corrupt_file = Folder(home).fallback / "tb_0123456789.jsonl"
    corrupt_file.parent.mkdir(mode=0o700)
    corrupt_file.write_bytes(content)
    (problem,) = poll().problems
    done = Terminal(home).run("doctor")
    assert done.code == 1
    assert "will be imported" not in done.out
    for said in (problem, done.out):
        assert f"{corrupt_file} " in said
        assert "move it away, and submit its requests again" in said


@pytest.mark.usefixtures("sandbox")
def test_a_link_to_a_missing_fallback_file_is_kept_and_named(home: Path) -> None:
    poll()
    link, target = Folder(home).fallback / "tb_0123456789.jsonl", home.parent / "disk.jsonl"
    link.parent.mkdir(mode=0o700)
    link.symlink_to(target)
    for _ in range(2):
        (problem,) = poll().problems
        assert f"{link} is a link to {target}, which does not exist" in problem
    assert link.is_symlink()
    done = Terminal(home).run("doctor")
    assert (done.code, str(target) in done.out) == (1, True)


@pytest.mark.usefixtures("sandbox")
def test_a_folder_in_place_of_a_fallback_file_is_named(home: Path) -> None:
    poll()
    path = Folder(home).fallback / "tb_0123456789.jsonl"
    path.mkdir(mode=0o700, parents=True)
    path.parent.chmod(0o700)
    (problem,) = poll().problems
    assert f"{path} is a folder, not a file; move it away" in problem
    assert "Errno" not in problem
