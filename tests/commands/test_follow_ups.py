"""Answers that are invalid, paused or cut off are asked for again, a bounded number of times."""

from collections.abc import Generator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.builders import Bench, a_bench
from support.ledgers.rebuilt_ledger import rebuilt, restored
from support.lifecycle import check_billing, requests

from core.batches.holds import ACCOUNT_HOLD
from core.commands import planner
from core.commands.command_request import CommandRequest
from core.commands.follow_up_policy import is_due, next_params
from core.delivery.results import results
from state.batches import batch_planning, leases, remote_status
from state.files.file_store import LOCAL_FILES
from state.files.spool import LineReader
from state.model.records import INVALID, FollowUps, OnMaxTokens, RequestStatus
from state.operations import command_effects, commands, reviews
from state.operations.commands import Action
from state.operations.follow_ups import IncompleteAnswer
from state.operations.selection import Filter
from state.recovery import backups
from titan_console.sandbox.model.timing import Plan

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}}
USER = {"role": "user", "content": "Hi"}
PAUSED = [{"type": "text", "text": "Let me look."}, {"type": "server_tool_use", "id": "s1"}]
PARAMS = {"model": "claude-sonnet-4-6", "max_tokens": 64, "messages": [USER]}
WANTED = FollowUps(reask=2, continue_turns=3, on_max_tokens=OnMaxTokens.RAISE)


@pytest.fixture
def bench(tmp_path: Path) -> Generator[Bench, None, None]:
    with a_bench(tmp_path, plan=Plan.instant()) as bench:
        yield bench


def an_answer(reason: str, tries: int = 0, wanted: FollowUps = WANTED) -> IncompleteAnswer:
    return IncompleteAnswer(
        request_id=1,
        custom_id="a",
        tag="t",
        workflow="w",
        reason=reason,
        invalid="/n: 1 is not a string" if reason == INVALID else None,
        tries=tries,
        is_commanded=False,
        wanted=wanted,
        batch_key="tb_1",
        result_offset=0,
        result_length=1,
    )


@pytest.mark.parametrize(
    ("reason", "tries"), [(INVALID, 2), ("pause_turn", 3), ("max_tokens", 2), ("refusal", 0)]
)
def test_an_answer_is_due_until_it_was_tried_as_often_as_wanted(reason: str, tries: int) -> None:
    assert [is_due(an_answer(reason, n)) for n in range(tries + 2)] == [True] * tries + [False] * 2
    assert not is_due(an_answer(reason, wanted=FollowUps()))


def test_an_invalid_answer_is_continued_by_its_error() -> None:
    content = [{"type": "thinking", "thinking": "…", "signature": "x"}, {"type": "text"}]
    params = next_params(an_answer(INVALID), PARAMS, {"content": content}, ())
    assert params is not None
    user, assistant, error = params["messages"]
    assert (user, assistant) == (USER, {"role": "assistant", "content": content})
    assert error["role"] == "user"
    assert "schema: /n: 1 is not a string. Answer again" in error["content"]
    assert PARAMS["messages"] == [USER]
    empty = next_params(an_answer(INVALID), PARAMS, {"content": []}, ())
    assert empty is not None
    assert [one["role"] for one in empty["messages"]] == ["user", "user"]


def test_a_paused_turn_is_continued_as_it_is_and_stays_one_turn() -> None:
    first = next_params(an_answer("pause_turn"), PARAMS, {"content": PAUSED}, ())
    assert first == {**PARAMS, "messages": [USER, {"role": "assistant", "content": PAUSED}]}
    again = next_params(an_answer("pause_turn", 1), first or {}, {"content": PAUSED[:1]}, ())
    (_, turn) = (again or {})["messages"]
    assert turn["content"] == [*PAUSED, PAUSED[0]]
    assert next_params(an_answer("pause_turn"), PARAMS, {"content": []}, ()) is None


@pytest.mark.parametrize(
    ("known", "expected"),
    [(None, "c1"), ("c0", "c1"), ({"skills": []}, {"skills": [], "id": "c1"})],
)
def test_a_turn_goes_on_in_its_container(known: object, expected: object) -> None:
    params = {**PARAMS, "container": known} if known else PARAMS
    message = {"content": PAUSED, "container": {"id": "c1", "expires_at": "…"}}
    assert (next_params(an_answer("pause_turn"), params, message, ()) or {})[
        "container"
    ] == expected


