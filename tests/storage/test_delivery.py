"""Deliveries, the commands after them, what may be deleted, and deadlines."""

from datetime import timedelta

import pytest
from support.console.console_builders import Failure, LedgerBuilder
from support.ledgers.ledger_views import count_kinds, ids
from support.ledgers.storage import Storage

from core.clock import ManualClock
from state.db.ledger import Ledger
from state.operations import command_effects, commands, deadlines, delivery, hook_runs, retention
from state.operations.commands import Action, CommandState, NewCommand
from state.operations.hook_runs import HookRun, RunState
from state.queries import batch_list, job_runs

DAY = "2026-05-02"
LATER = "2026-11-22T07:00:00.000Z"


def deliver(ledger: Ledger, workflow: str = "feed") -> bool:
    found = delivery.finished(ledger, workflow, DAY)
    return delivery.record_delivery(ledger, found, "file", publish=lambda: None)


def test_what_is_finished_is_due_by_workflow_and_day(made: LedgerBuilder) -> None:
    made.submit("open", 1, workflow="open")
    made.collected("news", 1, workflow="news")
    made.collected("one", 1)
    made.collected("two", 1)
    assert delivery.due(made.ledger) == [("news", DAY), ("feed", DAY)]
    assert [one.tag for one in delivery.finished(made.ledger, "feed", DAY)] == ["one", "two"]
    assert deliver(made.ledger)
    assert delivery.due(made.ledger) == [("news", DAY)]
    assert count_kinds(made.ledger)["submission.delivered"] == 2


def test_a_delivery_of_what_has_changed_is_not_recorded(made: LedgerBuilder) -> None:
    published: list[int] = []
    made.collected("one", 1)
    found = delivery.finished(made.ledger, "feed", DAY)
    made.collected("two", 1)
    assert not delivery.record_delivery(
        made.ledger, found, "file", publish=lambda: published.append(1)
    )
    assert published == []
    assert delivery.due(made.ledger) == [("feed", DAY)]


def test_a_delivery_that_cannot_be_published_stays_due(made: LedgerBuilder) -> None:
    def fail() -> None:
        raise OSError("full")

    made.collected("one", 1)
    found = delivery.finished(made.ledger, "feed", DAY)
    with pytest.raises(OSError, match="full"):
        delivery.record_delivery(made.ledger, found, "file", publish=fail)
    assert delivery.due(made.ledger) == [("feed", DAY)]


def test_a_replayed_request_makes_its_file_due_again(made: LedgerBuilder) -> None:
    made.collected("one", ["a"], [Failure()])
    deliver(made.ledger)
    command_effects.requeue(made.ledger, 0, list(ids(made.ledger, "a").values()))
    assert delivery.due(made.ledger) == []
    made.clock.advance(60)
    (again,) = made.plan()
    made.collect(made.accept(again))
    assert delivery.due(made.ledger) == [("feed", DAY)]


def hook(ledger: Ledger) -> HookRun:
    with ledger.transaction("delivered"):
        hook_runs.enqueue(ledger, "feed", DAY, "feed.jsonl")
    (run,) = hook_runs.due(ledger, ledger.now_text())
    return run


def test_a_hook_is_started_by_one_poll(storage: Storage, ledger: Ledger) -> None:
    run = hook(ledger)
    begun = hook_runs.start(ledger, run, "load", until_ts=LATER)
    assert begun is not None
    assert (begun.state, begun.tries, begun.command) == (RunState.RUNNING, 1, "load")
    assert hook_runs.start(storage.open("other"), run, "load", until_ts=LATER) is None
    assert hook_runs.has_unfinished(ledger)
    hook_runs.end(ledger, begun, RunState.DONE, not_before_ts=LATER, exit_code=0)
    assert not hook_runs.has_unfinished(ledger)
    assert hook_runs.due(ledger, "2027") == []
    assert count_kinds(ledger) == {"hook.started": 1, "hook.done": 1}


def test_a_hook_that_fails_is_due_again_later(made: LedgerBuilder) -> None:
    begun = hook_runs.start(made.ledger, hook(made.ledger), "load", until_ts=LATER)
    assert begun is not None
    hook_runs.end(made.ledger, begun, RunState.DUE, not_before_ts=LATER, exit_code=3, problem="no")
    assert hook_runs.due(made.ledger, made.ledger.now_text()) == []
    (run,) = hook_runs.due(made.ledger, LATER)
    assert (run.exit_code, run.problem) == (3, "no")
    assert hook_runs.failing(made.ledger) == [run]
    begun = hook_runs.start(made.ledger, run, "load", until_ts=LATER)
    assert begun is not None
    hook_runs.end(made.ledger, begun, RunState.FAILED, not_before_ts=LATER)
    (failed,) = hook_runs.failed(made.ledger)
    hook_runs.retry(made.ledger, failed)
    (again,) = hook_runs.due(made.ledger, made.ledger.now_text())
    assert (again.state, again.tries) == (RunState.DUE, 0)


