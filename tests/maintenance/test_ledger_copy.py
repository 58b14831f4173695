"""A ledger is moved whole, in each direction, and never are there two that send."""

import random
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from support.console.console_builders import NOW, Failure, LedgerBuilder
from support.error_codes import code_is
from support.processes.postgres_server import the_server

from core.bootstrap import copy_ledger
from core.clock import ManualClock
from core.config.settings import Settings
from core.maintenance.ledger_copy import CopyRun, CopySummary, move
from state.batches import leases
from state.db.copies.postgres import PostgresSource, PostgresTarget
from state.db.copies.sides import CopySource, CopyTarget
from state.db.copies.sqlite import SqliteSource, SqliteTarget
from state.db.copies.tables import copied_tables
from state.db.ledger import Ledger
from state.db.postgres.ledger import PostgresLedger
from state.db.postgres.reader import PostgresReader
from state.db.reader import Reader
from state.files import archive
from state.files.file_store import LOCAL_FILES, pieces
from state.model.errors import LedgerBusy, LedgerUnusable
from state.model.ledger_url import public_name
from state.operations import alerts, pauses
from state.queries import event_list, ledger_status


class Place:
    """Where a ledger is or will be."""

    def __init__(self, path: Path, url: str | None = None) -> None:
        self.path = path
        self.url = url
        self.clock = ManualClock(NOW)
        self.name = str(path) if url is None else public_name(url)

    def open(self) -> Ledger:
        if self.url is None:
            return Ledger(self.path, now=self.clock.now, actor="test")
        made = PostgresLedger(self.url, self.path, now=self.clock.now, actor="test")
        # Submissions of a `LedgerBuilder` have no spool files.
        made.files = LOCAL_FILES
        return made

    def reader(self) -> Reader:
        if self.url is None:
            return Reader(self.path)
        return PostgresReader(self.url, self.path)

    def source(self) -> CopySource:
        return (
            SqliteSource(self.path)
            if self.url is None
            else PostgresSource(self.url, self.path.parent)
        )

    def target(self) -> CopyTarget:
        return (
            SqliteTarget(self.path)
            if self.url is None
            else PostgresTarget(self.url, self.path.parent)
        )

    def rows(self) -> dict[str, list[tuple[object, ...]]]:
        """Every row of every table that is copied."""
        with self.reader() as reader:
            return {
                table.name: sorted(map(tuple, reader.rows(table.select)), key=repr)
                for table in copied_tables()
            }


@pytest.fixture
def new_place(tmp_path: Path) -> Iterator[Callable[[str], Place]]:
    databases = list[str]()

    def make(kind: str) -> Place:
        folder = tmp_path / f"{kind}-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        if kind == "sqlite":
            return Place(folder / "titan.db")
        databases.append(the_server().new_database())
        return Place(folder / "titan.db", the_server().url(databases[-1]))

    yield make
    for name in databases:
        the_server().drop_database(name)


NewPlace = Callable[[str], Place]


def fill(place: Place, *, odd: str = "naïve \U0001f916 ' \\ \t") -> None:
    """Something of everything."""
    with place.open() as ledger:
        made = LedgerBuilder(ledger, place.clock)
        made.collected("done", 40, [Failure(), Failure(message=odd)])
        made.collected("unpriced", 3, cost_nano=None)
        made.accept(made.submit("running", 7, due_in=timedelta(hours=3)))
        made.refuse(made.submit("refused", 2))
        made.lose_the_answer(made.submit("unconfirmed", 2))
        made.release(made.submit("released", 4))
        made.submit("queued", 5)
        made.poll()
        made.hold("the API's queue is full (429)")
        pauses.pause(ledger, ["press"], who="op", reason=odd)
        alerts.update(ledger, [("late", "feed", odd)])


def spool_of(place: Place) -> Path:
    return place.path.parent / "spool"


def results_of(place: Place) -> Path:
    return place.path.parent / "batch-results"


