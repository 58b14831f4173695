"""A problem of the account or the connection holds the queue, and errors no request."""

import pytest
from support.builders import Bench, some_requests
from support.lifecycle import check_once, poll_until_done, requests, statuses

from core.batches.holds import ACCOUNT_HOLD, SYNC_HOLD
from core.batches.synchronous.concurrency_limiter import FEWEST
from core.intake.options import SubmitOptions
from state.batches import leases
from state.model.records import OnFailure, RequestStatus
from state.operations import alerts, commands
from state.operations.commands import Action, CommandState, NewCommand

FAULTS = ("credit", "disabled", "budget", "unnamed", "402", "403", "412", "redirect")
PAGES = ("html-400", "html-403", "html-404", "html-413")


def _raised(bench: Bench) -> list[tuple[str, str]]:
    return [(alert.rule, alert.subject) for alert in alerts.raised(bench.engine.context.ledger)]


def _hold(bench: Bench, name: str) -> str:
    hold = leases.active_hold(bench.engine.context.ledger, name)
    return hold.reason if hold else ""


@pytest.mark.parametrize("fault", [*FAULTS, *PAGES, "404"])
def test_the_queue_is_held_and_sent_after_an_account_problem(bench: Bench, fault: str) -> None:
    bench.faults.add(f"create:{fault}")
    for tag in "abcd":
        bench.submit(2, tag=tag)
    assert bench.sandbox.billing_log().creates == 1
    assert "The API returned" in _hold(bench, ACCOUNT_HOLD)
    polled = bench.poll_after(1000)
    assert any("The API returned" in problem for problem in polled.problems)
    assert bench.sandbox.billing_log().creates == 2
    assert set(statuses(bench)) <= {"not_sent", "queued"}
    assert ("account", ACCOUNT_HOLD) in _raised(bench)
    bench.faults.clear()
    poll_until_done(bench)
    assert requests(bench) == {RequestStatus.SUCCEEDED: 8}
    assert len(list(bench.sandbox.billing_log().billed())) == 8
    assert _raised(bench) == []


@pytest.mark.parametrize("fault", ["credit", "403", "html-404", "redirect"])
def test_an_account_that_may_not_even_list_holds_the_queue(bench: Bench, fault: str) -> None:
    bench.faults.add(f"any:{fault}")
    bench.submit(2)
    assert "The API returned" in _hold(bench, ACCOUNT_HOLD)
    assert bench.sandbox.billing_log().creates == 0
    bench.poll_after(60)
    assert ("account", ACCOUNT_HOLD) in _raised(bench)
    bench.faults.clear()
    poll_until_done(bench)
    check_once(bench, 2)


@pytest.mark.parametrize("fault", [*FAULTS, *PAGES])
def test_a_submission_with_policy_sync_is_kept_too(bench: Bench, fault: str) -> None:
    bench.faults.add(f"any:{fault}")
    taken = bench.submit(60, on_failure=OnFailure.SYNC)
    assert "The API returned" in (taken.problem or "")
    assert requests(bench) == {RequestStatus.QUEUED: 60}
    assert bench.faults.hits() <= FEWEST + 1
    bench.faults.clear()
    poll_until_done(bench)
    check_once(bench, 60)


def _ended(bench: Bench) -> list[CommandState]:
    return [command.state for command in commands.latest(bench.engine.context.ledger, limit=9)]


def _sync(bench: Bench, *, most: int = 100) -> int:
    context = bench.engine.context
    ids = [int(row[0]) for row in context.ledger.rows("SELECT id FROM requests LIMIT ?", most)]
    wanted = NewCommand(
        action=Action.SYNC, items=ids, reason="test", not_before=context.clock.now()
    )
    command, _ = commands.enqueue(context.ledger, wanted)
    return command.id


@pytest.mark.parametrize("fault", [*FAULTS, *PAGES])
def test_a_sync_command_errors_nothing_and_asks_a_few_times_only(bench: Bench, fault: str) -> None:
    bench.faults.add("create:credit")
    bench.submit(60)
    bench.faults.clear()
    bench.faults.add(f"messages:{fault}")
    _sync(bench)
    polled = bench.poll_after(60)
    assert requests(bench) == {RequestStatus.QUEUED: 60}
    assert 1 <= bench.faults.hits() <= FEWEST
    assert any("The API returned" in problem for problem in polled.problems)
    assert ("account", SYNC_HOLD) in _raised(bench)
    assert _ended(bench) == [CommandState.FAILED]
    before = bench.faults.hits()
    _sync(bench)
    again = bench.poll_after(60)
    assert bench.faults.hits() == before
    assert any("Synchronous calls are on hold" in problem for problem in again.problems)
    assert _ended(bench) == [CommandState.FAILED] * 2
    bench.faults.clear()
    poll_until_done(bench)
    check_once(bench, 60)


