"""What a rebuild makes of a submission whose process was killed: sent once, never lost."""

import json
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from support.builders import Bench, some_requests
from support.ledgers.killed_submit import killed_at, use
from support.ledgers.rebuilt_ledger import discarded, rebuilt, restored
from support.lifecycle import batches, check_billing, poll_until_done, requests, results

from core.intake import fallback_files
from core.intake.options import SubmitOptions
from state.batches import possible_duplicate_charges
from state.files import fallback_file
from state.files.fallback_file import FallbackFile
from state.model.errors import LedgerError
from state.model.records import BatchKind, OnFailure, RequestStatus
from state.model.timestamps import to_text
from state.queries import batch_list, mirrors
from state.recovery import backups


@pytest.fixture
def used(bench: Bench) -> Bench:
    return use(bench)


@pytest.mark.parametrize("point", ["accepted:begin", "accepted:done"])
def test_a_batch_that_a_killed_submit_created_is_found_by_its_nonce(
    used: Bench, point: str
) -> None:
    killed_at(used, point, lambda: used.submit(3))
    _, done = rebuilt(used)
    assert (done.open, done.missing, done.queued) == (1, 0, 0)
    poll_until_done(used)
    assert used.submit(3).repeated
    assert [found["outcome"] for found in results(used, "daily-feed")] == ["succeeded"] * 3
    assert used.sandbox.billing_log().creates == 2
    check_billing(used)


@pytest.mark.parametrize("days", [1, 20])
def test_the_batch_of_a_submit_whose_clock_was_ahead_is_found_too(used: Bench, days: int) -> None:
    killed_at(used, "accepted:begin", lambda: used.submit(3))
    mirror = used.folder.jobs_mirror
    now, ahead = (to_text(used.clock.now() + by) for by in (timedelta(), timedelta(days=days)))
    mirror.write_text(mirror.read_text("utf-8").replace(now, ahead), "utf-8")
    rebuilt(used)
    poll_until_done(used)
    assert used.sandbox.billing_log().creates == 2
    check_billing(used)


@pytest.mark.parametrize("days", [1, 20])
def test_what_was_queued_in_a_backup_by_a_clock_that_was_ahead_is_found(
    used: Bench, days: int
) -> None:
    killed_at(used, "submit:done", lambda: used.submit(3))
    ahead = to_text(used.clock.now() + timedelta(days=days))
    used.engine.context.ledger.execute(
        "UPDATE batches SET created_ts = ? WHERE status = 'queued'", ahead
    )
    backup = used.folder.root / "backup.db"
    backups.write(used.engine.context.ledger, backup)
    used.engine.poll()
    used.folder.jobs_mirror.unlink()
    restored(used, backup)
    poll_until_done(used)
    assert used.sandbox.billing_log().creates == 2
    check_billing(used)


@pytest.mark.parametrize("point", ["spool:rename", "submit:begin", "submit:done"])
def test_a_submission_that_was_not_sent_is_sent_once(used: Bench, point: str) -> None:
    killed_at(used, point, lambda: used.submit(3))
    _, done = rebuilt(used)
    assert (done.queued, done.missing) == (3 if point != "spool:rename" else 0, 0)
    assert used.submit(3).repeated == (point != "spool:rename")
    poll_until_done(used)
    assert requests(used) == {RequestStatus.SUCCEEDED: 4}
    assert used.sandbox.billing_log().creates == 2


@pytest.mark.parametrize("point", ["submit:begin", "submit:done"])
@pytest.mark.parametrize("asked", ["aws", "anthropic"])
def test_a_submission_that_was_not_sent_keeps_the_lane_of_its_call(
    used: Bench, point: str, asked: str
) -> None:
    """Its job has the other lane, and no line of the mirror names one."""
    other = "anthropic" if asked == "aws" else "aws"
    (used.folder.root / "titan.toml").write_text(
        "[lanes.aws]\nkind = 'aws'\n[workloads.w]\n[jobs.feed-classify]\nworkload = 'w'\n"
        f"schedule = 'daily'\nlane = '{other}'\n"
    )
    killed_at(used, point, lambda: used.submit(3, lane=asked))
    engine, done = rebuilt(used)
    assert (done.queued, done.missing) == (3, 0)
    assert not any("cannot be read" in warning for warning in done.warnings)
    rows = engine.context.ledger.rows("SELECT lane FROM submissions ORDER BY id")
    assert [row[0] for row in rows] == ["anthropic", asked]


