"""Results that come damaged, late, in part or never: what came is kept, the rest is asked for."""

from pathlib import Path

import pytest
from support.builders import Bench, a_bench, a_request
from support.lifecycle import (
    QUARTER,
    batches,
    check_billing,
    check_once,
    json_lines,
    poll_until_done,
    requests,
    results,
    staged,
    statuses,
)

from core.intake.options import SubmitOptions
from state.model.records import CollectionStatus, RequestStatus
from titan_console.cli.exit_codes import Exit, exit_code_after_poll
from titan_console.sandbox.model.timing import Plan

DAY = 86_400.0


@pytest.mark.parametrize(
    "fault",
    [
        *("cut-line", "cut", "short", "broken", "garbled", "html-line", "blank", "duplicate"),
        *("duplicate-different", "missing", "unknown-id", "foreign"),
        *("404", "500", "529", "429:retry=30", "429:retry=3600", "html-502", "connect"),
        *("drop", "timeout", "truncated", "garbage", "403"),
    ],
)
def test_a_defective_response_is_completed_by_the_next_one(bench: Bench, fault: str) -> None:
    bench.faults.add(f"results:{fault}:times=1")
    bench.submit(7)
    poll_until_done(bench)
    assert batches(bench)[0].collection == CollectionStatus.COLLECTED
    check_once(bench, 7)
    assert len(json_lines(bench.folder.results / f"{batches(bench)[0].key}.jsonl")) == 7


@pytest.mark.parametrize("known", [0, 2])
def test_results_prove_requests_of_which_the_batch_has_no_attempt(bench: Bench, known: int) -> None:
    """They were queued again, or a rebuild could not know them; they are paid all the same."""
    bench.submit(5)
    ledger = bench.engine.context.ledger
    ledger.execute("DELETE FROM attempts WHERE request_id > ?", known)
    poll_until_done(bench)
    check_once(bench, 5)
    check_billing(bench)
    assert batches(bench)[0].counts.succeeded == 5


@pytest.mark.parametrize("fault", ["list:503", "retrieve:404", "list:429:retry=600"])
def test_a_list_that_fails_is_retried_and_nothing_changes_meanwhile(
    bench: Bench, fault: str
) -> None:
    bench.submit(3)
    bench.faults.add(fault)
    bench.clock.advance(3600)
    summary = bench.engine.poll()
    if not fault.startswith("retrieve"):
        assert summary.problems
        assert statuses(bench) == ["in_progress"]
    bench.faults.clear()
    poll_until_done(bench)
    check_once(bench, 3)


def test_a_batch_that_the_list_lags_behind_is_looked_up_by_its_id(bench: Bench) -> None:
    bench.submit(3)
    bench.faults.add("list:lag:seconds=100000")
    bench.faults.add("retrieve:404:times=1")
    bench.poll_after(3600)
    (batch,) = batches(bench)
    assert (batch.failures, batch.status) == (1, "in_progress")
    assert "not found" in (batch.last_error or "")
    assert bench.poll_after(30).ended == 0
    assert bench.poll_after(3600).ended == 1
    check_once(bench, 3)


@pytest.mark.parametrize("fault", ["retrieve:500", "retrieve:403", "retrieve:garbage"])
def test_a_status_that_cannot_be_read_is_a_problem_of_each_poll(bench: Bench, fault: str) -> None:
    """The list was whole and had no such batch, and its poll said "nothing new"."""
    bench.submit(3)
    bench.faults.add("list:lag:seconds=100000")
    bench.faults.add(fault)
    for wait in (3600, 5):
        summary = bench.poll_after(wait)
        (batch,) = batches(bench)
        (problem,) = [line for line in summary.problems if line.startswith(batch.key)]
        assert batch.next_poll_ts
        assert batch.last_error
        assert batch.next_poll_ts in problem
        assert batch.last_error in problem
        assert exit_code_after_poll(summary) == Exit.ATTENTION
    assert batches(bench)[0].failures == 1
    bench.faults.clear()
    poll_until_done(bench)
    check_once(bench, 3)


def test_partial_results_are_kept_and_a_later_poll_completes_them(bench: Bench) -> None:
    bench.faults.add("results:cut-line:times=1")
    bench.submit(10)
    bench.clock.advance(60)
    first = bench.engine.poll()
    assert first.results == 5
    assert any("5 results are missing" in trouble for trouble in first.problems)
    assert requests(bench) == {RequestStatus.SUCCEEDED: 5, RequestStatus.IN_FLIGHT: 5}
    known = [row for row in results(bench, "daily-feed") if row["outcome"]]
    assert len(known) == 5
    assert all(row["text"] for row in known)
    poll_until_done(bench)
    check_once(bench, 10)
    assert [row for row in results(bench, "daily-feed") if row in known] == known


