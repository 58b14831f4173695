"""A create that fails in any way: nothing is lost, and no charge is duplicated."""

from collections.abc import Callable
from pathlib import Path

import pytest
from support.builders import BASE_URL, KEY, Bench, a_bench, some_requests
from support.lifecycle import (
    QUARTER,
    batches,
    check_billing,
    check_once,
    poll_until_done,
    requests,
    staged,
    statuses,
)

from core.api.client import AnthropicApi
from core.api.protocol import BatchApi, Created, Page
from core.batches.request_body import Body
from core.batches.send import CREATE_HOLD
from core.errors import SettingsError
from core.intake.options import SubmitOptions
from core.requests.payload import Limits
from state.batches import leases
from state.model.records import RequestStatus
from titan_console.sandbox.http.transport import client
from titan_console.sandbox.model.timing import Plan

TAKEN_IN = ("drop", "timeout", "garbage", "truncated", "408-after", "409-after", "500-after")
TAKEN_IN_TOO = ("502-after", "503-after", "504-after", "529-after")
NOT_TAKEN_IN = ("drop-before", "timeout-before", "408", "409", "500", "502", "503", "504", "529")


@pytest.mark.parametrize("fault", [*TAKEN_IN, *TAKEN_IN_TOO])
def test_a_batch_with_a_lost_response_is_found_by_its_nonce_and_not_resent(
    bench: Bench, fault: str
) -> None:
    bench.faults.add(f"create:{fault}:times=1")
    assert bench.submit(3).problem
    assert statuses(bench) == ["unconfirmed"]
    poll_until_done(bench)
    assert bench.sandbox.billing_log().creates == 1
    assert statuses(bench) == ["ended"]
    assert batches(bench)[0].identified_by == "nonce"
    check_once(bench, 3)


@pytest.mark.parametrize("fault", [*NOT_TAKEN_IN, "html-502"])
def test_a_batch_proved_absent_is_sent_once_more_as_a_new_row(bench: Bench, fault: str) -> None:
    bench.faults.add(f"create:{fault}:times=1")
    assert bench.submit(3).problem
    assert statuses(bench) == ["unconfirmed"]
    bench.poll_after(240)
    assert statuses(bench) == ["unconfirmed"]
    poll_until_done(bench)
    assert statuses(bench) == ["not_sent", "ended"]
    first, second = sorted(batches(bench), key=lambda batch: batch.id)
    assert first.nonce != second.nonce
    assert len(bench.sandbox.billing_log().batches) == 1
    check_once(bench, 3)


def test_a_create_without_a_connection_is_sent_by_the_next_poll(bench: Bench) -> None:
    bench.faults.add("create:connect:times=1")
    assert "Cannot connect" in (bench.submit(3).problem or "")
    assert statuses(bench) == ["not_sent"]
    bench.poll_after(60)
    assert statuses(bench) == ["not_sent", "in_progress"]
    poll_until_done(bench)
    check_once(bench, 3)


@pytest.mark.parametrize(
    ("fault", "held_s"),
    [
        ("create:429:times=1", 60),
        ("create:429:times=1:retry=3600", 3600),
        ("create:spend-cap:times=1", 21_600),
        ("create:usage-limit:times=1", 21_600),
        ("create:402:times=1", 900),
        ("create:credit:times=1", 900),
        ("create:redirect:times=1", 900),
    ],
)
def test_a_create_that_is_rate_limited_waits_for_a_later_poll(
    bench: Bench, fault: str, held_s: float
) -> None:
    bench.faults.add(fault)
    before = bench.clock.monotonic()
    assert bench.submit(3).problem
    assert bench.clock.monotonic() == before
    assert statuses(bench) == ["not_sent"]
    held = bench.poll_after(held_s - 1)
    assert any(f"until {bench.clock.now():%Y-%m-%dT}" in trouble for trouble in held.problems)
    assert bench.sandbox.billing_log().creates == 1
    assert bench.poll_after(2).sent == 1
    poll_until_done(bench)
    first, second = sorted(batches(bench), key=lambda batch: batch.id)
    assert first.nonce != second.nonce
    check_once(bench, 3)