def test_a_file_delivered_again_during_its_hook_stays_due(ledger: Ledger) -> None:
    begun = hook_runs.start(ledger, hook(ledger), "load", until_ts=LATER)
    assert begun is not None
    hook(ledger)
    hook_runs.end(ledger, begun, RunState.DONE, not_before_ts=LATER, exit_code=0)
    (run,) = hook_runs.due(ledger, ledger.now_text())
    assert (run.state, run.tries, run.started_ts) == (RunState.DUE, 0, None)


def test_the_end_of_an_earlier_hook_is_not_that_of_a_later_one(
    ledger: Ledger, clock: ManualClock
) -> None:
    first = hook_runs.start(ledger, hook(ledger), "load", until_ts=LATER)
    clock.advance(1)
    second = hook_runs.start(ledger, hook(ledger), "load", until_ts=LATER)
    assert first is not None
    assert second is not None
    hook_runs.end(ledger, first, RunState.DONE, not_before_ts=LATER, exit_code=0)
    assert hook_runs.due(ledger, LATER) == [second]


def test_a_hook_that_was_interrupted_is_started_again(ledger: Ledger) -> None:
    hook_runs.start(ledger, hook(ledger), "load", until_ts=LATER)
    (run,) = hook_runs.due(ledger, ledger.now_text())
    again = hook_runs.start(ledger, run, "load", until_ts=LATER)
    assert again is not None
    assert again.tries == 2
    assert count_kinds(ledger)["hook.interrupted"] == 1


def test_the_hook_of_the_latest_day_is_that_of_its_workflow(ledger: Ledger) -> None:
    with ledger.transaction("delivered"):
        for workflow, day in (("b", "2026-05-03"), ("b", "2026-05-10"), ("a", "2026-05-09")):
            hook_runs.enqueue(ledger, workflow, day, f"{workflow}-{day}")
        hook_runs.enqueue(ledger, "b", "2026-05-04", "b-2026-05-04")
    due = hook_runs.due(ledger, ledger.now_text())
    # Those that are due at one time come in one order.
    assert [(run.workflow, run.work_date[-2:]) for run in due] == [
        *(("a", "09"), ("b", "03"), ("b", "04"), ("b", "10")),
    ]
    hook_runs.start(ledger, due[-1], "load", until_ts=LATER)
    assert [(one.workflow, one.state) for one in job_runs.last_commands(ledger)] == [
        ("a", RunState.DUE),
        ("b", RunState.RUNNING),
    ]


@pytest.mark.parametrize("skip", [hook_runs.skip, hook_runs.skip_known])
def test_a_hook_that_is_not_needed_is_over(made: LedgerBuilder, skip: type) -> None:
    skip(made.ledger, hook(made.ledger))
    assert not hook_runs.has_unfinished(made.ledger)
    (last,) = job_runs.last_commands(made.ledger)
    assert (last.workflow, last.tries) == ("feed", 0)
    assert last.state in (RunState.NONE, RunState.DONE)


def test_what_was_delivered_long_ago_can_be_pruned(made: LedgerBuilder) -> None:
    one = made.collected("one", 1)
    made.collected("open", ["x"], [Failure()], workflow="news")
    for workflow in ("feed", "news"):
        deliver(made.ledger, workflow)
    assert retention.prunable(made.ledger, before_ts=made.ledger.now_text()) == []
    (found,) = retention.prunable(made.ledger, before_ts=LATER)
    assert (found.key, found.workflow, found.work_date) == (one.key, "feed", DAY)
    assert (found.spool_files, found.batch_keys) == (("requests.jsonl",), (one.key,))
    assert retention.mark_pruned(made.ledger, [found], before_ts=LATER) == [found]
    assert retention.mark_pruned(made.ledger, [found], before_ts=LATER) == []
    assert retention.pruned_on(made.ledger, found.id) == "2026-11-22"
    assert retention.pruned_keys(made.ledger) == {one.key}
    assert retention.pruned_days(made.ledger) == [("feed", DAY)]
    command_effects.acknowledge(made.ledger, list(ids(made.ledger, "x").values()))
    assert len(retention.prunable(made.ledger, before_ts=LATER)) == 1


