"""A death at any crash point of an import, or of a synchronous run, loses and repeats nothing."""

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
from support.builders import Bench, a_bench, some_requests
from support.ledgers.rebuilt_ledger import rebuilt
from support.lifecycle import (
    batches,
    check_billing,
    our_bill,
    poll_until_done,
    requests,
    results,
)

from core.intake import fallback_files
from core.intake.options import SubmitOptions
from state.files import fallback_file
from state.model.errors import LedgerUnusable
from state.model.records import BatchKind, OnFailure, RequestStatus
from state.operations import pauses

# What is killed closes no file.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


class _KilledError(BaseException):
    """Nothing that follows is done any more."""


class _DieAt:
    def __init__(self, number: int) -> None:
        self.left = number

    def __call__(self, _name: str) -> None:
        self.left -= 1
        if self.left <= 0:
            raise _KilledError


def _kept(bench: Bench, *, answered: bool) -> str:
    kept = fallback_files.save(
        bench.folder,
        some_requests(3),
        SubmitOptions(tag="t", on_failure=OnFailure.SYNC if answered else OnFailure.QUEUE),
        clock=bench.clock,
        actor="job",
        error=LedgerUnusable("The disk was full."),
    )
    if answered:
        assert fallback_files.run_sync(bench.folder, kept, bench.api(), bench.clock) is None
    return kept.key


def _dies_in_a_poll(bench: Bench, number: int) -> bool:
    dying = bench.new_engine("dying")
    dying.context.ledger.crash_point = _DieAt(number)
    try:
        dying.poll()
    except _KilledError:
        return True
    return False


def _check(home: Path, number: int, *, answered: bool) -> bool:
    with a_bench(home) as bench:
        key = _kept(bench, answered=answered)
        died = _dies_in_a_poll(bench, number)
        poll_until_done(bench)
        assert requests(bench) == {RequestStatus.SUCCEEDED: 3}, number
        assert len(list(bench.sandbox.billing_log().billed())) == 3, number
        assert [row["outcome"] for row in results(bench, key)] == ["succeeded"] * 3
        assert fallback_file.pending(bench.folder) == []
        left = [path.name for path in bench.folder.results.glob("*") if path.suffix != ".jsonl"]
        assert left == [], number
    return died


def test_a_death_at_each_third_crash_point_of_importing_a_queued_file(tmp_path: Path) -> None:
    steps = itertools.takewhile(
        lambda n: _check(tmp_path / str(n), n, answered=False), itertools.count(1, 3)
    )
    assert len(list(steps)) > 5


@pytest.mark.slow
def test_a_death_at_any_crash_point_of_importing_an_answered_file(tmp_path: Path) -> None:
    steps = itertools.takewhile(
        lambda n: _check(tmp_path / str(n), n, answered=True), itertools.count(1)
    )
    assert len(list(steps)) > 15


def _inline_check(home: Path, number: int) -> bool:
    with a_bench(home) as bench:
        bench.faults.add("create:429:times=1")
        died = False
        dying = bench.new_engine("dying")
        dying.context.ledger.crash_point = _DieAt(number)
        try:
            dying.submit(some_requests(3), SubmitOptions(tag="t", on_failure=OnFailure.SYNC))
        except _KilledError:
            died = True
        # The job is started again, as its scheduler does.
        bench.engine.submit(some_requests(3), SubmitOptions(tag="t", on_failure=OnFailure.SYNC))
        poll_until_done(bench)
        assert requests(bench) == {RequestStatus.SUCCEEDED: 3}, number
        assert len(list(bench.sandbox.billing_log().billed())) == 3, number
    return died


def test_a_death_at_every_other_step_of_a_synchronous_run(tmp_path: Path) -> None:
    steps = itertools.takewhile(
        lambda n: _inline_check(tmp_path / str(n), n), itertools.count(1, 2)
    )
    assert len(list(steps)) > 10


def test_a_file_whose_import_was_killed_before_its_removal_is_not_run(tmp_path: Path) -> None:
    """Its answers would be removed with it: the poll has imported the file already."""
    with a_bench(tmp_path) as bench:
        key = _kept(bench, answered=False)
        (kept,) = fallback_file.pending(bench.folder)
        dying = bench.new_engine("dying")
        dying.context.ledger.crash_point = _die_at("fallback:remove")
        with pytest.raises(_KilledError):
            dying.poll()
        assert kept.path.exists()
        problem = fallback_files.run_sync(bench.folder, kept, bench.api(), bench.clock)
        assert problem is not None
        assert bench.sandbox.billing_log().messages == ()
        poll_until_done(bench)
        assert [row["outcome"] for row in results(bench, key)] == ["succeeded"] * 3


def _die_at(point: str) -> Callable[[str], None]:
    def die(name: str) -> None:
        if name == point:
            raise _KilledError

    return die


@pytest.mark.parametrize("at", ["submit:done", "mirror:begin", "mirror:written", "fallback:remove"])
def test_the_key_of_a_file_is_known_after_a_kill_and_the_loss_of_the_ledger(
    bench: Bench, at: str
) -> None:
    """Its requests were submitted before, so that no spool file has its key."""
    submitted = bench.submit(3, tag="t").submission.key
    key = _kept(bench, answered=False)
    assert key != submitted
    dying = bench.new_engine("dying")
    dying.context.ledger.crash_point = _die_at(at)
    with pytest.raises(_KilledError):
        dying.poll()
    rebuilt(bench)
    poll_until_done(bench)
    assert [row["outcome"] for row in results(bench, key)] == ["succeeded"] * 3
    assert fallback_file.pending(bench.folder) == []
    assert bench.sandbox.billing_log().creates == 1


