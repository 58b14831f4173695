"""A paused workflow: what it submits is kept and waits, what is out goes on, deadlines are kept."""

import shlex
from collections.abc import Generator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support.builders import Bench, a_bench, some_requests
from support.error_codes import code_is

from core.commands import planner
from core.commands.planner import CommandRequest
from core.errors import PayloadError
from core.intake.options import SubmitOptions
from state.batches import priming_records, sending
from state.model.errors import UnknownId
from state.model.records import BatchKind, OnFailure, RequestStatus
from state.operations import commands, pauses
from state.operations.commands import Action, Command, CommandState, NewCommand
from state.operations.selection import Filter
from state.queries import batch_list, error_list, ledger_status
from titan_console.sandbox.model.timing import Plan

FEED = "feed-classify"


@pytest.fixture
def bench(tmp_path: Path) -> Generator[Bench, None, None]:
    """A bench whose batches end at once."""
    with a_bench(tmp_path, plan=Plan.instant()) as bench:
        yield bench


def _give(bench: Bench, action: Action, *names: str, **how: Any) -> Command:
    planned = planner.plan(
        bench.engine.context,
        CommandRequest(action=action, wanted=Filter(names=names), reason="maintenance"),
    )
    return planner.submit(bench.engine.context, planned, delay=timedelta(**how))[0]


def _pause(bench: Bench) -> None:
    """Paused, with one answered submission before."""
    bench.submit(1, tag="before")
    bench.poll_after(60)
    _give(bench, Action.PAUSE, FEED)
    bench.poll_after(1)


def test_nothing_is_sent_of_a_paused_workflow_until_it_is_resumed(bench: Bench) -> None:
    _pause(bench)
    submitted = bench.submit(3)
    assert "paused since" in (submitted.problem or "")
    bench.poll_after(900)
    assert bench.sandbox.billing_log().creates == 1
    other = bench.engine.submit(some_requests(1, "nightly-eval"), SubmitOptions(tag="other"))
    assert other.problem is None
    _give(bench, Action.RESUME, FEED)
    bench.poll_after(1)
    bench.poll_after(60)
    results = list(bench.engine.results(submitted.submission.key))
    assert [result["outcome"] for result in results] == ["succeeded"] * 3
    assert bench.sandbox.billing_log().creates == 3


def test_a_pause_that_a_poll_and_the_console_carry_out_at_once_has_paused(bench: Bench) -> None:
    bench.submit(1)
    command = _give(bench, Action.PAUSE, FEED)
    ledger = bench.engine.context.ledger
    commands.claim(ledger, command)
    # The other one is quicker.
    pauses.pause(ledger, [FEED], who=command.who, reason=command.reason)
    bench.poll_after(1)
    assert (commands.get(ledger, command.id).outcome or "").startswith(f"{FEED} is paused; ")
    new = NewCommand(action=Action.PAUSE, workflows=[FEED], reason="", not_before=bench.clock.now())
    again, _ = commands.enqueue(ledger, new)
    bench.poll_after(1)
    outcome = commands.get(ledger, again.id).outcome
    assert outcome == f"no change, {FEED} is already paused"


def test_the_preview_of_a_cancel_says_what_becomes_of_requests_that_were_not_sent(
    bench: Bench,
) -> None:
    _pause(bench)
    submission = bench.submit(3).submission
    key = submission.key
    cancel = CommandRequest(action=Action.CANCEL, wanted=Filter(names=(key,)))
    (note,) = planner.plan(bench.engine.context, cancel).preview.notes
    assert "3 requests" in note
    _give(bench, Action.CANCEL, key)
    bench.poll_after(1)
    statuses = ledger_status.statuses_of(bench.engine.context.ledger, submission)
    assert statuses == {RequestStatus.CANCELED: 3}


def test_what_waits_for_a_new_batch_waits_on_while_paused(bench: Bench) -> None:
    bench.faults.add("row:overloaded:p=1")
    key = bench.submit(2).submission.key
    bench.poll_after(60)
    bench.faults.clear()
    _give(bench, Action.PAUSE, FEED)
    planned = planner.plan(
        bench.engine.context, CommandRequest(action=Action.REPLAY, wanted=Filter(names=(key,)))
    )
    planner.submit(bench.engine.context, planned, delay=timedelta())
    bench.poll_after(60)
    bench.poll_after(60)
    assert bench.sandbox.billing_log().creates == 1
    (submission,) = batch_list.submissions_of(bench.engine.context.ledger, "daily-feed")
    assert ledger_status.statuses_of(bench.engine.context.ledger, submission) == {
        RequestStatus.QUEUED: 2
    }
    again = planner.plan(
        bench.engine.context, CommandRequest(action=Action.RESUME, wanted=Filter(names=(FEED,)))
    )
    assert again.preview.notes == ("2 queued requests are sent immediately",)
    assert again.preview.batch_cost_nano


