"""A full disk, a folder that cannot be written: one line, nothing lost, a later poll heals it."""

import errno
import json
import resource
import shutil
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from sqlite_utils import Database
from sqlite_utils.migrations import Migrations
from support.builders import START, Bench, a_bench
from support.lifecycle import check_once, poll_until_done, requests
from support.processes.terminal import Terminal, a_server

from state.db import schema, tables_v1
from state.db.connection import sqlite3
from state.db.ledger import Ledger
from state.db.reader import Reader
from state.db.statements import run_script
from state.files import folder
from state.files.folder import Folder, open_private
from state.model.crash_points import no_crash_point
from state.model.errors import LedgerError, LedgerUnusable, TitanError
from state.model.records import RequestStatus
from state.recovery import backups
from titan_console.sandbox.model.timing import Plan

# Output goes to pipes, which the limit does not touch.
_ON_A_FULL_DISK = """
import contextlib, io, json, resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
from titan_console.cli.main import main
for line in sys.argv[1:]:
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(line.split())
        except SystemExit as end:
            code = end.code or 0
    print(json.dumps([line, code, out.getvalue(), err.getvalue()]))
"""

# Every command that only reads the ledger.
READING = (
    *("status --json", "errors --json", "digest --json", "savings --json", "show daily-feed"),
    *("results daily-feed", "export --all", "events", "commands", "orphans", "kpis", "forecast"),
    *("jobs", "prune --dry-run"),
)


