"""Files beside the ledger: on disk before the ledger points at them, whole or not there."""

import json
import os
import stat
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from support.error_codes import code_is
from support.ledgers.ledger_builders import (
    START,
    a_ledger,
    a_result,
    batch,
    remote,
    send,
    spooled,
    store_results,
    submit,
)

from core.clock import ManualClock
from state.batches import remote_status, sending
from state.batches.interrupted_results import finish_renames
from state.db.ledger import Ledger
from state.files import archive
from state.files.file_store import LOCAL_FILES
from state.files.folder import Folder, open_private
from state.files.results_file import ResultsFile
from state.files.spool import LineReader, SpoolWriter
from state.model.errors import FileMissing, LedgerUnusable
from state.model.records import BatchStatus, Outcome
from state.queries import mirrors

BODY = b'{"custom_id":"a","params":{"max_tokens":1}}'


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "titan")


@pytest.fixture
def ledger(folder: Folder, clock: ManualClock) -> Generator[Ledger, None, None]:
    with a_ledger(folder.root, clock=clock) as made:
        yield made


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


def written(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_a_spool_file_is_synced_then_named_and_private(tmp_path: Path) -> None:
    steps: list[tuple[str, list[str]]] = []

    def note(step: str) -> None:
        steps.append((step, sorted(path.name for path in (tmp_path / "spool").iterdir())))

    spool = SpoolWriter(tmp_path / "spool", "tb_1.jsonl", LOCAL_FILES, crash_point=note)
    assert (spool.write(b"one"), spool.write(b"two!")) == (0, 4)
    spool.finish()
    assert steps == [("spool:fsync", ["tb_1.jsonl.part"]), ("spool:rename", ["tb_1.jsonl.part"])]
    assert spool.path.read_bytes() == b"one\ntwo!\n"
    assert stat.S_IMODE(spool.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(spool.path.parent.stat().st_mode) == 0o700
    with LineReader(tmp_path / "spool", LOCAL_FILES) as lines:
        assert lines.read("tb_1.jsonl", 4, 4) == b"two!"


def test_a_discarded_spool_file_leaves_nothing(tmp_path: Path) -> None:
    for finish in (False, True):
        spool = SpoolWriter(tmp_path / "spool", "tb_1.jsonl", LOCAL_FILES)
        spool.write(b"one")
        if finish:
            spool.finish()
        spool.discard()
        assert list((tmp_path / "spool").iterdir()) == []


def test_a_spool_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("in the way")
    with pytest.raises(LedgerUnusable, check=code_is("spool_unwritable")):
        SpoolWriter(tmp_path / "spool", "tb_1.jsonl", LOCAL_FILES)


@pytest.mark.parametrize(
    ("name", "offset", "length", "code"),
    [
        ("none.jsonl", 0, 1, "file_missing"),
        ("a.jsonl", 0, 9, "file_truncated"),
        ("a.jsonl", 99, 1, "file_truncated"),
    ],
)
def test_a_body_at_another_offset_is_one_line(
    tmp_path: Path, name: str, offset: int, length: int, code: str
) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"abc\n")
    with (
        LineReader(tmp_path, LOCAL_FILES) as lines,
        pytest.raises(FileMissing, check=code_is(code)),
    ):
        lines.read(name, offset, length)


def a_try(folder: Path, own: str, line: bytes, *, committed: int) -> ResultsFile:
    results = ResultsFile(folder, "tb_1", LOCAL_FILES, committed_bytes=committed, own=own)
    assert results.write(line) == committed
    results.sync()
    return results


def test_what_a_killed_try_placed_behind_the_ledgers_length_is_dropped(tmp_path: Path) -> None:
    for own, line, committed in (("a", b"kept", 0), ("b", b"lost!", 5), ("c", b"more", 5)):
        results = a_try(tmp_path, own, line, committed=committed)
        results.replace_part()
        results.close()
    assert [path.name for path in tmp_path.iterdir()] == ["tb_1.jsonl.part"]
    assert (tmp_path / "tb_1.jsonl.part").read_bytes() == b"kept\nmore\n"


def test_two_tries_at_once_never_write_into_each_others_answers(tmp_path: Path) -> None:
    slow = a_try(tmp_path, "slow", b"slow", committed=0)
    quick = a_try(tmp_path, "quick", b"quick", committed=0)
    quick.replace_part()
    quick.finish(complete=True)
    quick.close()
    slow.close()
    assert [path.name for path in tmp_path.iterdir()] == ["tb_1.jsonl"]
    assert (tmp_path / "tb_1.jsonl").read_bytes() == b"quick\n"


@pytest.mark.parametrize("left", [None, b"", b"cut"])
def test_a_file_whose_committed_lines_are_lost_is_begun_again(
    tmp_path: Path, left: bytes | None
) -> None:
    if left is not None:
        (tmp_path / "tb_1.jsonl.part").write_bytes(left)
    begun = ResultsFile(tmp_path, "tb_1", LOCAL_FILES, committed_bytes=5, own="a")
    assert (begun.is_restarted, begun.offset) == (True, 0)
    begun.write(b"all")
    begun.sync()
    begun.replace_part()
    begun.finish(complete=True)
    begun.close()
    assert (tmp_path / "tb_1.jsonl").read_bytes() == b"all\n"


def collect(
    ledger: Ledger, outcome: Outcome = Outcome.SUCCEEDED, *, results_bytes: int = 0
) -> None:
    submit(ledger, [spooled("a"), spooled("b")])
    sent = send(ledger)
    remote_status.record_status(ledger, sent, remote(status=BatchStatus.ENDED))
    store_results(
        *(ledger, batch(ledger), a_result("a"), a_result("b", outcome)), results_bytes=results_bytes
    )


def test_a_whole_file_gets_its_name_although_a_kill_came_before(
    ledger: Ledger, folder: Folder
) -> None:
    collect(ledger)
    key = batch(ledger).key
    folder.results.mkdir()
    (folder.results / f"{key}.jsonl.part").write_bytes(b"whole\n")
    (folder.results / f"{key}.rejected.part").write_bytes(b"no result\n")
    (folder.results / "tb_other.jsonl.part").write_bytes(b"not yet\n")
    finish_renames(ledger, folder.results)
    assert sorted(path.name for path in folder.results.iterdir()) == sorted(
        [f"{key}.jsonl", f"{key}.rejected", "tb_other.jsonl.part"]
    )


@pytest.mark.parametrize("is_archived", [False, True])
def test_a_part_shorter_than_recorded_never_replaces_complete_results(
    ledger: Ledger, folder: Folder, *, is_archived: bool
) -> None:
    collect(ledger, results_bytes=12)
    results = folder.results / f"{batch(ledger).key}.jsonl"
    part = results.with_name(f"{results.name}.part")
    folder.results.mkdir()
    results.write_bytes(b"first\nlast.\n")
    if is_archived:
        archive.compress(results)
    part.write_bytes(b"first\n")
    finish_renames(ledger, folder.results)
    assert list(archive.lines(results)) == [b"first\n", b"last.\n"]
    assert not part.exists()


@pytest.mark.parametrize("there", [None, b"f"])
def test_a_short_part_is_kept_where_it_has_the_most_results(
    ledger: Ledger, folder: Folder, there: bytes | None
) -> None:
    collect(ledger, results_bytes=12)
    results = folder.results / f"{batch(ledger).key}.jsonl"
    folder.results.mkdir()
    if there is not None:
        results.write_bytes(there)
    results.with_name(f"{results.name}.part").write_bytes(b"first\n")
    finish_renames(ledger, folder.results)
    assert results.read_bytes() == b"first\n"


def test_nothing_is_kept_of_a_batch_that_was_not_sent(ledger: Ledger, folder: Folder) -> None:
    submit(ledger, [spooled("a")])
    key = batch(ledger).key
    folder.results.mkdir()
    left = [f"{key}.answers", f"{key}.jsonl.abc.try", f"{key}.jsonl.part", f"{key}.rejected.part"]
    for name in left:
        (folder.results / name).touch()
    finish_renames(ledger, folder.results)
    assert sorted(path.name for path in folder.results.iterdir()) == left
    sending.withdraw(ledger, batch(ledger), "not needed")
    finish_renames(ledger, folder.results)
    assert list(folder.results.iterdir()) == []


def spool_bodies(ledger: Ledger, folder: Folder) -> None:
    """Put a body where `made.submit` says that each lies."""
    folder.spool.mkdir(exist_ok=True)
    for (name,) in ledger.rows("SELECT DISTINCT spool_file FROM requests"):
        with open_private(folder.spool / name) as file:
            file.write(BODY.ljust(100))


def test_the_mirrors_say_what_other_programs_read(ledger: Ledger, folder: Folder) -> None:
    collect(ledger, Outcome.EXPIRED)
    spool_bodies(ledger, folder)
    mirrors.update(ledger, folder)
    key = batch(ledger).key
    (job,) = written(folder.root / "batch-jobs.jsonl")
    assert job == {
        "batch_id": key,
        "tag": "daily-feed",
        "submitted_ts": "2026-11-22T06:00:00.000Z",
        "request_count": 2,
        "status": "ended",
        "results_url": "/v1/messages/batches/msgbatch_1/results",
        "completed_ts": "2026-11-22T07:00:00.000Z",
        "remote_id": "msgbatch_1",
        "workflow": "feed-classify",
        "kind": "batch",
        "lane": "anthropic",
        "collection": "collected",
        "results_file": f"batch-results/{key}.jsonl",
        "error": None,
        "nonce": batch(ledger).nonce,
        "account": batch(ledger).account,
        "requests": [[0, 0]],
        "edits": [],
        "betas": "",
        "fallback_imports": [],
        "possible_duplicate_charges": 0,
    }
    assert written(folder.root / "batch-errors.jsonl") == [
        {
            "ts": "2026-11-22T06:00:00.000Z",
            "batch_id": key,
            "tag": "daily-feed",
            "custom_id": "b",
            "outcome": "expired",
            "error_type": None,
            "error_message": None,
            "params": {"max_tokens": 1},
        }
    ]
    assert written(folder.root / "batch-cost-log.jsonl") == [
        {
            "ts": "2026-11-22T06:00:00.000Z",
            "tag": "daily-feed",
            "input_tokens": 10,
            "output_tokens": 5,
            "model": "claude-sonnet-4-6",
            "web_searches": 0,
            "batch_savings_usd": 5e-08,
            "cost_usd": 5e-08,
            "fee_usd": 0.0,
            "unpriced": 0,
        }
    ]
    for path in (folder.jobs_mirror, folder.errors_mirror, folder.cost_mirror):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def extend(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b'{"half": "a li')


def empty(path: Path) -> None:
    os.truncate(path, 0)


def delete(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("damage", [cut, extend, empty, delete])
def test_a_mirror_that_was_damaged_is_whole_again_after_the_next_event(
    ledger: Ledger, folder: Folder, damage: Callable[[Path], None]
) -> None:
    collect(ledger, Outcome.EXPIRED)
    spool_bodies(ledger, folder)
    mirrors.update(ledger, folder)
    paths = (folder.jobs_mirror, folder.errors_mirror, folder.cost_mirror)
    before = [path.read_bytes() for path in paths]
    for path in paths:
        damage(path)
    with ledger.transaction("x") as now:
        ledger.event(now, "something")
    mirrors.update(ledger, folder)
    assert [path.read_bytes() for path in paths] == before


def test_a_mirror_is_not_touched_while_there_is_no_news(ledger: Ledger, folder: Folder) -> None:
    collect(ledger)
    mirrors.update(ledger, folder)
    os.utime(folder.jobs_mirror, (1, 1))
    revision = ledger.rows("SELECT value FROM revision")[0][0]
    mirrors.update(ledger, folder)
    assert folder.jobs_mirror.stat().st_mtime == 1
    assert ledger.rows("SELECT value FROM revision")[0][0] == revision


def test_each_change_of_a_batch_is_one_line_in_order(ledger: Ledger, folder: Folder) -> None:
    submit(ledger, [spooled("a")])
    mirrors.update(ledger, folder)
    send(ledger)
    mirrors.update(ledger, folder)
    assert [line["status"] for line in written(folder.jobs_mirror)] == ["queued", "in_progress"]