def _half_collected(bench: Bench) -> Path:
    """The partial file of a batch with 5 of 10 results."""
    bench.faults.add("results:cut-line:times=1")
    bench.submit(10)
    bench.poll_after(60)
    assert requests(bench) == {RequestStatus.SUCCEEDED: 5, RequestStatus.IN_FLIGHT: 5}
    return bench.folder.results / f"{batches(bench)[0].key}.jsonl.part"


@pytest.mark.parametrize("left", [None, b"", b"cut"])
def test_lines_that_were_lost_from_the_disk_are_downloaded_again(
    bench: Bench, left: bytes | None
) -> None:
    part = _half_collected(bench)
    if left is None:
        part.unlink()
    else:
        part.write_bytes(left)
    poll_until_done(bench)
    check_once(bench, 10)
    check_billing(bench)
    assert len([row for row in results(bench, "daily-feed") if row["text"]]) == 10
    assert f"{part.name} lacked results of earlier tries" in (batches(bench)[0].last_error or "")


def test_lines_of_another_ledger_are_not_taken_for_those_that_were_stored(bench: Bench) -> None:
    """A ledger that was being restored, and then discarded, replaced the file."""
    part = _half_collected(bench)
    lines = part.read_bytes().splitlines(keepends=True)
    part.write_bytes(b"".join(lines[::-1]))
    poll_until_done(bench)
    check_once(bench, 10)
    rows = {row["custom_id"]: row["message"]["id"] for row in results(bench, "daily-feed")}
    lines = json_lines(part.with_suffix(""))
    assert {line["custom_id"]: line["result"]["message"]["id"] for line in lines} == rows


def test_lost_lines_that_a_response_lacks_are_asked_for_again(bench: Bench) -> None:
    bench.faults.add("results:missing:times=1")
    bench.faults.add("results:cut-line:times=1")
    bench.submit(10)
    bench.poll_after(60)
    (part,) = bench.folder.results.glob("*.part")
    part.unlink()
    (problem,) = bench.poll_after(3600).problems
    assert "not in the API's response" in problem
    assert requests(bench) == {RequestStatus.SUCCEEDED: 9, RequestStatus.IN_FLIGHT: 1}
    poll_until_done(bench)
    check_once(bench, 10)
    assert len([row for row in results(bench, "daily-feed") if row["text"]]) == 10


def test_a_missing_result_is_named_once_with_the_next_try(
    bench: Bench,
) -> None:
    bench.faults.add("results:missing:times=1")
    bench.submit(2)
    (problem,) = bench.poll_after(60).problems
    (batch,) = batches(bench)
    assert problem.count("missing") == 1
    assert "1 result is missing" in problem
    assert batch.next_poll_ts is not None
    assert batch.next_poll_ts in problem


def test_a_line_that_was_rejected_is_kept_when_no_answer_comes_after_it(bench: Bench) -> None:
    bench.faults.add("results:garbled:times=1")
    bench.faults.add("results:garbage")
    bench.submit(2)
    bench.poll_after(60)
    rejected = bench.folder.results / f"{batches(bench)[0].key}.rejected"
    kept = rejected.read_bytes()
    assert kept
    bench.poll_after(3600)
    assert "has no result of this batch" in (batches(bench)[0].last_error or "")
    assert rejected.read_bytes() == kept
    assert list(bench.folder.results.glob("*.part")) == [
        bench.folder.results / f"{batches(bench)[0].key}.jsonl.part"
    ]


def test_an_absent_result_is_missing_after_five_tries(bench: Bench) -> None:
    bench.faults.add("results:missing")
    bench.submit(4)
    poll_until_done(bench, polls=60)
    (batch,) = batches(bench)
    assert (batch.collection, batch.collect_tries) == (CollectionStatus.COLLECTED, 5)
    assert requests(bench) == {RequestStatus.SUCCEEDED: 3, RequestStatus.MISSING: 1}
    (row,) = [row for row in staged(bench) if row["outcome"] == "missing"]
    assert row["error"] == {
        "type": "missing",
        "message": "Complete downloads of the results have no line for this request.",
    }
    (logged,) = json_lines(bench.folder.errors_mirror)
    assert (logged["outcome"], logged["custom_id"]) == ("missing", row["custom_id"])


def test_lines_that_are_no_results_of_the_batch_are_kept_beside_it(bench: Bench) -> None:
    bench.faults.add("results:unknown-id:times=1")
    bench.submit(4)
    bench.poll_after(60)
    (batch,) = batches(bench)
    assert "1 line with a custom_id that this batch does not have" in (batch.last_error or "")
    (line,) = json_lines(bench.folder.results / f"{batch.key}.rejected")
    assert line["custom_id"].startswith("unknown-")


def test_a_line_that_conflicts_with_an_earlier_one_is_reported_and_changes_nothing(
    bench: Bench,
) -> None:
    bench.faults.add("results:duplicate-different:times=1")
    bench.submit(4)
    poll_until_done(bench)
    (batch,) = batches(bench)
    assert "conflicting" in (batch.last_error or "")
    check_once(bench, 4)


