"""Replay, cancel, sync and acknowledge: what they touch, what they leave, what they cost."""

from collections.abc import Generator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from support.builders import Bench, a_bench
from support.error_codes import code_is
from support.lifecycle import json_lines

from core.batches.adopt import adopt
from core.commands import planner
from core.commands.planner import CommandRequest
from core.errors import PayloadError, SettingsError
from state.model.errors import TitanError, UnknownId
from state.model.records import BatchStatus, Counts, Outcome, RequestStatus
from state.operations import commands, pauses
from state.operations.commands import Action, Command, CommandState, TooLateError
from state.operations.selection import Filter
from state.queries import batch_list, error_list, ledger_status
from titan_console.sandbox.model.timing import Plan


@pytest.fixture
def bench(tmp_path: Path) -> Generator[Bench, None, None]:
    """A bench whose batches end at once."""
    with a_bench(tmp_path, plan=Plan.instant()) as bench:
        yield bench


def _order(bench: Bench, action: Action, *names: str, delay: float = 0, **request: Any) -> Command:
    wanted = request.pop("wanted", Filter(names=names))
    planned = planner.plan(
        bench.engine.context, CommandRequest(action=action, wanted=wanted, **request)
    )
    command, _ = planner.submit(bench.engine.context, planned, delay=timedelta(seconds=delay))
    return command


def _now(bench: Bench, command: Command) -> Command:
    return commands.get(bench.engine.context.ledger, command.id)


def _outcomes(bench: Bench, name: str) -> list[str | None]:
    return [result["outcome"] for result in bench.engine.results(name)]


def _failed(bench: Bench, count: int, *, fault: str = "row:overloaded:p=1") -> str:
    bench.faults.add(fault)
    key = bench.submit(count).submission.key
    bench.poll_after(60)
    bench.faults.clear()
    return key


def test_errored_requests_are_replayed_in_a_new_batch(bench: Bench) -> None:
    key = _failed(bench, 4)
    command = _order(bench, Action.REPLAY, key)
    bench.poll_after(1)
    bench.poll_after(60)
    assert _now(bench, command).state == CommandState.DONE
    assert _outcomes(bench, key) == ["succeeded"] * 4
    assert bench.sandbox.billing_log().creates == 2
    (submission,) = batch_list.submissions_of(bench.engine.context.ledger, "daily-feed")
    batches = batch_list.batches_of(bench.engine.context.ledger, submission)
    assert [batch.key for batch in batches] == [key, f"{key}-2"]


def test_only_errored_requests_are_replayed(bench: Bench) -> None:
    bench.faults.add("row:overloaded:id=*-00002-*")
    key = bench.submit(3).submission.key
    bench.poll_after(60)
    bench.faults.clear()
    planned = planner.plan(
        bench.engine.context, CommandRequest(action=Action.REPLAY, wanted=Filter(names=(key,)))
    )
    assert planned.preview.count == 1
    assert planned.preview.samples == ("feed-classify-2026-11-22-00002",)
    assert planned.preview.skipped == {"already succeeded (a replay needs an edit and --force)": 2}
    assert planned.preview.sync_cost_nano is not None
    assert planned.preview.batch_cost_nano is not None
    assert planned.preview.sync_cost_nano - 2 * planned.preview.batch_cost_nano in range(-3, 4)
    assert 0 < (planned.preview.expected_batch_nano or 0) < planned.preview.batch_cost_nano


def test_two_operators_with_the_same_command_run_it_once(bench: Bench) -> None:
    key = _failed(bench, 3)
    first, second = _order(bench, Action.REPLAY, key), _order(bench, Action.REPLAY, key)
    assert first.key == second.key
    bench.poll_after(1)
    bench.poll_after(60)
    assert bench.sandbox.billing_log().creates == 2
    assert len(list(bench.sandbox.billing_log().billed())) == 3


def test_an_invalid_request_is_replayed_only_with_an_edit(bench: Bench) -> None:
    key = _failed(bench, 2, fault="row:invalid:p=1")
    with pytest.raises(PayloadError, match="2 requests with invalid_request_error need an edit"):
        _order(bench, Action.REPLAY, key)
    _order(bench, Action.REPLAY, key, changes={"max_tokens": 99})
    bench.poll_after(1)
    bench.poll_after(60)
    assert _outcomes(bench, key) == ["succeeded"] * 2