def write_files(place: Place) -> None:
    """What a disk has: compressed bodies, results, and those of a batch that is being collected."""
    with place.open() as ledger:
        made = LedgerBuilder(ledger, place.clock)
        batch = made.end(made.accept(made.submit("half", 2)))
        with ledger.transaction("test"):
            ledger.execute("UPDATE batches SET results_bytes = 7 WHERE key = ?", batch.key)
        keys = [key for (key,) in ledger.rows("SELECT key FROM batches WHERE results_bytes = 1000")]
    bytes_of = random.Random(7).randbytes
    for folder in (spool_of(place), results_of(place)):
        folder.mkdir()
    bodies = spool_of(place) / "requests.jsonl"
    bodies.write_bytes(bytes_of(3_000_001))
    archive.compress(bodies)
    for key in keys[1:]:
        (results_of(place) / f"{key}.jsonl").write_bytes(bytes_of(1000))
    (results_of(place) / f"{batch.key}.jsonl.part").write_bytes(b"one\nbeyond what is recorded\n")


def files_of(place: Place) -> dict[str, bytes]:
    """Each file on the disk, uncompressed."""
    found = [*spool_of(place).iterdir(), *results_of(place).iterdir()]
    return {path.name.removesuffix(".zst"): b"".join(archive.lines(path.with_name(
        path.name.removesuffix(".zst")))) for path in found}  # fmt: skip


def copied(source: Place, target: Place, **options: object) -> CopySummary:
    run = CopyRun(now=source.clock.now, who="cli@host:1", **options)  # pyright: ignore[reportArgumentType]
    return move(source.source(), target.target(), run)


BOTH_WAYS = pytest.mark.parametrize(
    ("before", "after"), [("sqlite", "postgres"), ("postgres", "sqlite")]
)


@BOTH_WAYS
def test_a_ledger_is_moved_row_by_row(new_place: NewPlace, before: str, after: str) -> None:
    source, target = new_place(before), new_place(after)
    fill(source)
    rows = source.rows()
    done = copied(source, target)
    there = target.rows()
    assert [event for event in there["events"] if event not in rows["events"]] != []
    there["events"] = [event for event in there["events"] if event in rows["events"]]
    ((revision_id, revision),) = rows["revision"]
    assert there.pop("revision") == [(revision_id, int(str(revision)) + 1)]
    del rows["revision"]
    assert there == rows
    assert {table.table: table.rows for table in done.tables} == {
        name: len(found) for name, found in rows.items()
    } | {"revision": 1}
    assert (done.revision, done.replaced) == (revision, 0)


def test_bodies_and_results_are_moved_byte_by_byte(new_place: NewPlace) -> None:
    home, server, other, again = map(new_place, ("sqlite", "postgres", "postgres", "sqlite"))
    fill(home)
    write_files(home)
    before = files_of(home)
    there = copied(home, server)
    assert (there.files, len(there.missing_files)) == (len(before), 1)
    assert there.file_bytes == sum(map(len, before.values()))
    with server.reader() as reader:
        (part,) = (Path("batch-results") / name for name in before if name.endswith(".part"))
        assert b"".join(pieces(reader.files, part.with_suffix(""))) == before[part.name]
    copied(server, other)
    back = copied(other, again)
    assert (back.files, back.missing_files) == (there.files, [])
    assert files_of(again) == before
    # Only bodies and results: no temporary file is left.
    assert [path.name for path in other.path.parent.iterdir()] == []