def test_what_a_killed_submit_left_is_no_second_submission(used: Bench) -> None:
    killed_at(used, "submit:begin", lambda: used.submit(3))
    key = used.submit(3).submission.key
    _, done = rebuilt(used)
    (warning,) = done.warnings
    assert f"{key} has the same requests" in warning
    assert (done.submissions, done.skipped, done.missing, done.queued) == (2, 1, 0, 0)
    # Had two ledgers been lost, the job could have both keys.
    (left,) = [
        path.stem
        for path in used.folder.spool.glob("*.jsonl")
        if path.stem in warning and path.stem != key
    ]
    assert [found.key for found in batch_list.find(used.engine.context.ledger, left)[0]] == [key]
    poll_until_done(used)
    assert used.sandbox.billing_log().creates == 2


def test_without_a_complete_mirror_it_may_have_run(used: Bench) -> None:
    killed_at(used, "submit:done", lambda: used.submit(3))
    with used.folder.jobs_mirror.open("ab") as mirror:
        mirror.write(b"{torn\n")
    _, done = rebuilt(used)
    assert (done.queued, done.missing) == (0, 3)
    poll_until_done(used)
    assert used.sandbox.billing_log().creates == 1


@contextmanager
def _unwritable(path: Path) -> Generator[None]:
    """With a folder in its place."""
    aside = path.with_suffix(".aside")
    if path.exists():
        path.rename(aside)
    path.mkdir()
    yield
    path.rmdir()
    if aside.exists():
        aside.rename(path)


def test_what_was_sent_while_the_mirror_could_not_be_written_is_not_sent_again(
    used: Bench,
) -> None:
    with _unwritable(used.folder.jobs_mirror):
        used.submit(3)
    assert used.sandbox.billing_log().creates == 2
    _, done = rebuilt(used)
    assert (done.queued, done.missing) == (0, 3)
    assert done.warnings[0].startswith("batch-jobs.jsonl could not be written for a while")
    poll_until_done(used)
    assert used.sandbox.billing_log().creates == 2
    assert not used.folder.incomplete_mirror.exists()


def test_the_mirror_is_complete_again_once_it_is_written(used: Bench) -> None:
    with _unwritable(used.folder.jobs_mirror):
        used.submit(3)
    assert used.folder.incomplete_mirror.exists()
    poll_until_done(used)
    assert not used.folder.incomplete_mirror.exists()
    _, done = rebuilt(used)
    assert (done.missing, done.warnings) == (0, [])
    check_billing(used)


def test_nothing_is_sent_where_no_file_can_tell_a_rebuild(used: Bench) -> None:
    folder = used.folder
    with _unwritable(folder.jobs_mirror), _unwritable(folder.incomplete_mirror):
        assert "Nothing is sent without that file" in (used.submit(3).problem or "")
        used.engine.poll()
        assert used.sandbox.billing_log().creates == 1
    poll_until_done(used)
    assert used.sandbox.billing_log().creates == 2
    check_billing(used)


def test_a_batch_whose_requests_all_returned_to_the_queue_stays_with_its_submission(
    used: Bench,
) -> None:
    used.submit(2)
    ledger = used.engine.context.ledger
    ledger.execute("UPDATE batches SET requeue_canceled = 1 WHERE status = 'in_progress'")
    book = used.sandbox.billing_log().batches[-1]
    used.sandbox.end(book.batch_id, dict.fromkeys(book.custom_ids, "canceled"))
    used.poll_after(60)
    emptied = next(found for found in batches(used) if found.remote_id == book.batch_id)
    _, shown = batch_list.find(ledger, "daily-feed")
    assert emptied.key in [found.key for found in shown]
    backup = used.folder.root / "backup.db"
    backups.write(used.engine.context.ledger, backup)
    restored(used, backup)
    poll_until_done(used)
    assert [found["outcome"] for found in results(used, "daily-feed")] == ["succeeded"] * 2
    check_billing(used)