def test_nothing_is_pruned_of_a_day_that_is_not_over(made: LedgerBuilder) -> None:
    made.collected("one", 1)
    deliver(made.ledger)
    made.accept(made.submit("two", 1))
    assert retention.prunable(made.ledger, before_ts=LATER) == []
    assert retention.pruned_days(made.ledger) == []


def test_nothing_is_pruned_while_a_command_is_open(made: LedgerBuilder) -> None:
    made.collected("one", ["a"])
    deliver(made.ledger)
    old = retention.prunable(made.ledger, before_ts=LATER)
    new = NewCommand(action=Action.REPLAY, items=[1], reason="", not_before=made.clock.now())
    command, _ = commands.enqueue(made.ledger, new)
    assert not retention.is_idle(made.ledger)
    assert retention.mark_pruned(made.ledger, old, before_ts=LATER) == []
    commands.claim(made.ledger, command)
    commands.finish(made.ledger, command, CommandState.DONE, "")
    assert retention.mark_pruned(made.ledger, old, before_ts=LATER) == old
    assert retention.edit_files(made.ledger) == []


def test_deadlines_that_lack_answers_are_listed_most_urgent_first(made: LedgerBuilder) -> None:
    made.submit("none", 1)
    made.submit("late", 1, due_in=timedelta(hours=2))
    made.accept(made.submit("soon", 1, due_in=timedelta(hours=1)))
    made.collected("over", 1)
    failed = made.accept(made.submit("failed", ["f"], due_in=timedelta(hours=3)))
    made.collect(failed, [Failure()])
    found = deadlines.pending_deadlines(made.ledger, now_ts=made.ledger.now_text())
    assert [(one.deadline_ts[11:13], one.is_finished) for one in found] == [
        ("07", False),
        ("08", False),
        ("09", True),
    ]
    assert [one.sent_ts is not None for one in found] == [True, False, True]
    options = {"submission": found[0].key}
    new = NewCommand(
        action=Action.SYNC, items=[1], reason="", not_before=made.clock.now(), options=options
    )
    command, _ = commands.enqueue(made.ledger, new)
    left = deadlines.pending_deadlines(made.ledger, now_ts=made.ledger.now_text())
    assert [one.key for one in left] == [one.key for one in found[1:]]
    commands.withdraw(made.ledger, command)
    again, *_ = deadlines.pending_deadlines(made.ledger, now_ts=made.ledger.now_text())
    assert again.sync_requested_ts == made.ledger.now_text()
    assert [b.tag for b in batch_list.due_before(made.ledger, LATER)] == []
    assert [b.tag for b in batch_list.due_before(made.ledger, "2026-11-22T09")] == ["soon", "late"]


def test_what_a_deadline_can_still_run_is_listed(made: LedgerBuilder) -> None:
    kinds = [Failure("invalid_request_error"), Failure(), Failure("other")]
    one = made.collected("tag", ["a", "b", "c", "d"], kinds)
    made.submit("beta", ["x"], betas="one,two")
    assert one.submission_id is not None
    found = deadlines.unsettled(made.ledger, one.submission_id, but_for="two", max_bytes=1000)
    names = ids(made.ledger, "tag")
    assert found == [names["b"], names["c"]]
    (other,) = batch_list.submissions_of(made.ledger, "beta")
    assert deadlines.unsettled(made.ledger, other.id, but_for="two", max_bytes=1000) == []
    assert deadlines.unsettled(made.ledger, other.id, but_for="tw", max_bytes=1000) != []


def test_turnarounds_are_those_of_the_latest_batches(made: LedgerBuilder) -> None:
    for minutes in (1, 2, 3, 4, 60):
        sent = made.accept(made.submit(f"tag-{minutes}", 1))
        made.clock.advance(60 * minutes)
        made.end(sent)
    assert deadlines.api_times(made.ledger, "feed") == [3600, 240, 180, 120, 60]
    assert deadlines.api_times(made.ledger, "feed", limit=1) == [3600]
    assert deadlines.api_times_of(made.ledger, ["none"]) == {"none": []}
    assert deadlines.usual_api_time(made.ledger, "feed") == timedelta(hours=1)
    assert deadlines.usual_api_time(made.ledger, "none") is None
