"""A ledger that cannot be used does not take the submitting job down."""

import json
import logging
import shutil
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from builders import a_request, some_requests
from terminal import a_server

import titan_batch
from core.bootstrap import open_engine
from core.poll import PassSummary
from core.settings import from_environment
from state import rescue_file, views
from state.connection import sqlite3
from state.folder import Folder
from state.ledger import Ledger
from titan_console.sandbox.api import Sandbox
from titan_console.sandbox.plan import Plan


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Generator[Sandbox, None, None]:
    with a_server(Plan.instant()) as (served, address):
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-test")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", address)
        yield served


def _poll() -> PassSummary:
    with open_engine(from_environment(), actor="test") as engine:
        return engine.poll()


def _corrupt(home: Path) -> None:
    home.mkdir(exist_ok=True)
    (home / "titan.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)


def _no_folder(home: Path) -> None:
    home.write_text("a file where the folder should be")


def _too_new(home: Path) -> None:
    home.mkdir(exist_ok=True)
    connection = sqlite3.connect(home / "titan.db")
    connection.execute("PRAGMA user_version=99")
    connection.close()


def _heal(home: Path) -> None:
    if home.is_file():
        home.unlink()
    else:
        for path in home.glob("titan.db*"):
            path.unlink()


BREAKS = [
    pytest.param(_corrupt, id="corrupt"),
    pytest.param(_no_folder, id="no folder"),
    pytest.param(_too_new, id="too new"),
]


@pytest.mark.parametrize("break_it", BREAKS)
def test_a_queued_submission_is_kept_without_a_call_and_sent_by_the_next_pass(
    home: Path, sandbox: Sandbox, break_it: Callable[[Path], None]
) -> None:
    break_it(home)
    key = titan_batch.submit(some_requests(3), tag="daily-feed")
    assert titan_batch.poll_and_collect(key) is None
    assert (sandbox.books().creates, sandbox.books().messages) == (0, ())
    _heal(home)
    assert _poll().sent == 1
    _poll()
    results = titan_batch.poll_and_collect(key)
    assert results is not None
    assert [row["custom_id"] for row in results] == [r["custom_id"] for r in some_requests(3)]
    assert rescue_file.waiting(Folder(home)) == []
    assert sandbox.books().creates == 1
    assert titan_batch.reconcile("daily-feed")["submissions"] == [key]


@pytest.mark.parametrize("break_it", BREAKS)
def test_policy_sync_answers_inline_and_the_next_pass_takes_the_answers_in(
    home: Path, sandbox: Sandbox, break_it: Callable[[Path], None]
) -> None:
    break_it(home)
    key = titan_batch.submit(some_requests(3), tag="daily-feed", on_failure="sync")
    before = titan_batch.poll_and_collect(key)
    assert before is not None
    assert all(row["text"] and row["cost_usd"] > 0 and row["batch_id"] == key for row in before)
    assert len(sandbox.books().messages) == 3
    _heal(home)
    summary = _poll()
    assert (summary.sent, summary.collected, summary.results) == (0, 1, 3)
    after = titan_batch.poll_and_collect(key)
    assert after is not None
    assert [(row["text"], row["cost_usd"]) for row in after] == [
        (row["text"], row["cost_usd"]) for row in before
    ]
    (batch,) = titan_batch.reconcile("daily-feed")["batches"]
    assert (batch["kind"], batch["status"], batch["savings_usd"]) == ("sync", "ended", 0)
    assert sandbox.books().creates == 0
    assert len(sandbox.books().messages) == 3


def test_a_job_that_is_started_again_finds_its_rescue_and_pays_nothing_twice(
    home: Path, sandbox: Sandbox
) -> None:
    _corrupt(home)
    first = titan_batch.submit(some_requests(2), tag="t", on_failure="sync")
    assert titan_batch.submit(some_requests(2), tag="t", on_failure="sync") == first
    assert len(sandbox.books().messages) == 2


@pytest.mark.usefixtures("sandbox")
def test_a_file_is_taken_in_once_even_when_it_could_not_be_removed(home: Path) -> None:
    _corrupt(home)
    titan_batch.submit(some_requests(2), tag="t", on_failure="sync")
    (file,) = rescue_file.waiting(Folder(home))
    copy = file.path.read_bytes()
    _heal(home)
    _poll()
    file.path.write_bytes(copy)
    _poll()
    summary = titan_batch.reconcile("t")
    assert (summary["requests"], len(summary["batches"])) == (2, 1)
    assert rescue_file.waiting(Folder(home)) == []


def test_what_the_ledger_knows_already_is_not_sent_again(home: Path, sandbox: Sandbox) -> None:
    key = titan_batch.submit(some_requests(2), tag="t")
    ledger = (home / "titan.db").read_bytes()
    _corrupt(home)
    rescued = titan_batch.submit(some_requests(2), tag="t")
    assert rescued != key
    _heal(home)
    (home / "titan.db").write_bytes(ledger)
    _poll()
    assert titan_batch.poll_and_collect(rescued) == titan_batch.poll_and_collect(key)
    assert sandbox.books().creates == 1
    assert titan_batch.reconcile("t")["submissions"] == [key]


def test_answers_that_the_ledger_has_too_are_shown_as_paid_twice(
    home: Path, sandbox: Sandbox
) -> None:
    titan_batch.submit(some_requests(2), tag="t")
    _poll()
    ledger = (home / "titan.db").read_bytes()
    _corrupt(home)
    titan_batch.submit(some_requests(2), tag="t", on_failure="sync")
    _heal(home)
    (home / "titan.db").write_bytes(ledger)
    _poll()
    with open_engine(from_environment(), actor="test") as engine:
        totals = views.totals(engine.context.ledger)
    assert totals.surplus_nano > 0
    assert len(sandbox.books().messages) == 2


def test_a_row_that_fails_inline_is_errored_and_the_rest_is_answered(
    home: Path, sandbox: Sandbox
) -> None:
    sandbox.faults.add("messages:500:nth=1")
    _corrupt(home)
    key = titan_batch.submit(some_requests(3), tag="t", on_failure="sync")
    outcomes = [row["outcome"] for row in titan_batch.poll_and_collect(key) or []]
    assert sorted(outcomes) == ["errored", "succeeded", "succeeded"]
    _heal(home)
    assert _poll().failed == 1


def test_what_surely_was_not_asked_waits_for_a_batch(home: Path, sandbox: Sandbox) -> None:
    sandbox.faults.add("messages:spend-cap")
    _corrupt(home)
    key = titan_batch.submit(some_requests(3), tag="t", on_failure="sync")
    assert titan_batch.poll_and_collect(key) is None
    _heal(home)
    _poll()
    _poll()
    assert {row["outcome"] for row in titan_batch.poll_and_collect(key) or []} == {"succeeded"}
    assert (len(sandbox.books().messages), sandbox.books().creates) == (0, 1)


@pytest.mark.usefixtures("sandbox")
def test_a_file_with_a_cut_last_line_brings_what_is_whole(home: Path) -> None:
    _corrupt(home)
    key = titan_batch.submit(some_requests(2), tag="t", on_failure="sync")
    (file,) = rescue_file.waiting(Folder(home))
    file.path.write_bytes(file.path.read_bytes()[:-40])
    _heal(home)
    _poll()
    _poll()
    results = titan_batch.poll_and_collect(key)
    assert results is not None
    assert sorted(row["batch_id"] for row in results) == [f"{key}-2", f"{key}-sync"]


def test_a_file_that_is_being_answered_is_left_alone(home: Path, sandbox: Sandbox) -> None:
    _corrupt(home)
    titan_batch.submit(some_requests(1), tag="t")
    (file,) = rescue_file.waiting(Folder(home))
    _heal(home)
    with file.held():
        assert _poll().sent == 0
    assert sandbox.books().creates == 0
    assert _poll().sent == 1


@pytest.mark.usefixtures("sandbox")
@pytest.mark.parametrize("on_failure", ["queue", "sync"])
def test_a_bad_request_is_an_error_with_a_broken_ledger_too(home: Path, on_failure: str) -> None:
    _corrupt(home)
    with pytest.raises(titan_batch.PayloadError, match="'b'"):
        titan_batch.submit([a_request("a"), a_request("b", max_tokens=0)], tag="t")
    with pytest.raises(titan_batch.PayloadError, match="empty"):
        titan_batch.submit([], tag="t", on_failure=on_failure)  # pyright: ignore[reportArgumentType]
    with pytest.raises(titan_batch.PayloadError, match="on_failure"):
        titan_batch.submit([a_request()], tag="t", on_failure="later")  # pyright: ignore[reportArgumentType]
    assert rescue_file.waiting(Folder(home)) == []


def test_a_ledger_held_by_someone_else_is_waited_for_and_then_left(
    home: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Ledger(home / "titan.db", now=sandbox.clock.now, actor="first"):
        pass
    monkeypatch.setattr("state.connection.BUSY_TIMEOUT_S", 0.05)
    other = sqlite3.connect(home / "titan.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    key = titan_batch.submit(some_requests(1), tag="t")
    other.execute("ROLLBACK")
    other.close()
    _poll()
    _poll()
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
        broken.setattr("core.submit.submit", defect)
        key = titan_batch.submit(some_requests(1), tag="t")
    assert key in caplog.text
    _poll()
    _poll()
    assert len(titan_batch.poll_and_collect(key) or []) == 1
    assert home.is_dir()
    assert sandbox.books().creates == 1


@pytest.mark.usefixtures("sandbox")
def test_a_rescue_is_private_and_holds_what_was_ordered(home: Path) -> None:
    _corrupt(home)
    titan_batch.submit(some_requests(1), tag="t", workflow="w")
    (file,) = rescue_file.waiting(Folder(home))
    assert file.path.stat().st_mode & 0o077 == 0
    assert file.path.parent.stat().st_mode & 0o077 == 0
    header, request = map(json.loads, file.path.read_text("utf-8").splitlines())
    assert (header["tag"], header["workflow"], header["requests"]) == ("t", "w", 1)
    assert request["params"]["max_tokens"] == 64


def test_without_any_place_to_write_the_ledgers_error_is_raised(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _no_folder(home)

    def places(_folder: Folder) -> list[Path]:
        return [home / "a", home / "b"]

    monkeypatch.setattr("state.rescue_file.places", places)
    with pytest.raises(titan_batch.LedgerError, match="Cannot write the ledger"):
        titan_batch.submit(some_requests(1), tag="t")


def test_a_job_that_is_never_batched_is_refused_with_a_broken_ledger_too(home: Path) -> None:
    _corrupt(home)
    with pytest.raises(titan_batch.PayloadError, match="never batched"):
        titan_batch.submit(some_requests(1), tag="titan-inbox-watch")
    assert rescue_file.waiting(Folder(home)) == []


def test_a_call_that_lies_in_another_place_already_is_not_kept_twice(
    home: Path, sandbox: Sandbox
) -> None:
    _no_folder(home)
    first = titan_batch.submit(some_requests(2), tag="t", on_failure="sync")
    home.unlink()
    _corrupt(home)
    assert titan_batch.submit(some_requests(2), tag="t", on_failure="sync") == first
    assert len(rescue_file.waiting(Folder(home))) == 1
    assert len(sandbox.books().messages) == 2


@pytest.mark.parametrize("break_it", BREAKS)
def test_a_reconcile_without_a_ledger_says_so_and_takes_no_job_down(
    home: Path, sandbox: Sandbox, break_it: Callable[[Path], None]
) -> None:
    whole = set(titan_batch.reconcile("t"))
    _heal(home)
    shutil.rmtree(home)
    break_it(home)
    kept = titan_batch.submit(some_requests(3), tag="t")
    titan_batch.submit(some_requests(2), tag="t", workflow="w", on_failure="sync", model="m")
    titan_batch.submit(some_requests(1), tag="another")
    found = titan_batch.reconcile("t")
    assert set(found) == whole
    assert "ledger" in found["trouble"]
    assert (found["requests"], len(found["submissions"])) == (5, 2)
    assert kept in found["submissions"]
    assert found["by_status"]["waiting"] == 3
    assert (found["finished"], found["cost_usd"]) == (False, None)
    assert sandbox.books().creates == 0


def _budget(home: Path, day_usd: str) -> None:
    home.mkdir(exist_ok=True)
    (home / "titan.toml").write_text(f"[budgets]\nday_usd = {day_usd}\n", "utf-8")


def test_what_was_rescued_counts_for_the_budget(home: Path, sandbox: Sandbox) -> None:
    _budget(home, "0.002")
    _corrupt(home)
    titan_batch.submit(some_requests(2), tag="first")
    _heal(home)
    assert _poll().sent == 1
    with pytest.raises(titan_batch.PayloadError, match="is spent or booked"):
        titan_batch.submit(some_requests(2), tag="second")
    assert sandbox.books().creates == 1


def test_what_was_rescued_and_does_not_fit_stays_until_it_does(
    home: Path, sandbox: Sandbox
) -> None:
    _budget(home, "0.002")
    titan_batch.submit(some_requests(2), tag="first")
    ledger = (home / "titan.db").read_bytes()
    _corrupt(home)
    key = titan_batch.submit(some_requests(2), tag="second")
    _heal(home)
    (home / "titan.db").write_bytes(ledger)
    (trouble,) = (trouble for trouble in _poll().troubles if "rescue" in trouble)
    assert "stays: Over the budget of the day" in trouble
    assert sandbox.books().creates == 1
    # What the first one really cost is far less than what was booked for it.
    _poll()
    _poll()
    assert len(titan_batch.poll_and_collect(key) or []) == 2


def test_what_fits_no_budget_is_refused_with_a_broken_ledger_too(home: Path) -> None:
    _budget(home, "0.0001")
    _corrupt(home)
    with pytest.raises(titan_batch.PayloadError, match=r"limit is \$0.0001"):
        titan_batch.submit(some_requests(2), tag="t")
    assert rescue_file.waiting(Folder(home)) == []


def test_what_the_job_says_holds_for_a_rescue_too(home: Path, sandbox: Sandbox) -> None:
    home.mkdir()
    (home / "titan.toml").write_text(
        '[workloads.t]\n[jobs.feed-classify]\nworkload = "t"\nschedule = "daily"\n'
        'model = "claude-haiku-5-5"\ndeadline_h = 26\non_failure = "sync"\n',
        "utf-8",
    )
    _corrupt(home)
    long = a_request("feed-classify-2026-11-22-00009", max_tokens=200_000)
    key = titan_batch.submit([*some_requests(1), long], tag="t")
    (file,) = rescue_file.waiting(Folder(home))
    header = file.header()
    assert (header.job, header.model, header.on_failure) == (
        *("feed-classify", "claude-haiku-5-5"),
        "sync",
    )
    assert header.deadline_ts is not None
    assert len(sandbox.books().messages) == 1
    _heal(home)
    _poll()
    _poll()
    results = titan_batch.poll_and_collect(key) or []
    assert [row["outcome"] for row in results] == ["succeeded"] * 2
    with open_engine(from_environment(), actor="test") as engine:
        (submission,) = views.submissions_of(engine.context.ledger, "t")
        betas = [batch.betas for batch in views.batches_of(engine.context.ledger, submission)]
    assert sorted(betas) == [(), ("output-300k-2026-03-24",)]