def test_a_sync_of_a_part_that_the_account_rejects_stays_in_its_batch(bench: Bench) -> None:
    bench.submit(6)
    bench.faults.add("messages:unnamed")
    _sync(bench, most=2)
    bench.engine.poll()
    assert requests(bench) == {RequestStatus.IN_FLIGHT: 6}
    bench.faults.clear()
    poll_until_done(bench)
    check_once(bench, 6)


@pytest.mark.parametrize("fault", ["unnamed", "413"])
def test_rejected_calls_beside_answered_ones_are_about_their_requests(
    bench: Bench, fault: str
) -> None:
    bench.faults.add("create:credit")
    bench.submit(20)
    bench.faults.clear()
    bench.faults.add(f"messages:{fault}:every=4")
    _sync(bench)
    bench.engine.poll()
    assert requests(bench) == {RequestStatus.SUCCEEDED: 15, RequestStatus.ERRORED: 5}
    assert _hold(bench, SYNC_HOLD) == ""


def _queue(bench: Bench, tags: str, *betas: str) -> None:
    for tag in tags:
        options = SubmitOptions(tag=tag, workflow=betas[0] if betas else "good", betas=betas)
        bench.engine.submit(some_requests(1), options)


def test_two_rejections_with_the_same_message_end_the_sending_of_a_poll(bench: Bench) -> None:
    bench.faults.add("create:connect")
    _queue(bench, "abcd", "no-such-beta")
    bench.faults.clear()
    bench.poll_after(60)
    assert statuses(bench).count("rejected") == 2
    assert statuses(bench).count("queued") == 2
    assert "no-such-beta" in _hold(bench, ACCOUNT_HOLD)
    bench.poll_after(60)
    assert statuses(bench).count("rejected") == 2


def test_equal_rejections_that_continue_cost_one_batch_and_a_longer_pause_each(
    bench: Bench,
) -> None:
    bench.faults.add("create:connect")
    _queue(bench, "abcdefgh", "no-such-beta")
    bench.faults.clear()
    bench.poll_after(60)
    for seconds, rejected in ((901, 3), (901, 3), (901, 4), (1801, 4), (1801, 5), (3601, 6)):
        bench.poll_after(seconds)
        assert statuses(bench).count("rejected") == rejected


def test_one_job_that_is_rejected_again_and_again_does_not_hold_the_others(bench: Bench) -> None:
    bench.faults.add("create:connect")
    _queue(bench, "abcdef", "no-such-beta")
    bench.faults.clear()
    bench.poll_after(60)
    _queue(bench, "xy")
    bench.poll_after(901)
    assert statuses(bench).count("in_progress") == 2
    assert _hold(bench, ACCOUNT_HOLD) == ""
    bench.poll_after(60)
    assert "no-such-beta" in _hold(bench, ACCOUNT_HOLD)


def test_an_api_that_calls_everything_too_large_errors_two_requests_and_stops(
    bench: Bench,
) -> None:
    bench.faults.add("create:413")
    bench.submit(16)
    assert requests(bench)[RequestStatus.ERRORED] == 2
    assert "413" in _hold(bench, ACCOUNT_HOLD)


@pytest.mark.parametrize("way", ["create", "messages"])
def test_a_gateways_page_about_the_size_of_a_small_body_errors_nothing(
    bench: Bench, way: str
) -> None:
    bench.faults.add("create:connect")
    bench.submit(16)
    bench.submit(16, tag="other")
    bench.faults.clear()
    bench.faults.add(f"{way}:html-413:every=2")
    if way == "messages":
        _sync(bench)
    bench.engine.poll()
    assert RequestStatus.ERRORED not in requests(bench)
    assert "413" in _hold(bench, ACCOUNT_HOLD if way == "create" else SYNC_HOLD)
    bench.faults.clear()
    poll_until_done(bench)
    assert set(requests(bench)) == {RequestStatus.SUCCEEDED}


def test_a_gateways_page_about_the_size_of_a_large_body_halves_the_batch(bench: Bench) -> None:
    bench.faults.add("create:html-413:times=1")
    text = "x" * (3 << 18)
    large = [
        {**request, "messages": [{"role": "user", "content": text}]} for request in some_requests(2)
    ]
    bench.engine.submit(large, SubmitOptions(tag="large"))
    assert statuses(bench) == ["not_sent", "in_progress", "in_progress"]
