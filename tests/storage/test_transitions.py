"""Transitions that the database itself refuses, whatever code asks for them."""

from collections.abc import Mapping
from datetime import timedelta
from itertools import product

import pytest
from support.console.console_builders import LedgerBuilder
from support.ledgers.ledger_builders import (
    a_result,
    a_submission,
    batch,
    remote,
    send,
    spooled,
    store_results,
    submit,
)
from support.ledgers.ledger_views import attempt, ids, kinds, request
from support.ledgers.ledger_views import batch as named
from support.ledgers.storage import Storage

from state.batches import priming_records, remote_status, sending, submissions
from state.batches.priming_records import NewPrefix, NewPriming
from state.db.ledger import Ledger
from state.db.tables import BATCH_TRANSITIONS, COLLECTION_TRANSITIONS
from state.model.errors import IllegalTransition
from state.model.records import BatchStatus, CollectionStatus, Outcome, RequestStatus
from state.operations import commands
from state.operations.commands import Action, Command, CommandState, NewCommand, TooLateError

STATUS_MOVES = {
    ("queued", "sending"),
    ("queued", "not_sent"),
    ("queued", "rejected"),
    ("sending", "unconfirmed"),
    ("sending", "not_sent"),
    ("sending", "rejected"),
    ("sending", "in_progress"),
    ("unconfirmed", "not_sent"),
    ("unconfirmed", "in_progress"),
    ("in_progress", "canceling"),
    ("in_progress", "ended"),
    ("canceling", "ended"),
}
COLLECTION_MOVES = {
    ("not_ready", "pending"),
    ("pending", "collected"),
    ("pending", "results_expired"),
    ("pending", "deleted"),
    ("deleted", "pending"),
}


COMMAND_MOVES = {
    ("pending", "running"),
    ("pending", "withdrawn"),
    ("running", "done"),
    ("running", "failed"),
}
PRIMING_MOVES = {("waiting", "primed"), ("waiting", "unprimed")}


def flat(moves: Mapping[str, tuple[str, ...]]) -> set[tuple[str, str]]:
    return {(old, new) for old, news in moves.items() for new in news}


def allowed(
    storage: Storage, ledger: Ledger, table: str, column: str, names: list[str]
) -> set[tuple[str, str]]:
    """The moves of the only row of the table that the database makes."""
    found = set[tuple[str, str]]()
    for old, new in product(names, names):
        storage.force(ledger, table, {}, **{column: old})
        try:
            storage.update(ledger, table, {}, **{column: new})
        except IllegalTransition:
            continue
        found.add((old, new))
    return found


def still(names: list[str]) -> set[tuple[str, str]]:
    return {(name, name) for name in names}


@pytest.mark.parametrize(
    ("column", "names", "moves"),
    [
        ("status", [str(status) for status in BatchStatus], STATUS_MOVES),
        ("collection", [str(name) for name in CollectionStatus], COLLECTION_MOVES),
    ],
)
def test_a_batch_moves_only_forward_and_only_as_drawn(
    storage: Storage, ledger: Ledger, column: str, names: list[str], moves: set[tuple[str, str]]
) -> None:
    submit(ledger, [spooled("a")])
    assert allowed(storage, ledger, "batches", column, names) == moves | still(names)


def test_the_drawn_moves_are_those_of_the_schema() -> None:
    assert flat(BATCH_TRANSITIONS) == STATUS_MOVES
    assert flat(COLLECTION_TRANSITIONS) == COLLECTION_MOVES


def a_command(made: LedgerBuilder, *items: int) -> Command:
    new = NewCommand(action=Action.REPLAY, items=items, reason="", not_before=made.clock.now())
    return commands.enqueue(made.ledger, new)[0]


def test_a_command_moves_only_forward_and_only_as_drawn(
    storage: Storage, made: LedgerBuilder
) -> None:
    a_command(made, 1)
    names = [str(state) for state in CommandState]
    found = allowed(storage, made.ledger, "commands", "state", names)
    assert found == COMMAND_MOVES | still(names)


