"""The walk of a request from submit to delivery when all goes well."""

from pathlib import Path

import pytest
from support.builders import Bench, a_bench, a_request, some_requests
from support.error_codes import code_is
from support.lifecycle import (
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

from core.errors import PayloadError
from core.intake.options import SubmitOptions
from core.poll.poll_run import POLL_LEASE
from core.poll.poll_summary import PollSummary
from core.requests.payload import Limits
from state.batches import leases
from state.db import liveness_lock
from state.model.errors import AlreadySubmitted, UnknownId
from state.model.records import RequestStatus
from state.queries import ledger_status
from titan_console.sandbox.model.timing import Plan


def test_a_submission_is_sent_collected_priced_and_delivered(bench: Bench) -> None:
    submitted = bench.submit(3)
    assert (submitted.repeated, submitted.problem) == (False, None)
    assert statuses(bench) == ["in_progress"]
    early = bench.poll_after(10)
    assert (early.open, early.ended, early.results, early.delivered) == (1, 0, 0, [])
    done = bench.poll_after(50)
    assert (done.ended, done.collected, done.results, done.open) == (1, 1, 3, 0)
    assert done.delivered == ["feed-classify-results-2026-11-22.jsonl"]
    assert done.problems == []
    check_once(bench, 3)


def test_a_job_gets_its_answers_by_key_remote_id_and_tag(bench: Bench) -> None:
    key = bench.submit(2).submission.key
    poll_until_done(bench)
    by_key = results(bench, key)
    remote_id = batches(bench)[0].remote_id
    assert remote_id is not None
    assert by_key == results(bench, "daily-feed") == results(bench, remote_id)
    assert [row["custom_id"] for row in by_key] == [r["custom_id"] for r in some_requests(2)]
    assert all(row["text"] and row["cost_usd"] > 0 and row["usage"] for row in by_key)
    assert {row["batch_id"] for row in by_key} == {key}
    with pytest.raises(UnknownId, check=code_is("not_found")):
        bench.engine.find("tb_nothing")


def test_the_nonce_is_on_the_wire_and_in_no_file_of_ours(bench: Bench) -> None:
    key = bench.submit(2).submission.key
    poll_until_done(bench)
    nonce = batches(bench)[0].nonce
    sent = [i for post in bench.sandbox.billing_log().posts for i in post.custom_ids]
    assert [custom_id.endswith(f"-{nonce}") for custom_id in sent] == [True, True]
    for path in (bench.folder.results / f"{key}.jsonl", *bench.folder.staging.iterdir()):
        assert nonce.encode() not in path.read_bytes()


def test_the_same_call_made_again_is_the_same_submission_and_sends_nothing(bench: Bench) -> None:
    first = bench.submit(3)
    again = bench.submit(3)
    assert again.repeated
    assert again.submission.key == first.submission.key
    assert bench.sandbox.billing_log().creates == 1
    assert len(list(bench.folder.spool.iterdir())) == 1


def test_another_body_under_a_known_id_is_an_error_that_names_it(bench: Bench) -> None:
    bench.submit(3)
    changed = [*some_requests(2), a_request("feed-classify-2026-11-22-00003", max_tokens=65)]
    with pytest.raises(AlreadySubmitted, match=r"'feed-classify-2026-11-22-00003'.*'daily-feed'"):
        bench.engine.submit(changed, SubmitOptions(tag="daily-feed"))
    with pytest.raises(AlreadySubmitted, match="3 of 4 requests"):
        bench.submit(4)
    with pytest.raises(AlreadySubmitted, match="2 of 2 requests"):
        bench.submit(2)
    assert bench.submit(2, tag="another").submission.tag == "another"


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        pytest.param([], "no_requests", id="empty"),
        pytest.param([a_request("a"), a_request("a")], "duplicate_custom_id", id="2"),
        pytest.param(
            [a_request("a"), a_request("b", stream=True)], "unsupported_param", id="one bad"
        ),
    ],
)
def test_a_call_with_a_bad_request_leaves_nothing(
    bench: Bench, bad: list[object], code: str
) -> None:
    with pytest.raises(PayloadError, check=code_is(code)):
        bench.engine.submit(bad, SubmitOptions(tag="t"))
    assert ledger_status.totals(bench.engine.context.ledger).batches == 0
    assert list(bench.folder.spool.iterdir()) == []
    assert bench.sandbox.billing_log().creates == 0


@pytest.mark.parametrize(
    ("limits", "sizes"),
    [
        pytest.param(Limits(max_requests=3), [3, 3, 1], id="by count"),
        pytest.param(Limits(max_bytes=950), [3, 3, 1], id="by bytes"),
    ],
)
def test_a_large_call_is_several_batches_under_one_key(
    tmp_path: Path, limits: Limits, sizes: list[int]
) -> None:
    with a_bench(tmp_path / "t", limits=limits) as bench:
        key = bench.submit(7).submission.key
        made = sorted(batches(bench), key=lambda batch: batch.id)
        assert [batch.key for batch in made] == [key, f"{key}-2", f"{key}-3"]
        assert [batch.request_count for batch in made] == sizes
        assert len({batch.nonce for batch in made}) == len(made)
        poll_until_done(bench)
        check_once(bench, 7)
        assert len(results(bench, key)) == 7


def test_the_same_id_under_two_tags_is_never_in_one_batch(bench: Bench) -> None:
    bench.submit(2, tag="one")
    bench.submit(2, tag="two")
    poll_until_done(bench)
    assert requests(bench) == {RequestStatus.SUCCEEDED: 4}
    assert len(batches(bench)) == 2
    check_billing(bench)


