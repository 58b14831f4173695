"""Batches that the API lists and the ledger does not know: shown, and taken in when asked."""

import json
from pathlib import Path

import pytest
from support.builders import Bench, a_bench, some_requests
from support.error_codes import code_is
from support.lifecycle import batches, check_billing, poll_until_done, requests, results
from support.processes.terminal import Terminal, a_server

from core.errors import ApiError, InputError
from core.intake.options import SubmitOptions
from core.reporting import json_reports, status_report
from state.batches import orphans
from state.batches.orphans import OrphanVerdict
from state.model.errors import AlreadySubmitted
from state.model.records import RequestStatus
from titan_console.sandbox.model.timing import Plan

IDS = ["feed-2026-11-20-1", "feed-2026-11-20-2", "feed-2026-11-20-3"]


def _foreign(bench: Bench) -> str:
    remote_id = bench.sandbox.add_foreign(IDS)
    bench.clock.advance(120)
    return remote_id


def test_an_unknown_batch_is_recorded_and_never_touched(bench: Bench) -> None:
    bench.submit(2)
    remote_id = _foreign(bench)
    poll_until_done(bench)
    ledger = bench.engine.context.ledger
    (seen,) = orphans.with_verdict(ledger, OrphanVerdict.UNKNOWN)
    assert json_reports.orphan(seen).remote_id == remote_id
    assert status_report.status(ledger, now_ts=ledger.now_text()).orphans.unknown == 1
    assert requests(bench) == {RequestStatus.SUCCEEDED: 2}
    check_billing(bench)


def test_an_adopted_batch_brings_its_results_and_its_cost(bench: Bench) -> None:
    remote_id = _foreign(bench)
    adopted = bench.engine.adopt(remote_id, tag="old-feed")
    assert (adopted.is_own, adopted.problem) == (False, None)
    rows = results(bench, "old-feed")
    assert sorted(row["custom_id"] for row in rows) == IDS
    assert all(row["text"] and row["cost_usd"] > 0 for row in rows)
    (batch,) = batches(bench)
    assert (batch.remote_id, batch.identified_by) == (remote_id, "operator")
    assert batch.workflow == "feed"
    billed = list(bench.sandbox.billing_log().billed())
    assert len(billed) == 3
    assert (batch.cost_nano or 0) > 0
    poll_until_done(bench)
    assert (bench.folder.staging / "feed-results-2026-11-20.jsonl").exists()


def test_an_orphan_with_a_nonce_of_ours_is_claimed(bench: Bench) -> None:
    bench.faults.add("create:drop:times=1")
    key = bench.submit(3).submission.key
    bench.clock.advance(120)
    (book,) = bench.sandbox.billing_log().batches
    adopted = bench.engine.adopt(book.batch_id)
    assert adopted.is_own
    assert adopted.batch.key == key
    assert requests(bench) == {RequestStatus.SUCCEEDED: 3}
    check_billing(bench)


def test_what_was_taken_for_foreign_can_be_adopted(bench: Bench) -> None:
    bench.submit(1)
    remote_id = _foreign(bench)
    poll_until_done(bench)
    assert bench.engine.adopt(remote_id).batch.tag == f"adopted-{remote_id}"
    assert not orphans.with_verdict(bench.engine.context.ledger, OrphanVerdict.UNKNOWN)


def test_a_lost_ledger_is_adopted_again_batch_by_batch(bench: Bench, tmp_path: Path) -> None:
    bench.submit(2, tag="one")
    bench.submit(3, tag="two")
    poll_until_done(bench)
    with a_bench(tmp_path / "new") as fresh:
        fresh.clock, fresh.sandbox = bench.clock, bench.sandbox
        fresh.engine = fresh.new_engine("fresh", api=bench.api)
        for book in bench.sandbox.billing_log().batches:
            fresh.engine.adopt(book.batch_id)
        assert requests(fresh) == {RequestStatus.SUCCEEDED: 5}
        (cost,) = fresh.engine.context.ledger.rows("SELECT sum(cost_nano) FROM attempts")[0]
        (before,) = bench.engine.context.ledger.rows("SELECT sum(cost_nano) FROM attempts")[0]
        assert cost == before


