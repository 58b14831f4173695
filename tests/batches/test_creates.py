"""A create that fails in any way: nothing is lost, and no charge is duplicated."""

from pathlib import Path

import pytest
from support.builders import Bench, a_bench, some_requests
from support.error_codes import code_is
from support.lifecycle import (
    batches,
    check_billing,
    check_once,
    poll_until_done,
    requests,
    staged,
    statuses,
)

from core.api.protocol import BatchApi
from core.batches.holds import CREATE_HOLD
from core.errors import SettingsError
from core.intake.options import SubmitOptions
from core.requests.payload import Limits
from state.batches import leases
from state.model.records import RequestStatus

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
    with pytest.raises(SettingsError, check=code_is("api_key_rejected")):
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
    bench.faults.add("create:413")
    bench.submit(3)
    poll_until_done(bench)
    assert requests(bench) == {RequestStatus.ERRORED: 3}
    assert [row["outcome"] for row in staged(bench)] == ["errored"] * 3
    assert bench.sandbox.billing_log().batches == ()


def test_one_part_that_is_too_large_is_cut_and_does_not_hold_the_others_up(
    tmp_path: Path,
) -> None:
    with a_bench(tmp_path / "t", limits=Limits(max_requests=2)) as bench:
        bench.faults.add("create:413:nth=2")
        bench.submit(6)
        poll_until_done(bench)
        assert sorted(b.request_count for b in batches(bench) if b.remote_id) == [1, 1, 2, 2]
        check_once(bench, 6)


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
