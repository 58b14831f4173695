"""Batches that the API has and the ledger does not: found, identified, adopted, recorded twice."""

import pytest
from msgspec.structs import replace
from support.console.console_builders import LedgerBuilder
from support.ledgers.ledger_builders import a_submission, remote, spooled
from support.ledgers.ledger_views import attempt, ids, kinds, request, statuses
from support.ledgers.ledger_views import batch as named

from state.batches import adoption, orphans, sending, submissions
from state.batches.orphans import Orphan, OrphanVerdict
from state.batches.sending import RemoteState
from state.db.ledger import Ledger
from state.model.errors import AlreadySubmitted
from state.model.records import DEFAULT_LANE, Batch, BatchStatus, RequestStatus
from state.queries import batch_list, ledger_status

CANDIDATE, FOREIGN, OWN = OrphanVerdict.CANDIDATE, OrphanVerdict.FOREIGN, OrphanVerdict.OWN


def seen(ledger: Ledger, *numbers: int, verdict: OrphanVerdict = CANDIDATE) -> list[Orphan]:
    for number in numbers:
        orphans.record_orphan(ledger, remote(number), verdict)
    return orphans.with_verdict(ledger, verdict)


def of(orphan: Orphan) -> RemoteState:
    return replace(remote(), remote_id=orphan.remote_id)


def test_an_orphan_is_recorded_once(ledger: Ledger) -> None:
    (one,) = seen(ledger, 7, 7)
    assert (one.remote_id, one.request_count, one.failures) == ("msgbatch_7", 2, 0)
    assert one.seen_ts == ledger.now_text()
    orphans.record_orphan(ledger, remote(7), FOREIGN)
    assert orphans.with_verdict(ledger, CANDIDATE) == [one]
    assert kinds(ledger) == ["orphan.found"]


def test_a_batch_of_the_ledger_is_no_orphan(made: LedgerBuilder) -> None:
    sent = made.accept(made.submit("tag"))
    state = replace(remote(), remote_id=sent.remote_id)
    orphans.record_orphan(made.ledger, state, CANDIDATE)
    assert orphans.with_verdict(made.ledger, CANDIDATE) == []


def test_orphans_are_listed_by_their_age(ledger: Ledger) -> None:
    for number, day in ((4, 3), (1, 3), (2, 1), (3, 2)):
        state = replace(remote(number), created_ts=f"2026-11-0{day}T00:00:00.000Z")
        orphans.record_orphan(ledger, state, CANDIDATE)
    found = [one.remote_id for one in orphans.with_verdict(ledger, CANDIDATE)]
    assert found == ["msgbatch_2", "msgbatch_3", "msgbatch_1", "msgbatch_4"]


def test_a_verdict_is_of_candidates_and_can_be_reopened_if_it_is_none(ledger: Ledger) -> None:
    one, two = seen(ledger, 1, 2)
    orphans.record_failure(ledger, one, 2)
    orphans.record_verdict(ledger, one, OrphanVerdict.UNRESOLVED, "404")
    orphans.record_verdict(ledger, one, FOREIGN, "late")
    orphans.record_verdict(ledger, two, FOREIGN, "another nonce")
    (found,) = orphans.with_verdict(ledger, OrphanVerdict.UNRESOLVED)
    assert found.failures == 2
    for orphan in (one, two):
        orphans.reopen_search(ledger, orphan)
    (again,) = orphans.with_verdict(ledger, CANDIDATE)
    assert (again.remote_id, again.failures) == (one.remote_id, 0)
    assert kinds(ledger)[2:] == ["orphan.unresolved", "orphan.foreign", "orphan.ended"]


def test_known_ids_are_those_of_batches_and_orphans(made: LedgerBuilder) -> None:
    sent = made.accept(made.submit("tag"))
    seen(made.ledger, 7)
    asked = [f"msgbatch_x{number}" for number in range(2_000)]
    found = orphans.known_remote_ids(
        made.ledger, DEFAULT_LANE, [*asked, "msgbatch_7", *asked, sent.remote_id or ""]
    )
    assert found == {"msgbatch_7", sent.remote_id}


def test_an_unconfirmed_batch_becomes_the_one_with_its_nonce(made: LedgerBuilder) -> None:
    lost = made.lose_the_answer(made.submit("tag", ["a"]))
    assert orphans.batch_of_nonce(made.ledger, lost.nonce) == lost
    assert orphans.batch_of_nonce(made.ledger, "none") is None
    (one,) = seen(made.ledger, 7)
    orphans.link_to_batch(made.ledger, one, of(one), lost)
    found = named(made.ledger, "msgbatch_7")
    assert (found.id, found.status, found.identified_by) == (
        lost.id,
        BatchStatus.IN_PROGRESS,
        "nonce",
    )
    assert [o.remote_id for o in orphans.with_verdict(made.ledger, OWN)] == ["msgbatch_7"]