def test_a_file_that_differs_in_the_copy_is_not_used(
    new_place: NewPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = new_place("sqlite"), new_place("postgres")
    fill(source)
    write_files(source)
    kept = PostgresTarget.store

    def damage(self: PostgresTarget, local: Path, path: Path) -> None:
        copy = local.with_name("copy")
        copy.write_bytes(local.read_bytes()[:-1] + b"?")
        kept(self, copy, path)

    monkeypatch.setattr(PostgresTarget, "store", damage)
    with pytest.raises(LedgerUnusable, check=code_is("copy_differs")):
        copied(source, target)
    assert (is_usable(source), is_usable(target)) == (True, False)


class Killed(BaseException):
    """What ends a process in the course of a copy."""


def killed_at(point: str) -> Callable[[str], None]:
    def die(name: str) -> None:
        if name == point:
            raise Killed

    return die


def refusal(open_it: Callable[[], Ledger | Reader]) -> LedgerUnusable:
    with pytest.raises(LedgerUnusable) as error:
        open_it()
    assert "\n" not in str(error.value)
    return error.value


def is_usable(place: Place) -> bool:
    """Whether a command could send its requests."""
    try:
        with place.open() as ledger, place.reader() as reader:
            leases.begin_poll(ledger)
            return ledger_status.totals(reader).queued_requests > 0
    except LedgerUnusable as error:
        if error.code not in ("ledger_moved", "ledger_incomplete"):
            raise
        return False


@BOTH_WAYS
def test_a_killed_copy_never_leaves_two_ledgers_and_is_ended_by_the_next(
    new_place: NewPlace, before: str, after: str
) -> None:
    source, target = new_place(before), new_place(after)
    fill(source)
    for point in ("copy:begun", "copy:filled", "copy:checked", "copy:moved"):
        with pytest.raises(Killed):
            copied(source, target, crash_point=killed_at(point))
        assert is_usable(source) == (point != "copy:moved")
        assert refusal(target.open).code == "ledger_incomplete"
        assert refusal(target.reader).code == "ledger_incomplete"
    assert refusal(source.reader).code == "ledger_moved"
    assert copied(source, target).is_resumed
    assert (is_usable(source), is_usable(target)) == (False, True)
    with pytest.raises(LedgerUnusable, check=code_is("ledger_moved")):
        copied(source, target)


@BOTH_WAYS
def test_open_connections_to_a_moved_ledger_neither_write_nor_read_on(
    new_place: NewPlace, before: str, after: str
) -> None:
    source, target = new_place(before), new_place(after)
    fill(source)
    reader = source.reader()
    # On SQLite, a process that has opened the ledger keeps a copy from starting.
    writers = [source.open()] if before == "postgres" else []
    copied(source, target)
    with closing(reader), pytest.raises(LedgerUnusable):
        ledger_status.revision(reader)
    for writer in writers:
        with closing(writer), pytest.raises(LedgerUnusable, check=code_is("ledger_moved")):
            leases.begin_poll(writer)
    said = str(refusal(source.open))
    assert f"{source.name} was moved to {target.name}" in said


def test_new_rows_follow_those_that_were_copied(new_place: NewPlace) -> None:
    source, target = new_place("sqlite"), new_place("postgres")
    fill(source)
    last = max(int(str(row[0])) for row in source.rows()["submissions"])
    copied(source, target)
    with target.open() as ledger:
        made = LedgerBuilder(ledger, target.clock)
        assert made.submit("new").submission_id == last + 1
        ids = [event.id for event in event_list.events_from(ledger, after_id=0)]
        assert ids == list(range(1, len(ids) + 1))
        assert event_list.events(ledger, limit=1)[0].kind == "batch.queued"
    again = new_place("sqlite")
    copied(target, again)
    with again.open() as ledger:
        assert LedgerBuilder(ledger, target.clock).submit("newest").submission_id == last + 2


def test_a_nul_is_replaced_in_postgresql_and_said(new_place: NewPlace) -> None:
    source, target = new_place("sqlite"), new_place("postgres")
    fill(source, odd="a\0b\0")
    done = copied(source, target)
    assert done.replaced == 3
    assert {table.table for table in done.tables if table.replaced} == {
        *("alerts", "attempts", "pauses")
    }
    with target.reader() as reader:
        assert pauses.paused(reader)[0].reason == "a\ufffdb\ufffd"


def test_a_copy_that_differs_is_not_used(new_place: NewPlace) -> None:
    source, target = new_place("sqlite"), new_place("postgres")
    fill(source)

    def falsify(point: str) -> None:
        if point == "copy:filled":
            the_server().run(
                str(target.url).partition("@/")[2].partition("?")[0],
                "UPDATE requests SET body_length = body_length + 1 WHERE id = 7",
            )

    with pytest.raises(LedgerUnusable, check=code_is("copy_differs")) as error:
        copied(source, target, crash_point=falsify)
    assert "requests" in str(error.value)
    assert (is_usable(source), is_usable(target)) == (True, False)


def test_a_ledger_may_return_to_where_it_was(new_place: NewPlace) -> None:
    home, server = new_place("sqlite"), new_place("postgres")
    fill(home)
    copied(home, server)
    with server.open() as ledger:
        leases.begin_poll(ledger)
    copied(server, home)
    assert is_usable(home)
    (kept,) = home.path.parent.glob("titan.*.moved")
    assert refusal(lambda: Reader(kept)).code == "ledger_moved"
    # The database still has the ledger that was moved: nothing drops it.
    with pytest.raises(LedgerUnusable, check=code_is("ledger_exists")):
        copied(home, server)
    assert is_usable(home)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_target_with_a_ledger_is_refused(new_place: NewPlace, kind: str) -> None:
    source, target = new_place("postgres"), new_place(kind)
    fill(source)
    fill(target)
    with pytest.raises(LedgerUnusable, check=code_is("ledger_exists")):
        copied(source, target)
    assert is_usable(source)
    assert is_usable(target)


def test_a_source_in_use_is_refused(new_place: NewPlace) -> None:
    source, target = new_place("postgres"), new_place("sqlite")
    fill(source)
    with source.open() as ledger:
        until = source.clock.now() + timedelta(minutes=15)
        assert leases.acquire(ledger, "poll", "poller@other:7/x", until=until)
        with pytest.raises(LedgerBusy, check=code_is("ledger_in_use")) as error:
            copied(source, target)
        assert "poller@other:7" in str(error.value)
        leases.release(ledger, "poll", "poller@other:7/x")
        made = LedgerBuilder(ledger, source.clock)
        batch = made.sending(made.submit("sent now"))
        with pytest.raises(LedgerBusy) as error:
            copied(source, target)
        assert batch.key in str(error.value)
    assert is_usable(source)
    assert not target.path.exists()


def test_answers_that_are_on_the_disk_of_one_host_are_collected_first(
    new_place: NewPlace,
) -> None:
    home, server = new_place("sqlite"), new_place("postgres")
    fill(home)
    with home.open() as ledger, ledger.transaction("test"):
        ledger.execute(
            "UPDATE batches SET kind = 'sync', status = 'sending', owner = 'cli@host:7/k3x9'"
            " WHERE status = 'queued'"
        )
    settings = Settings(home=home.path.parent)
    with pytest.raises(LedgerBusy, check=code_is("ledger_in_use")) as error:
        copy_ledger(settings, str(home.path), str(server.url), actor="cli")
    assert "(cli@host:7)" in str(error.value)
    assert (is_usable(home), server.path.exists()) == (True, False)


def test_a_process_that_uses_a_file_keeps_a_copy_from_starting(
    new_place: NewPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("state.db.access_lock.EXCLUSIVE_WAIT_S", 0.0)
    source, target = new_place("sqlite"), new_place("postgres")
    fill(source)
    with source.open(), pytest.raises(LedgerBusy, check=code_is("ledger_in_use")):
        copied(source, target)
    assert is_usable(source)


def test_two_copies_into_one_database_at_once_are_one(new_place: NewPlace) -> None:
    source, other, target = new_place("sqlite"), new_place("sqlite"), new_place("postgres")
    fill(source)
    fill(other)

    def copy_too(point: str) -> None:
        if point == "copy:begun":
            with pytest.raises(LedgerBusy, check=code_is("ledger_in_use")):
                copied(other, target)

    copied(source, target, crash_point=copy_too)
    assert [is_usable(place) for place in (source, other, target)] == [False, True, True]
