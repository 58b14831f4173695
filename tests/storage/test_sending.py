"""From queued to the response of the API: each step is made once, by whoever was first."""

import pytest
from support.console.console_builders import LedgerBuilder
from support.ledgers.ledger_builders import batch, remote, send, spooled, submit
from support.ledgers.ledger_views import attempt, detail, ids, kinds, request, statuses
from support.ledgers.ledger_views import batch as named
from support.ledgers.storage import Storage

from state.batches import batch_planning, sending, split_after_rejection
from state.db.ledger import Ledger
from state.model.errors import LedgerUnusable
from state.model.records import Batch, BatchStatus, Counts, Outcome, RequestStatus
from state.operations import command_effects, pauses
from state.queries import batch_list, ledger_status

WAITING = dict.fromkeys("ab", RequestStatus.QUEUED)


def claim(ledger: Ledger, row: Batch, owner: str = "x") -> bool:
    return sending.mark_sending(ledger, row, watermark_id="w", watermark_ts=None, owner=owner)


@pytest.fixture
def row(ledger: Ledger) -> Batch:
    """A queued batch of two requests."""
    submit(ledger, [spooled("a"), spooled("b")])
    return batch(ledger)


def test_a_batch_is_claimed_by_one_sender(storage: Storage, ledger: Ledger, row: Batch) -> None:
    other = storage.open("other")
    assert claim(ledger, row, "one")
    assert not claim(other, row, "two")
    found = batch(ledger)
    assert (found.owner, found.status, found.watermark_id) == ("one", BatchStatus.SENDING, "w")
    assert found.sent_ts == ledger.now_text()
    assert kinds(ledger, row) == ["batch.queued", "batch.sending"]


def test_a_rejected_admission_leaves_the_batch_queued(ledger: Ledger, row: Batch) -> None:
    def refuse() -> None:
        raise LedgerUnusable("over budget")

    with pytest.raises(LedgerUnusable):
        sending.mark_sending(
            ledger, row, watermark_id="", watermark_ts=None, owner="x", admit=refuse
        )
    assert batch(ledger) == row


def test_the_batch_of_a_paused_workflow_is_not_claimed(ledger: Ledger, row: Batch) -> None:
    pauses.pause(ledger, [row.workflow], who="op", reason="")
    assert not claim(ledger, row)
    assert sending.queued(ledger) == []
    pauses.resume(ledger, [row.workflow], reason="")
    assert [one.id for one in sending.queued(ledger)] == [row.id]
    assert claim(ledger, row)


def test_an_accepted_batch_has_the_id_of_the_api(ledger: Ledger, row: Batch) -> None:
    claim(ledger, row)
    assert sending.mark_accepted(ledger, row, remote(7), "org/ws")
    found = named(ledger, "msgbatch_7")
    assert (found.id, found.status) == (row.id, BatchStatus.IN_PROGRESS)
    assert (found.identified_by, found.accepted_ts) == ("response", remote().created_ts)
    assert statuses(ledger, "daily-feed") == dict.fromkeys("ab", RequestStatus.IN_FLIGHT)
    assert sending.count_accepted(ledger, [found]) == 1


def test_an_answer_that_comes_after_a_recovery_changes_nothing(ledger: Ledger, row: Batch) -> None:
    sent = send(ledger)
    before = ledger_status.totals(ledger), kinds(ledger)
    assert not sending.mark_accepted(ledger, sent, remote(2), "org/other")
    assert not sending.mark_not_sent(ledger, sent, "too late")
    assert not sending.withdraw(ledger, sent, "too late")
    assert not claim(ledger, row)
    sending.mark_rejected(ledger, sent, "x", "too late")
    sending.mark_unconfirmed(ledger, sent, "too late", wait_until_ts="")
    sending.record_wait(ledger, [sent], "too late")
    assert batch(ledger) == sent
    assert (ledger_status.totals(ledger), kinds(ledger)) == before


def test_an_unconfirmed_batch_is_decided_later(ledger: Ledger, row: Batch) -> None:
    claim(ledger, row)
    sending.mark_unconfirmed(ledger, row, "timeout", wait_until_ts="2026-11-22T06:30:00.000Z")
    found = batch(ledger)
    assert (found.status, found.last_error) == (BatchStatus.UNCONFIRMED, "timeout")
    assert found.next_poll_ts == "2026-11-22T06:30:00.000Z"
    assert statuses(ledger, "daily-feed") == dict.fromkeys("ab", RequestStatus.IN_FLIGHT)
    assert sending.mark_not_sent(ledger, found, "no such batch", may_have_run=True)
    assert statuses(ledger, "daily-feed") == WAITING
    assert detail(ledger, "batch.possible_duplicate_charge")["requests"] == 2


def test_a_batch_that_was_not_sent_returns_its_requests_to_the_queue(
    ledger: Ledger, row: Batch
) -> None:
    claim(ledger, row)
    assert sending.mark_not_sent(ledger, row, "429")
    (again,) = batch_planning.plan_queued(ledger, max_requests=9, max_bytes=9999, wire_overhead=1)
    assert (again.key, again.request_count, again.bytes) == (f"{row.key}-2", 2, 202)
    assert again.nonce != row.nonce
    assert [one.outcome for one in request(ledger, "daily-feed", "a").attempts] == [None, None]
    assert batch_planning.plan_queued(ledger, max_requests=9, max_bytes=99, wire_overhead=1) == []


