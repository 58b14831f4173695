"""A create that the API accepts twice, or late, after it was sent again: found, with its cost."""

import pytest
from support.api.api_wrapper import ApiWrapper
from support.builders import Bench, some_requests
from support.ledgers.rebuilt_ledger import rebuilt
from support.lifecycle import (
    QUARTER,
    batches,
    check_billing,
    poll_until_done,
    requests,
    statuses,
)

from core.api.protocol import BatchApi, Created
from core.batches.request_body import Body
from core.intake.options import SubmitOptions
from state.model.records import RequestStatus


def test_a_batch_accepted_after_the_recovery_wait_is_collected_as_a_duplicate(
    bench: Bench,
) -> None:
    bench.faults.add("create:late:seconds=7200:times=1")
    bench.submit(3)
    poll_until_done(bench)
    assert bench.sandbox.billing_log().creates == 2
    bench.clock.advance(7200)
    for _ in range(4):
        bench.submit(1, tag=f"wakes-the-listing-{bench.clock.monotonic()}")
        poll_until_done(bench)
    duplicate = next(batch for batch in batches(bench) if batch.duplicate_of)
    assert duplicate.duplicate_nano == duplicate.cost_nano
    assert duplicate.duplicate_nano > 0
    assert duplicate.sync_cost_nano == 0
    assert requests(bench)[RequestStatus.SUCCEEDED] == 7
    check_billing(bench)


def test_a_late_duplicate_is_found_although_nothing_else_is_open(bench: Bench) -> None:
    bench.faults.add("create:late:seconds=7200:times=1")
    bench.submit(3)
    for _ in range(16):
        bench.poll_after(QUARTER)
    assert len([batch for batch in batches(bench) if batch.duplicate_of]) == 1
    check_billing(bench)


def test_a_late_duplicate_is_found_although_the_clock_has_jumped_by_a_day(bench: Bench) -> None:
    bench.faults.add("create:late:seconds=7200:times=1")
    bench.submit(3)
    poll_until_done(bench)
    bench.clock.jump(86_400)
    bench.clock.advance(7200)
    for _ in range(3):
        bench.submit(1, tag=f"wakes-the-listing-{bench.clock.monotonic()}")
        poll_until_done(bench)
    assert len([batch for batch in batches(bench) if batch.duplicate_of]) == 1
    check_billing(bench)


@pytest.mark.parametrize("is_given_up_first", [True, False])
def test_a_late_duplicate_is_found_although_the_clock_jumps_while_it_is_watched_for(
    bench: Bench, is_given_up_first: bool
) -> None:
    bench.faults.add("create:late:seconds=8700:times=1")
    bench.submit(3)
    if is_given_up_first:
        poll_until_done(bench)
    bench.clock.jump(86_400)
    poll_until_done(bench)
    for _ in range(12):
        bench.poll_after(QUARTER)
    assert len([batch for batch in batches(bench) if batch.duplicate_of]) == 1
    check_billing(bench)


class _Kept(ApiWrapper):
    """A client that keeps what was posted, for something on the way to post it again."""

    def __init__(self, api: BatchApi) -> None:
        super().__init__(api)
        self.posted: list[Body] = []

    def create(self, body: Body) -> Created:
        self.posted.append(body)
        return self.api.create(body)


def test_a_duplicate_made_after_its_batch_was_collected_is_found(bench: Bench) -> None:
    api = _Kept(bench.api())
    sender = bench.new_engine("sender", api=lambda: api)
    bench.faults.add("create:drop:times=1")
    submitted = sender.submit(some_requests(3), SubmitOptions(tag="late", model="claude-haiku-4-5"))
    assert submitted.problem
    poll_until_done(bench)
    assert statuses(bench) == ["ended"]
    api.create(api.posted[0])
    poll_until_done(bench)
    assert [batch.duplicate_of for batch in batches(bench)] == [None, 1]
    check_billing(bench)


def test_a_duplicate_is_found_though_no_list_could_be_read_while_its_batch_was_open(
    bench: Bench,
) -> None:
    api = _Kept(bench.api())
    sender = bench.new_engine("sender", api=lambda: api)
    sender.submit(some_requests(3), SubmitOptions(tag="early", model="claude-haiku-4-5"))
    api.create(api.posted[0])
    bench.faults.add("list:404")
    bench.poll_after(7200)
    assert requests(bench) == {RequestStatus.SUCCEEDED: 3}
    assert [batch.duplicate_of for batch in batches(bench)] == [None]
    bench.faults.clear()
    poll_until_done(bench)
    assert [batch.duplicate_of for batch in batches(bench)] == [None, 1]
    check_billing(bench)


def _rejected_and_accepted(bench: Bench) -> None:
    """A proxy sent a POST twice, and answers with the rejection of one of them."""
    api = _Kept(bench.api())
    sender = bench.new_engine("sender", api=lambda: api)
    bench.faults.add("create:413:times=1")
    sender.submit(some_requests(1), SubmitOptions(tag="rejected", model="claude-haiku-4-5"))
    assert statuses(bench) == ["rejected"]
    api.create(api.posted[0])


def test_the_batch_of_a_create_that_was_also_rejected_is_collected(bench: Bench) -> None:
    _rejected_and_accepted(bench)
    poll_until_done(bench)
    assert [batch.duplicate_of for batch in batches(bench)] == [None, 1]
    assert requests(bench) == {RequestStatus.SUCCEEDED: 1}
    check_billing(bench)


def test_the_batch_of_a_create_that_was_also_rejected_is_found_after_a_rebuild(
    bench: Bench,
) -> None:
    _rejected_and_accepted(bench)
    rebuilt(bench)
    poll_until_done(bench)
    assert requests(bench) == {RequestStatus.SUCCEEDED: 1}
    check_billing(bench)