def test_rows_that_fail_are_kept_apart_cost_nothing_and_can_be_read(bench: Bench) -> None:
    bench.faults.add("row:overloaded:id=*-00002-*")
    bench.faults.add("row:refusal:id=*-00003-*")
    bench.submit(3)
    poll_until_done(bench)
    first, second, third = results(bench, "daily-feed")
    assert first["outcome"] == "succeeded"
    assert second["error"] == {"type": "overloaded_error", "message": "Overloaded"}
    assert second["cost_usd"] == 0
    assert third["message"]["stop_reason"] == "refusal"
    assert requests(bench) == {RequestStatus.SUCCEEDED: 2, RequestStatus.ERRORED: 1}
    (row,) = json_lines(bench.folder.errors_mirror)
    assert row["custom_id"] == "feed-classify-2026-11-22-00002"
    assert row["params"]["max_tokens"] == 64
    check_billing(bench)


def test_a_batch_that_expires_gives_what_ran_and_names_the_rest(tmp_path: Path) -> None:
    plan = Plan(shortest=60, longest=60, expired=0.5)
    with a_bench(tmp_path / "t", plan=plan) as bench:
        bench.submit(20)
        poll_until_done(bench, polls=100)
        found = requests(bench)
        assert found.total() == 20
        assert found[RequestStatus.EXPIRED] > 0
        assert found[RequestStatus.SUCCEEDED] > 0
        check_billing(bench)
        assert len(staged(bench)) == 20


def test_a_canceled_batch_pays_for_what_ran_and_names_the_rest(tmp_path: Path) -> None:
    with a_bench(tmp_path / "t", plan=Plan.seconds(600, 600, cancel=5)) as bench:
        bench.submit(20)
        bench.clock.advance(300)
        bench.engine.context.api().cancel(batches(bench)[0].remote_id or "")
        bench.engine.poll()
        assert statuses(bench) == ["canceling"]
        poll_until_done(bench)
        found = requests(bench)
        assert found[RequestStatus.CANCELED] > 0
        assert found[RequestStatus.SUCCEEDED] > 0
        check_billing(bench)


def test_betas_of_the_order_are_the_header_of_the_batch(bench: Bench) -> None:
    bench.engine.submit(
        [a_request(model="claude-opus-5", max_tokens=200_000)],
        SubmitOptions(tag="t", betas=("output-300k-2026-03-24",)),
    )
    poll_until_done(bench)
    assert requests(bench) == {RequestStatus.SUCCEEDED: 1}


def test_a_poll_with_nothing_to_do_calls_no_api_and_releases_its_lease(bench: Bench) -> None:
    bench.submit(1)
    poll_until_done(bench)
    # One whole list, once nothing more can come of the POST, is the last that is asked.
    bench.poll_after(3600)
    calls = bench.sandbox._calls
    assert bench.poll_after(900) == PollSummary()
    assert bench.sandbox._calls == calls
    poller = ledger_status.poller(bench.engine.context.ledger)
    assert poller.lease_holder is None
    assert poller.last_finished_ts == bench.engine.context.ledger.now_text()


def test_a_second_poll_at_the_same_time_does_not_run(bench: Bench) -> None:
    bench.submit(1)
    other = bench.new_engine("other")
    until = bench.clock.now().replace(hour=7)
    with liveness_lock.try_lock(bench.folder.poll_lock) as is_free:
        assert is_free
        assert leases.acquire(
            other.context.ledger, POLL_LEASE, other.context.instance_id, until=until
        )
        assert bench.poll_after(120).ran is False
        leases.release(other.context.ledger, POLL_LEASE, other.context.instance_id)
    assert bench.engine.poll().collected == 1


def test_the_lease_of_one_that_hangs_runs_out(bench: Bench) -> None:
    bench.submit(1)
    hung = bench.new_engine("hung").context
    with liveness_lock.try_lock(bench.folder.poll_lock):
        until = bench.clock.now().replace(minute=15)
        leases.acquire(hung.ledger, POLL_LEASE, hung.instance_id, until=until)
        told = bench.poll_after(14 * 60)
        assert told.ran is False
        assert told.busy.startswith("Another poll is running (hung);")
        assert told.busy.endswith("its lease expires at 2026-11-22T06:15:00.000Z")
        assert bench.poll_after(60).collected == 1


def test_a_dead_holder_is_not_waited_for(bench: Bench) -> None:
    bench.submit(1)
    dead = bench.new_engine("dead").context
    until = bench.clock.now().replace(minute=15)
    leases.acquire(
        dead.ledger, POLL_LEASE, dead.instance_id, until=until, lock_id=dead.folder.poll_lock.name
    )
    assert bench.poll_after(60).collected == 1


def test_a_delivery_file_holds_everything_of_its_workflow_and_date(bench: Bench) -> None:
    bench.submit(2, tag="one")
    poll_until_done(bench)
    bench.engine.submit([a_request("feed-classify-2026-11-22-9")], SubmitOptions(tag="two"))
    bench.engine.submit([a_request("feed-classify-2026-11-23-1")], SubmitOptions(tag="two"))
    poll_until_done(bench)
    names = sorted(path.name for path in bench.folder.staging.iterdir())
    assert names == [
        "feed-classify-results-2026-11-22.jsonl",
        "feed-classify-results-2026-11-23.jsonl",
    ]
    rows = json_lines(bench.folder.staging / names[0])
    assert [row["custom_id"][-5:] for row in rows] == ["00001", "00002", "-22-9"]
