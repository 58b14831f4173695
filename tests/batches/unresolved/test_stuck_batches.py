"""Batches that the API no longer has, or does not end: decided, reported, written off, reopened."""

from collections.abc import Generator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from support.builders import START, Bench, a_bench
from support.lifecycle import (
    batches,
    check_billing,
    check_once,
    our_bill,
    poll_until_done,
    requests,
    staged,
    statuses,
)

from core.batches.unresolved.listing import Listing
from core.batches.unresolved.stuck_policy import Decision, Evidence, decide, evidence_of
from core.batches.unresolved.stuck_reason import ABSENT, OVERDUE
from core.commands import planner
from core.commands.command_request import CommandRequest
from core.errors import ApiError, NoResponse, NotFound
from core.reporting import status_report
from state.batches import stuck_batches
from state.model.records import Batch, BatchStatus, CollectionStatus, RequestStatus
from state.model.timestamps import to_text
from state.operations import alerts
from state.operations.commands import Action
from state.operations.selection import Filter
from state.queries import event_list
from titan_console.sandbox.faults.profile import Faults
from titan_console.sandbox.model.timing import Plan
from titan_console.text.format import problem as problem_of

HOUR = 3600.0
QUARTER = 900.0
DAY = 24 * HOUR


def at(hours: float) -> str:
    return to_text(START + timedelta(hours=hours))


def a_batch(*, not_found: float | None = None, stuck: float | None = None) -> Batch:
    """A batch accepted at START, as recorded after this poll's answer."""
    known = {
        "status": BatchStatus.IN_PROGRESS,
        "remote_id": "msgbatch_1",
        "accepted_ts": at(0),
        "expires_ts": at(24),
        "not_found_ts": None if not_found is None else at(not_found),
        "stuck_ts": None if stuck is None else at(stuck),
    }
    return Batch(**{**dict.fromkeys(Batch.__struct_fields__), **known})  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("evidence", "stuck", "now", "decision"),
    [
        # The API has it, and its time is not over: whatever was is over.
        (Evidence.OPEN, None, 2, Decision.KEEP),
        (Evidence.OPEN, 1, 10, Decision.KEEP),
        (Evidence.OPEN, None, 24.9, Decision.KEEP),
        # A 404 without a list that proves it changes nothing.
        (Evidence.NOT_FOUND, None, 2, Decision.KEEP),
        (Evidence.NOT_FOUND, 1, 10, Decision.WARN),
        # With one it is stuck, and written off an hour later.
        (Evidence.ABSENT, None, 2, Decision.WARN),
        (Evidence.ABSENT, 1.5, 2, Decision.WARN),
        (Evidence.ABSENT, 1, 2, Decision.WRITE_OFF),
        # Without an answer of this poll nothing is written off.
        (Evidence.UNKNOWN, None, 2, Decision.KEEP),
        (Evidence.UNKNOWN, 1, 20, Decision.WARN),
        (Evidence.UNKNOWN, None, 40, Decision.KEEP),
        (Evidence.UNKNOWN, None, 30 * 24, Decision.KEEP),
        # An hour after it should have ended it is stuck, whatever the API says of it.
        (Evidence.OPEN, None, 25.1, Decision.WARN),
        (Evidence.OPEN, 25.1, 26, Decision.WARN),
        (Evidence.OPEN, 25.1, 26.1, Decision.WRITE_OFF),
        (Evidence.NOT_FOUND, None, 25.1, Decision.WARN),
        (Evidence.NOT_FOUND, 25.1, 26.2, Decision.WRITE_OFF),
        # A clock that was set back: the hour begins again.
        (Evidence.ABSENT, 30, 2, Decision.WARN),
        # After 29 days a 404 is the end.
        (Evidence.NOT_FOUND, None, 29 * 24 + 1, Decision.WRITE_OFF),
        (Evidence.ABSENT, None, 29 * 24 + 1, Decision.WRITE_OFF),
    ],
)
def test_what_becomes_of_an_open_batch(
    evidence: Evidence, stuck: float | None, now: float, decision: Decision
) -> None:
    assert decide(a_batch(stuck=stuck), evidence, START + timedelta(hours=now)) == decision


