"""Submissions: the same call again is the same submission, and a name stands for one request."""

import pytest
from support.console.console_builders import LedgerBuilder
from support.ledgers.ledger_builders import a_submission, batch, spooled, submit
from support.ledgers.ledger_views import detail, ids, kinds, request, statuses
from support.ledgers.storage import Storage

from state.batches import budget_reservations, request_ranges, sending, submissions
from state.db.ledger import Ledger
from state.model.errors import AlreadySubmitted
from state.model.records import BatchStatus, RequestStatus
from state.queries import batch_list, ledger_status


def test_a_submission_is_stored_with_its_batch_and_requests(ledger: Ledger) -> None:
    submission, is_new = submit(ledger, [spooled("b"), spooled("a")], job="feed")
    (one,) = batch_list.open_batches(ledger)
    assert is_new
    assert (one.key, one.submission_id, one.tag) == (submission.key, submission.id, "daily-feed")
    assert (one.request_count, one.counts.processing, one.status) == (2, 2, BatchStatus.QUEUED)
    assert one.bytes == 2 * (100 + 65)
    assert [r.custom_id for r in sending.sent_requests(ledger, one)] == ["b", "a"]
    assert statuses(ledger, "daily-feed") == dict.fromkeys("ba", RequestStatus.QUEUED)
    assert (submission.request_count, submission.job, submission.finished_ts) == (2, "feed", None)
    assert kinds(ledger) == ["submission.created", "batch.queued"]


def test_the_same_submission_again_is_the_first_one(ledger: Ledger) -> None:
    first, _ = submit(ledger, [spooled("a"), spooled("b")])
    again, is_new = submit(ledger, [spooled("b"), spooled("a")])
    assert (again, is_new) == (first, False)
    assert ledger_status.totals(ledger).batches == 1


@pytest.mark.parametrize(
    ("requests", "because"),
    [
        pytest.param([("a", b"2"), ("b", b"1")], "'a' is already in tb_", id="other body"),
        pytest.param([("c", b"1"), ("b", b"1")], "1 of 2 requests.* 'b' in tb_", id="one is new"),
        pytest.param([("b", b"1")], "1 of 1 requests", id="one is left out"),
    ],
)
def test_what_repeats_only_in_part_is_refused_and_named(
    ledger: Ledger, requests: list[tuple[str, bytes]], because: str
) -> None:
    submit(ledger, [spooled("a"), spooled("b")])
    with pytest.raises(AlreadySubmitted, match=because):
        submit(ledger, [spooled(name, sha=sha * 32) for name, sha in requests])
    assert ledger_status.totals(ledger).requests == 2


def test_other_betas_are_another_request(ledger: Ledger) -> None:
    submit(ledger, [spooled("a", betas="x")])
    with pytest.raises(AlreadySubmitted):
        submit(ledger, [spooled("a", betas="y")])


def test_the_same_names_under_another_tag_are_other_requests(ledger: Ledger) -> None:
    submit(ledger, [spooled("a")], tag="one")
    assert submit(ledger, [spooled("a")], tag="two")[1]
    assert len(set(ids(ledger, "one/a", "two/a").values()) | set(ids(ledger, "one").values())) == 2


def test_of_two_submits_of_one_call_one_is_stored(storage: Storage, ledger: Ledger) -> None:
    other = storage.open("other")
    requests = [spooled("a"), spooled("b")]
    with (
        submissions.staged(ledger, requests) as one,
        submissions.staged(other, requests) as two,
    ):
        new = a_submission(ledger), a_submission(other)
        first = submissions.store(ledger, one, new[0], wire_overhead=0)
        second = submissions.store(other, two, new[1], wire_overhead=0)
    assert (first[1], second[1]) == (True, False)
    assert first[0] == second[0]
    assert len(batch_list.open_batches(ledger)) == 1


def test_of_two_different_submits_of_one_name_one_is_stored(
    storage: Storage, ledger: Ledger
) -> None:
    other = storage.open("other")
    with submissions.staged(other, [spooled("a", sha=b"2" * 32)]) as staged:
        submit(ledger, [spooled("a")])
        with pytest.raises(AlreadySubmitted):
            submissions.store(other, staged, a_submission(other), wire_overhead=0)
    assert ledger_status.totals(ledger).requests == 1


def test_a_reader_finds_the_submission_of_a_call(storage: Storage, ledger: Ledger) -> None:
    submission, _ = submit(ledger, [spooled("a"), spooled("b")])
    before = ledger_status.revision(ledger)
    found = submissions.read_existing(storage.reader(), [spooled("a"), spooled("b")], "daily-feed")
    assert found == submission
    assert submissions.read_existing(storage.reader(), [spooled("c")], "daily-feed") is None
    with pytest.raises(AlreadySubmitted):
        submissions.read_existing(storage.reader(), [spooled("a")], "daily-feed")
    assert ledger_status.revision(ledger) == before