def test_a_truncated_answer_is_replayed_with_a_higher_limit(bench: Bench) -> None:
    bench.faults.add("row:max-tokens:id=*-00002-*")
    key = bench.submit(2).submission.key
    bench.poll_after(60)
    bench.faults.clear()
    command = _order(bench, Action.REPLAY, key, changes={"max_tokens": 4096})
    assert command.item_count == 1
    bench.poll_after(1)
    bench.poll_after(60)
    results = list(bench.engine.results(key))
    assert [result["message"]["stop_reason"] for result in results] == ["end_turn"] * 2
    totals = ledger_status.totals(bench.engine.context.ledger)
    assert (totals.succeeded, totals.duplicate_nano) == (2, 0)


def test_an_edit_that_makes_a_request_invalid_changes_nothing(bench: Bench) -> None:
    key = _failed(bench, 2)
    spooled = sorted(bench.folder.spool.iterdir())
    with pytest.raises(PayloadError, check=code_is("max_tokens_invalid")):
        _order(bench, Action.REPLAY, key, changes={"max_tokens": 0})
    assert sorted(bench.folder.spool.iterdir()) == spooled
    assert commands.latest(bench.engine.context.ledger, limit=9) == []


def test_a_canary_that_succeeds_lets_the_others_follow(bench: Bench) -> None:
    key = _failed(bench, 5)
    command = _order(bench, Action.REPLAY, key, canary=True)
    bench.poll_after(1)
    assert (
        bench.sandbox.billing_log()
        .posts[-1]
        .custom_ids[0]
        .startswith("feed-classify-2026-11-22-00001")
    )
    assert len(bench.sandbox.billing_log().posts[-1].custom_ids) == 1
    for _ in range(3):
        bench.poll_after(60)
    assert _now(bench, command).state == CommandState.DONE
    assert _outcomes(bench, key) == ["succeeded"] * 5


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ("row:overloaded:p=1", "the canary ended as errored; the other 4 were not queued"),
        ("row:refusal:p=1", "the canary stopped with refusal; the other 4 were not queued"),
    ],
)
def test_a_canary_that_brings_no_good_answer_holds_the_others(
    bench: Bench, fault: str, outcome: str
) -> None:
    key = _failed(bench, 5)
    bench.faults.add(fault)
    command = _order(bench, Action.REPLAY, key, canary=True)
    for _ in range(3):
        bench.poll_after(60)
    ended = _now(bench, command)
    assert (ended.state, ended.outcome) == (CommandState.FAILED, outcome)
    assert [len(post.custom_ids) for post in bench.sandbox.billing_log().posts] == [5, 1]


def test_a_command_can_be_withdrawn_until_it_is_taken(bench: Bench) -> None:
    key = _failed(bench, 2)
    command = _order(bench, Action.REPLAY, key, delay=300)
    bench.poll_after(60)
    assert _now(bench, command).state == CommandState.PENDING
    planner.withdraw(bench.engine.context, [command.key])
    bench.poll_after(600)
    assert _now(bench, command).state == CommandState.WITHDRAWN
    assert bench.sandbox.billing_log().creates == 1
    again = _order(bench, Action.REPLAY, key)
    bench.poll_after(1)
    with pytest.raises(TooLateError, check=code_is("command_started")):
        planner.withdraw(bench.engine.context, [again.key])


def test_acknowledged_failures_leave_the_errors_and_settle(bench: Bench) -> None:
    key = _failed(bench, 3)
    _order(bench, Action.ACKNOWLEDGE, key, reason="known outage")
    bench.poll_after(1)
    ledger = bench.engine.context.ledger
    assert error_list.errors(ledger) == []
    (submission,) = batch_list.submissions_of(ledger, "daily-feed")
    assert ledger_status.statuses_of(ledger, submission) == {RequestStatus.ACKNOWLEDGED: 3}


@pytest.mark.parametrize(
    ("names", "error", "code"),
    [(("nothing",), UnknownId, "not_found"), ((), PayloadError, "no_selection")],
)
def test_a_missing_record_is_reported(
    bench: Bench, names: tuple[str, ...], error: type[TitanError], code: str
) -> None:
    with pytest.raises(error, check=code_is(code)):
        _order(bench, Action.REPLAY, *names)