@pytest.mark.parametrize(
    ("not_found", "error", "began", "reached_end", "evidence"),
    [
        (1, NotFound("gone"), 2, True, Evidence.ABSENT),
        # The first 404: the list was read before it.
        (None, NotFound("gone"), 2, True, Evidence.NOT_FOUND),
        (1, NotFound("gone"), 0.5, True, Evidence.NOT_FOUND),
        # A list that was not read to its end proves nothing.
        (1, NotFound("gone"), 2, False, Evidence.NOT_FOUND),
        (1, NoResponse("500"), 2, False, Evidence.UNKNOWN),
        # The API lists the others: it is not away.
        (1, NoResponse("500"), 2, True, Evidence.NOT_FOUND),
    ],
)
def test_what_an_error_and_a_list_show(
    not_found: float | None, error: ApiError, began: float, reached_end: bool, evidence: Evidence
) -> None:
    listing = Listing(
        began=START + timedelta(hours=began), complete=reached_end, reached_end=reached_end
    )
    assert evidence_of(a_batch(not_found=not_found), error, listing) == evidence


def remote_id(bench: Bench, number: int = 0) -> str:
    return batches(bench)[number].remote_id or ""


def kinds(bench: Bench) -> list[str]:
    return [event.kind for event in event_list.events(bench.engine.context.ledger)]


def raised(bench: Bench) -> list[str]:
    found = alerts.raised(bench.engine.context.ledger)
    return [alert.message for alert in found if alert.rule == "stuck"]


@pytest.fixture
def manual(tmp_path: Path) -> Generator[Bench, None, None]:
    """A bench whose batches end by hand, a cancel or the 24 hours."""
    with a_bench(tmp_path / "titan", plan=Plan.manual(cancel=60)) as made:
        yield made


def test_a_deleted_batch_is_reported_at_once_and_written_off_after_an_hour(manual: Bench) -> None:
    manual.submit(3)
    manual.sandbox.vanish(remote_id(manual))
    (problem,) = manual.poll_after(QUARTER).problems
    assert ABSENT in problem
    assert raised(manual) == [problem]
    assert statuses(manual) == ["in_progress"]
    for _ in range(3):
        assert manual.poll_after(QUARTER).problems == [problem]
    *_, problem = manual.poll_after(QUARTER).problems
    assert "3 requests ended as missing" in problem
    (batch,) = batches(manual)
    assert (batch.collection, batch.last_error) == (CollectionStatus.DELETED, ABSENT)
    assert requests(manual) == {RequestStatus.MISSING: 3}
    assert {row["error"]["message"] for row in staged(manual)} == {
        f"{ABSENT} The request may have run, and been charged."
    }
    assert "replay" in raised(manual)[0]
    assert manual.poll_after(QUARTER).problems == []


def test_a_batch_that_never_ends_is_written_off_after_its_expiry(manual: Bench) -> None:
    manual.submit(2)
    manual.sandbox.make_endless(remote_id(manual))
    assert manual.poll_after(24.5 * HOUR).problems == []
    (problem,) = manual.poll_after(HOUR).problems
    assert OVERDUE in problem
    assert raised(manual) == [problem]
    assert statuses(manual) == ["in_progress"]
    manual.poll_after(HOUR)
    assert batches(manual)[0].collection == CollectionStatus.DELETED
    assert requests(manual) == {RequestStatus.MISSING: 2}
    assert {row["outcome"] for row in staged(manual)} == {"missing"}


@pytest.mark.parametrize("end", ["vanish", "make_endless"])
def test_a_stuck_batch_says_why_and_until_when_in_every_view(manual: Bench, end: str) -> None:
    manual.submit(2)
    getattr(manual.sandbox, end)(remote_id(manual))
    manual.poll_after(25.5 * HOUR)
    ledger, now = manual.engine.context.ledger, manual.clock.now()
    (batch,) = batches(manual)
    (report,) = status_report.status(ledger, now_ts=to_text(now)).open
    until = to_text(now + timedelta(hours=1))
    for said in (problem_of(batch, now), report.error or ""):
        assert until in said
        assert OVERDUE in said


