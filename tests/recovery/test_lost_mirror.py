"""A mirror that lost lines: results on disk are used all the same, or named; nothing is silent."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.builders import Bench
from support.ledgers.rebuilt_ledger import rebuilt
from support.lifecycle import batches, check_billing, poll_until_done, requests, results

from state.batches import batch_planning
from state.files import archive
from state.files.folder import Folder
from state.model.records import OnFailure, RequestStatus


def _gone(mirror: Path) -> None:
    mirror.unlink()


def _empty(mirror: Path) -> None:
    mirror.write_bytes(b"")


def _garbled(mirror: Path) -> None:
    mirror.write_bytes(mirror.read_bytes().replace(b'"batch_id"', b"\xff\xfe"))


def _torn(mirror: Path) -> None:
    mirror.write_bytes(mirror.read_bytes().splitlines()[0][:40])


LOST = [_gone, _empty, _garbled, _torn]


@pytest.mark.parametrize("lose", LOST)
def test_results_without_a_mirror_line_are_collected_and_not_bought_again(
    bench: Bench, lose: Callable[[Path], None]
) -> None:
    bench.submit(4)
    poll_until_done(bench)
    before = results(bench, "daily-feed")
    lose(bench.folder.jobs_mirror)
    shutil.rmtree(bench.folder.backups)
    _, done = rebuilt(bench)
    assert (done.collected, done.missing) == (1, 0)
    assert any("unreadable" in warning for warning in done.warnings) == (lose in LOST[2:])
    assert any("The tag of" in warning for warning in done.warnings)
    assert bench.submit(4).repeated
    assert results(bench, "daily-feed") == before
    poll_until_done(bench)
    assert bench.sandbox.billing_log().creates == 1
    check_billing(bench)
    mirror = bench.folder.jobs_mirror.read_text("utf-8").splitlines()
    assert json.loads(mirror[-1])["tag"] == "daily-feed"


def test_the_numbers_of_unreadable_lines_are_named(bench: Bench) -> None:
    for tag in ("one", "two"):
        bench.submit(2, tag=tag)
        poll_until_done(bench)
    lines = bench.folder.jobs_mirror.read_bytes().splitlines(keepends=True)
    lines[1] = b"{torn\n"
    bench.folder.jobs_mirror.write_bytes(b"".join(lines))
    _, done = rebuilt(bench)
    assert "batch-jobs.jsonl: 1 unreadable line (2)" in done.warnings[0]
    assert (done.collected, done.missing) == (2, 0)


def test_the_tag_is_found_in_a_backup_or_in_the_mirror_of_errors(bench: Bench) -> None:
    bench.submit(2, tag="in a backup")
    bench.engine.poll()
    bench.faults.add("row:overloaded:id=*-00002-*")
    bench.submit(3, tag="in the errors")
    poll_until_done(bench)
    bench.folder.jobs_mirror.unlink()
    _, done = rebuilt(bench)
    assert not [warning for warning in done.warnings if "The tag of" in warning]
    assert len(results(bench, "in a backup")) == 2
    assert len(results(bench, "in the errors")) == 3


def test_two_jobs_with_the_same_requests_get_their_own_tags(bench: Bench) -> None:
    for tag in ("one", "two"):
        bench.submit(2, tag=tag)
    poll_until_done(bench)
    bench.folder.jobs_mirror.unlink()
    shutil.rmtree(bench.folder.backups)
    _, done = rebuilt(bench)
    assert (done.submissions, done.collected, done.skipped) == (2, 2, 0)
    assert {bench.submit(2, tag=tag).repeated for tag in ("one", "two")} == {True}
    assert not bench.submit(2, tag="three").repeated
    assert bench.sandbox.billing_log().creates == 3


def test_a_synchronous_run_without_a_mirror_line_keeps_its_full_price(bench: Bench) -> None:
    bench.faults.add("create:429:times=1")
    bench.submit(2, on_failure=OnFailure.SYNC)
    bench.engine.poll()
    ledger = bench.engine.context.ledger
    cost = ledger.rows("SELECT sum(cost_nano) FROM attempts")[0][0]
    bench.folder.jobs_mirror.unlink()
    rebuilt(bench)
    (found,) = bench.engine.context.ledger.rows(
        "SELECT kind, sum(a.cost_nano) FROM batches b JOIN attempts a ON a.batch_id = b.id"
    )
    assert tuple(found) == ("sync", cost)


def test_a_synchronous_run_with_errors_alone_may_have_been_charged(bench: Bench) -> None:
    bench.faults.add("create:429:times=1")
    bench.faults.add("messages:garbage")
    bench.submit(2, on_failure=OnFailure.SYNC)
    bench.engine.poll()
    bench.folder.jobs_mirror.unlink()
    rebuilt(bench)
    assert [(found.kind, found.counts.errored) for found in batches(bench)] == [("sync", 2)]


def test_a_batch_with_errors_alone_is_a_batch(bench: Bench) -> None:
    bench.faults.add("row:overloaded:p=1")
    bench.submit(2)
    poll_until_done(bench)
    bench.folder.jobs_mirror.unlink()
    rebuilt(bench)
    assert [(found.kind, found.counts.errored) for found in batches(bench)] == [("batch", 2)]


@pytest.mark.parametrize("left", ["answers", "jsonl.part", "jsonl.zst"])
def test_results_in_every_form_are_used(bench: Bench, left: str) -> None:
    key = bench.submit(3).submission.key
    poll_until_done(bench)
    path = bench.folder.results / f"{key}.jsonl"
    if left == "jsonl.zst":
        archive.compress(path)
    else:
        path.rename(path.with_name(f"{key}.{left}"))
    bench.folder.jobs_mirror.unlink()
    _, done = rebuilt(bench)
    assert (done.collected, done.missing) == (1, 0)
    assert len(results(bench, key)) == 3
    assert sorted(path.name.removeprefix(key) for path in bench.folder.results.iterdir()) == (
        [".jsonl", ".jsonl.zst"] if left == "jsonl.zst" else [".jsonl"]
    )


def test_a_part_of_the_answers_leaves_the_others_missing(bench: Bench) -> None:
    key = bench.submit(3).submission.key
    poll_until_done(bench)
    path = bench.folder.results / f"{key}.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
    bench.folder.jobs_mirror.unlink()
    _, done = rebuilt(bench)
    assert (done.collected, done.missing) == (1, 1)
    assert requests(bench) == {RequestStatus.SUCCEEDED: 2, RequestStatus.MISSING: 1}


def test_files_that_cannot_be_used_are_named_and_kept(bench: Bench) -> None:
    lost, strange, open_one = (
        bench.submit(2, tag=tag).submission.key for tag in ("lost", "strange", "open")
    )
    poll_until_done(bench)
    folder: Folder = bench.folder
    (folder.spool / f"{lost}.jsonl").unlink()
    answer = (folder.results / f"{strange}.jsonl").read_bytes()
    (folder.results / f"{strange}.jsonl").write_bytes(answer.replace(b"feed-classify", b"other"))
    spool = folder.spool / f"{open_one}.jsonl"
    spool.write_bytes(spool.read_bytes() + b"{torn\n")
    (folder.spool / "tb_0123456789.jsonl").write_bytes(b"")
    folder.jobs_mirror.unlink()
    _, done = rebuilt(bench)
    said = "\n".join(done.warnings)
    assert f"batch-results/{lost}.jsonl is not in the ledger" in said
    assert (
        f"batch-results/{strange}.jsonl has no result for any request in spool/{strange}.jsonl"
        in said
    )
    assert f"spool/{open_one}.jsonl: 1 unreadable line (3)" in said
    assert "spool/tb_0123456789.jsonl was skipped" in said
    assert (folder.results / f"{lost}.jsonl").exists()


def test_an_open_batch_without_its_requests_is_named(bench: Bench) -> None:
    key = bench.submit(2).submission.key
    bench.engine.poll()
    (bench.folder.spool / f"{key}.jsonl").unlink()
    _, done = rebuilt(bench)
    assert f"Batch {key} (daily-feed) is open at the API" in done.warnings[0]
    assert "titan-console adopt msgbatch_" in done.warnings[0]


def test_a_rebuild_that_knows_the_second_batch_alone_can_send_a_third(bench: Bench) -> None:
    """The number of a new batch is one that no batch has."""
    bench.faults.add("create:500:times=2")
    key = bench.submit(2).submission.key
    for _ in range(4):
        bench.poll_after(400)
    mirror = bench.folder.jobs_mirror
    lines = [json.loads(line) for line in mirror.read_bytes().splitlines()]
    second = {**lines[0], "batch_id": f"{key}-2", "status": "unconfirmed", "remote_id": None}
    mirror.write_text(json.dumps({**second, "nonce": "abcd2345"}) + "\n")
    for path in bench.folder.results.glob("*"):
        path.unlink()
    rebuilt(bench)
    for _ in range(6):
        assert not bench.poll_after(900).error
    assert [batch.key for batch in batches(bench)][:2] == [f"{key}-2", f"{key}-3"]


def test_a_ledger_that_is_restored_again_may_lose_requests_again(bench: Bench) -> None:
    bench.submit(2)
    ledger = bench.engine.context.ledger
    names = [batch_planning.unused_key(ledger, "tb_x-lost", number) for number in (1, 2)]
    assert names == ["tb_x-lost", "tb_x-lost-2"]


def test_a_batch_whose_later_lines_are_lost_is_one_with_that_at_the_api(bench: Bench) -> None:
    bench.submit(4)
    poll_until_done(bench)
    mirror = bench.folder.jobs_mirror
    first, *later = mirror.read_bytes().splitlines(keepends=True)
    assert later
    assert b'"remote_id": null' in first
    mirror.write_bytes(first)
    rebuilt(bench)
    poll_until_done(bench)
    (batch,) = batches(bench)
    assert batch.remote_id is not None
    check_billing(bench)


def first_half(spool: Path) -> None:
    lines = spool.read_bytes().splitlines(keepends=True)
    spool.write_bytes(b"".join(lines[:2]))


def _torn_half(spool: Path) -> None:
    lines = spool.read_bytes().splitlines(keepends=True)
    spool.write_bytes(b"".join(lines[:2]) + lines[2][:20])


def _last_line(spool: Path) -> None:
    lines = spool.read_bytes().splitlines(keepends=True)
    spool.write_bytes(b"".join([b" " * (len(line) - 1) + b"\n" for line in lines[:3]] + lines[3:]))


@pytest.mark.parametrize("has_mirror", [True, False])
@pytest.mark.parametrize(("damage", "left"), [(first_half, 2), (_torn_half, 2), (_last_line, 1)])
def test_requests_that_were_sent_and_are_not_in_the_spool_are_named(
    bench: Bench, damage: Callable[[Path], None], left: int, has_mirror: bool
) -> None:
    key = bench.submit(4).submission.key
    poll_until_done(bench)
    damage(bench.folder.spool / f"{key}.jsonl")
    if not has_mirror:
        bench.folder.jobs_mirror.unlink()
    _, done = rebuilt(bench)
    said = "\n".join(done.warnings)
    assert f"spool/{key}.jsonl has {left} of the 4 requests of {key}. Restore that file" in said
    assert "charged a second time" in said
    assert "ubmit them again" not in said


def test_with_the_spool_restored_the_next_rebuild_finds_the_answers_again(bench: Bench) -> None:
    key = bench.submit(4).submission.key
    poll_until_done(bench)
    before = results(bench, key)
    spool = bench.folder.spool / f"{key}.jsonl"
    whole = spool.read_bytes()
    first_half(spool)
    bench.folder.jobs_mirror.unlink()
    rebuilt(bench)
    # The mirror has the batch with two requests then.
    poll_until_done(bench)
    spool.write_bytes(whole)
    _, done = rebuilt(bench)
    assert done.missing == 0
    assert results(bench, key) == before
    assert bench.sandbox.billing_log().creates == 1
