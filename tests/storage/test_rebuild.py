"""What a rebuild, a restore and an import of a fallback file write."""

import json
from pathlib import Path

import pytest
from support.console.console_builders import LedgerBuilder
from support.ledgers.ledger_builders import a_result, a_submission, spooled, store_results, submit
from support.ledgers.ledger_views import attempt, detail, ids, kinds, request, statuses
from support.ledgers.ledger_views import batch as named

from state.batches import (
    batch_planning,
    collection,
    guessed_requests,
    possible_duplicate_charges,
    sending,
    submissions,
)
from state.db.ledger import Ledger, Transaction
from state.files.folder import Folder
from state.model.errors import AlreadySubmitted
from state.model.records import (
    Batch,
    BatchKind,
    BatchStatus,
    CollectionStatus,
    Counts,
    RequestStatus,
    Submission,
)
from state.operations import commands
from state.operations.commands import Action, CommandState, NewCommand
from state.queries import batch_list, ledger_status, mirrors
from state.recovery import fallback_import, rebuild, restored
from state.recovery.recovered_batches import RecoveredBatch

QUEUED, IN_FLIGHT = RequestStatus.QUEUED, RequestStatus.IN_FLIGHT
SENT = "2026-11-20T06:00:00.000Z"


def store(ledger: Ledger, *names: str, key: str = "tb_abcdefghij") -> Submission:
    with submissions.staged(ledger, map(spooled, names)) as staged:
        return rebuild.store(ledger, staged, a_submission(ledger, "tag", key=key))


def found(key: str = "tb_abcdefghij", **fields: object) -> RecoveredBatch:
    return RecoveredBatch(
        **{  # pyright: ignore[reportArgumentType]
            "key": key,
            "tag": "tag",
            "workflow": "feed",
            "submitted_ts": SENT,
            "request_count": 2,
            "status": BatchStatus.IN_PROGRESS,
            "remote_id": f"msgbatch_{key}",
            "nonce": "nonce123",
            "account": "org",
            **fields,
        }
    )


def add(
    ledger: Ledger,
    submission: Submission,
    one: RecoveredBatch,
    *names: str,
    status: BatchStatus = BatchStatus.IN_PROGRESS,
    is_guess: bool = False,
) -> Batch:
    numbers = [ids(ledger, "tag")[name] for name in names]
    return rebuild.add_batch(
        ledger,
        submission.id,
        one,
        numbers,
        status=status,
        nonce=f"n-{one.key}",
        is_guess=is_guess,
    )


def test_recovered_requests_wait_without_a_batch(ledger: Ledger) -> None:
    submission = store(ledger, "a", "b")
    assert statuses(ledger, "tag") == dict.fromkeys("ab", QUEUED)
    assert rebuild.submission_keys(ledger) == {submission.key}
    assert restored.submissions(ledger) == [submission]
    assert restored.contents(ledger) == ({submission.key}, set(), 2)
    with pytest.raises(AlreadySubmitted):
        store(ledger, "a", "b", key="tb_other")


def test_a_recovered_batch_goes_on_where_it_was(ledger: Ledger) -> None:
    submission = store(ledger, "a", "b", "c")
    one = add(ledger, submission, found(request_count=3), "a", "b")
    assert (one.status, one.identified_by, one.owner) == (BatchStatus.IN_PROGRESS, "nonce", "lost")
    assert (one.request_count, one.nonce, one.account) == (3, "nonce123", "org")
    assert (one.sent_ts, one.watermark_ts) == (SENT, "2026-10-21T06:00:00.000Z")
    assert statuses(ledger, "tag") == {"a": IN_FLIGHT, "b": IN_FLIGHT, "c": QUEUED}
    assert rebuild.guessed(ledger, submission.id, 5) == [ids(ledger, "tag")["c"]]
    assert detail(ledger, "batch.rebuilt") == {"was": "in_progress", "guessed": False}


def test_a_batch_without_an_id_is_searched_for(ledger: Ledger) -> None:
    submission = store(ledger, "a", "b")
    lost = found(remote_id=None, nonce=None)
    one = add(ledger, submission, lost, "a", "b", status=BatchStatus.SENDING)
    assert (one.remote_id, one.identified_by, one.accepted_ts) == (None, None, None)
    assert one.nonce == "n-tb_abcdefghij"


def test_a_second_batch_of_a_nonce_is_a_duplicate(ledger: Ledger) -> None:
    submission = store(ledger, "a")
    first = add(ledger, submission, found(), "a")
    second = add(ledger, submission, found("tb_abcdefghij-duplicate1"), "a")
    assert second.duplicate_of == first.id
    assert [one.is_active for one in request(ledger, "tag", "a").attempts] == [True, False]