@pytest.mark.parametrize(
    ("model", "now", "raised"),
    [
        ("claude-haiku-4-5", 64, 128),
        ("claude-haiku-4-5", 40_000, 64_000),
        ("claude-haiku-4-5", 64_000, None),
        ("a-model-of-tomorrow", 500_000, 1_000_000),
    ],
)
def test_max_tokens_are_doubled_up_to_the_limit_of_the_model(
    model: str, now: int, raised: int | None
) -> None:
    params = {**PARAMS, "model": model, "max_tokens": now}
    found = next_params(an_answer("max_tokens"), params, {"content": PAUSED}, ())
    assert found == (None if raised is None else {**params, "max_tokens": raised})


def polls(bench: Bench, count: int) -> list[str]:
    return [line for _ in range(count) for line in bench.poll_after(60).commands]


def attempts(bench: Bench) -> dict[str, int]:
    rows = bench.engine.context.ledger.rows(
        "SELECT r.custom_id, count(*) FROM attempts a JOIN requests r ON r.id = a.request_id"
        " GROUP BY r.id ORDER BY r.id"
    )
    return {row[0][-3:]: row[1] for row in rows}


def sent_params(bench: Bench, request_id: int) -> dict[str, Any]:
    """The body that the request has now."""
    span = command_effects.body_of(bench.engine.context.ledger, request_id)
    with LineReader(bench.folder.spool, LOCAL_FILES) as lines:
        return msgspec.json.decode(lines.read(*span))["params"]


def backed_up_at(bench: Bench, point: str, backup: Path) -> Path:
    """The next polls write this backup when they pass that point."""
    ledger = bench.engine.context.ledger

    def back_up(passed: str) -> None:
        if passed == point:
            backups.write(ledger, backup)

    ledger.crash_point = back_up
    return backup


def test_only_invalid_answers_are_asked_for_again_and_a_valid_one_ends_it(bench: Bench) -> None:
    bench.faults.add("row:wrong-output:id=*-00002-*")
    bench.submit(5, output=SCHEMA, reask=2)
    written = bench.poll_after(60).commands
    assert "feed-classify: 1 request asked again with the error" in written[0]
    assert not bench.engine.is_finished("daily-feed")
    bench.faults.clear()
    polls(bench, 3)
    assert attempts(bench) == {"001": 1, "002": 2, "003": 1, "004": 1, "005": 1}
    assert reviews.count(bench.engine.context.ledger) == 0
    told = results(bench.engine.context.ledger, bench.folder, "daily-feed")
    assert [one["invalid"] for one in told] == [None] * 5
    messages = sent_params(bench, 2)["messages"]
    assert [one["role"] for one in messages] == ["user", "assistant", "user"]
    assert "not JSON" in messages[2]["content"]


@pytest.mark.parametrize(
    ("fault", "options", "asked"),
    [
        ("wrong-output", {"reask": 0}, 1),
        ("wrong-output", {"reask": 2}, 3),
        ("pause-turn", {"continue_turns": 0}, 1),
        ("pause-turn", {}, 4),
        ("max-tokens", {}, 1),
        ("max-tokens", {"on_max_tokens": OnMaxTokens.RAISE}, 3),
        ("refusal", {"reask": 5, "on_max_tokens": OnMaxTokens.RAISE}, 1),
    ],
)
def test_it_is_bounded_and_the_answer_then_needs_review(
    bench: Bench, fault: str, options: dict[str, Any], asked: int
) -> None:
    bench.faults.add(f"row:{fault}:id=*-00001-*")
    # So many others that the circuit breaker stays closed.
    bench.submit(20, output=SCHEMA, **options)
    polls(bench, 8)
    assert attempts(bench)["001"] == asked
    assert reviews.count(bench.engine.context.ledger) == 1
    assert bench.engine.is_finished("daily-feed")
    assert not bench.engine.has_follow_ups("daily-feed")