def test_a_priming_moves_only_forward_and_only_as_drawn(storage: Storage, ledger: Ledger) -> None:
    new = NewPriming(
        prefixes=(NewPrefix(head="h", blocks=1, position=1),), until_ts=ledger.now_text()
    )
    with submissions.staged(ledger, [spooled("a"), spooled("b")]) as staged:
        submissions.store(ledger, staged, a_submission(ledger), wire_overhead=0, priming=new)
    (priming,) = priming_records.waiting(ledger)
    assert priming.until_ts == new.until_ts
    names = ["waiting", "primed", "unprimed"]
    assert allowed(storage, ledger, "primings", "state", names) == PRIMING_MOVES | still(names)


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("batches", "status"),
        ("batches", "collection"),
        ("batches", "kind"),
        ("batches", "identified_by"),
        ("requests", "status"),
        ("attempts", "outcome"),
        ("submissions", "on_failure"),
    ],
)
def test_a_value_that_no_record_knows_is_refused(
    storage: Storage, ledger: Ledger, table: str, column: str
) -> None:
    submit(ledger, [spooled("a")])
    with pytest.raises(IllegalTransition):
        storage.force(ledger, table, {}, **{column: "lost"})
    assert named(ledger, batch(ledger).key).status == BatchStatus.QUEUED


def collected(ledger: Ledger) -> None:
    submit(ledger, [spooled("a"), spooled("b")])
    sent = send(ledger)
    remote_status.record_status(ledger, sent, remote(status=BatchStatus.ENDED))
    results = (a_result("a"), a_result("b", Outcome.ERRORED))
    assert store_results(ledger, batch(ledger), *results, results_bytes=10).complete


@pytest.mark.parametrize(
    ("table", "where", "values"),
    [
        ("events", {}, {"kind": "x"}),
        ("batches", {}, {"remote_id": "other"}),
        ("batches", {}, {"remote_id": None}),
        ("attempts", {"outcome": "succeeded"}, {"outcome": "errored"}),
        ("attempts", {"outcome": "succeeded"}, {"outcome": None}),
        ("attempts", {"outcome": "errored"}, {"outcome": "succeeded"}),
        ("attempts", {}, {"active": 1}),
        ("attempts", {}, {"active": 2}),
        ("attempts", {}, {"input_tokens": -1}),
        ("attempts", {}, {"cost_nano": "abc"}),
        ("attempts", {}, {"batch_id": 99}),
        ("requests", {"custom_id": "a"}, {"status": "queued"}),
        ("requests", {"custom_id": "a"}, {"status": "errored"}),
        ("requests", {"custom_id": "a"}, {"custom_id": "b"}),
        ("requests", {}, {"submission_id": 99}),
        ("batches", {}, {"submission_id": 99}),
        ("batches", {}, {"request_count": 0}),
        ("batches", {}, {"tag": None}),
    ],
)
def test_what_is_final_or_invalid_is_refused(
    storage: Storage,
    ledger: Ledger,
    table: str,
    where: Mapping[str, str],
    values: Mapping[str, str | int | None],
) -> None:
    collected(ledger)
    before = request(ledger, "daily-feed", "a"), request(ledger, "daily-feed", "b"), kinds(ledger)
    with pytest.raises(IllegalTransition):
        storage.update(ledger, table, where, **values)
    after = request(ledger, "daily-feed", "a"), request(ledger, "daily-feed", "b"), kinds(ledger)
    assert after == before


@pytest.mark.parametrize("table", ["events", "batches"])
def test_what_is_kept_for_ever_is_not_deleted(storage: Storage, ledger: Ledger, table: str) -> None:
    collected(ledger)
    before = kinds(ledger)
    with pytest.raises(IllegalTransition):
        storage.delete(ledger, table, {})
    assert kinds(ledger) == before
    assert batch(ledger).remote_id == "msgbatch_1"