def test_a_resume_without_queued_requests_says_so(bench: Bench) -> None:
    bench.submit(1)
    bench.poll_after(60)
    bench.poll_after(60)
    _give(bench, Action.PAUSE, FEED)
    bench.poll_after(60)
    planned = planner.plan(
        bench.engine.context, CommandRequest(action=Action.RESUME, wanted=Filter(names=(FEED,)))
    )
    assert planned.preview.notes == ("no requests are queued",)


def test_a_poll_that_is_sending_hears_of_the_pause(bench: Bench) -> None:
    bench.faults.add("create:connect")
    bench.submit(1)
    bench.faults.clear()
    bench.poll_after(0)
    bench.faults.add("create:connect")
    bench.submit(1, tag="more")
    bench.faults.clear()
    ledger = bench.engine.context.ledger
    bench.faults.add("list:connect")
    bench.poll_after(0)
    (intent,) = sending.queued(ledger)
    pauses.pause(ledger, [FEED], who="test", reason="")
    assert not sending.mark_sending(
        ledger, intent, watermark_id="", watermark_ts=None, owner="late"
    )


def test_what_is_at_the_api_is_collected_while_paused(tmp_path: Path) -> None:
    with a_bench(tmp_path, plan=Plan.seconds(3600, 3600)) as bench:
        key = bench.submit(2).submission.key
        planned = planner.plan(
            bench.engine.context, CommandRequest(action=Action.PAUSE, wanted=Filter(names=(FEED,)))
        )
        assert "1 batch continues at the API and will be collected" in planned.preview.notes
        planner.submit(bench.engine.context, planned, delay=timedelta())
        for _ in range(3):
            bench.poll_after(1800)
        assert [r["outcome"] for r in bench.engine.results(key)] == ["succeeded"] * 2


def test_a_deadline_is_kept_while_paused(bench: Bench) -> None:
    _pause(bench)
    key = bench.submit(2, deadline=bench.clock.now() + timedelta(hours=5)).submission.key
    bench.poll_after(2 * 3600)
    assert bench.sandbox.billing_log().creates == 1
    for _ in range(3):
        bench.poll_after(1800)
    (submission,) = batch_list.submissions_of(bench.engine.context.ledger, "daily-feed")
    kinds = [batch.kind for batch in batch_list.batches_of(bench.engine.context.ledger, submission)]
    assert kinds == [BatchKind.BATCH, BatchKind.SYNC]
    assert [r["outcome"] for r in bench.engine.results(key)] == ["succeeded"] * 2


def test_a_job_that_answers_at_once_when_a_batch_fails_waits_too(bench: Bench) -> None:
    _pause(bench)
    bench.submit(2, on_failure=OnFailure.SYNC)
    assert len(bench.sandbox.billing_log().messages) == 0


def test_the_preview_of_a_pause_shows_deadlines(bench: Bench) -> None:
    bench.faults.add("create:connect")
    bench.submit(2, deadline=bench.clock.now() + timedelta(hours=5))
    planned = planner.plan(
        bench.engine.context, CommandRequest(action=Action.PAUSE, wanted=Filter(names=(FEED,)))
    )
    assert planned.preview.deadlines == ("2026-11-22T11:00:00.000Z",)
    assert planned.preview.notes[0] == "2 queued requests stay unsent"
    assert "at full price" in planned.preview.notes[-1]
    assert planned.preview.cli == "titan-console pause --yes feed-classify"
    assert planned.preview.as_json()["cli"] == planned.preview.cli


def test_a_pause_is_withdrawn_and_given_once_like_any_command(bench: Bench) -> None:
    bench.submit(1)
    first, second = (
        _give(bench, Action.PAUSE, FEED, hours=1),
        _give(bench, Action.PAUSE, FEED, hours=1),
    )
    assert (first.key, first.workflows, first.item_count) == (second.key, [FEED], 1)
    planner.withdraw(bench.engine.context, [first.key])
    bench.poll_after(3600)
    ledger = bench.engine.context.ledger
    assert commands.get(ledger, first.id).state == CommandState.WITHDRAWN
    assert pauses.paused(ledger) == []


@pytest.mark.parametrize(
    ("action", "name", "error", "said"),
    [
        (Action.PAUSE, FEED, PayloadError, "feed-classify is already paused, since 2026-11-22"),
        (Action.RESUME, "other", PayloadError, "other is not paused"),
        (Action.PAUSE, "feed-clasify", UnknownId, "Workflow 'feed-clasify' not found"),
    ],
)
def test_an_action_without_effect_is_reported(
    bench: Bench, action: Action, name: str, error: type[Exception], said: str
) -> None:
    _pause(bench)
    bench.engine.submit(some_requests(1, "other"), SubmitOptions(tag="other"))
    with pytest.raises(error, match=said):
        _give(bench, action, name)