@pytest.mark.parametrize("is_known", [True, False])
def test_a_file_stays_until_the_mirror_names_it(bench: Bench, *, is_known: bool) -> None:
    if is_known:
        bench.submit(3, tag="t")
    key = _kept(bench, answered=False)
    bench.folder.jobs_mirror.unlink(missing_ok=True)
    bench.folder.jobs_mirror.mkdir()
    assert any(bench.folder.jobs_mirror.name in line for line in bench.engine.poll().problems)
    assert [file.key for file in fallback_file.pending(bench.folder)] == [key]
    bench.folder.jobs_mirror.rmdir()
    poll_until_done(bench)
    assert fallback_file.pending(bench.folder) == []
    assert [row["outcome"] for row in results(bench, key)] == ["succeeded"] * 3


def test_a_file_stays_until_a_batch_of_its_known_submission_names_it(bench: Bench) -> None:
    bench.submit(1, workflow="earlier", tag="earlier")
    poll_until_done(bench)
    dying = bench.new_engine("dying")
    dying.context.ledger.crash_point = _die_at("submit:done")
    with pytest.raises(_KilledError):
        dying.submit(some_requests(3), SubmitOptions(tag="t"))
    # Its requests are queued, and in no batch.
    rebuilt(bench)
    key = _kept(bench, answered=False)
    pauses.pause(bench.engine.context.ledger, ["feed-classify"], who="test", reason="test")
    bench.engine.poll()
    rebuilt(bench)
    poll_until_done(bench)
    assert [row["outcome"] for row in results(bench, key)] == ["succeeded"] * 3
    assert fallback_file.pending(bench.folder) == []
    assert bench.sandbox.billing_log().creates == 2


def _lost_with_the_mirrors(home: Path, number: int, *, is_known: bool) -> bool:
    """Returns whether the poll died at a point where the answers had been copied."""
    with a_bench(home) as bench:
        if is_known:
            bench.submit(3, tag="t")
            poll_until_done(bench)
        key = _kept(bench, answered=True)
        before = set(bench.folder.results.glob("*"))
        died = _dies_in_a_poll(bench, number)
        has_copied = any(
            path.suffix != ".part" for path in set(bench.folder.results.glob("*")) - before
        )
        for mirror in ("jobs_mirror", "errors_mirror", "cost_mirror"):
            getattr(bench.folder, mirror).unlink(missing_ok=True)
        rebuilt(bench)
        poll_until_done(bench)
        check_billing(bench)
        assert len(our_bill(bench)) == (6 if is_known else 3), number
        assert fallback_file.pending(bench.folder) == [], number
        assert [row["outcome"] for row in results(bench, key)] == ["succeeded"] * 3, number
    return died and has_copied


@pytest.mark.parametrize("is_known", [False, True])
def test_a_death_during_an_import_and_the_loss_of_ledger_and_mirrors_count_each_answer_once(
    tmp_path: Path, *, is_known: bool
) -> None:
    """Where its requests were known, the copy of its answers has the name of a run of those."""
    copied = [
        _lost_with_the_mirrors(tmp_path / str(n), n, is_known=is_known) for n in range(11, 29)
    ]
    assert sum(copied) > 5


def test_a_batch_is_not_given_the_answers_that_a_killed_import_left_under_its_key(
    bench: Bench,
) -> None:
    bench.faults.add("create:429:times=1:retry=60")
    assert bench.submit(3, tag="t").problem
    _kept(bench, answered=True)
    dying = bench.new_engine("dying")
    dying.context.ledger.crash_point = _die_at("submit:commit")
    with pytest.raises(_KilledError):
        dying.poll()
    assert [path.name for path in bench.folder.results.glob("*.answers")] == [
        f"{batches(bench)[0].key}-2.answers"
    ]
    # Another process sends the requests before the file is imported.
    (kept,) = fallback_file.pending(bench.folder)
    away = kept.path.rename(kept.path.with_name("away"))
    poll_until_done(bench)
    away.rename(kept.path)
    poll_until_done(bench)
    assert [batch.unpriced for batch in batches(bench)] == [0, 0, 0]
    assert [batch.kind for batch in batches(bench) if batch.counts.succeeded] == [
        BatchKind.BATCH,
        BatchKind.SYNC,
    ]
    check_billing(bench)
    assert len(our_bill(bench)) == 6


@pytest.mark.parametrize("form", ["jsonl", "jsonl.zst", "jsonl.part", "answers"])
def test_a_batch_does_not_overwrite_what_a_lost_ledger_left_under_its_key(
    bench: Bench, form: str
) -> None:
    bench.faults.add("create:429:times=1:retry=60")
    bench.submit(3, tag="t")
    key = f"{batches(bench)[0].key}-2"
    lost, unused = (bench.folder.results / f"{key}.{form}{end}" for end in ("", ".unused"))
    lost.parent.mkdir(exist_ok=True)
    lost.write_bytes(b"of the lost ledger")
    unused.write_bytes(b"set aside before")
    poll_until_done(bench)
    assert batches(bench)[1].key == key
    assert [one["outcome"] for one in results(bench, "t")] == ["succeeded"] * 3
    assert unused.read_bytes() == b"set aside before"
    assert unused.with_name(f"{unused.name}-2").read_bytes() == b"of the lost ledger"
    events = bench.engine.context.ledger.rows(
        "SELECT detail FROM events WHERE kind = 'batch.file_set_aside'"
    )
    assert [f"{unused.name}-2" in row["detail"] for row in events] == [True]
    check_billing(bench)