def _possible_duplicates(bench: Bench) -> list[int]:
    rows = bench.engine.context.ledger.rows(
        "SELECT json_extract(detail, '$.requests') FROM events"
        " WHERE kind LIKE '%.possible_duplicate_charge'"
    )
    return [row[0] for row in rows]


def emptied(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("lost", [Path.unlink, emptied])
def test_a_synchronous_run_that_was_killed_is_a_possible_duplicate_charge(
    used: Bench, lost: Callable[[Path], object]
) -> None:
    used.faults.add("create:429:times=1")
    killed_at(used, "sync_end:begin", lambda: used.submit(2, on_failure=OnFailure.SYNC))
    for path in used.folder.results.glob("*.answers"):
        lost(path)
    rebuilt(used)
    used.engine.poll()
    assert _possible_duplicates(used) == [2]
    # The next rebuild knows it too, and of which batch.
    rebuilt(used)
    assert _possible_duplicates(used) == [2]
    (run,) = (batch for batch in batches(used) if batch.kind == BatchKind.SYNC)
    assert possible_duplicate_charges.count_of(used.engine.context.ledger, run.id) == 2
    assert used.engine.context.ledger.rows(
        "SELECT 1 FROM events WHERE kind = 'batch.possible_duplicate_charge'"
    )


def test_the_answers_of_a_synchronous_run_that_was_killed_are_kept(used: Bench) -> None:
    used.faults.add("create:429:times=1")
    killed_at(used, "sync_end:begin", lambda: used.submit(2, on_failure=OnFailure.SYNC))
    rebuilt(used)
    used.engine.poll()
    assert [found["outcome"] for found in results(used, "daily-feed")] == ["succeeded"] * 2
    assert _possible_duplicates(used) == []


def test_answers_that_a_discarded_restore_has_collected_are_collected(used: Bench) -> None:
    backup = used.folder.root / "backup.db"
    backups.write(used.engine.context.ledger, backup)
    used.faults.add("create:429:times=1")
    killed_at(used, "sync_end:done", lambda: used.submit(2, on_failure=OnFailure.SYNC))
    mirrors.update_jobs(used.engine.context.ledger, used.folder)
    discarded(used, backup)
    assert not list(used.folder.results.glob("*.answers"))
    used.engine.poll()
    assert [found["outcome"] for found in results(used, "daily-feed")] == ["succeeded"] * 2
    check_billing(used)


def test_a_synchronous_run_without_an_answer_has_no_results_for_a_restore(used: Bench) -> None:
    used.faults.add("create:429:times=1")
    killed_at(used, "sync_end:begin", lambda: used.submit(2, on_failure=OnFailure.SYNC))
    (answers,) = used.folder.results.glob("*.answers")
    backup, content = used.folder.root / "backup.db", answers.read_bytes()
    backups.write(used.engine.context.ledger, backup)
    answers.write_bytes(b"")
    used.engine.poll()
    answers.write_bytes(content[:9])
    restored(used, backup)
    poll_until_done(used)
    assert [batch.status for batch in batches(used) if batch.kind == "sync"] == ["not_sent"]
    assert [found["outcome"] for found in results(used, "daily-feed")] == ["succeeded"] * 2
    assert {path.suffix for path in used.folder.results.glob("tb_*")} == {".jsonl"}


def test_a_batch_without_a_mirror_line_of_its_id_is_no_duplicate(used: Bench) -> None:
    """A poll is killed between the results on disk and the end, where mirrors are written."""
    used.faults.add("create:drop:times=1")
    used.submit(2)
    for _ in range(8):
        used.clock.advance(400)
        lines = used.folder.jobs_mirror.read_bytes()
        used.engine.poll()
        if len(list(used.folder.results.glob("*.jsonl"))) == 2:
            break
    else:
        pytest.fail("the batch was not collected")
    assert lines.count(b"\n") < used.folder.jobs_mirror.read_bytes().count(b"\n")
    rebuilt(used)
    poll_until_done(used)
    check_billing(used)


def test_a_nonce_of_a_batch_that_did_not_reach_the_api_survives(used: Bench) -> None:
    used.faults.add("create:late:seconds=30000:times=1")
    used.submit(2)
    for _ in range(8):
        used.poll_after(900)
    rebuilt(used)
    for _ in range(20):
        used.poll_after(4000)
    (shown,) = used.engine.context.ledger.rows("SELECT sum(duplicate) FROM attempts")[0]
    assert shown == 2
    check_billing(used)


def _killed_import(
    bench: Bench,
    point: str,
    *,
    count: int = 3,
    on_failure: OnFailure | None = OnFailure.SYNC,
    is_interrupted: bool = False,
) -> FallbackFile:
    """A poll is killed that imports a fallback file, whose answers it has if they ran.

    `is_interrupted`: an earlier process died while it ran them.
    """
    file = _fallback_file(bench, count=count, on_failure=on_failure, is_interrupted=is_interrupted)
    killed_at(bench, point, bench.engine.poll)
    return file


def _fallback_file(
    bench: Bench,
    *,
    count: int = 3,
    on_failure: OnFailure | None = OnFailure.SYNC,
    is_interrupted: bool = False,
) -> FallbackFile:
    file = fallback_files.save(
        bench.folder,
        some_requests(count),
        SubmitOptions(tag="daily-feed", on_failure=on_failure),
        clock=bench.clock,
        actor="job",
        error=LedgerError("The ledger is locked."),
    )
    if is_interrupted:
        with file.path.open("ab") as opened:
            opened.write(b'{"asking": true}\n')
    if on_failure == OnFailure.SYNC:
        problem = fallback_files.run_sync(bench.folder, file, bench.api(), bench.clock)
        assert (problem is None) != is_interrupted
    return file


def test_the_key_of_a_fallback_file_survives(used: Bench) -> None:
    key = used.submit(2).submission.key
    file = _killed_import(used, "fallback:remove", count=2, on_failure=None)
    file.path.unlink()
    rebuilt(used)
    rows = used.engine.context.ledger.rows(
        "SELECT s.key FROM fallback_imports f JOIN submissions s ON s.id = f.submission_id"
        " WHERE f.key = ?",
        file.key,
    )
    assert [row[0] for row in rows] == [key]


@pytest.mark.parametrize("point", ["spool:rename", "submit:commit", "submit:done", "mirror:begin"])
@pytest.mark.parametrize("has_mirror", [True, False])
def test_answers_of_a_fallback_file_whose_import_was_killed_count_once(
    used: Bench, point: str, *, has_mirror: bool
) -> None:
    _killed_import(used, point)
    if not has_mirror:
        used.folder.jobs_mirror.unlink()
    rebuilt(used)
    poll_until_done(used)
    used.submit(3)
    assert [found["outcome"] for found in results(used, "daily-feed")] == ["succeeded"] * 3
    (known,) = used.engine.context.ledger.rows(
        "SELECT count(*), sum(a.duplicate) FROM attempts a"
        " JOIN batches b ON b.id = a.batch_id WHERE b.kind = 'sync'"
    )
    assert tuple(known) == (3, 0)
    assert not fallback_file.pending(used.folder)


@pytest.mark.parametrize("point", ["spool:rename", "submit:commit", "submit:done", "mirror:begin"])
@pytest.mark.parametrize("has_mirror", [True, False])
def test_calls_that_a_fallback_file_warned_of_are_warned_of_after_a_rebuild(
    used: Bench, point: str, *, has_mirror: bool
) -> None:
    _killed_import(used, point, is_interrupted=True)
    if not has_mirror:
        used.folder.jobs_mirror.unlink()
    for _ in range(2):
        rebuilt(used)
        poll_until_done(used)
    assert not fallback_file.pending(used.folder)
    assert sum(_possible_duplicates(used)) == 3


def test_so_are_those_of_a_submission_whose_batches_are_lost(used: Bench) -> None:
    used.faults.add("create:connect:times=1")
    used.submit(3)
    used.folder.jobs_mirror.unlink()
    rebuilt(used)
    assert requests(used)[RequestStatus.MISSING] == 3
    _fallback_file(used, on_failure=None, is_interrupted=True)
    poll_until_done(used)
    assert _possible_duplicates(used) == [3]
    for _ in range(2):
        rebuilt(used)
        poll_until_done(used)
    assert _possible_duplicates(used) == [3]


def test_a_fallback_file_whose_header_is_damaged_stops_no_rebuild_and_is_named(
    used: Bench,
) -> None:
    file = _killed_import(used, "submit:done", is_interrupted=True)
    lines = file.path.read_bytes().splitlines(keepends=True)
    file.path.write_bytes(b"".join([b"damaged\n", *lines[1:]]))
    used.folder.jobs_mirror.unlink()
    _, done = rebuilt(used)
    assert any(
        str(file.path) in line and "interrupted runs may have been paid for" in line
        for line in done.warnings
    )


@pytest.mark.parametrize("point", ["spool:rename", "submit:commit"])
@pytest.mark.parametrize("is_backup", [True, False])
def test_what_a_killed_import_left_is_no_submission_beside_the_one_that_got_the_file(
    used: Bench, point: str, *, is_backup: bool
) -> None:
    backup = used.folder.root / "backup.db"
    backups.write(used.engine.context.ledger, backup)
    _killed_import(used, point)
    key = used.submit(3).submission.key
    poll_until_done(used)
    assert not fallback_file.pending(used.folder)
    if is_backup:
        restored(used, backup)
    else:
        rebuilt(used)
    poll_until_done(used)
    rows = used.engine.context.ledger.rows(
        "SELECT s.key, count(a.cost_nano) FROM submissions s JOIN batches b"
        " ON b.submission_id = s.id JOIN attempts a ON a.batch_id = b.id WHERE b.kind = 'sync'"
        " GROUP BY s.id"
    )
    assert [tuple(row) for row in rows] == [(key, 3)]
    submissions = used.engine.context.ledger.rows("SELECT count(*) FROM submissions")
    assert submissions[0][0] == 2


def test_the_cost_log_has_the_tag_that_a_job_named_again(used: Bench) -> None:
    used.submit(2)
    poll_until_done(used)
    used.folder.jobs_mirror.unlink()
    for path in used.folder.backups.iterdir():
        path.unlink()
    rebuilt(used)
    used.engine.poll()
    assert used.submit(2).repeated
    used.engine.poll()
    expected = list(mirrors.cost_lines(used.engine.context.ledger))
    lines = used.folder.cost_mirror.read_text("utf-8").splitlines()
    assert [json.loads(line) for line in lines] == expected
    assert "daily-feed" in {line["tag"] for line in expected}


def test_results_that_cannot_be_read_leave_no_empty_copy_that_counts_as_results(
    used: Bench,
) -> None:
    """A restore was refused, and a rebuild took its empty copy for the results of the batch."""
    key = used.submit(2).submission.key
    backup = used.folder.root / "backup.db"
    backups.write(used.engine.context.ledger, backup)
    file = used.folder.results / f"{key}.jsonl"
    file.mkdir()
    with pytest.raises(IsADirectoryError):
        restored(used, backup)
    file.rmdir()
    assert not list(used.folder.results.glob(f"{key}*"))
    _, done = rebuilt(used)
    assert done.open == 1
    assert batches(used)[-1].status == "in_progress"
    poll_until_done(used)
    assert [found["outcome"] for found in results(used, key)] == ["succeeded"] * 2
    check_billing(used)