def test_a_failed_follow_up_counts_and_leaves_the_answer(bench: Bench) -> None:
    bench.faults.add("row:wrong-output:id=*-00001-*")
    bench.submit(20, output=SCHEMA, reask=2)
    bench.poll_after(0)
    bench.faults.clear()
    bench.faults.add("row:overloaded")
    polls(bench, 6)
    assert attempts(bench)["001"] == 3
    (row,) = reviews.rows(bench.engine.context.ledger, limit=2)
    assert row.review == INVALID


def test_an_invalid_request_error_ends_it(bench: Bench) -> None:
    bench.faults.add("row:pause-turn:id=*-00001-*")
    bench.submit(20, output=SCHEMA)
    bench.poll_after(0)
    bench.faults.clear()
    bench.faults.add("row:invalid")
    polls(bench, 6)
    assert attempts(bench)["001"] == 2


def test_an_accepted_answer_is_not_asked_for_again(bench: Bench) -> None:
    bench.faults.add("row:wrong-output")
    bench.submit(1, output=SCHEMA)
    polls(bench, 2)
    ledger = bench.engine.context.ledger
    ledger.execute("UPDATE submissions SET reask = 3")
    reviews.accept(ledger, [1])
    polls(bench, 2)
    assert attempts(bench) == {"001": 1}


def test_an_answer_is_not_asked_for_again_while_another_batch_has_its_request(
    bench: Bench,
) -> None:
    """An answer of a batch that its requests were taken out of, when they are in the next one."""
    bench.faults.add("row:wrong-output:id=*-00002-*")
    bench.submit(3, output=SCHEMA, reask=1)
    ledger, now = bench.engine.context.ledger, bench.clock.now()
    (batch,) = remote_status.open_at_api(ledger)
    leases.set_hold(ledger, ACCOUNT_HOLD, until=now + timedelta(minutes=9), reason="no credit")
    command_effects.detach(ledger, batch, [2], "to run elsewhere")
    batch_planning.plan_queued(ledger, max_requests=9, max_bytes=1 << 20, wire_overhead=0)
    for _ in range(2):
        summary = bench.poll_after(60)
        assert (summary.commands, len(summary.problems)) == ([], 1)
        assert "no credit" in summary.problems[0]
    assert attempts(bench) == {"001": 1, "002": 2, "003": 1}
    bench.clock.advance(600)
    assert "1 request asked again" in polls(bench, 3)[0]
    assert [event["kind"] for event in ledger.rows("SELECT kind FROM events")].count(
        "command.replay"
    ) == 1


def test_an_answer_with_an_open_command_is_not_asked_for_again(bench: Bench) -> None:
    bench.faults.add("row:wrong-output")
    bench.submit(1, output=SCHEMA)
    bench.poll_after(60)
    ledger = bench.engine.context.ledger
    wanted = Filter(names=("daily-feed",), stop_reason=INVALID)
    request = CommandRequest(action=Action.ACKNOWLEDGE, wanted=wanted)
    planned = planner.plan(bench.engine.context, request)
    command, _ = planner.submit(bench.engine.context, planned, delay=timedelta(hours=1))
    ledger.execute("UPDATE submissions SET reask = 3")
    polls(bench, 2)
    assert commands.get(ledger, command.id).state == "pending"
    bench.poll_after(3600)
    polls(bench, 2)
    assert commands.get(ledger, command.id).state == "done"
    assert attempts(bench) == {"001": 1}
    assert reviews.count(ledger) == 0


def test_over_budget_nothing_is_asked_and_no_body_stays(bench: Bench, tmp_path: Path) -> None:
    bench.faults.add("row:wrong-output")
    bench.submit(1, output=SCHEMA, reask=2)
    (tmp_path / "titan.toml").write_text("[budgets]\nday_usd = 0.000001\n", "utf-8")
    problems = bench.poll_after(60).problems + bench.poll_after(60).problems
    assert any("not asked again" in problem for problem in problems), problems
    assert attempts(bench) == {"001": 1}
    assert list((tmp_path / "spool").glob("edit_*")) == []


def test_the_circuit_breaker_stops_asking_again(bench: Bench) -> None:
    bench.faults.add("row:wrong-output")
    bench.submit(4, output=SCHEMA, reask=5)
    polls(bench, 8)
    assert set(attempts(bench).values()) == {3}


