"""Ledgers that came of one backup: their batches, keys and files stay apart, and none is lost."""

import json
from contextlib import closing
from pathlib import Path

import pytest
from support.builders import Bench
from support.ledgers.killed_submit import killed_at, use
from support.ledgers.rebuilt_ledger import discarded, rebuilt, restored
from support.lifecycle import QUARTER, batches, check_billing, poll_until_done, results

from state.batches import orphans
from state.batches.orphans import OrphanVerdict
from state.db.connection import sqlite3
from state.files.answers_file import answers_file
from state.queries import mirrors
from state.recovery import backups


@pytest.fixture
def used(bench: Bench) -> Bench:
    return use(bench)


@pytest.mark.parametrize("is_restore", [False, True])
def test_a_batch_that_has_two_keys_in_the_mirror_is_one_batch(
    used: Bench, *, is_restore: bool
) -> None:
    """Two ledgers, of which one was lost, gave it a key each."""
    backup = used.folder.root / "backup.db"
    backups.write(used.engine.context.ledger, backup)
    key = used.submit(2).submission.key
    mirrors.update(used.engine.context.ledger, used.folder)
    if is_restore:
        backups.write(used.engine.context.ledger, backup)
    with used.folder.jobs_mirror.open("ab") as mirror:
        (*_, last) = used.folder.jobs_mirror.read_bytes().splitlines()
        mirror.write(last.replace(f'"{key}"'.encode(), f'"{key}-2"'.encode()) + b"\n")
    _, done = restored(used, backup) if is_restore else rebuilt(used)
    assert done.missing == 0
    poll_until_done(used)
    assert len([found for found in batches(used) if found.remote_id]) == 2
    check_billing(used)


def test_results_in_another_order_are_those_of_their_requests(used: Bench) -> None:
    """The backup has a part of them; a rebuild downloaded all, in the order of the API."""
    used.submit(4)
    used.faults.add("results:missing:times=1")
    used.poll_after(60)
    backup = used.folder.root / "backup.db"
    backups.write(used.engine.context.ledger, backup)
    poll_until_done(used)
    before = answers(used)
    (complete,) = [path for path in used.folder.results.glob("*.jsonl") if len(lines_of(path)) == 4]
    complete.write_bytes(b"".join(lines_of(complete)[::-1]))
    rebuilt(used)
    assert answers(used) == before
    discarded(used, backup)
    assert answers(used) == before
    restored(used, backup)
    poll_until_done(used)
    assert answers(used) == before
    check_billing(used)


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def answers(bench: Bench) -> dict[str, str]:
    return {row["custom_id"]: row["message"]["id"] for row in results(bench, "daily-feed")}


@pytest.mark.parametrize("ended", [False, True])
def test_a_batch_of_another_ledger_with_the_same_key_is_another_batch(
    used: Bench, *, ended: bool
) -> None:
    """The backup's own batch was not sent; a ledger that was restored between had one like it."""
    killed_at(used, "submit:done", lambda: used.submit(3))
    backup = used.folder.root / "backup.db"
    backups.write(used.engine.context.ledger, backup)
    with closing(sqlite3.connect(backup)) as copy:
        copy.execute("UPDATE batches SET nonce = 'another1' WHERE status = 'queued'")
        copy.commit()
    used.engine.poll()
    if ended:
        poll_until_done(used)
    (sent,) = [found for found in batches(used) if found.request_count == 3]
    restored(used, backup)
    poll_until_done(used)
    ours = {found.nonce: found for found in batches(used) if found.request_count == 3}
    assert ours[sent.nonce].remote_id == sent.remote_id
    assert ours["another1"].key == sent.key
    assert [found["outcome"] for found in results(used, "daily-feed")] == ["succeeded"] * 3
    assert used.sandbox.billing_log().creates == 2
    check_billing(used)