def test_results_not_downloaded_within_29_days_are_expired_and_reported(bench: Bench) -> None:
    bench.faults.add("results:500")
    bench.submit(3)
    (problem,) = bench.poll_after(60).problems
    assert problem.endswith("will retry. The API returned 500: Internal server error.")
    bench.faults.clear()
    bench.clock.advance(29 * DAY)
    bench.engine.poll()
    (batch,) = batches(bench)
    assert batch.collection == CollectionStatus.RESULTS_EXPIRED
    assert "29 days" in (batch.last_error or "")
    assert requests(bench) == {RequestStatus.MISSING: 3}
    bench.poll_after(QUARTER)
    assert {row["outcome"] for row in staged(bench)} == {"missing"}


@pytest.mark.parametrize("fault", ["results:500", "results:404", "results:403", "results:short"])
def test_polls_between_two_tries_say_that_the_batch_waits(bench: Bench, fault: str) -> None:
    """They said "nothing new" and exited with 0, while the results could not be collected."""
    bench.faults.add(fault)
    bench.submit(3)
    assert exit_code_after_poll(bench.poll_after(3600)) == Exit.ATTENTION
    (batch,) = batches(bench)
    summary = bench.poll_after(5)
    (problem,) = [line for line in summary.problems if line.startswith(batch.key)]
    assert batch.next_poll_ts
    assert batch.last_error
    assert batch.next_poll_ts in problem
    assert batch.last_error in problem
    assert exit_code_after_poll(summary) == Exit.ATTENTION
    assert batches(bench)[0].failures == 1
    bench.faults.clear()
    poll_until_done(bench)
    assert bench.poll_after(60).problems == []
    check_once(bench, 3)


def test_what_came_before_the_results_went_is_kept(bench: Bench) -> None:
    bench.faults.add("results:cut-line:times=1")
    bench.submit(4)
    bench.poll_after(60)
    bench.clock.advance(30 * DAY)
    poll_until_done(bench)
    assert requests(bench) == {RequestStatus.SUCCEEDED: 2, RequestStatus.MISSING: 2}
    assert len([row for row in staged(bench) if row["text"]]) == 2


def test_a_first_404_ends_a_batch_only_after_29_days(bench: Bench) -> None:
    bench.submit(3)
    bench.faults.add("list:lag:seconds=100000000")
    bench.faults.add("retrieve:404")
    bench.poll_after(28 * DAY)
    assert statuses(bench) == ["in_progress"]
    bench.poll_after(2 * DAY)
    bench.poll_after(QUARTER)
    assert statuses(bench) == ["ended"]
    assert batches(bench)[0].collection == CollectionStatus.DELETED
    assert requests(bench) == {RequestStatus.MISSING: 3}


def test_a_collected_batch_is_never_fetched_again(bench: Bench) -> None:
    bench.submit(3)
    poll_until_done(bench)
    before = batches(bench)
    bench.submit(1, tag="another")
    poll_until_done(bench)
    assert [batch for batch in batches(bench) if batch.tag == "daily-feed"] == before


def test_the_results_address_of_another_host_is_never_dialled(bench: Bench) -> None:
    bench.faults.add("list:foreign-url")
    bench.faults.add("retrieve:foreign-url")
    bench.submit(3)
    poll_until_done(bench)
    check_once(bench, 3)


def test_cached_prompts_are_priced_by_every_kind_of_token(bench: Bench) -> None:
    marked = {
        "type": "text",
        "text": "A long prefix. " * 1500,
        "cache_control": {"type": "ephemeral", "ttl": "1h"},
    }
    rows = [
        a_request(f"cached-{number}", messages=[{"role": "user", "content": [marked, words]}])
        for number, words in enumerate({"type": "text", "text": f"Question {n}"} for n in range(3))
    ]
    bench.engine.submit(rows, SubmitOptions(tag="cached"))
    bench.engine.submit(
        [a_request("h-1")], SubmitOptions(tag="another-model", model="claude-haiku-4-5")
    )
    poll_until_done(bench)
    found = [row["usage"] for row in results(bench, "cached")]
    assert {usage["cache_creation"]["ephemeral_1h_input_tokens"] > 0 for usage in found} == {
        True,
        False,
    }
    check_billing(bench)


def test_daily_totals_hold_each_day_workflow_and_model_apart(tmp_path: Path) -> None:
    with a_bench(tmp_path / "t", plan=Plan.seconds(60, 60)) as bench:
        bench.submit(2)
        poll_until_done(bench)
        bench.clock.advance(DAY)
        bench.submit(3, tag="next-day")
        poll_until_done(bench)
        rows = bench.engine.context.ledger.rows(
            "SELECT day, workflow, model, kind, requests, succeeded, cost_nano > 0"
            " FROM daily_totals ORDER BY day"
        )
        assert [tuple(row) for row in rows] == [
            ("2026-11-22", "feed-classify", "claude-sonnet-4-6", "batch", 2, 2, 1),
            ("2026-11-23", "feed-classify", "claude-sonnet-4-6", "batch", 3, 3, 1),
        ]
        check_billing(bench)