def test_a_pause_touches_no_single_requests(bench: Bench) -> None:
    bench.submit(1)
    with pytest.raises(PayloadError, check=code_is("workflow_required")):
        planner.plan(
            bench.engine.context,
            CommandRequest(
                action=Action.PAUSE, wanted=Filter(names=(FEED,), error_type="api_error")
            ),
        )


def test_a_frozen_selection_has_exactly_the_selected_items(bench: Bench) -> None:
    bench.faults.add("row:overloaded:p=1")
    bench.submit(3, tag="first")
    bench.submit(3, tag="second")
    bench.poll_after(60)
    context = bench.engine.context
    ids = [row.request_id for row in reversed(error_list.errors(context.ledger))]
    some = CommandRequest(action=Action.REPLAY, wanted=Filter(request_ids=(ids[1], ids[5])))
    planned = planner.plan(context, some)
    assert tuple(planned.items) == (ids[1], ids[5])
    assert shlex.split(planned.preview.cli) == [
        *("titan-console", "replay", "--yes"),
        *("first/feed-classify-2026-11-22-00002", "second/feed-classify-2026-11-22-00003"),
    ]
    (batch,) = (b for b in batch_list.closed_batches(context.ledger, limit=9) if b.tag == "second")
    whole = planner.plan(
        context, CommandRequest(action=Action.REPLAY, wanted=Filter(batch_ids=(batch.id,)))
    )
    assert tuple(whole.items) == tuple(ids[3:])
    assert whole.preview.cli == f"titan-console replay --yes {batch.key}"
    with pytest.raises(PayloadError, match="no request matches"):
        planner.plan(
            context, CommandRequest(action=Action.REPLAY, wanted=Filter(request_ids=(99_999,)))
        )


def test_a_cancel_of_selected_batches_leaves_the_others(tmp_path: Path) -> None:
    with a_bench(tmp_path, plan=Plan.manual()) as bench:
        bench.submit(2, tag="first")
        bench.submit(2, tag="second")
        first, _ = batch_list.open_batches(bench.engine.context.ledger)
        request = CommandRequest(action=Action.CANCEL, wanted=Filter(batch_ids=(first.id,)))
        planned = planner.plan(bench.engine.context, request)
        assert tuple(planned.items) == (first.id,)
        assert planned.preview.cli == f"titan-console cancel --yes {first.key}"


def test_a_million_selected_rows_are_one_selection(bench: Bench) -> None:
    bench.faults.add("row:overloaded:p=1")
    bench.submit(20)
    bench.poll_after(60)
    wanted = Filter(request_ids=tuple(range(1, 1_000_001)))
    planned = planner.plan(
        bench.engine.context, CommandRequest(action=Action.REPLAY, wanted=wanted)
    )
    assert planned.preview.count == 20
    names = shlex.split(planned.preview.cli)[3:]
    assert names == [f"daily-feed/{request['custom_id']}" for request in some_requests(20)]


def test_the_command_line_has_every_part_of_the_request(bench: Bench) -> None:
    bench.faults.add("row:overloaded:p=1")
    key = bench.submit(1).submission.key
    bench.poll_after(60)
    request = CommandRequest(
        action=Action.REPLAY,
        wanted=Filter(names=(key,), workflow=FEED),
        reason="it's over; go",
        canary=True,
        changes={"max_tokens": 99, "system": "12", "user": "a\nb", "model": "claude-opus-5"},
    )
    planned = planner.plan(bench.engine.context, request)
    assert shlex.split(planned.preview.cli) == [
        *("titan-console", "replay", "--yes", f"--workflow={FEED}", "--reason=it's over; go"),
        *(
            "--set=max_tokens=99",
            '--set=system="12"',
            r'--set=user="a\nb"',
            "--model=claude-opus-5",
            "--canary",
            key,
        ),
    ]


def test_a_resume_lifts_a_stop_of_cache_priming(bench: Bench) -> None:
    bench.submit(1)
    ledger = bench.engine.context.ledger
    with pytest.raises(PayloadError, match="is not paused"):
        _give(bench, Action.RESUME, FEED)
    ledger.execute("INSERT INTO priming_losses VALUES (?, 2, 5, '2026-11-22T06:00:00.000Z')", FEED)
    planned = planner.plan(
        bench.engine.context, CommandRequest(action=Action.RESUME, wanted=Filter(names=(FEED,)))
    )
    assert f"{FEED} primes the cache again" in planned.preview.notes
    command = _give(bench, Action.RESUME, FEED)
    bench.poll_after(60)
    assert commands.by_key(ledger, command.key).state == CommandState.DONE
    assert priming_records.stops(ledger) == []
    assert ledger.rows("SELECT 1 FROM events WHERE kind = 'workflow.priming_allowed'")
