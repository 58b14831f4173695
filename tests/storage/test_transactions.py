"""One transaction for one change: all of it or nothing, and readers see one moment."""

from collections.abc import Iterator
from threading import Thread

import pytest
from support.console.console_builders import LedgerBuilder
from support.ledgers.ledger_builders import a_submission, batch, spooled, submit
from support.ledgers.ledger_views import detail, ids, kinds
from support.ledgers.storage import Storage

from state.batches import collection, sending, submissions
from state.db.ledger import Ledger
from state.model.errors import IllegalTransition, LedgerError, LedgerUnusable
from state.model.records import BatchStatus, SpooledRequest
from state.operations import alerts
from state.queries import batch_list, console_snapshot, event_list, ledger_status


class Stop(BaseException):
    """What ends a process in the course of a transaction, such as Ctrl-C."""


def test_each_transaction_is_one_revision(ledger: Ledger) -> None:
    before = ledger_status.revision(ledger)
    with ledger.transaction("x") as tx:
        assert tx.at == ledger.now_text()
    submit(ledger, [spooled("a")])
    assert ledger_status.revision(ledger) == before + 2


@pytest.mark.parametrize("error", [ZeroDivisionError, Stop, KeyboardInterrupt])
def test_a_transaction_that_raises_leaves_nothing(
    ledger: Ledger, error: type[BaseException]
) -> None:
    before = ledger_status.revision(ledger)

    def fail() -> None:
        with ledger.transaction("x") as tx:
            ledger.event(tx, "never")
            raise error

    with pytest.raises(error):
        fail()
    assert kinds(ledger) == []
    assert ledger_status.revision(ledger) == before
    submit(ledger, [spooled("a")])
    assert ledger_status.revision(ledger) == before + 1


def test_a_refused_submission_leaves_nothing(ledger: Ledger) -> None:
    def refuse() -> None:
        raise LedgerUnusable("over budget")

    with submissions.staged(ledger, [spooled("a")]) as staged, pytest.raises(LedgerUnusable):
        submissions.store(
            ledger, staged, a_submission(ledger), wire_overhead=0, check_budgets=refuse
        )
    assert ledger_status.totals(ledger).requests == 0
    assert batch_list.submissions_of(ledger, "daily-feed") == []


def test_an_error_after_all_rows_were_written_leaves_nothing(ledger: Ledger) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    with submissions.staged(ledger, [spooled("a")]) as staged, pytest.raises(ZeroDivisionError):
        submissions.store(ledger, staged, a_submission(ledger), wire_overhead=0, after=fail)
    assert (kinds(ledger), batch_list.open_batches(ledger)) == ([], [])
    assert submit(ledger, [spooled("a")])[1]


@pytest.mark.parametrize("point", ["submit:begin", "submit:commit"])
def test_a_process_that_dies_before_the_commit_has_written_nothing(
    storage: Storage, point: str
) -> None:
    def die(name: str) -> None:
        if name == point:
            raise Stop

    with pytest.raises(Stop):
        submit(storage.open("dying", crash_point=die), [spooled("a")])
    ledger = storage.open()
    assert ledger_status.totals(ledger).requests == 0
    assert submit(ledger, [spooled("a")])[1]


def test_a_process_that_dies_after_the_commit_has_written_all(storage: Storage) -> None:
    def die(name: str) -> None:
        if name == "submit:done":
            raise Stop

    with pytest.raises(Stop):
        submit(storage.open("dying", crash_point=die), [spooled("a")])
    submission, is_new = submit(storage.open(), [spooled("a")])
    assert (submission.request_count, is_new) == (1, False)


def test_what_one_connection_commits_the_other_reads(storage: Storage, ledger: Ledger) -> None:
    other, reader = storage.open("other"), storage.reader()
    submit(other, [spooled("a")])
    assert ids(ledger, "a") == ids(reader, "a")
    assert event_list.events(ledger)[0].actor == "other"


def test_a_snapshot_is_of_one_moment_while_another_writes(
    storage: Storage, made: LedgerBuilder
) -> None:
    made.submit("before", 2)
    reader = storage.reader()
    with reader.read_transaction():
        first = ledger_status.totals(reader), kinds(reader), batch_list.open_batches(reader)
        made.collected("after", 3)
        made.accept(batch(made.ledger))
        again = ledger_status.totals(reader), kinds(reader), batch_list.open_batches(reader)
    assert again == first
    assert ledger_status.totals(reader).requests == 5


def test_the_figures_of_a_console_are_of_one_moment(storage: Storage, made: LedgerBuilder) -> None:
    made.accept(made.submit("running", 2))
    seen = console_snapshot.take(storage.reader(), made.clock.now())
    assert seen.revision == ledger_status.revision(made.ledger)
    assert seen.newest_event_id == event_list.events(made.ledger, limit=1)[0].id
    assert [b.status for b in seen.open_batches] == [BatchStatus.IN_PROGRESS]


def test_a_reader_notices_the_commits_of_others_alone(
    storage: Storage, made: LedgerBuilder
) -> None:
    reader = storage.reader()
    before = reader.data_version()
    ledger_status.totals(reader)
    assert reader.data_version() == before
    made.submit("a")
    changed = reader.data_version()
    assert changed != before
    assert reader.data_version() == changed


def test_an_open_snapshot_blocks_no_writer(storage: Storage, made: LedgerBuilder) -> None:
    reader = storage.reader()
    with reader.read_transaction():
        ledger_status.totals(reader)
        for number in range(20):
            made.submit(f"tag-{number}", 1)
    assert ledger_status.totals(reader).batches == 20


