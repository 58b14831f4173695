"""A batch through time: ending, canceling, expiring, archiving, deleting, listing."""

import json

import pytest
from support.api.sandbox_client import BATCHES, a_desk

from titan_console.sandbox.model.provider import Limits
from titan_console.sandbox.model.timing import Plan

HOUR = 3600.0
DAY = 24 * HOUR
IDS = [f"r-{n}" for n in range(40)]


def test_counts_stay_in_processing_until_the_end() -> None:
    desk = a_desk(plan=Plan.seconds(100, 100))
    batch_id = desk.create(*IDS)
    desk.clock.advance(99)
    answer = desk.call("GET", f"{BATCHES}/{batch_id}")
    assert answer.headers["retry-after"] == "10"
    assert json.loads(answer.read())["request_counts"]["processing"] == 40
    desk.clock.advance(1)
    ended = desk.call("GET", f"{BATCHES}/{batch_id}")
    shown = json.loads(ended.read())
    assert "retry-after" not in ended.headers
    assert shown["processing_status"] == "ended"
    assert shown["ended_at"] == "2026-11-22T09:01:40.000000+00:00"
    assert shown["request_counts"]["succeeded"] == 40
    assert shown["results_url"] == f"https://api.test/v1/messages/batches/{batch_id}/results"


def test_counts_may_move_where_the_plan_says_so() -> None:
    desk = a_desk(plan=Plan(shortest=100, longest=100, movement=True))
    batch_id = desk.create(*IDS)
    desk.clock.advance(50)
    counts = desk.retrieve(batch_id)["request_counts"]
    assert 0 < counts["succeeded"] < 40
    assert sum(counts.values()) == 40


def test_results_before_the_end_are_a_404_without_a_request_id() -> None:
    desk = a_desk(plan=Plan.manual())
    batch_id = desk.create()
    answer = desk.call("GET", f"{BATCHES}/{batch_id}/results")
    assert answer.status == 404
    assert answer.headers["x-should-retry"] == "false"
    assert json.loads(answer.read()) == {
        "type": "error",
        "error": {
            "type": "not_found_error",
            "message": f"Message Batch {batch_id} has no available results.",
        },
    }


def test_a_cancel_keeps_what_had_run() -> None:
    desk = a_desk(plan=Plan.seconds(100, 100, cancel=25))
    batch_id = desk.create(*IDS)
    desk.clock.advance(50)
    canceling = desk.json("POST", f"{BATCHES}/{batch_id}/cancel")
    assert canceling["processing_status"] == "canceling"
    assert canceling["cancel_initiated_at"] == "2026-11-22T09:00:50.000000+00:00"
    assert canceling["request_counts"]["processing"] == 40
    desk.clock.advance(25)
    counts = desk.retrieve(batch_id)["request_counts"]
    assert counts["succeeded"] > 0
    assert counts["canceled"] > 0
    assert counts["succeeded"] + counts["canceled"] == 40
    billed = {row.custom_id for row in desk.sandbox.billing_log().billed()}
    succeeded = {name for name, line in desk.lines(batch_id).items() if line["type"] == "succeeded"}
    assert billed == succeeded


def test_a_second_cancel_and_one_after_the_end_change_nothing() -> None:
    desk = a_desk(plan=Plan.manual(cancel=10))
    batch_id = desk.create()
    first = desk.json("POST", f"{BATCHES}/{batch_id}/cancel")
    desk.clock.advance(5)
    assert desk.json("POST", f"{BATCHES}/{batch_id}/cancel") == first
    desk.clock.advance(5)
    ended = desk.json("POST", f"{BATCHES}/{batch_id}/cancel")
    assert ended["processing_status"] == "ended"
    assert ended["results_url"]
    assert desk.lines(batch_id) == {"a": {"type": "canceled"}}


def test_rows_that_never_ran_expire_after_a_day() -> None:
    desk = a_desk(plan=Plan.manual())
    batch_id = desk.create("a", "b")
    desk.clock.advance(DAY)
    shown = desk.retrieve(batch_id)
    assert shown["ended_at"] == shown["expires_at"]
    assert desk.lines(batch_id) == {"a": {"type": "expired"}, "b": {"type": "expired"}}


def test_a_share_of_rows_can_expire() -> None:
    desk = a_desk(plan=Plan(shortest=60, longest=60, expired=0.3))
    batch_id = desk.create(*IDS)
    desk.clock.advance(DAY - 1)
    assert desk.retrieve(batch_id)["processing_status"] == "in_progress"
    desk.clock.advance(1)
    counts = desk.retrieve(batch_id)["request_counts"]
    assert 0 < counts["expired"] < 40
    assert counts["succeeded"] + counts["expired"] == 40


def test_results_go_29_days_after_the_create() -> None:
    desk = a_desk()
    batch_id = desk.create()
    desk.clock.advance(29 * DAY - 1)
    assert desk.retrieve(batch_id)["archived_at"] is None
    assert desk.lines(batch_id)
    desk.clock.advance(1)
    shown = desk.retrieve(batch_id)
    assert shown["archived_at"] == "2026-12-21T09:00:00.000000+00:00"
    assert shown["results_url"] is None
    assert desk.call("GET", f"{BATCHES}/{batch_id}/results").status == 404


