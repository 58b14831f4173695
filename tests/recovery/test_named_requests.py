"""A line of the mirror names the requests and betas of its batch; a rebuild does not guess them."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.builders import Bench, a_bench
from support.ledgers.rebuilt_ledger import rebuilt, restored
from support.lifecycle import batches, check_billing, json_lines, poll_until_done, requests, results

from core.requests.payload import Limits
from state.batches import request_ranges
from state.model.records import BatchStatus, Counts, RequestStatus
from state.operations import pauses
from state.recovery import backups, fallback_import
from titan_console.sandbox.model.timing import Plan


def _two_open_batches(bench: Bench) -> tuple[str, list[str]]:
    """A submission of which the first two requests are in the last batch, and both are open."""
    bench.faults.add("create:429:times=1")
    key = bench.submit(4).submission.key
    bench.poll_after(900)
    sent = [batch.remote_id for batch in batches(bench) if batch.remote_id]
    assert [batch.key for batch in batches(bench)] == [f"{key}", f"{key}-2", f"{key}-3"]
    return key, sent


def _listed(bench: Bench) -> dict[str, str]:
    """The last characters of the ids of the requests of each batch."""
    return {
        row[0]: row[1]
        for row in bench.engine.context.ledger.rows(
            "SELECT b.key, group_concat(substr(r.custom_id, -1), '') FROM batches b"
            " JOIN attempts a ON a.batch_id = b.id JOIN requests r ON r.id = a.request_id"
            " WHERE b.remote_id NOT NULL GROUP BY b.key"
        )
    }


def _change_lines(bench: Bench, **changed: Any) -> None:
    lines = [{**line, **changed} for line in json_lines(bench.folder.jobs_mirror)]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    bench.folder.jobs_mirror.write_text(text)


# Batches have two requests, and end when the test says so.
SPLIT: dict[str, Any] = {"plan": Plan.manual(), "limits": Limits(max_requests=2)}


@pytest.fixture
def split(tmp_path: Path) -> Any:
    """A bench with these options."""
    with a_bench(tmp_path, **SPLIT) as bench:
        yield bench


def test_each_open_batch_has_the_requests_that_its_line_names(split: Bench) -> None:
    key, sent = _two_open_batches(split)
    before = _listed(split)
    rebuilt(split)
    assert _listed(split) == before == {f"{key}-2": "34", f"{key}-3": "12"}
    split.sandbox.end(sent[1])
    split.poll_after(900)
    assert requests(split) == {RequestStatus.SUCCEEDED: 2, RequestStatus.IN_FLIGHT: 2}
    split.sandbox.end(sent[0])
    poll_until_done(split)
    check_billing(split)


@pytest.mark.parametrize("first", [0, 1])
def test_a_wrong_guess_makes_nothing_missing_and_costs_nothing(split: Bench, first: int) -> None:
    key, sent = _two_open_batches(split)
    _change_lines(split, requests=None)
    rebuilt(split)
    assert _listed(split) == {f"{key}-2": "12", f"{key}-3": "34"}
    split.sandbox.end(sent[first])
    for _ in range(8):
        split.poll_after(7200)
    assert requests(split) == {RequestStatus.SUCCEEDED: 2, RequestStatus.IN_FLIGHT: 2}
    # A second rebuild does not take the guess for knowledge.
    assert {line["requests"] for line in json_lines(split.folder.jobs_mirror)} == {None}
    split.sandbox.end(sent[1 - first])
    poll_until_done(split)
    assert [result["outcome"] for result in results(split, key)] == ["succeeded"] * 4
    assert _listed(split) == {f"{key}-2": "34", f"{key}-3": "12"}
    assert len(split.sandbox.billing_log().batches) == 2
    check_billing(split)


def test_a_guessed_batch_that_was_never_sent_returns_no_request_that_another_may_run(
    split: Bench,
) -> None:
    split.faults.add("create:429:times=1")
    split.faults.add("create:504:nth=2")
    key = split.submit(4).submission.key
    split.poll_after(900)
    assert [str(batch.status) for batch in batches(split)][1:] == ["in_progress", "unconfirmed"]
    _change_lines(split, requests=None)
    rebuilt(split)
    for _ in range(8):
        split.poll_after(900)
    # Guessed were the two requests that the other batch runs.
    assert requests(split) == {RequestStatus.IN_FLIGHT: 4}
    split.sandbox.end(batches(split)[0].remote_id or "")
    poll_until_done(split)
    outcomes = [result["outcome"] for result in results(split, key)]
    assert outcomes == ["missing", "missing", "succeeded", "succeeded"]
    assert len(split.sandbox.billing_log().batches) == 1
    check_billing(split)


@pytest.mark.parametrize(
    "wrong",
    [7, "0-9", [7], [[7]], [[5, 3]], [[0, 9], [3, 4]], [[-1, 3]], [["a", "b"]], [[0, 2**70]]],
)
def test_a_line_that_names_nonsense_is_used_without_it_and_told(split: Bench, wrong: Any) -> None:
    key, sent = _two_open_batches(split)
    _change_lines(split, requests=wrong)
    _, done = rebuilt(split)
    assert done.open == 2
    assert "batch-jobs.jsonl: " in done.warnings[0]
    assert "which requests" in done.warnings[0]
    for remote in sent:
        split.sandbox.end(remote)
    poll_until_done(split)
    assert [result["outcome"] for result in results(split, key)] == ["succeeded"] * 4


def test_many_runs_are_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_ranges, "MOST_RANGES", 2)
    with a_bench(tmp_path) as bench:
        bench.submit(6)
        bench.engine.poll()
        ledger = bench.engine.context.ledger
        (batch,) = batches(bench)
        (last,) = ledger.rows("SELECT max(body_offset) FROM requests")[0]
        assert request_ranges.of_batch(ledger, batch) == [(0, last)]
        ledger.execute("DELETE FROM attempts WHERE request_id = 3")
        assert len(request_ranges.of_batch(ledger, batch) or ()) == 2
        ledger.execute("DELETE FROM attempts WHERE request_id = 5")
        assert request_ranges.of_batch(ledger, batch) is None


def test_a_rebuild_keeps_the_betas(bench: Bench) -> None:
    betas = ("files-api-2025-04-14",)
    bench.submit(2, betas=betas)
    bench.engine.poll()
    rebuilt(bench)
    assert batches(bench)[0].betas == betas
    assert bench.submit(2, betas=betas).repeated
    poll_until_done(bench)
    assert bench.sandbox.billing_log().creates == 1


def test_what_was_queued_in_the_backup_and_never_sent_is_sent(bench: Bench) -> None:
    ledger, backup = bench.engine.context.ledger, bench.folder.backups / "titan-by-hand.db"
    pauses.pause(ledger, ["feed-classify"], who="test", reason="a test")
    bench.submit(2)
    assert [batch.status for batch in batches(bench)] == [BatchStatus.QUEUED]
    pauses.resume(ledger, ["feed-classify"], reason="over")
    backups.write(ledger, backup)
    restored(bench, backup)
    poll_until_done(bench)
    assert requests(bench) == {RequestStatus.SUCCEEDED: 2}
    check_billing(bench)


@pytest.mark.parametrize("is_backup", [True, False])
def test_an_import_of_a_fallback_file_is_known_afterwards(bench: Bench, *, is_backup: bool) -> None:
    """Also where its requests were known before, so that no batch changes."""
    submission = bench.submit(2).submission
    poll_until_done(bench)
    ledger, backup = bench.engine.context.ledger, bench.folder.backups / "titan-by-hand.db"
    backups.write(ledger, backup)
    with ledger.transaction("import") as tx:
        fallback_import.record(
            *(ledger, tx, submission, "tb_file", (), Counts()), is_new=False, unwritten=0
        )
    bench.engine.poll()
    if is_backup:
        restored(bench, backup)
    else:
        rebuilt(bench)
    (found,) = bench.engine.context.ledger.rows("SELECT key, submission_id FROM fallback_imports")
    assert tuple(found) == ("tb_file", 1)


@pytest.mark.parametrize("named", [True, False])
def test_a_batch_that_was_sent_since_the_backup_is_collected(split: Bench, *, named: bool) -> None:
    ledger = split.engine.context.ledger
    pauses.pause(ledger, ["feed-classify"], who="test", reason="test")
    split.submit(2)
    backup = split.folder.backups / "titan-by-hand.db"
    backups.write(ledger, backup)
    pauses.resume(ledger, ["feed-classify"], reason="test")
    split.engine.poll()
    if not named:
        _change_lines(split, requests=None, nonce=None)
    restored(split, backup)
    pauses.resume(split.engine.context.ledger, ["feed-classify"], reason="test")
    (batch,) = batches(split)
    split.sandbox.end(batch.remote_id or "")
    poll_until_done(split)
    assert requests(split) == {RequestStatus.SUCCEEDED: 2}
    check_billing(split)


def test_a_batch_that_a_mirror_behind_has_as_queued_is_not_sent_again(
    bench: Bench,
) -> None:
    ledger = bench.engine.context.ledger
    pauses.pause(ledger, ["feed-classify"], who="test", reason="test")
    bench.submit(2)
    backup, mirror = bench.folder.backups / "titan-by-hand.db", bench.folder.jobs_mirror
    backups.write(ledger, backup)
    behind = mirror.read_bytes()
    pauses.resume(ledger, ["feed-classify"], reason="test")
    bench.engine.poll()
    mirror.write_bytes(behind)
    restored(bench, backup)
    pauses.resume(bench.engine.context.ledger, ["feed-classify"], reason="test")
    poll_until_done(bench)
    assert requests(bench) == {RequestStatus.SUCCEEDED: 2}
    assert bench.sandbox.billing_log().creates == 1
    check_billing(bench)


@pytest.mark.parametrize("mirror", ["kept", "lost"])
@pytest.mark.parametrize("fault", ["create:503-after:times=1", None])
def test_a_batch_whose_response_was_lost_since_the_backup_is_found_by_its_nonce(
    bench: Bench, fault: str | None, mirror: str
) -> None:
    """Without a line in the mirror its requests are missing until the batch is found."""
    ledger, backup = bench.engine.context.ledger, bench.folder.backups / "titan-by-hand.db"
    pauses.pause(ledger, ["feed-classify"], who="test", reason="test")
    bench.submit(2)
    backups.write(ledger, backup)
    pauses.resume(ledger, ["feed-classify"], reason="test")
    if fault:
        bench.faults.add(fault)
    bench.engine.poll()
    if mirror == "lost":
        bench.folder.jobs_mirror.unlink()
    _, done = restored(bench, backup)
    assert done.missing == (2 if mirror == "lost" else 0)
    pauses.resume(bench.engine.context.ledger, ["feed-classify"], reason="test")
    for _ in range(8):
        bench.poll_after(900)
    assert requests(bench) == {RequestStatus.SUCCEEDED: 2}
    assert bench.sandbox.billing_log().creates == 1
    check_billing(bench)


def test_what_an_earlier_restore_could_not_find_pauses_no_workflow(bench: Bench) -> None:
    ledger, backup = bench.engine.context.ledger, bench.folder.backups / "titan-by-hand.db"
    pauses.pause(ledger, ["feed-classify"], who="test", reason="test")
    bench.submit(2)
    pauses.resume(ledger, ["feed-classify"], reason="test")
    backups.write(ledger, backup)
    bench.folder.jobs_mirror.unlink()
    restored(bench, backup)
    bench.engine.poll()
    _, done = restored(bench, backup)
    assert (done.missing, done.paused) == (2, [])