def test_a_rejected_batch_has_errored_requests(ledger: Ledger, row: Batch) -> None:
    claim(ledger, row)
    sending.mark_rejected(ledger, row, "invalid_request_error", "no")
    found = batch(ledger)
    assert (found.status, found.last_error) == (BatchStatus.REJECTED, "invalid_request_error: no")
    assert found.counts == Counts(errored=2)
    assert sending.last_rejected_workflow(ledger) == row.workflow
    assert attempt(ledger, "daily-feed", "b").error_type == "invalid_request_error"
    assert batch_list.submissions_of(ledger, "daily-feed")[0].finished_ts == ledger.now_text()
    assert kinds(ledger)[-2:] == ["batch.rejected", "submission.finished"]


def test_a_batch_too_large_is_halved_once(ledger: Ledger) -> None:
    submit(ledger, [spooled(name) for name in "abcde"])
    row = batch(ledger)
    claim(ledger, row)
    halves = split_after_rejection.halve(ledger, row, "413", wire_overhead=1)
    sent = [[r.custom_id for r in sending.sent_requests(ledger, one)] for one in halves]
    assert sent == [["a", "b"], ["c", "d", "e"]]
    assert split_after_rejection.halve(ledger, row, "413", wire_overhead=1) == []
    assert batch(ledger).status == BatchStatus.NOT_SENT


def test_the_invalid_request_is_errored_and_the_others_are_queued(ledger: Ledger) -> None:
    submit(ledger, [spooled(name) for name in "abc"])
    row = batch(ledger)
    claim(ledger, row)
    (rest,) = split_after_rejection.drop_one(
        ledger, row, 1, error_type="invalid_request_error", message="no", wire_overhead=1
    )
    assert [r.custom_id for r in sending.sent_requests(ledger, rest)] == ["a", "c"]
    assert statuses(ledger, "daily-feed")["b"] == RequestStatus.ERRORED
    assert attempt(ledger, "daily-feed", "b").outcome == Outcome.ERRORED
    assert batch(ledger).counts.errored == 1


def test_the_only_request_of_a_rejected_batch_leaves_no_batch(ledger: Ledger) -> None:
    submit(ledger, [spooled("a")])
    claim(ledger, batch(ledger))
    added = split_after_rejection.drop_one(
        ledger, batch(ledger), 0, error_type="x", message="no", wire_overhead=1
    )
    assert added == []
    assert batch_list.count_open(ledger) == 0


def test_a_withdrawn_batch_is_not_sent(ledger: Ledger, row: Batch) -> None:
    assert sending.withdraw(ledger, row, "to run now")
    assert not claim(ledger, row)
    assert not sending.withdraw(ledger, row, "again")
    assert statuses(ledger, "daily-feed") == WAITING


def test_the_reason_of_a_wait_is_of_queued_batches(ledger: Ledger, row: Batch) -> None:
    sending.record_wait(ledger, [row], "429")
    assert batch(ledger).last_error == "429"
    sending.record_wait(ledger, [], "none")
    assert batch(ledger).last_error == "429"


def test_requests_of_many_pages_are_sent_in_order(ledger: Ledger) -> None:
    names = [f"n{number:05d}" for number in range(4_001)]
    submit(ledger, map(spooled, names))
    found = [one.custom_id for one in sending.sent_requests(ledger, batch(ledger))]
    assert found == names


def test_the_bodies_of_a_batch_are_measured(ledger: Ledger) -> None:
    submit(ledger, [spooled("a", offset=0, length=10), spooled("long-name", offset=11, length=20)])
    sizes = sending.body_sizes(ledger, batch(ledger), longer_than=8)
    assert (sizes.bytes, list(sizes.ends.values())) == (30, [31])
    assert sizes.long_ids == ["long-name"]
    # Characters are counted, not bytes.
    submit(ledger, [spooled("\U0001f600" * 8)], tag="emoji")
    assert sending.body_sizes(ledger, batch(ledger, 2), longer_than=8).long_ids == []


def test_planned_batches_keep_to_both_limits(made: LedgerBuilder) -> None:
    made.release(made.submit("tag", 10, length=99))
    plan = batch_planning.plan_queued
    first = plan(made.ledger, max_requests=4, max_bytes=10_000, wire_overhead=1)
    assert [one.request_count for one in first] == [4, 4, 2]
    for one in first:
        sending.withdraw(made.ledger, one, "again")
    second = plan(made.ledger, max_requests=100, max_bytes=301, wire_overhead=1)
    assert [one.request_count for one in second] == [3, 3, 3, 1]


def test_planned_batches_are_of_one_submission_and_one_set_of_betas(made: LedgerBuilder) -> None:
    made.release(made.submit("one", ["a", "b"]))
    made.release(made.submit("two", ["c"], betas="x"))
    made.release(made.submit("three", ["d"], workflow="paused"))
    pauses.pause(made.ledger, ["paused"], who="op", reason="")
    planned = batch_planning.plan_queued(
        made.ledger, max_requests=99, max_bytes=9999, wire_overhead=1
    )
    assert [(one.tag, one.betas) for one in planned] == [("one", ()), ("two", ("x",))]
    assert statuses(made.ledger, "d") == {"d": RequestStatus.QUEUED}


def test_a_key_that_is_used_is_followed_by_the_next(made: LedgerBuilder) -> None:
    key = made.submit("tag").key
    assert batch_planning.unused_key(made.ledger, "other") == "other"
    assert batch_planning.unused_key(made.ledger, key) == f"{key}-2"


def test_a_request_answered_elsewhere_is_noticed_before_the_send(made: LedgerBuilder) -> None:
    first = made.accept(made.submit("tag", ["a", "b"]))
    command_effects.detach(made.ledger, first, list(ids(made.ledger, "a").values()), "to run now")
    (second,) = made.plan()
    assert not sending.is_answered_elsewhere(made.ledger, second)
    made.collect(first)
    assert sending.is_answered_elsewhere(made.ledger, second)