@contextmanager
def _disk_of(octets: int) -> Generator[None, None, None]:
    """No file may grow beyond that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (octets, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _trouble_of(call: Callable[[], object]) -> str:
    """The one line that the call ends with, "" where it does not mind."""
    try:
        call()
    except LedgerError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("octets", [0, 500, 3_000, 20_000, 60_000, 150_000, 400_000])
def test_a_submit_on_a_full_disk_is_one_line_and_can_be_made_again(
    bench: Bench, octets: int
) -> None:
    with _disk_of(octets):
        trouble = _trouble_of(lambda: bench.submit(40))
    assert "\n" not in trouble
    bench.submit(40)
    poll_until_done(bench)
    check_once(bench, 40)
    assert bench.sandbox.billing_log().creates == 1


@pytest.mark.parametrize("octets", [0, 500, 3_000, 20_000, 60_000, 150_000, 400_000])
def test_a_poll_on_a_full_disk_is_one_line_and_healed_by_a_later_one(
    bench: Bench, octets: int
) -> None:
    bench.submit(40)
    for _ in range(3):
        bench.clock.advance(900)
        with _disk_of(octets):
            trouble = _trouble_of(bench.engine.poll)
        assert "\n" not in trouble
        assert trouble.startswith(("Cannot write", "The ledger")) or not trouble
    bench.clock.advance(1800)
    poll_until_done(bench, polls=80)
    check_once(bench, 40)
    left = [path.name for path in bench.folder.root.rglob("*") if path.suffix in (".part", ".try")]
    assert left == []


@contextmanager
def _full_disk_for(patch: pytest.MonkeyPatch, pattern: str) -> Generator[list[Path], None, None]:
    """No bytes can be written to these files; those that were tried."""
    tried: list[Path] = []
    write = folder._NamedFile.write

    def full(file: folder._NamedFile, data: bytes) -> int:
        if not file._path.match(pattern):
            return write(file, data)
        tried.append(file._path)
        raise OSError(errno.ENOSPC, "No space left on device", str(file._path))

    with patch.context() as patched:
        patched.setattr(folder._NamedFile, "write", full)
        yield tried


@pytest.mark.parametrize(
    ("pattern", "fault"),
    [
        ("batch-results/*.try", ""),
        ("batch-results/*.rejected.part", "results:garbled"),
        ("spool/*.part", ""),
        ("staging/*.part", ""),
    ],
)
@pytest.mark.parametrize("buffer", [16, 1 << 20])
def test_what_a_full_disk_interrupts_keeps_no_space(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, pattern: str, fault: str, buffer: int
) -> None:
    monkeypatch.setattr(folder, "_BUFFER", buffer)
    if fault:
        bench.faults.add(fault)
    with _full_disk_for(monkeypatch, pattern) as tried:
        for _ in range(4):
            _trouble_of(lambda: bench.submit(20))
            bench.clock.advance(900)
            with suppress(TitanError, OSError):
                bench.engine.poll()
            assert list(bench.folder.root.glob(pattern)) == []
    assert tried
    bench.faults.clear()
    bench.submit(20)
    bench.clock.advance(1800)
    poll_until_done(bench, polls=80)
    check_once(bench, 20)


@pytest.mark.parametrize("committed", [False, True])
def test_the_results_of_a_commit_that_a_full_disk_ends_keep_no_space(
    bench: Bench, committed: bool
) -> None:
    bench.submit(20)
    ledger = bench.engine.context.ledger

    def full(point: str) -> None:
        if point == ("collect:done" if committed else "collect:commit"):
            raise LedgerUnusable("no space is left")

    ledger.crash_point = full
    with pytest.raises(LedgerUnusable, match="no space is left"):
        poll_until_done(bench)
    ledger.crash_point = no_crash_point
    assert len(list(bench.folder.results.iterdir())) == committed
    poll_until_done(bench)
    check_once(bench, 20)


def _problems_of_a_poll(bench: Bench) -> list[str]:
    try:
        return bench.engine.poll().problems
    except TitanError as error:
        return [str(error)]


@pytest.mark.parametrize("name", ["spool", "batch-results", "staging", "batch-jobs.jsonl"])
def test_a_place_that_cannot_be_written_is_one_line_that_names_it(bench: Bench, name: str) -> None:
    path = bench.folder.root / name
    if name.endswith(".jsonl"):
        path.mkdir()
    else:
        path.write_text("a file in the way")
    problems = [_trouble_of(lambda: bench.submit(2))]
    for _ in range(3):
        bench.clock.advance(900)
        problems += _problems_of_a_poll(bench)
    said = list(filter(None, problems))
    assert any(str(path) in problem for problem in said)
    assert not any("\n" in problem or "internal error" in problem for problem in said), said
    path.rmdir() if path.is_dir() else path.unlink()
    bench.submit(2)
    poll_until_done(bench, polls=80)
    check_once(bench, 2)


def test_the_commands_end_with_3_and_one_line_when_the_folder_is_no_folder(tmp_path: Path) -> None:
    with a_server(Plan.instant()) as (_, address):
        (tmp_path / "file").write_text("")
        terminal = Terminal(tmp_path / "file" / "home", address)
        for command in ("--poll", "poll"):
            done = terminal.run(command)
            assert (done.code, done.err.count("\n")) == (3, 1)
            assert "TITAN_HOME" in done.err


def a_version_1_ledger(home: Path) -> Path:
    home.mkdir(mode=0o700)
    path = Folder(home).ledger
    with closing(sqlite3.connect(path)) as ledger:
        first = Migrations("titan")

        def tables(db: Database) -> None:
            run_script(db.conn, tables_v1.TABLES + tables_v1.TRIGGERS)

        first(name="m001_first_tables")(tables)
        first.apply(Database(ledger, execute_plugins=False))
        ledger.execute("INSERT INTO listings VALUES (1, '2026-05-02T00:00:00.000Z')")
        ledger.execute(f"PRAGMA application_id={schema.APPLICATION_ID}")
        ledger.execute("PRAGMA user_version=1")
        ledger.commit()
    return path


def version_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as ledger:
        assert ledger.execute("SELECT count(*) FROM listings").fetchone() == (1,)
        return int(ledger.execute("PRAGMA user_version").fetchone()[0])


@pytest.mark.parametrize("octets", [0, 4_096, 40_000])
def test_a_copy_that_a_full_disk_cut_short_is_no_backup(tmp_path: Path, octets: int) -> None:
    path = a_version_1_ledger(tmp_path / "t")
    before = path.read_bytes()
    with _disk_of(octets), pytest.raises(LedgerUnusable):
        Ledger(path, now=lambda: START, actor="t").close()
    assert path.read_bytes() == before
    assert list(path.parent.glob("*.bak*")) == []
    assert backups.listed(Folder(path.parent)) == []
    Ledger(path, now=lambda: START, actor="t").close()
    (copy,) = path.parent.glob("*.bak*")
    assert (version_of(copy), version_of(path)) == (1, schema.VERSION)


def test_a_ledger_is_copied_before_it_is_migrated(tmp_path: Path) -> None:
    path = a_version_1_ledger(tmp_path / "t")
    with a_bench(tmp_path / "t") as bench:
        bench.submit(2)
        poll_until_done(bench)
        assert requests(bench) == {RequestStatus.SUCCEEDED: 2}
    (copy,) = path.parent.glob("*.bak")
    assert (copy.name, version_of(copy), version_of(path)) == ("titan.v1.bak", 1, schema.VERSION)
    assert copy.stat().st_mode & 0o077 == 0
    copy.replace(path)
    for side in ("-wal", "-shm"):
        path.with_name(path.name + side).unlink(missing_ok=True)
    with a_bench(tmp_path / "t") as bench:
        assert requests(bench) == {}


def test_a_migration_that_fails_leaves_the_ledger_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = a_version_1_ledger(tmp_path / "t")

    def broken(db: Database) -> None:
        db.conn.execute("CREATE TABLE later (id INTEGER PRIMARY KEY) STRICT")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("state.db.migrate_to_v2.rename_to_standard_terms", broken)
        with pytest.raises(LedgerUnusable):
            Ledger(path, now=lambda: START, actor="t")
    assert version_of(path) == 1
    with closing(sqlite3.connect(path)) as ledger:
        assert not ledger.execute("SELECT 1 FROM sqlite_master WHERE name = 'later'").fetchone()
    with a_bench(tmp_path / "t") as bench:
        bench.submit(1)
    assert version_of(path) == schema.VERSION


@pytest.mark.parametrize("state", ["closed", "killed", "in use"])
def test_the_commands_that_read_work_on_a_full_disk(tmp_path: Path, state: str) -> None:
    """Beside a WAL of a process that was killed, one of a process at work, and none."""
    home = tmp_path / "home"
    with a_server(Plan.instant()) as (_, address), a_bench(tmp_path / "made") as bench:
        bench.submit(3)
        if state == "closed":
            bench.close()
        home.mkdir(mode=0o700)
        # To open and close the files of a ledger in use would take away its locks.
        for path in bench.folder.root.glob("titan.db*") if state != "in use" else ():
            if not path.name.endswith("-shm"):
                shutil.copy2(path, home)
        terminal = Terminal(bench.folder.root if state == "in use" else home, address)
        for line, code, out, err in terminal.python("-c", _ON_A_FULL_DISK, *READING).lines():
            # The requests have no result yet.
            assert code == line.startswith("results"), (line, err)
            assert "Cannot" not in err, (line, err)
            if line == "status --json":
                assert json.loads(out)["totals"]["requests"] == 3


def test_a_ledger_in_a_folder_that_cannot_be_written_is_read(bench: Bench, tmp_path: Path) -> None:
    """Not even an empty file beside it: a directory has its name."""
    bench.submit(2)
    bench.close()
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy2(bench.folder.ledger, home)
    (home / "titan.db-shm").mkdir()
    with Reader(home / "titan.db") as reader:
        assert reader.rows("SELECT count(*) FROM requests")[0][0] == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full")
def test_the_error_of_a_write_names_the_file() -> None:
    with pytest.raises(OSError, match="/dev/full") as caught, open_private(Path("/dev/full")) as to:
        to.write(b"x")
    assert caught.value.errno == errno.ENOSPC
