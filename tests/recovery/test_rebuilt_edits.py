"""Edited replays after a rebuild or a restore: what counted before counts again."""

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support.builders import Bench, a_bench
from support.ledgers.rebuilt_ledger import rebuilt, restored
from support.lifecycle import batches, check_billing, poll_until_done, results

from core.commands import planner
from core.commands.planner import CommandRequest
from state.batches import orphans
from state.batches.orphans import OrphanVerdict
from state.db import ledger_copy
from state.operations.commands import Action
from state.operations.selection import Filter
from titan_console.sandbox.model.timing import Plan


def replay(bench: Bench, *names: str, **changes: object) -> None:
    """Give the command for a replay with these parameters."""
    asked = CommandRequest(
        action=Action.REPLAY, wanted=Filter(names=names), force=True, changes=changes
    )
    context = bench.engine.context
    planner.submit(context, planner.plan(context, asked), delay=timedelta())


def figures_of(bench: Bench) -> list[tuple[Any, ...]]:
    """Of each request: its status, its body, and each attempt with cost and duplicates."""
    return sorted(
        bench.engine.context.ledger.tuples(
            "SELECT r.custom_id, r.status, b.key = s.key, a.outcome, a.cost_nano, a.duplicate,"
            " a.batch_id = r.settled_by, coalesce(e.body_sha256, r.body_sha256),"
            " coalesce(n.body_sha256, r.body_sha256) FROM requests r"
            " JOIN submissions s ON s.id = r.submission_id"
            " JOIN attempts a ON a.request_id = r.id JOIN batches b ON b.id = a.batch_id"
            " LEFT JOIN edits e ON e.id = a.edit_id LEFT JOIN edits n ON n.id = r.edit_id"
        ),
        key=repr,
    )


def _kept(bench: Bench, key: str, *, lost: str = "", backup: Path | None = None) -> None:
    """A rebuild or restore changes neither results nor figures, and sends nothing.

    `lost` matches the results files that are not there any more.
    """
    poll_until_done(bench)
    answers, figures = results(bench, key), figures_of(bench)
    creates = bench.sandbox.billing_log().creates
    for path in bench.folder.results.glob(lost) if lost else ():
        path.unlink()
    _, done = restored(bench, backup) if backup else rebuilt(bench)
    assert done.warnings == []
    poll_until_done(bench)
    assert (results(bench, key), figures_of(bench)) == (answers, figures)
    assert bench.sandbox.billing_log().creates == creates
    check_billing(bench)


def test_the_answer_of_an_edited_replay_counts_after_a_rebuild(bench: Bench) -> None:
    key = bench.submit(3).submission.key
    poll_until_done(bench)
    before = results(bench, key)
    replay(bench, key, max_tokens=9)
    poll_until_done(bench)
    assert results(bench, key) != before
    _kept(bench, key)


def test_so_does_that_of_the_last_of_several_edits_of_some_requests(bench: Bench) -> None:
    key = bench.submit(3).submission.key
    poll_until_done(bench)
    replay(bench, key, max_tokens=9)
    poll_until_done(bench)
    custom_id = results(bench, key)[1]["custom_id"]
    replay(bench, custom_id, max_tokens=11)
    _kept(bench, key)
    _kept(bench, key)


def test_each_submission_gets_its_own_body_of_a_replay_of_several(bench: Bench) -> None:
    """They have the same custom_ids, and one file has the edited bodies of both."""
    key = bench.submit(2, tag="one").submission.key
    bench.submit(2, tag="two", model="claude-haiku-4-5")
    poll_until_done(bench)
    replay(bench, "one", "two", max_tokens=9)
    poll_until_done(bench)
    assert len(list(bench.folder.spool.glob("edit_*.jsonl"))) == 1
    _kept(bench, key)


def test_the_earlier_answer_counts_where_the_edited_replay_failed(bench: Bench) -> None:
    key = bench.submit(2).submission.key
    poll_until_done(bench)
    bench.faults.add("row:api-error:times=2")
    replay(bench, key, max_tokens=9)
    _kept(bench, key)


def test_a_replay_without_edits_keeps_the_edited_body(bench: Bench) -> None:
    bench.faults.add("row:api-error:times=4")
    key = bench.submit(2).submission.key
    poll_until_done(bench)
    replay(bench, key, max_tokens=9)
    poll_until_done(bench)
    replay(bench, key)
    _kept(bench, key)


def test_an_edited_replay_that_is_at_the_api_is_collected_once(tmp_path: Path) -> None:
    with a_bench(tmp_path, plan=Plan.manual()) as bench:
        key = bench.submit(2).submission.key
        _end_all(bench)
        replay(bench, key, max_tokens=9)
        bench.poll_after(900)
        rebuilt(bench)
        _end_all(bench)
        poll_until_done(bench)
        assert {row[1:3] + row[6:7] for row in figures_of(bench)} == {
            ("succeeded", 1, 0),
            ("succeeded", 0, 1),
        }
        assert bench.sandbox.billing_log().creates == len(batches(bench)) == 2
        check_billing(bench)


def _end_all(bench: Bench) -> None:
    bench.poll_after(900)
    for batch in batches(bench):
        if batch.remote_id and batch.ended_ts is None:
            bench.sandbox.end(batch.remote_id)
    bench.poll_after(900)