def test_a_batch_that_was_not_sent_leaves_its_requests_queued(ledger: Ledger) -> None:
    submission = store(ledger, "a")
    add(ledger, submission, found(remote_id=None), "a", status=BatchStatus.NOT_SENT)
    assert statuses(ledger, "tag") == {"a": QUEUED}
    assert not attempt(ledger, "tag", "a").is_active


def test_a_batch_that_names_its_requests_takes_them_from_an_earlier_one(ledger: Ledger) -> None:
    submission = store(ledger, "a", "b")
    add(ledger, submission, found(), "a", "b")
    later = found("tb_abcdefghij-2", nonce="other", requests=[(0, 0)])
    add(ledger, submission, later, "a")
    assert [one.is_active for one in request(ledger, "tag", "a").attempts] == [False, True]
    assert attempt(ledger, "tag", "b").is_active


def test_a_guess_that_was_wrong_is_handed_to_another_batch(ledger: Ledger) -> None:
    submission = store(ledger, "a", "b")
    first = add(ledger, submission, found(request_count=1), "a", is_guess=True)
    other = found("tb_abcdefghij-2", nonce="other", request_count=1)
    second = add(ledger, submission, other, "b", is_guess=True)
    assert guessed_requests.is_guessed(ledger, first.id)
    ended = rebuild.end(ledger, second, at=None)
    names = ids(ledger, "tag")
    with collection.staged(ledger, [a_result("a").as_staged(names["a"])]) as staged:
        done = collection.commit(ledger, ended, staged, results_bytes=1, unlisted=[names["a"]])
    assert (done.new, done.complete) == (1, True)
    assert [one.batch_key for one in request(ledger, "tag", "a").attempts] == [second.key]
    assert [one.batch_key for one in request(ledger, "tag", "b").attempts] == [first.key]


def test_answers_on_disk_are_collected_by_the_next_poll(ledger: Ledger) -> None:
    submission = store(ledger, "a", "b")
    one = rebuild.end(ledger, add(ledger, submission, found(), "a", "b"), at=SENT)
    assert (one.status, one.collection, one.ended_ts) == (
        BatchStatus.ENDED,
        CollectionStatus.PENDING,
        SENT,
    )
    assert store_results(ledger, one, a_result("a")).complete is False
    rebuild.count_outcomes(ledger, one)
    rebuild.collect_at_once(ledger, one)
    assert named(ledger, one.key).counts == Counts(succeeded=1)
    names = ids(ledger, "tag")
    assert rebuild.answered(ledger, submission.id, ["b", "x"]) == [names["b"]]


def test_requests_in_no_batch_are_missing(ledger: Ledger) -> None:
    submission = store(ledger, "a", "b", "c")
    add(ledger, submission, found(), "a")
    assert rebuild.mark_lost(ledger, submission.id, submission.key, "n1", "not found") == 2
    assert rebuild.mark_lost(ledger, submission.id, submission.key, "n2", "not found") == 0
    lost = named(ledger, f"{submission.key}-lost")
    assert (lost.collection, lost.request_count) == (CollectionStatus.COLLECTED, 2)
    assert statuses(ledger, "tag") == {"a": IN_FLIGHT, "b": "missing", "c": "missing"}
    assert ledger_status.totals(ledger).failed_requests == 2
    rebuild.finish_if_settled(ledger, submission)
    assert batch_list.submissions_of(ledger, "tag")[0].finished_ts is None


def test_possible_duplicate_charges_are_carried_over_once(ledger: Ledger) -> None:
    submission = store(ledger, "a")
    lost = found(possible_duplicate_charges=3)
    one = add(ledger, submission, lost, "a")
    assert possible_duplicate_charges.count_of(ledger, one.id) == 3
    rebuild.record_charges(ledger, [one], {one.key: lost})
    assert possible_duplicate_charges.count_of(ledger, one.id) == 3
    assert kinds(ledger, one).count("batch.possible_duplicate_charge") == 1


def test_a_restored_batch_is_bound_to_what_the_mirror_knows(made: LedgerBuilder) -> None:
    queued, other = made.submit("one", 1), made.submit("two", 1)
    assert not restored.bind(made.ledger, queued, found(remote_id=None), is_here=False)
    assert restored.bind(made.ledger, queued, found(), is_here=False)
    assert not restored.bind(made.ledger, queued, found(), is_here=False)
    one = named(made.ledger, queued.key)
    assert (one.status, one.identified_by, one.account) == ("in_progress", "nonce", "org")
    assert restored.bind(made.ledger, other, found(remote_id=None), is_here=True)
    assert named(made.ledger, other.key).remote_id is None