def test_a_rebuilt_ledger_does_not_ask_again(bench: Bench) -> None:
    bench.faults.add("row:wrong-output")
    bench.submit(2, output=SCHEMA, reask=1)
    polls(bench, 3)
    asked = attempts(bench)
    rebuilt(bench)
    # The rebuild makes one command of the edits that it finds.
    found = commands.latest(bench.engine.context.ledger, limit=9)
    assert [(one.state, one.item_count) for one in found] == [("done", 2)]
    polls(bench, 3)
    assert commands.latest(bench.engine.context.ledger, limit=9) == found
    assert attempts(bench) == asked == {"001": 2, "002": 2}


def test_a_restored_ledger_has_the_answer_to_a_follow_up_that_it_had_not_sent(
    bench: Bench, tmp_path: Path
) -> None:
    """The backup is from just before; the file names the batch's requests and their bodies."""
    bench.faults.add("row:wrong-output")
    bench.submit(2, output=SCHEMA, reask=1)
    backup = backed_up_at(bench, "requeue:done", tmp_path / "backups" / "before.db")
    polls(bench, 1)
    bench.faults.clear()
    polls(bench, 2)
    restored(bench, backup)
    assert polls(bench, 3) == []
    assert bench.engine.is_finished("daily-feed")
    assert attempts(bench) == {"001": 2, "002": 2}
    told = results(bench.engine.context.ledger, bench.folder, "daily-feed")
    assert [one["invalid"] for one in told] == [None] * 2
    check_billing(bench)


def test_a_restore_that_does_not_send_a_follow_up_leaves_the_answer(
    bench: Bench, tmp_path: Path
) -> None:
    """The follow-up may have been sent after the backup, and no file names its batch."""
    bench.faults.add("row:wrong-output")
    bench.submit(2, output=SCHEMA, reask=1)
    polls(bench, 1)
    backup = backed_up_at(bench, "plan:done", tmp_path / "backups" / "before.db")
    polls(bench, 1)
    bench.folder.jobs_mirror.unlink()
    _, summary = restored(bench, backup)
    assert summary.missing == 2
    assert requests(bench) == {RequestStatus.SUCCEEDED: 2}
    assert polls(bench, 3) == []
    assert reviews.count(bench.engine.context.ledger) == 2


def test_a_late_answer_to_the_earlier_body_is_a_duplicate(tmp_path: Path) -> None:
    never = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 10_000}}}
    with a_bench(tmp_path, plan=Plan.seconds(600, 600)) as bench:
        bench.submit(4, output=never, reask=1)
        wanted = Filter(names=("feed-classify-2026-11-22-00001",))
        request = CommandRequest(action=Action.SYNC, wanted=wanted)
        planned = planner.plan(bench.engine.context, request)
        planner.submit(bench.engine.context, planned, delay=timedelta())
        # It runs beside its batch, its answer is invalid, and it is sent again.
        polls(bench, 3)
        assert attempts(bench)["001"] == 3
        for _ in range(4):
            bench.poll_after(400)
        rows = bench.engine.context.ledger.rows(
            "SELECT a.duplicate, a.batch_id = r.settled_by AS settling FROM attempts a"
            " JOIN requests r ON r.id = a.request_id WHERE r.id = 1 ORDER BY a.batch_id"
        )
        assert [tuple(row) for row in rows] == [(1, 0), (0, 0), (0, 1)]


def test_a_follow_up_that_is_canceled_before_it_is_sent_leaves_the_answer(bench: Bench) -> None:
    bench.faults.add("row:wrong-output")
    bench.submit(1, output=SCHEMA, reask=1)
    bench.poll_after(60)
    # Nothing is sent for a while, so that the batch stays queued.
    bench.faults.add("create:429:retry=1000")
    polls(bench, 2)
    request = CommandRequest(action=Action.CANCEL, wanted=Filter(names=("daily-feed",)))
    planned = planner.plan(bench.engine.context, request)
    planner.submit(bench.engine.context, planned, delay=timedelta())
    polls(bench, 2)
    (row,) = reviews.rows(bench.engine.context.ledger, limit=2)
    assert row.review == INVALID
    assert attempts(bench) == {"001": 3}
    assert bench.engine.is_finished("daily-feed")