def test_a_filter_that_matches_nothing_changes_nothing(bench: Bench) -> None:
    _failed(bench, 2)
    wanted = Filter(workflow="feed-classify", outcome=Outcome.EXPIRED)
    with pytest.raises(PayloadError, match="no request matches"):
        _order(bench, Action.REPLAY, wanted=wanted)
    matching = replace(wanted, outcome=Outcome.ERRORED, error_type="overloaded_error")
    assert _order(bench, Action.REPLAY, wanted=matching).item_count == 2


def test_cancel_ends_a_batch_and_keeps_what_had_succeeded(tmp_path: Path) -> None:
    with a_bench(tmp_path, plan=Plan.manual(cancel=30)) as bench:
        key = bench.submit(4).submission.key
        command = _order(bench, Action.CANCEL, key)
        bench.poll_after(1)
        assert _now(bench, command).outcome == (
            "1 batch is being canceled; its results arrive with a later poll"
        )
        summary = bench.poll_after(60)
        outcomes = _outcomes(bench, key)
        assert set(outcomes) <= {"canceled", "succeeded"}
        assert summary.canceled == summary.failed == list(outcomes).count("canceled") > 0
        totals = ledger_status.totals(bench.engine.context.ledger)
        assert totals.succeeded == len(list(bench.sandbox.billing_log().billed()))
        with pytest.raises(PayloadError, match="Nothing to cancel"):
            _order(bench, Action.CANCEL, key)


def test_what_was_never_sent_is_called_off_without_a_call(bench: Bench) -> None:
    bench.faults.add("create:connect")
    key = bench.submit(2).submission.key
    bench.faults.clear()
    bench.faults.add("list:connect")
    bench.poll_after(0)
    bench.faults.clear()
    _order(bench, Action.CANCEL, key)
    bench.poll_after(1)
    assert _outcomes(bench, key) == ["canceled", "canceled"]
    assert bench.sandbox.billing_log().creates == 0
    ledger = bench.engine.context.ledger
    batches = batch_list.find(ledger, key)[1]
    # The row that could not be sent, and the one that was canceled.
    assert [b.status for b in batches] == [BatchStatus.NOT_SENT, BatchStatus.NOT_SENT]
    assert [b.is_canceled_unsent() for b in batches] == [False, True]
    assert batches[1].counts == Counts(canceled=2)
    assert [b.key for b in batch_list.closed_batches(ledger, limit=9)] == [batches[1].key]
    mirror = json_lines(bench.folder.errors_mirror)
    assert [line["outcome"] for line in mirror] == ["canceled", "canceled"]


def test_sync_runs_exactly_what_is_missing_and_pays_nothing_twice(tmp_path: Path) -> None:
    with a_bench(tmp_path, plan=Plan.manual(cancel=30)) as bench:
        key = bench.submit(6).submission.key
        command = _order(bench, Action.SYNC, key)
        bench.poll_after(1)
        assert _now(bench, command).state == CommandState.RUNNING
        bench.poll_after(60)
        bench.poll_after(60)
        assert _now(bench, command).state == CommandState.DONE
        assert _outcomes(bench, key) == ["succeeded"] * 6
        assert _now(bench, command).outcome == "6 answered"
        billed = [row.custom_id for row in bench.sandbox.billing_log().billed()]
        assert len(billed) == 6
        assert ledger_status.totals(bench.engine.context.ledger).duplicate_nano == 0


def test_the_result_of_a_sync_counts_the_answers_of_the_batch_apart(tmp_path: Path) -> None:
    with a_bench(tmp_path, plan=Plan.seconds(400, 400, cancel=30)) as bench:
        key = bench.submit(20).submission.key
        bench.poll_after(60)
        command = _order(bench, Action.SYNC, key)
        for _ in range(3):
            bench.poll_after(60)
        ledger = bench.engine.context.ledger
        (of_batch,) = ledger.rows("SELECT succeeded FROM batches WHERE kind = 'batch'")[0]
        assert 0 < of_batch < 20
        said = f"20 answered ({20 - of_batch} synchronously, {of_batch} in a batch)"
        assert _now(bench, command).outcome == said