def test_a_restored_batch_that_may_have_been_sent_is_searched_for(made: LedgerBuilder) -> None:
    queued = made.submit("one", 1)
    for _ in range(2):
        restored.mark_maybe_sent(made.ledger, queued)
        made.clock.advance(60)
    one = named(made.ledger, queued.key)
    assert (one.status, one.owner, one.sent_ts) == ("sending", "lost", "2026-11-22T06:00:00.000Z")
    assert sending.queued(made.ledger) == []


def test_a_restore_ends_the_commands_that_were_open(made: LedgerBuilder) -> None:
    def command(item: int) -> int:
        new = NewCommand(action=Action.REPLAY, items=[item], reason="", not_before=made.clock.now())
        return commands.enqueue(made.ledger, new)[0].id

    pending, running, done = command(1), command(2), command(3)
    for number in (running, done):
        commands.claim(made.ledger, commands.get(made.ledger, number))
    commands.finish(made.ledger, commands.get(made.ledger, done), CommandState.DONE, "")
    assert restored.end_commands(made.ledger, "restored") == 2
    states = [commands.get(made.ledger, number).state for number in (pending, running, done)]
    assert states == ["withdrawn", "failed", "done"]


@pytest.mark.parametrize("is_new", [True, False])
def test_an_imported_file_brings_its_answers(ledger: Ledger, *, is_new: bool) -> None:
    names = [spooled("a", part=submissions.NO_PART), spooled("b")]
    if not is_new:
        submit(ledger, names, tag="tag")
    runs: list[str | None] = []

    def record(tx: Transaction, stored: Submission, is_new: bool) -> None:
        run = fallback_import.record(
            ledger, tx, stored, "tb_file", ["a"], Counts(succeeded=1), is_new=is_new, unwritten=2
        )
        runs.append(run)

    with submissions.staged(ledger, names) as staged:
        new = a_submission(ledger, "tag", key="tb_file", created_ts=SENT)
        submissions.store(ledger, staged, new, wire_overhead=0, after=record)
    (key,) = runs
    run = named(ledger, key or "")
    assert (run.kind, run.collection) == (BatchKind.SYNC, CollectionStatus.PENDING)
    assert store_results(ledger, run, a_result("a")).complete
    assert statuses(ledger, "a") == {"a": "succeeded"}
    assert fallback_import.is_imported(ledger, "tb_file")
    assert not fallback_import.is_imported(ledger, "tb_other")
    assert batch_list.find(ledger, "tb_file")[0][0].tag == "tag"
    assert detail(ledger, "submission.possible_duplicate_charge")["requests"] == 2


def test_a_warning_that_came_before_the_first_batch_is_in_its_line_of_the_mirror(
    ledger: Ledger, tmp_path: Path
) -> None:
    # A rebuild stored the requests, and no batch yet, when the fallback file was imported.
    store(ledger, "a", "b")
    names = [spooled("a", part=submissions.NO_PART), spooled("b", part=submissions.NO_PART)]

    def record(tx: Transaction, stored: Submission, is_new: bool) -> None:
        fallback_import.record(
            ledger, tx, stored, "tb_file", [], Counts(), is_new=is_new, unwritten=2
        )

    with submissions.staged(ledger, names) as staged:
        new = a_submission(ledger, "tag", key="tb_file", created_ts=SENT)
        submissions.store(ledger, staged, new, wire_overhead=0, after=record)
    planned = batch_planning.plan_queued(ledger, max_requests=1, max_bytes=1 << 20, wire_overhead=0)
    folder = Folder(tmp_path / "mirrors")
    mirrors.update_jobs(ledger, folder)
    lines = [json.loads(line) for line in folder.jobs_mirror.read_text().splitlines()]
    assert [line["possible_duplicate_charges"] for line in lines] == [2, 0]
    assert [line["fallback_imports"] for line in lines] == [["tb_file"]] * 2
    # A ledger that has the warning gets no second one.
    known = {one.key: found(one.key, possible_duplicate_charges=2) for one in planned[:1]}
    rebuild.record_charges(ledger, planned, known)
    assert kinds(ledger, planned[0]).count("batch.possible_duplicate_charge") == 0


def test_a_file_that_is_known_is_marked_once(made: LedgerBuilder) -> None:
    made.submit("tag", 1)
    (submission,) = batch_list.submissions_of(made.ledger, "tag")
    for keys in (["tb_1", "tb_2"], ["tb_2"], []):
        fallback_import.add_known(made.ledger, submission, dict.fromkeys(keys, 0))
    assert fallback_import.is_imported(made.ledger, "tb_2")