def test_a_cancel_of_a_vanished_batch_does_not_ask_for_a_cancel(manual: Bench) -> None:
    manual.submit(3)
    manual.sandbox.vanish(remote_id(manual))
    wanted = CommandRequest(action=Action.CANCEL, wanted=Filter(names=("daily-feed",)))
    planned = planner.plan(manual.engine.context, wanted)
    planner.submit(manual.engine.context, planned, delay=timedelta())
    problems = manual.poll_after(QUARTER).problems
    assert requests(manual) == {RequestStatus.MISSING: 3}
    assert any("titan-console replay" in problem for problem in problems)
    assert not any("titan-console cancel" in problem for problem in problems)


def test_a_sync_of_a_vanished_batch_does_not_ask_for_a_replay(manual: Bench) -> None:
    manual.submit(3)
    manual.sandbox.vanish(remote_id(manual))
    manual.poll_after(QUARTER)
    wanted = CommandRequest(action=Action.SYNC, wanted=Filter(names=("daily-feed",)))
    planned = planner.plan(manual.engine.context, wanted)
    planner.submit(manual.engine.context, planned, delay=timedelta())
    polled = manual.poll_after(QUARTER)
    assert requests(manual) == {RequestStatus.SUCCEEDED: 3}
    assert (polled.problems, polled.failed) == ([], 0)


def test_a_404_in_passing_leaves_no_trace_but_its_events(manual: Bench) -> None:
    manual.submit(2)
    manual.sandbox.vanish(remote_id(manual), seconds=HOUR)
    manual.poll_after(QUARTER)
    assert len(raised(manual)) == 1
    assert manual.poll_after(HOUR).problems == []
    (batch,) = batches(manual)
    assert (batch.not_found_ts, batch.stuck_ts, batch.last_error) == (None, None, None)
    assert raised(manual) == []
    assert "batch.found_again" in kinds(manual)
    manual.sandbox.end(remote_id(manual))
    poll_until_done(manual)
    check_once(manual, 2)


@pytest.mark.parametrize("fault", ["retrieve:404", "retrieve:500"])
def test_an_error_for_one_batch_that_is_listed_is_no_evidence(manual: Bench, fault: str) -> None:
    manual.submit(2)
    manual.faults.add(fault)
    for _ in range(12):
        assert manual.poll_after(QUARTER).problems == []
    assert statuses(manual) == ["in_progress"]


def test_a_list_that_cannot_be_read_to_its_end_is_no_evidence(manual: Bench) -> None:
    manual.submit(2)
    manual.sandbox.vanish(remote_id(manual))
    manual.faults.add("list:garbage")
    for _ in range(12):
        manual.poll_after(QUARTER)
    assert batches(manual)[0].stuck_ts is None
    assert statuses(manual) == ["in_progress"]


@pytest.mark.parametrize("is_replayed", [False, True])
def test_what_returns_after_it_was_written_off_is_collected(
    manual: Bench, *, is_replayed: bool
) -> None:
    manual.submit(3)
    manual.sandbox.vanish(remote_id(manual), seconds=6 * HOUR)
    for _ in range(8):
        manual.poll_after(QUARTER)
    assert requests(manual) == {RequestStatus.MISSING: 3}
    if is_replayed:
        replay(manual)
        manual.engine.poll()
        manual.sandbox.end(remote_id(manual, 1))
        poll_until_done(manual)
    manual.sandbox.end(remote_id(manual))
    for _ in range(5):
        manual.poll_after(HOUR)
    manual.poll_after(QUARTER)
    assert "batch.returned" in kinds(manual)
    first = batches(manual)[0]
    assert first.collection == CollectionStatus.COLLECTED
    assert requests(manual) == {RequestStatus.SUCCEEDED: 3}
    assert [row["outcome"] for row in staged(manual)] == ["succeeded"] * 3
    assert bool(first.duplicate_nano) == is_replayed
    check_billing(manual)
    totals = manual.engine.context.ledger.rows(
        "SELECT sum(requests), sum(succeeded), sum(missing) FROM daily_totals"
    )[0]
    assert tuple(totals) == ((6, 6, 0) if is_replayed else (3, 3, 0))