def test_while_creates_are_held_back_a_new_submission_waits_too(bench: Bench) -> None:
    bench.faults.add("create:429:times=1:retry=3600")
    bench.submit(1, tag="one")
    assert "Sending is on hold until" in (bench.submit(2, tag="two").problem or "")
    assert leases.active_hold(bench.engine.context.ledger, CREATE_HOLD) is not None
    assert bench.sandbox.billing_log().creates == 1
    poll_until_done(bench)
    assert requests(bench) == {RequestStatus.SUCCEEDED: 3}


@pytest.mark.parametrize("fault", ["create:401", "list:401"])
def test_a_rejected_key_loses_nothing_and_stops_the_poll_with_the_reason(
    bench: Bench, fault: str
) -> None:
    bench.faults.add(fault)
    assert "rejected the key" in (bench.submit(3).problem or "")
    with pytest.raises(SettingsError, match="rejected the key"):
        bench.poll_after(60)
    bench.faults.clear()
    poll_until_done(bench)
    check_once(bench, 3)


def test_a_batch_that_the_api_rejects_has_the_message_of_the_api(bench: Bench) -> None:
    bench.engine.submit(some_requests(3), SubmitOptions(tag="bad", betas=("no-such-beta",)))
    assert statuses(bench) == ["rejected"]
    assert "no-such-beta" in (batches(bench)[0].last_error or "")
    assert requests(bench) == {RequestStatus.ERRORED: 3}
    bench.poll_after(60)
    assert [row["outcome"] for row in staged(bench)] == ["errored"] * 3
    assert statuses(bench) == ["rejected"]
    check_billing(bench)


def test_requests_that_are_too_large_even_alone_are_refused_and_delivered_as_errors(
    bench: Bench,
) -> None:
    bench.faults.add("create:html-413")
    bench.submit(3)
    poll_until_done(bench)
    assert requests(bench) == {RequestStatus.ERRORED: 3}
    assert [row["outcome"] for row in staged(bench)] == ["errored"] * 3
    assert bench.sandbox.billing_log().batches == ()


def test_one_part_that_is_too_large_is_cut_and_does_not_hold_the_others_up(
    tmp_path: Path,
) -> None:
    with a_bench(tmp_path / "t", limits=Limits(max_requests=2)) as bench:
        bench.faults.add("create:html-413:nth=2")
        bench.submit(6)
        poll_until_done(bench)
        assert sorted(b.request_count for b in batches(bench) if b.remote_id) == [1, 1, 2, 2]
        check_once(bench, 6)


def test_a_batch_accepted_late_is_found_within_the_settling_time(bench: Bench) -> None:
    bench.faults.add("create:late:seconds=1500:times=1")
    bench.submit(3)
    poll_until_done(bench)
    assert bench.sandbox.billing_log().creates == 1
    check_once(bench, 3)