def test_a_restored_backup_gets_the_edits_that_are_newer(bench: Bench) -> None:
    key = bench.submit(2).submission.key
    poll_until_done(bench)
    replay(bench, key, max_tokens=9)
    poll_until_done(bench)
    backup = bench.folder.root / "backup.db"
    assert ledger_copy.copy(bench.engine.context.ledger, backup) is None
    custom_id = results(bench, key)[0]["custom_id"]
    replay(bench, custom_id, max_tokens=11)
    poll_until_done(bench)
    answers, figures = results(bench, key), figures_of(bench)
    _, done = restored(bench, backup)
    assert done.warnings == []
    poll_until_done(bench)
    assert (results(bench, key), figures_of(bench)) == (answers, figures)


@pytest.mark.parametrize(
    "line",
    [b"", b'"edits": null', b'"edits": [["../x", 0, 9], ["edit_0.jsonl", 0, 9]]', b'"edits": [7]'],
)
def test_edits_that_no_line_names_are_lost_and_named(bench: Bench, line: bytes) -> None:
    """The earlier answer counts again, and the later one is a duplicate charge."""
    key = bench.submit(2).submission.key
    poll_until_done(bench)
    before = results(bench, key)
    replay(bench, key, max_tokens=9)
    poll_until_done(bench)
    (edits,) = (path.name for path in bench.folder.spool.glob("edit_*.jsonl"))
    mirror, named = bench.folder.jobs_mirror, rb', "edits": \[\["%b", \d+, \d+\]\]' % edits.encode()
    content, count = re.subn(named, b", " + line if line else b"", mirror.read_bytes())
    assert count
    mirror.write_bytes(content)
    _, done = rebuilt(bench)
    assert results(bench, key) == before
    assert f"spool/{edits}" in done.warnings[-1]
    assert "duplicate charge" in done.warnings[-1]


def _missing(path: Path) -> None:
    path.unlink()


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _without_its_end(path: Path) -> None:
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])


def _damaged_within(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"{", b"\0", 1))


@pytest.mark.parametrize("damage", [_missing, _empty, _without_its_end, _damaged_within])
def test_so_are_edits_whose_file_is_incomplete(
    bench: Bench, damage: Callable[[Path], None]
) -> None:
    key = bench.submit(3).submission.key
    poll_until_done(bench)
    replay(bench, key, max_tokens=9)
    poll_until_done(bench)
    (edits,) = bench.folder.spool.glob("edit_*.jsonl")
    damage(edits)
    _, done = rebuilt(bench)
    (warning,) = done.warnings
    assert warning.startswith(f"The edits of 1 replay are lost (spool/{edits.name})")


@pytest.mark.parametrize("is_restored", [False, True])
@pytest.mark.parametrize("lost", ["-2", "-3", "-?"])
def test_results_that_are_downloaded_again_change_nothing(
    bench: Bench, lost: str, *, is_restored: bool
) -> None:
    """The newest body counts, whichever answer comes last, and each body was meant to be paid."""
    key = bench.submit(3).submission.key
    poll_until_done(bench)
    backup = bench.folder.root / "backup.db"
    assert ledger_copy.copy(bench.engine.context.ledger, backup) is None
    for max_tokens in (9, 11):
        replay(bench, key, max_tokens=max_tokens)
        poll_until_done(bench)
    _kept(bench, key, lost=f"{key}{lost}.jsonl", backup=backup if is_restored else None)


def test_nor_do_all_of_them(bench: Bench) -> None:
    key = bench.submit(3).submission.key
    poll_until_done(bench)
    replay(bench, key, max_tokens=9)
    _kept(bench, key, lost="*.jsonl")


def test_nor_do_answers_that_are_collected_again_beside_an_edited_replay(bench: Bench) -> None:
    bench.faults.add("results:cut:times=1")
    key = bench.submit(6).submission.key
    bench.poll_after(900)
    replay(bench, key, max_tokens=9)
    poll_until_done(bench)
    assert not any(row[5] for row in figures_of(bench))
    _kept(bench, key)


def test_a_duplicate_of_an_edited_replay_that_is_rebuilt_first_settles_its_requests(
    bench: Bench,
) -> None:
    key = bench.submit(2).submission.key
    poll_until_done(bench)
    bench.faults.add("create:drop:times=1")
    replay(bench, key, max_tokens=9)
    bench.poll_after(60)
    bench.engine.poll()
    ledger = bench.engine.context.ledger
    (candidate,) = orphans.with_verdict(ledger, OrphanVerdict.CANDIDATE)
    bench.sandbox.vanish(candidate.remote_id, seconds=12 * 3600)
    orphans.record_failure(ledger, candidate, -19)
    poll_until_done(bench, polls=60)
    bench.poll_after(12 * 3600)
    poll_until_done(bench)
    assert any(batch.duplicate_of for batch in batches(bench))
    # As if the duplicate had been found before the next batch was planned.
    mirror = bench.folder.jobs_mirror
    lines = mirror.read_bytes().splitlines(keepends=True)
    reordered = sorted(lines, key=lambda line: b'-3"' in line)
    mirror.write_bytes(b"".join(reordered))
    rebuilt(bench)
    poll_until_done(bench)
    assert {row[1] for row in figures_of(bench)} == {"succeeded"}
    assert all(result["outcome"] == "succeeded" for result in results(bench, key))
    check_billing(bench)