@pytest.mark.parametrize(
    "action", [Action.CANCEL, Action.SYNC, Action.REPLAY, Action.ACKNOWLEDGE, Action.PAUSE]
)
def test_a_command_that_comes_too_late_to_change_anything_says_so(
    bench: Bench, action: Action
) -> None:
    if action in (Action.REPLAY, Action.ACKNOWLEDGE):
        _order(bench, Action.REPLAY, _failed(bench, 2))
        name = "daily-feed/feed-classify-2026-11-22-00001"
    else:
        key = bench.submit(2).submission.key
        name = "feed-classify" if action == Action.PAUSE else key
    command = _order(bench, action, name, delay=90)
    if action == Action.PAUSE:
        pauses.pause(bench.engine.context.ledger, [name], who="another", reason="")
    for wait in (1, 60, 60):
        bench.poll_after(wait)
    ended = _now(bench, command)
    assert ended.state == CommandState.DONE
    assert ended.changed_nothing, ended.outcome


def test_adopted_requests_are_replayed_only_with_a_body(bench: Bench) -> None:
    foreign = bench.sandbox.add_foreign(("theirs-1", "theirs-2"))
    bench.sandbox.end(foreign)
    adopt(bench.engine.context, foreign, tag="adopted")
    bench.poll_after(60)
    with pytest.raises(PayloadError, match="adopted without "):
        _order(bench, Action.REPLAY, "adopted")
    with pytest.raises(PayloadError, check=code_is("body_unknown")):
        _order(bench, Action.REPLAY, "adopted", changes={"max_tokens": 9}, force=True)


def test_acknowledged_requests_are_replayed_only_by_force(bench: Bench) -> None:
    key = _failed(bench, 2)
    _order(bench, Action.ACKNOWLEDGE, key)
    bench.poll_after(1)
    with pytest.raises(PayloadError, match="already acknowledged"):
        _order(bench, Action.REPLAY, key)
    assert _order(bench, Action.REPLAY, key, force=True).item_count == 2


def test_an_edit_may_not_change_whose_answer_it_is(bench: Bench) -> None:
    key = _failed(bench, 2)
    with pytest.raises(PayloadError, check=code_is("misplaced_key")):
        _order(bench, Action.REPLAY, key, changes={"custom_id": "other"})


def test_the_preview_prices_the_model_of_the_edit(bench: Bench) -> None:
    key = _failed(bench, 2)
    request = CommandRequest(
        action=Action.REPLAY, wanted=Filter(names=(key,)), changes={"model": "unknown-model"}
    )
    planned = planner.plan(bench.engine.context, request)
    assert planned.preview.batch_cost_nano is None


def test_totals_count_a_request_once_however_often_it_was_asked(bench: Bench) -> None:
    key = _failed(bench, 3)
    _order(bench, Action.REPLAY, key)
    bench.poll_after(1)
    bench.poll_after(60)
    totals = ledger_status.totals(bench.engine.context.ledger)
    assert (totals.requests, totals.succeeded, totals.failed_requests) == (3, 3, 0)


def test_nothing_is_submitted_while_the_budgets_cannot_be_read(bench: Bench) -> None:
    for text in ("broken = [", "[budgets]\nday_usd = 'much'"):
        (bench.folder.root / "titan.toml").write_text(text)
        with pytest.raises(SettingsError, match="submit again"):
            bench.submit(1)
    assert bench.sandbox.billing_log().creates == 0


def test_a_deadline_that_has_passed_is_refused(bench: Bench) -> None:
    with pytest.raises(PayloadError, check=code_is("deadline_passed")):
        bench.submit(1, deadline=bench.clock.now() - timedelta(minutes=1))


def test_the_edited_body_is_what_goes_to_the_api(bench: Bench) -> None:
    key = _failed(bench, 2)
    _order(bench, Action.REPLAY, key, changes={"model": "claude-haiku-4-5"})
    bench.poll_after(1)
    bench.poll_after(60)
    models = [result["message"]["model"] for result in bench.engine.results(key)]
    assert [model.startswith("claude-haiku-4-5") for model in models] == [True, True]


def test_a_synchronous_run_asks_with_the_edit_of_an_earlier_replay(bench: Bench) -> None:
    key = _failed(bench, 1)
    bench.faults.add("row:overloaded:p=1")
    _order(bench, Action.REPLAY, key, changes={"model": "claude-haiku-4-5"})
    bench.poll_after(1)
    bench.poll_after(60)
    bench.faults.clear()
    _order(bench, Action.SYNC, key)
    bench.poll_after(1)
    (result,) = bench.engine.results(key)
    assert result["message"]["model"].startswith("claude-haiku-4-5")