def test_what_returns_after_it_was_collected_in_part_is_collected(manual: Bench) -> None:
    manual.submit(4)
    ledger = manual.engine.context.ledger
    assert stuck_batches.write_off(ledger, batches(manual)[0], "The API lost it.")
    manual.sandbox.end(remote_id(manual))
    manual.faults.add("results:cut-line:times=1")
    manual.poll_after(60)
    manual.sandbox.vanish(remote_id(manual), seconds=6 * HOUR)
    for _ in range(8):
        manual.poll_after(QUARTER)
    assert requests(manual) == {RequestStatus.SUCCEEDED: 2, RequestStatus.MISSING: 2}
    assert not list(manual.folder.results.glob("*.part"))
    for _ in range(6):
        manual.poll_after(HOUR)
    assert requests(manual) == {RequestStatus.SUCCEEDED: 4}
    assert [row["outcome"] for row in staged(manual)] == ["succeeded"] * 4
    check_billing(manual)


def replay(bench: Bench) -> None:
    context = bench.engine.context
    plan = planner.plan(
        context, CommandRequest(action=Action.REPLAY, wanted=Filter(names=("daily-feed",)))
    )
    assert any("charged twice" in note for note in plan.preview.notes)
    planner.submit(context, plan, delay=timedelta())


def test_a_replay_of_what_may_have_run_is_recorded(manual: Bench) -> None:
    manual.submit(3)
    manual.sandbox.vanish(remote_id(manual))
    for _ in range(8):
        manual.poll_after(QUARTER)
    replay(manual)
    manual.engine.poll()
    events = event_list.events(manual.engine.context.ledger)
    (risk,) = [event for event in events if event.kind == "batch.possible_duplicate_charge"]
    assert (risk.batch_key, risk.detail["requests"]) == (batches(manual)[0].key, 3)
    assert raised(manual) == []
    manual.sandbox.end(remote_id(manual, 1))
    poll_until_done(manual)
    assert requests(manual) == {RequestStatus.SUCCEEDED: 3}


def test_the_list_is_read_to_its_end_when_it_has_to_prove_something_only(manual: Bench) -> None:
    """A batch that answers 404 costs one listing more, not one at each poll."""
    calls: list[int] = []
    manual.submit(1)
    manual.sandbox.vanish(remote_id(manual))
    for _ in range(4):
        manual.faults.clear()
        manual.faults.add("list:slow:seconds=0")
        manual.poll_after(QUARTER)
        calls.append(manual.faults.hits())
    assert calls[1:] == [1, 1, 1]
    assert calls[0] == 2


def test_a_batch_that_vanishes_before_its_results_came_is_waited_for(bench: Bench) -> None:
    """What has ended is not stuck: its results are asked for until the API deletes them."""
    bench.faults.add("results:500:times=9")
    bench.submit(2)
    bench.poll_after(QUARTER)
    assert statuses(bench) == ["ended"]
    bench.sandbox.vanish(remote_id(bench), seconds=5 * HOUR)
    bench.faults.clear()
    for _ in range(4):
        bench.poll_after(HOUR)
    assert batches(bench)[0].collection == CollectionStatus.PENDING
    poll_until_done(bench)
    check_once(bench, 2)


def test_faults_of_the_sandbox_decide_what_becomes_of_a_batch(tmp_path: Path) -> None:
    faults = Faults.parse(["create:vanish:seconds=60:times=1", "create:endless:times=1"])
    with a_bench(tmp_path / "titan", plan=Plan.manual(cancel=60), faults=faults) as bench:
        for tag in ("one", "two", "three"):
            bench.submit(1, tag=tag)
        for _ in range(120):
            bench.poll_after(QUARTER)
        ends = [batch.collection for batch in batches(bench)]
        assert ends == [
            CollectionStatus.DELETED,
            CollectionStatus.DELETED,
            CollectionStatus.COLLECTED,
        ]
        times = [batch.ended_ts or "" for batch in batches(bench)[:2]]
        assert all(one < other for one, other in pairwise(times))
        assert our_bill(bench) == []