def test_only_missing_is_replaced_by_another_outcome(storage: Storage, ledger: Ledger) -> None:
    collected(ledger)
    storage.force(ledger, "attempts", {"outcome": "errored"}, outcome="missing")
    storage.update(ledger, "attempts", {"outcome": "missing"}, outcome="expired")
    assert attempt(ledger, "daily-feed", "b").outcome == Outcome.EXPIRED
    with pytest.raises(IllegalTransition):
        storage.update(ledger, "attempts", {"outcome": "expired"}, outcome="missing")


def test_a_success_is_reopened_only_by_an_edit(storage: Storage, made: LedgerBuilder) -> None:
    collected(made.ledger)
    (name,) = ids(made.ledger, "a").values()
    command = a_command(made, name)
    storage.insert(
        made.ledger,
        "edits",
        id=1,
        command_id=command.id,
        request_id=name,
        spool_file="x",
        body_offset=0,
        body_length=1,
        body_sha256=b"2" * 32,
        betas="",
    )
    where = {"custom_id": "a"}
    with pytest.raises(IllegalTransition):
        storage.update(made.ledger, "requests", where, status="queued", edit_id=1)
    storage.update(made.ledger, "requests", where, status="queued", edit_id=1, settled_by=None)
    assert request(made.ledger, "daily-feed", "a").status == RequestStatus.QUEUED


def test_a_request_is_in_flight_once(storage: Storage, ledger: Ledger) -> None:
    submit(ledger, [spooled("a"), spooled("b", part=1)])
    (name,) = ids(ledger, "a").values()
    other = batch(ledger, 2)
    with pytest.raises(IllegalTransition):
        storage.insert(ledger, "attempts", batch_id=other.id, request_id=name, active=1)
    storage.insert(ledger, "attempts", batch_id=other.id, request_id=name, active=0)
    assert [one.is_active for one in request(ledger, "daily-feed", "a").attempts] == [True, False]


def test_only_a_duplicate_repeats_a_nonce(storage: Storage, ledger: Ledger) -> None:
    submit(ledger, [spooled("a"), spooled("b", part=1)])
    first, second = batch(ledger), batch(ledger, 2)
    with pytest.raises(IllegalTransition):
        storage.update(ledger, "batches", {"id": second.id}, nonce=first.nonce)
    storage.update(ledger, "batches", {"id": second.id}, nonce=first.nonce, duplicate_of=first.id)
    assert batch(ledger, 2).duplicate_of == first.id


def test_two_batches_never_have_one_remote_id(ledger: Ledger) -> None:
    submit(ledger, [spooled("a"), spooled("b", part=1)])
    send(ledger, 1)
    sending.mark_sending(ledger, batch(ledger, 2), watermark_id="", watermark_ts=None, owner="x")
    with pytest.raises(IllegalTransition):
        sending.mark_accepted(ledger, batch(ledger, 2), remote(1), "org/ws")
    assert batch(ledger, 2).status == BatchStatus.SENDING


def test_an_open_command_is_stored_once(storage: Storage, ledger: Ledger) -> None:
    row = {
        "action": "replay",
        "digest": b"d" * 32,
        "who": "x",
        "reason": "",
        "item_count": 1,
        "options": "{}",
        "created_ts": ledger.now_text(),
        "not_before_ts": ledger.now_text(),
    }
    storage.insert(ledger, "commands", key="cmd_1", state="running", **row)
    with pytest.raises(IllegalTransition):
        storage.insert(ledger, "commands", key="cmd_2", state="pending", **row)
    storage.insert(ledger, "commands", key="cmd_3", state="failed", **row)
    assert commands.count(ledger) == 2


def test_a_command_that_has_started_is_not_withdrawn(made: LedgerBuilder) -> None:
    command = a_command(made, 1)
    assert commands.claim(made.ledger, command) == CommandState.RUNNING
    with pytest.raises(TooLateError):
        commands.withdraw(made.ledger, command)
    made.clock.advance(timedelta(hours=1).total_seconds())
    commands.finish(made.ledger, command, CommandState.DONE, "1 queued")
    commands.finish(made.ledger, command, CommandState.FAILED, "again")
    ended = commands.get(made.ledger, command.id)
    assert (ended.state, ended.outcome) == (CommandState.DONE, "1 queued")