@pytest.mark.parametrize("is_copied", [False, True])
def test_results_of_a_key_that_another_ledger_gave_to_the_duplicate_stay_its_own(
    bench: Bench, *, is_copied: bool
) -> None:
    """Of two batches of one create, each ledger found the other one first.

    `is_copied`: a restore that was discarded has copied the results of the other one.
    """
    bench.faults.add("create:late:seconds=7200:times=1")
    bench.submit(3)
    while not any(found.remote_id for found in batches(bench)):
        bench.poll_after(QUARTER)
    backup = bench.folder.root / "backup.db"
    backups.write(bench.engine.context.ledger, backup)
    for _ in range(16):
        bench.poll_after(QUARTER)
    one, other = (found for found in batches(bench) if found.remote_id)
    files = {found.remote_id: bench.folder.results / f"{found.key}.jsonl" for found in (one, other)}
    of_api = {remote_id: sorted(lines_of(path)) for remote_id, path in files.items()}
    _swap(bench, str(one.remote_id), str(other.remote_id), list(files.values()))
    restored(bench, backup)
    (open_,) = [found for found in batches(bench) if found.remote_id and not found.collected_ts]
    if is_copied:
        copied = bench.folder.results / f"{open_.key}.jsonl"
        answers_file(bench.folder, open_.key).write_bytes(copied.read_bytes())
    poll_until_done(bench)
    for found in batches(bench):
        if found.remote_id:
            path = bench.folder.results / f"{found.key}.jsonl"
            assert sorted(lines_of(path)) == of_api[found.remote_id]
    check_billing(bench)


def _swap(bench: Bench, one: str, other: str, paths: list[Path]) -> None:
    """As the files of a ledger are in which the two batches have each other's key."""
    mirror = bench.folder.jobs_mirror
    text = mirror.read_text().replace(one, "?").replace(other, one).replace("?", other)
    mirror.write_text(text)
    first, second = (path.read_bytes() for path in paths)
    paths[0].write_bytes(second)
    paths[1].write_bytes(first)


@pytest.mark.parametrize("is_first", [False, True])
def test_two_batches_with_the_same_key_in_the_mirror_are_both_recovered(
    used: Bench, *, is_first: bool
) -> None:
    used.submit(2)
    poll_until_done(used)
    mirror = used.folder.jobs_mirror
    (*_, last) = mirror.read_bytes().splitlines()
    line = json.loads(last) | {"nonce": "another1", "status": "not_sent", "remote_id": None}
    lines = [json.dumps(line).encode() + b"\n", mirror.read_bytes()]
    mirror.write_bytes(b"".join(lines if is_first else lines[::-1]))
    rebuilt(used)
    poll_until_done(used)
    assert {"another1"} < {found.nonce for found in batches(used)}
    assert used.sandbox.billing_log().creates == 2
    check_billing(used)


def test_a_batch_that_the_files_name_is_no_orphan_after_a_restore(used: Bench) -> None:
    used.faults.add("create:drop:times=1")
    used.submit(3)
    used.engine.poll()
    assert orphans.with_verdict(used.engine.context.ledger, OrphanVerdict.CANDIDATE)
    backup = used.folder.root / "backup.db"
    backups.write(used.engine.context.ledger, backup)
    poll_until_done(used)
    restored(used, backup)
    ledger = used.engine.context.ledger
    for verdict in (OrphanVerdict.CANDIDATE, OrphanVerdict.UNKNOWN):
        assert not orphans.with_verdict(ledger, verdict)
    poll_until_done(used)
    check_billing(used)


def test_a_new_key_is_none_that_another_batch_has_in_the_files(used: Bench) -> None:
    """The results of a batch are in the file that is named by its key."""
    used.faults.add("create:429:times=1")
    used.submit(2)
    used.clock.advance(3600)
    poll_until_done(used)
    sent = next(found for found in batches(used) if found.request_count == 2 and found.remote_id)
    assert sent.key.endswith("-2")
    mirror = used.folder.jobs_mirror
    first = json.loads(mirror.read_bytes().splitlines()[-1])
    key = sent.key.removesuffix("-2")
    other = {"batch_id": key, "nonce": "another1", "status": "not_sent", "remote_id": None}
    mirror.write_bytes(json.dumps(first | other).encode() + b"\n" + mirror.read_bytes())
    rebuilt(used)
    poll_until_done(used)
    keys = {found.remote_id: found.key for found in batches(used)}
    assert keys[sent.remote_id] == sent.key
    assert "another1" in {found.nonce for found in batches(used)}
    check_billing(used)