def test_only_an_ended_batch_can_be_deleted_and_only_once() -> None:
    desk = a_desk(plan=Plan.manual())
    batch_id = desk.create()
    told = desk.json("DELETE", f"{BATCHES}/{batch_id}")
    assert told["error"]["message"] == (
        "In progress batches cannot be deleted. Consider canceling the batch instead."
    )
    desk.sandbox.end(batch_id)
    gone = desk.json("DELETE", f"{BATCHES}/{batch_id}")
    assert gone == {"id": batch_id, "type": "message_batch_deleted"}
    assert desk.call("DELETE", f"{BATCHES}/{batch_id}").status == 404
    assert desk.call("GET", f"{BATCHES}/{batch_id}").status == 404
    assert desk.json("GET", BATCHES)["data"] == []
    assert len(list(desk.sandbox.billing_log().billed())) == 1


def test_a_test_can_force_what_becomes_of_rows() -> None:
    desk = a_desk(plan=Plan.manual())
    batch_id = desk.create("a", "b", "c", "d")
    desk.sandbox.end(batch_id, {"b": "errored", "c": "expired", "d": "canceled"})
    lines = desk.lines(batch_id)
    assert [lines[name]["type"] for name in "abcd"] == [
        "succeeded",
        "errored",
        "expired",
        "canceled",
    ]
    assert lines["b"]["error"]["error"]["type"] == "api_error"
    assert desk.retrieve(batch_id)["request_counts"]["succeeded"] == 1


def test_a_list_pages_in_both_directions() -> None:
    desk = a_desk()
    made: list[str] = []
    for _ in range(5):
        made.append(desk.create())
        desk.clock.advance(1)
    newest = made[::-1]
    first = desk.json("GET", BATCHES, query={"limit": "2"})
    assert [batch["id"] for batch in first["data"]] == newest[:2]
    assert (first["has_more"], first["first_id"], first["last_id"]) == (True, *newest[:2])
    last = desk.json("GET", BATCHES, query={"limit": "3", "after_id": newest[1]})
    assert [batch["id"] for batch in last["data"]] == newest[2:]
    assert last["has_more"] is False
    back = desk.json("GET", BATCHES, query={"limit": "2", "before_id": newest[4]})
    assert [batch["id"] for batch in back["data"]] == newest[2:4]
    assert back["has_more"] is True
    assert desk.json("GET", BATCHES, query={"before_id": newest[0]}) == {
        "data": [],
        "has_more": False,
        "first_id": None,
        "last_id": None,
    }


@pytest.mark.parametrize("limit", ["0", "1001", "x"])
def test_a_page_size_out_of_range_is_refused(limit: str) -> None:
    told = a_desk().json("GET", BATCHES, query={"limit": limit})
    assert told["error"]["message"].startswith("limit: Input should be")


def test_a_full_queue_refuses_the_whole_create() -> None:
    desk = a_desk(plan=Plan.manual(), limits=Limits(queue=50))
    batch_id = desk.create(*IDS)
    told = desk.json(
        "POST", BATCHES, {"requests": [{"custom_id": f"n{n}", "params": {}} for n in range(11)]}
    )
    assert told["error"]["type"] == "rate_limit_error"
    desk.sandbox.end(batch_id)
    assert desk.create("later")
    assert [post.status for post in desk.sandbox.billing_log().posts] == [200, 429, 200]


def test_calls_per_minute_are_limited_and_refill() -> None:
    desk = a_desk(limits=Limits(rpm=2))
    statuses = [desk.call("GET", BATCHES).status for _ in range(3)]
    assert statuses == [200, 200, 429]
    assert desk.call("GET", BATCHES).headers["retry-after"] == "30"
    desk.clock.advance(30)
    answer = desk.call("GET", BATCHES)
    assert answer.status == 200
    assert answer.headers["anthropic-ratelimit-requests-limit"] == "2"
    assert answer.headers["anthropic-ratelimit-requests-remaining"] == "0"


def test_the_providers_time_does_not_follow_a_bad_local_clock() -> None:
    desk = a_desk()
    batch_id = desk.create()
    desk.clock.jump(-5 * DAY)
    assert desk.retrieve(batch_id)["processing_status"] == "ended"


@pytest.mark.parametrize(
    ("text", "plan"),
    [
        ("instant", Plan.instant()),
        ("realistic", Plan.realistic()),
        ("manual", Plan.manual()),
        ("30", Plan.seconds(30, 30)),
        ("5-20", Plan.seconds(5, 20)),
    ],
)
def test_a_plan_can_be_written_down(text: str, plan: Plan) -> None:
    assert Plan.parse(text) == plan


def test_a_bad_plan_is_one_clear_line() -> None:
    with pytest.raises(ValueError, match="plan 'soon': use instant, realistic, manual, or seconds"):
        Plan.parse("soon")


def test_a_realistic_batch_ends_between_a_minute_and_six_hours() -> None:
    desk = a_desk(plan=Plan.realistic())
    batch_id = desk.create()
    desk.clock.advance(59)
    assert desk.retrieve(batch_id)["processing_status"] == "in_progress"
    desk.clock.advance(6 * HOUR)
    assert desk.retrieve(batch_id)["processing_status"] == "ended"