def duplicates(made: LedgerBuilder, sent: Batch, *numbers: int) -> list[Batch]:
    for one in seen(made.ledger, *numbers):
        orphans.link_to_batch(made.ledger, one, of(one), sent)
        orphans.link_to_batch(made.ledger, one, of(one), sent)
    return [named(made.ledger, f"msgbatch_{number}") for number in numbers]


def test_a_second_batch_with_a_nonce_is_a_duplicate(made: LedgerBuilder) -> None:
    sent = made.accept(made.submit("tag", ["a", "b"]))
    first, second = duplicates(made, sent, 7, 8)
    assert (first.key, second.key) == (f"{sent.key}-duplicate1", f"{sent.key}-duplicate2")
    assert (first.nonce, first.duplicate_of, first.request_count) == (sent.nonce, sent.id, 2)
    assert orphans.batch_of_nonce(made.ledger, sent.nonce) == sent
    made.collect(sent)
    made.collect(first)
    assert attempt(made.ledger, "tag", "a", 1).is_duplicate
    totals = ledger_status.totals(made.ledger)
    assert (totals.succeeded, 2 * totals.duplicate_nano) == (2, totals.cost_nano)


def test_a_duplicate_that_answers_first_settles(made: LedgerBuilder) -> None:
    sent = made.accept(made.submit("tag", ["a"]))
    (other,) = duplicates(made, sent, 7)
    made.collect(other)
    assert statuses(made.ledger, "a") == {"a": RequestStatus.SUCCEEDED}
    made.collect(sent)
    assert [a.is_settling for a in request(made.ledger, "tag", "a").attempts] == [False, True]


def test_rows_that_may_have_a_batch_at_the_api_are_searched_for(made: LedgerBuilder) -> None:
    sending_one = made.sending(made.submit("sending"))
    lost = made.lose_the_answer(made.submit("lost"))
    made.accept(made.submit("accepted"))
    made.submit("queued")
    released = made.release(made.submit("released"))
    done = made.collected("done")
    now = made.ledger.now_text()
    found = orphans.unresolved(made.ledger, DEFAULT_LANE, since_ts=now, unlisted_ts=now)
    assert [one.id for one in found] == [sending_one.id, lost.id]
    found = orphans.unresolved(made.ledger, DEFAULT_LANE, since_ts="2026", unlisted_ts="2026")
    assert [one.id for one in found] == [sending_one.id, lost.id, released.id, done.id]
    stale = orphans.stale_sending(made.ledger, before_ts="2027", after_ts="2027")
    assert [one.id for one in stale] == [sending_one.id]
    assert orphans.stale_sending(made.ledger, before_ts="2026", after_ts="2027") == []
    assert len(orphans.sent_since(made.ledger, DEFAULT_LANE, since_ts="2026")) == 5


def test_the_last_listing_is_the_latest_that_was_recorded(ledger: Ledger) -> None:
    assert orphans.last_listing(ledger, DEFAULT_LANE) is None
    for ts in ("2026-11-22T06:00:00.000Z", "2026-11-22T07:00:00.000Z"):
        orphans.record_listing(ledger, DEFAULT_LANE, ts)
    assert orphans.last_listing(ledger, DEFAULT_LANE) == "2026-11-22T07:00:00.000Z"


def test_an_adopted_batch_is_a_submission_with_its_requests(ledger: Ledger) -> None:
    assert adoption.mark_candidate(ledger, remote(7), DEFAULT_LANE).verdict == CANDIDATE
    with submissions.staged(ledger, [spooled("a"), spooled("b")]) as staged:
        adopted = adoption.store(ledger, staged, a_submission(ledger), remote(7), "org")
        with pytest.raises(AlreadySubmitted):
            adoption.store(ledger, staged, a_submission(ledger), remote(8), "org")
    found = adoption.known(ledger, "msgbatch_7")
    assert found is not None
    assert (found.key, found.identified_by, found.request_count) == (adopted.key, "operator", 2)
    assert adoption.known(ledger, "msgbatch_8") is None
    assert statuses(ledger, "daily-feed") == dict.fromkeys("ab", RequestStatus.IN_FLIGHT)
    assert [o.verdict for o in orphans.with_verdict(ledger, OWN)] == [OWN]
    assert [one.id for one in batch_list.open_batches(ledger)] == [found.id]
    assert set(ids(ledger, found.key)) == {"a", "b"}
    assert sending.count_accepted(ledger, [found]) == 1