def test_a_batch_accepted_after_the_settling_time_is_collected_as_a_duplicate(
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


def test_foreign_batches_of_the_same_size_are_never_touched(bench: Bench) -> None:
    ids = ("a", "b", "c")
    early = bench.sandbox.add_foreign(ids)
    bench.faults.add("create:drop:times=1")
    bench.submit(3)
    later = [bench.sandbox.add_foreign(ids) for _ in range(3)]
    poll_until_done(bench)
    ours = {batch.remote_id for batch in batches(bench)}
    assert not ours.intersection({early, *later})
    assert bench.sandbox.billing_log().creates == 1
    assert requests(bench) == {RequestStatus.SUCCEEDED: 3}
    check_billing(bench)


def test_foreign_batches_that_never_end_only_delay_the_second_try(tmp_path: Path) -> None:
    with a_bench(tmp_path / "t", plan=Plan.seconds(7200, 7200)) as bench:
        bench.faults.add("create:drop-before:times=1")
        bench.submit(3)
        bench.sandbox.add_foreign(("a", "b", "c"))
        for _ in range(4):
            bench.poll_after(QUARTER)
        assert statuses(bench) == ["unconfirmed"]
        poll_until_done(bench)
        assert requests(bench) == {RequestStatus.SUCCEEDED: 3}
        check_billing(bench)


def test_two_unconfirmed_batches_of_one_size_are_both_identified(bench: Bench) -> None:
    bench.faults.add("create:drop:times=2")
    bench.submit(3, tag="one")
    bench.submit(3, tag="two")
    poll_until_done(bench)
    assert bench.sandbox.billing_log().creates == 2
    assert requests(bench) == {RequestStatus.SUCCEEDED: 6}
    assert {batch.identified_by for batch in batches(bench)} == {"nonce"}
    check_billing(bench)


def test_an_error_on_the_second_page_of_the_list_proves_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.batches.unresolved.listing._PAGE", 2)
    bench.faults.add("create:drop:times=1")
    bench.submit(3)
    for _ in range(5):
        bench.sandbox.add_foreign(("x", "y"))
    bench.clock.advance(1900)
    bench.faults.add("list:503:every=2")
    for _ in range(3):
        bench.engine.poll()
        bench.clock.advance(60)
    assert bench.sandbox.billing_log().creates == 1
    bench.faults.clear()
    poll_until_done(bench)
    assert bench.sandbox.billing_log().creates == 1
    check_once(bench, 3)


def test_a_batch_that_is_not_listed_yet_is_not_taken_for_absent(bench: Bench) -> None:
    bench.faults.add("create:drop:times=1")
    bench.faults.add("list:lag:seconds=1700")
    bench.submit(3)
    poll_until_done(bench)
    assert bench.sandbox.billing_log().creates == 1
    check_once(bench, 3)


class InterruptedApi(AnthropicApi):
    """Lets something happen just before a page of the list is read."""

    before_list: Callable[[], object] | None = None

    def list_page(self, *, after_id: str | None = None, limit: int = 1000) -> Page:
        happens, self.before_list = self.before_list, None
        if happens is not None and limit > 1:
            happens()
        return super().list_page(after_id=after_id, limit=limit)


def test_a_batch_sent_while_another_process_reads_the_list_is_not_taken_for_foreign(
    bench: Bench,
) -> None:
    api = InterruptedApi(api_key=KEY, base_url=BASE_URL, http_client=client(bench.sandbox))

    def make_api() -> BatchApi:
        return api

    poller = bench.new_engine("poller", api=make_api)
    bench.submit(1, tag="something-open")
    bench.faults.add("create:drop:times=1")
    api.before_list = lambda: bench.submit(3, tag="meanwhile")
    poller.poll()
    poll_until_done(bench, poller)
    assert bench.sandbox.billing_log().creates == 2
    assert requests(bench) == {RequestStatus.SUCCEEDED: 4}
    check_billing(bench)


def test_a_process_frozen_before_its_post_does_not_post(bench: Bench) -> None:
    frozen: list[float] = [300.0]

    def freeze(point: str) -> None:
        if point == "sending:done" and frozen:
            bench.clock.advance(frozen.pop())

    bench.engine.context.ledger.crash_point = freeze
    bench.submit(3)
    assert statuses(bench) == ["not_sent"]
    assert bench.sandbox.billing_log().creates == 0
    poll_until_done(bench)
    check_once(bench, 3)


def test_without_a_key_requests_are_queued_and_sent_when_there_is_one(bench: Bench) -> None:
    def no_key() -> BatchApi:
        raise SettingsError("No API key: set ANTHROPIC_API_KEY.")

    keyless = bench.new_engine("keyless", api=no_key)
    submitted = keyless.submit(some_requests(3), SubmitOptions(tag="daily-feed"))
    assert "No API key" in (submitted.problem or "")
    with pytest.raises(SettingsError, match="No API key"):
        keyless.poll()
    assert statuses(bench) == ["queued"]
    poll_until_done(bench)
    check_once(bench, 3)


def test_what_is_sent_is_counted_and_what_was_held_back_is_not(bench: Bench) -> None:
    bench.faults.add("create:429:times=2:retry=1")
    bench.submit(3)
    assert bench.poll_after(2).sent == 0
    assert bench.poll_after(2).sent == 1


class _Kept:
    """A client that keeps what was posted, for something on the way to post it again."""

    def __init__(self, inner: BatchApi) -> None:
        self._inner = inner
        self.posted: list[Body] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def create(self, body: Body) -> Created:
        self.posted.append(body)
        return self._inner.create(body)


def test_a_duplicate_made_after_its_batch_was_collected_is_found(bench: Bench) -> None:
    api = _Kept(bench.api())
    sender = bench.new_engine("sender", api=lambda: api)  # pyright: ignore[reportArgumentType, reportReturnType] - it passes the rest on
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
    sender = bench.new_engine("sender", api=lambda: api)  # pyright: ignore[reportArgumentType, reportReturnType] - it passes the rest on
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
