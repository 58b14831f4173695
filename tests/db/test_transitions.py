"""Transitions that the triggers of the ledger reject."""

from itertools import product

import pytest
from support.ledgers.ledger_builders import (
    a_result,
    batch,
    remote,
    send,
    spooled,
    store_results,
    submit,
)

from state.batches import remote_status, sending
from state.db.ledger import Ledger
from state.db.tables import BATCH_TRANSITIONS, COLLECTION_TRANSITIONS
from state.model.errors import AlreadySubmitted, IllegalTransition
from state.model.records import BatchStatus, CollectionStatus, Outcome, RequestStatus
from state.queries import batch_list, ledger_status

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


def flat(moves: dict[str, tuple[str, ...]]) -> set[tuple[str, str]]:
    return {(old, new) for old, news in moves.items() for new in news}


def put(ledger: Ledger, column: str, value: str) -> None:
    """Set a column past the triggers, as no code of ours does."""
    kept = [
        tuple(r) for r in ledger.rows("SELECT name, sql FROM sqlite_master WHERE type='trigger'")
    ]
    for name, _ in kept:
        ledger.execute(f"DROP TRIGGER {name}")
    ledger.execute(f"UPDATE batches SET {column} = ?", value)  # noqa: S608 - from below
    for _, sql in kept:
        ledger.execute(sql)


def is_allowed(ledger: Ledger, column: str, value: str) -> bool:
    try:
        with ledger.transaction("x"):
            ledger.execute(f"UPDATE batches SET {column} = ?", value)  # noqa: S608 - from below
    except IllegalTransition:
        return False
    return True


@pytest.mark.parametrize(
    ("column", "names", "allowed"),
    [
        ("status", [str(status) for status in BatchStatus], STATUS_MOVES),
        ("collection", [str(name) for name in CollectionStatus], COLLECTION_MOVES),
    ],
)
def test_a_batch_moves_only_forward_and_only_as_drawn(
    ledger: Ledger, column: str, names: list[str], allowed: set[tuple[str, str]]
) -> None:
    submit(ledger, [spooled("a")])
    for old, new in product(names, names):
        put(ledger, column, old)
        moves = old == new or (old, new) in allowed
        assert is_allowed(ledger, column, new) == moves, (old, new)


def test_the_drawn_moves_are_those_of_the_schema() -> None:
    assert flat(BATCH_TRANSITIONS) == STATUS_MOVES
    assert flat(COLLECTION_TRANSITIONS) == COLLECTION_MOVES


def collected(ledger: Ledger, outcome: Outcome = Outcome.SUCCEEDED) -> None:
    submit(ledger, [spooled("a"), spooled("b")])
    sent = send(ledger)
    remote_status.record_status(ledger, sent, remote(status=BatchStatus.ENDED))
    results = (a_result("a", outcome), a_result("b", outcome))
    assert store_results(ledger, batch(ledger), *results, results_bytes=10).complete


@pytest.mark.parametrize(
    ("statement", "because"),
    [
        ("UPDATE events SET kind = 'x'", "append-only"),
        ("DELETE FROM events", "append-only"),
        ("DELETE FROM batches", "never deleted"),
        ("UPDATE batches SET remote_id = 'other'", "remote_id is final"),
        ("UPDATE batches SET remote_id = NULL", "remote_id is final"),
        ("UPDATE attempts SET outcome = 'errored'", "outcome is final"),
        ("UPDATE attempts SET outcome = NULL", "outcome is final"),
        ("UPDATE requests SET status = 'queued'", "that succeeded is final"),
        ("UPDATE attempts SET active = 1", "CHECK constraint"),
        ("UPDATE attempts SET input_tokens = -1", "CHECK constraint"),
        ("UPDATE attempts SET cost_nano = 'abc'", "cannot store TEXT"),
        ("UPDATE batches SET status = 'lost'", "CHECK constraint|illegal transition"),
        ("UPDATE batches SET submission_id = 99", "FOREIGN KEY"),
        ("UPDATE requests SET custom_id = 'a'", "UNIQUE"),
    ],
)
def test_what_is_final_is_final(ledger: Ledger, statement: str, because: str) -> None:
    collected(ledger)
    with pytest.raises(IllegalTransition, match=because), ledger.transaction("x"):
        ledger.execute(statement)
    assert ledger_status.totals(ledger).succeeded == 2