def test_a_lost_tag_is_given_by_the_call_that_is_made_again(ledger: Ledger) -> None:
    lost, _ = submit(ledger, [spooled("a")], tag="tb_lost", key="tb_lost")
    found, is_new = submit(ledger, [spooled("a")], tag="daily-feed")
    assert (found.id, found.tag, is_new) == (lost.id, "daily-feed", False)
    assert batch(ledger).tag == "daily-feed"
    assert request(ledger, "daily-feed", "a").submission_key == "tb_lost"
    assert detail(ledger, "batch.tag_recovered") == {"tag": "daily-feed"}


def test_requests_under_any_tag_are_recognised(ledger: Ledger) -> None:
    first, _ = submit(ledger, [spooled("a"), spooled("b")], tag="one")
    with submissions.staged(ledger, [spooled("b"), spooled("a")]) as staged:
        assert submissions.with_same_requests(ledger, staged) == first
    with submissions.staged(ledger, [spooled("a")]) as staged:
        assert submissions.with_same_requests(ledger, staged) is None
    assert submissions.is_known(ledger, first.key)
    assert not submissions.is_known(ledger, "tb_other")


def test_each_part_and_each_set_of_betas_is_a_batch(ledger: Ledger) -> None:
    requests = [
        spooled("a", part=0),
        spooled("b", part=1, betas="x"),
        spooled("c", part=1, betas=""),
        spooled("d", part=submissions.NO_PART),
    ]
    submission, _ = submit(ledger, requests)
    made = batch_list.open_batches(ledger)
    sent = [[r.custom_id for r in sending.sent_requests(ledger, one)] for one in made]
    assert sent == [["a"], ["c"], ["b"]]
    assert [one.betas for one in made] == [(), (), ("x",)]
    assert [one.key for one in made] == [
        submission.key,
        f"{submission.key}-2",
        f"{submission.key}-3",
    ]
    assert batch_list.batches_of(ledger, submission) == made
    assert statuses(ledger, "d")["d"] == RequestStatus.IN_FLIGHT


def test_a_batch_reserves_what_its_requests_can_cost(ledger: Ledger) -> None:
    costs = [spooled("a", at_most_batch_nano=5), spooled("b", at_most_batch_nano=2**60)]
    submit(ledger, [*costs, spooled("c", part=1)])
    assert budget_reservations.of_batch(ledger, batch(ledger).id) == 2**60 + 5
    assert budget_reservations.of_batch(ledger, batch(ledger, 2).id) == 0


def test_requests_keep_a_model_of_their_own(ledger: Ledger) -> None:
    submission, _ = submit(ledger, [spooled("a"), spooled("b", model="claude-opus-5")])
    assert request(ledger, "daily-feed", "a").model == submission.model
    assert request(ledger, "daily-feed", "b").model == "claude-opus-5"
    assert batch_list.models_of(ledger, submission) == {submission.model: 1, "claude-opus-5": 1}


def test_a_submission_of_many_requests_keeps_their_order(ledger: Ledger) -> None:
    count = 5_001
    names = [f"n{number * 7919 % count:05d}" for number in range(count)]
    submit(ledger, (spooled(name, offset=n * 101) for n, name in enumerate(names)))
    sent = list(sending.sent_requests(ledger, batch(ledger)))
    assert [one.custom_id for one in sent] == names
    assert [one.offset for one in sent] == [n * 101 for n in range(count)]
    assert request_ranges.of_batch(ledger, batch(ledger)) == [(0, (count - 1) * 101)]


def test_ranges_name_the_requests_of_each_batch(ledger: Ledger) -> None:
    requests = [spooled(f"n{n}", offset=n * 10, part=n // 2 % 2) for n in range(8)]
    submission, _ = submit(ledger, requests)
    names = {number: name for name, number in ids(ledger, "daily-feed").items()}
    first, second = (request_ranges.of_batch(ledger, batch(ledger, n)) for n in (1, 2))
    assert (first, second) == ([(0, 10), (40, 50)], [(20, 30), (60, 70)])
    found = request_ranges.request_ids(ledger, submission.id, second or [])
    assert [names[number] for number in found] == ["n2", "n3", "n6", "n7"]


def test_submissions_of_a_tag_are_listed_oldest_first(made: LedgerBuilder) -> None:
    keys = [made.submit("same", [f"x{number}"]).key for number in range(3)]
    assert [s.key for s in batch_list.submissions_of(made.ledger, "same")] == keys
    assert batch_list.submissions_of(made.ledger, "none") == []