def test_what_cannot_be_adopted_is_refused_in_one_line(bench: Bench) -> None:
    bench.submit(1)
    running = bench.sandbox.add_foreign(["x"])
    known = batches(bench)[0].remote_id or ""
    for remote_id, code in (
        ("../etc", "invalid_batch_id"),
        (known, "batch_known"),
        ("msgbatch_0000", "batch_not_found"),
        (running, "batch_not_ended"),
    ):
        with pytest.raises(InputError, check=code_is(code)) as refused:
            bench.engine.adopt(remote_id)
        assert "\n" not in str(refused.value)
    assert len(batches(bench)) == 1


@pytest.mark.parametrize("fault", ["results:500", "results:broken", "results:missing"])
def test_results_that_are_not_whole_leave_nothing_and_can_be_tried_again(
    bench: Bench, fault: str
) -> None:
    remote_id = _foreign(bench)
    bench.faults.add(f"{fault}:times=1")
    with pytest.raises(ApiError):
        bench.engine.adopt(remote_id)
    assert batches(bench) == []
    assert list(bench.folder.spool.iterdir()) == []
    assert bench.engine.adopt(remote_id).problem is None


def test_an_adoption_that_was_killed_before_its_results_is_finished_by_a_poll(
    bench: Bench,
) -> None:
    class _KilledError(BaseException):
        pass

    def die(name: str) -> None:
        if name == "adopt:done":
            raise _KilledError

    remote_id = _foreign(bench)
    bench.engine.context.ledger.crash_point = die
    with pytest.raises(_KilledError):
        bench.engine.adopt(remote_id)
    bench.engine = bench.new_engine("next")
    poll_until_done(bench)
    assert requests(bench) == {RequestStatus.SUCCEEDED: 3}


def test_ids_that_the_tag_has_already_are_refused(bench: Bench) -> None:
    bench.engine.submit(
        [{**request, "custom_id": i} for request, i in zip(some_requests(3), IDS, strict=True)],
        SubmitOptions(tag="t"),
    )
    remote_id = _foreign(bench)
    with pytest.raises(AlreadySubmitted):
        bench.engine.adopt(remote_id, tag="t")
    assert len(list(bench.folder.spool.iterdir())) == 1


def test_the_commands_list_and_adopt(tmp_path: Path) -> None:
    with a_server(Plan.instant()) as (sandbox, address):
        terminal = Terminal(tmp_path / "home", address)
        sandbox.faults.add("create:drop:times=1")
        sandbox.add_foreign(IDS)
        path = tmp_path / "t.jsonl"
        path.write_text("".join(json.dumps(request) + "\n" for request in some_requests(1)))
        terminal.run("submit", str(path))
        terminal.run("--poll")
        listed = terminal.run("orphans", "--json").lines()
        assert [row["request_count"] for row in listed] == [3]
        assert listed[0]["remote_id"] in terminal.run("orphans").out
        assert "no record of 1 batch at the API" in terminal.run("status").out
        done = terminal.run("adopt", listed[0]["remote_id"], "--tag", "old", "--json")
        assert (done.code, done.json()["is_ours"], done.json()["tag"]) == (0, False, "old")
        assert "bodies are unknown" in done.err
        again = terminal.run("adopt", listed[0]["remote_id"])
        assert again.code == 2
        assert "is already in this ledger" in again.err
        (tmp_path / "home" / "titan.toml").write_text(f"[lanes.b]\nbase_url = '{address}'\n")
        theirs = sandbox.add_foreign(["a", "b"])
        on_lane = terminal.run("adopt", theirs, "--lane", "b")
        assert "Imported 2 requests of lane b under tag" in on_lane.err
        assert terminal.run("orphans").out == "No orphaned batches.\n"