def test_a_request_is_in_flight_once(ledger: Ledger) -> None:
    submit(ledger, [spooled("a"), spooled("b", part=1)])
    with pytest.raises(IllegalTransition, match="UNIQUE"), ledger.transaction("x"):
        ledger.execute("INSERT INTO attempts (batch_id, request_id, active) VALUES (2, 1, 1)")


def test_one_intent_is_claimed_by_one_sender(ledger: Ledger) -> None:
    submit(ledger, [spooled("a")])
    row = batch(ledger)
    assert sending.mark_sending(ledger, row, watermark_id="", watermark_ts=None, owner="one")
    assert not sending.mark_sending(ledger, row, watermark_id="", watermark_ts=None, owner="two")
    assert batch(ledger).owner == "one"


def test_an_answer_that_comes_after_a_recovery_changes_nothing(ledger: Ledger) -> None:
    submit(ledger, [spooled("a")])
    sent = send(ledger)
    assert not sending.mark_accepted(ledger, sent, remote(2), "org/other")
    assert not sending.mark_not_sent(ledger, sent, "too late")
    sending.mark_rejected(ledger, sent, "x", "too late")
    sending.mark_unconfirmed(ledger, sent, "too late", wait_until_ts="")
    assert batch(ledger) == sent


def test_two_batches_never_have_one_remote_id(ledger: Ledger) -> None:
    submit(ledger, [spooled("a"), spooled("b", part=1)])
    send(ledger, 1)
    sending.mark_sending(ledger, batch(ledger, 2), watermark_id="", watermark_ts=None, owner="x")
    with pytest.raises(IllegalTransition, match="remote_id"):
        sending.mark_accepted(ledger, batch(ledger, 2), remote(1), "org/ws")


def test_a_transaction_that_fails_leaves_nothing(ledger: Ledger) -> None:
    before = ledger_status.revision(ledger)

    def fail() -> None:
        with ledger.transaction("x") as written:
            ledger.event(written, "never")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert ledger.rows("SELECT count(*) FROM events")[0][0] == 0
    assert ledger_status.revision(ledger) == before
    with ledger.transaction("x") as written:
        assert written.at
    assert ledger_status.revision(ledger) == before + 1


def test_the_same_submission_again_is_the_first_one(ledger: Ledger) -> None:
    first, is_new = submit(ledger, [spooled("a"), spooled("b")])
    again, is_new_again = submit(ledger, [spooled("b"), spooled("a")])
    assert (is_new, is_new_again) == (True, False)
    assert again == first
    assert ledger_status.totals(ledger).batches == 1


@pytest.mark.parametrize(
    ("ids", "sha", "because"),
    [
        pytest.param(["a", "b"], b"2" * 32, "'a' is already in tb_", id="other bodies"),
        pytest.param(["c", "b"], b"1" * 32, "1 of 2 requests.* 'b' in tb_", id="some are new"),
        pytest.param(["b"], b"1" * 32, "1 of 1 requests", id="some are left out"),
    ],
)
def test_what_repeats_only_in_part_is_refused_and_named(
    ledger: Ledger, ids: list[str], sha: bytes, because: str
) -> None:
    submit(ledger, [spooled("a"), spooled("b")])
    with pytest.raises(AlreadySubmitted, match=because):
        submit(ledger, [spooled(custom_id, sha=sha) for custom_id in ids])
    assert ledger_status.totals(ledger).requests == 2


def test_a_failure_that_comes_second_leaves_the_success(ledger: Ledger) -> None:
    collected(ledger)
    assert store_results(ledger, batch(ledger), a_result("a", Outcome.ERRORED)).new == 0
    (submission, *_) = batch_list.submissions_of(ledger, "daily-feed")
    assert ledger_status.statuses_of(ledger, submission) == {RequestStatus.SUCCEEDED: 2}