def test_events_are_in_order_and_name_their_actor(storage: Storage, ledger: Ledger) -> None:
    other = storage.open("op:other")
    for number, writer in enumerate((ledger, other) * 5):
        with writer.transaction("x") as tx:
            writer.event(tx, f"test.{number}", subject=str(number), figure=2**60, none=None)
    found = event_list.events_from(ledger, after_id=0)
    assert [event.kind for event in found] == [f"test.{number}" for number in range(10)]
    assert [event.id for event in found] == sorted({event.id for event in found})
    assert {event.actor for event in found} == {"test", "op:other"}
    assert detail(ledger, "test.9") == {"figure": 2**60, "none": None}


def test_a_transaction_that_raises_leaves_no_gap_between_events(ledger: Ledger) -> None:
    def write(*kinds: str) -> None:
        with ledger.transaction("x") as tx:
            for kind in kinds:
                ledger.event(tx, kind)
            if "fail" in kinds:
                raise ZeroDivisionError

    write("one", "two")
    with pytest.raises(ZeroDivisionError):
        write("three", "fail")
    write("three")
    found = event_list.events_from(ledger, after_id=0)
    assert [event.kind for event in found] == ["one", "two", "three"]
    assert [event.id - found[0].id for event in found] == [0, 1, 2]


def test_staged_rows_are_those_of_one_connection(storage: Storage, ledger: Ledger) -> None:
    other = storage.open("other")
    with (
        submissions.staged(ledger, [spooled("a")]) as one,
        submissions.staged(other, [spooled("b"), spooled("c")]) as two,
    ):
        new = a_submission(ledger, "one"), a_submission(other, "two")
        first, _ = submissions.store(ledger, one, new[0], wire_overhead=0)
        second, _ = submissions.store(other, two, new[1], wire_overhead=0)
    assert (first.request_count, second.request_count) == (1, 2)
    assert set(ids(ledger, "two")) == {"b", "c"}


def test_staged_rows_are_unknown_elsewhere_and_afterwards(storage: Storage, ledger: Ledger) -> None:
    other = storage.open("other")
    new = a_submission(ledger)
    with submissions.staged(ledger, [spooled("a")]) as staged, pytest.raises(LedgerError):
        submissions.store(other, staged, new, wire_overhead=0)
    with pytest.raises(LedgerError):
        submissions.store(ledger, staged, new, wire_overhead=0)
    assert ledger_status.totals(ledger).requests == 0


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_rows_that_break_off_are_none(ledger: Ledger, error: type[BaseException]) -> None:
    def broken():  # noqa: ANN202 - a generator that raises
        yield spooled("b")
        raise error

    with submissions.staged(ledger, [spooled("a")]) as staged:
        with pytest.raises(error):
            staged.add_rows(broken())
        submission, _ = submissions.store(ledger, staged, a_submission(ledger), wire_overhead=0)
    assert submission.request_count == 1


def test_a_staged_row_that_violates_a_constraint_is_refused(ledger: Ledger) -> None:
    submit(ledger, [spooled("a")])
    row = (ids(ledger, "a")["a"], "succeeded", *(None,) * 4, *(0,) * 6, *(None,) * 4, *(0,) * 3)
    result = (*row, None, 0, 0, None)
    with pytest.raises(IllegalTransition), collection.staged(ledger, [result, result]):  # pyright: ignore[reportArgumentType]
        pass
    submit(ledger, [spooled("b")], tag="next")
    assert ledger_status.totals(ledger).requests == 2


def test_no_other_thread_writes_with_a_connection(ledger: Ledger) -> None:
    refused: list[str] = []

    def write() -> None:
        try:
            submit(ledger, [spooled("a")])
        except LedgerUnusable as error:
            refused.append(str(error))

    thread = Thread(target=write)
    thread.start()
    thread.join()
    assert "opened on another thread" in refused[0]


def test_writers_at_once_wait_for_each_other(storage: Storage, ledger: Ledger) -> None:
    failures: list[Exception] = []

    def write(name: str) -> None:
        try:
            with_its_own = storage.open(name)
            for number in range(10):
                submit(with_its_own, [spooled(f"{name}-{number}")], tag=name)
        except Exception as error:  # noqa: BLE001 - named below
            failures.append(error)

    before = ledger_status.revision(ledger)
    threads = [Thread(target=write, args=(name,)) for name in ("x", "y", "z")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert ledger_status.revision(ledger) == before + 30
    assert len(sending.queued(ledger)) == 30


def test_an_alert_that_two_connections_raise_is_raised_once(
    storage: Storage, ledger: Ledger
) -> None:
    other = storage.open("other")
    assert alerts.update(ledger, [("late", "feed", "one")]) == (1, 0)
    assert alerts.update(other, [("late", "feed", "one")]) == (0, 0)
    assert len(alerts.raised(ledger)) == 1


def test_what_makes_staged_rows_can_use_the_ledger(ledger: Ledger) -> None:
    """The results of a batch name requests that are looked up while they arrive."""
    submit(ledger, [spooled("known")])

    def rows() -> Iterator[SpooledRequest]:
        for number in range(4500):
            if number % 1500 == 0:
                assert ids(ledger, "known")
            yield spooled(f"b{number}")

    with submissions.staged(ledger, rows()) as staged:
        new = a_submission(ledger, tag="next")
        assert submissions.store(ledger, staged, new, wire_overhead=0)[0].request_count == 4500
