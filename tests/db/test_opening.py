"""The ledger's file: made for its owner only, never touched when it is another's or damaged."""

import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from support.error_codes import code_is
from support.ledgers.ledger_builders import a_ledger

from state.db.ledger import Ledger
from state.db.reader import Reader
from state.db.schema import APPLICATION_ID, VERSION
from state.model.errors import LedgerTooNew, LedgerUnusable


@pytest.mark.parametrize(
    ("pragma", "value"),
    [
        ("journal_mode", "wal"),
        ("synchronous", 2),
        ("foreign_keys", 1),
        ("trusted_schema", 0),
        ("application_id", APPLICATION_ID),
        ("user_version", VERSION),
        ("busy_timeout", 30_000),
        ("integrity_check", "ok"),
    ],
)
def test_a_ledger_is_opened_the_one_way_that_is_safe(
    ledger: Ledger, pragma: str, value: object
) -> None:
    assert ledger.rows(f"PRAGMA {pragma}")[0][0] == value


def test_every_table_of_ours_is_strict(ledger: Ledger) -> None:
    loose = ledger.rows(
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'"
        " AND strict = 0 AND name NOT LIKE 'sqlite%' AND name NOT LIKE '%migrations'"
    )
    assert [tuple(row) for row in loose] == []


@pytest.mark.parametrize("umask", [0o022, 0o000])
def test_the_files_are_for_their_owner_only(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with a_ledger(tmp_path / "titan") as ledger, ledger.transaction("x"):
            files = sorted((tmp_path / "titan").glob("titan.db*"))
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in files}
    finally:
        os.umask(before)
    assert modes == {"titan.db": 0o600, "titan.db-shm": 0o600, "titan.db-wal": 0o600}
    assert stat.S_IMODE((tmp_path / "titan").stat().st_mode) == 0o700


def test_a_ledger_opens_again_with_all_that_was_written(tmp_path: Path) -> None:
    with a_ledger(tmp_path) as ledger, ledger.transaction("x") as written:
        ledger.event(written, "kept")
    with a_ledger(tmp_path) as ledger:
        assert ledger.rows("SELECT kind FROM events")[0][0] == "kept"


def test_a_ledger_of_a_later_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    a_ledger(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "titan.db")) as later:
        later.execute(f"PRAGMA user_version={VERSION + 1}")
    before = (tmp_path / "titan.db").read_bytes()
    with pytest.raises(LedgerTooNew, match=f"version {VERSION + 1}.*supports up to {VERSION}"):
        a_ledger(tmp_path)
    with pytest.raises(LedgerTooNew):
        Reader(tmp_path / "titan.db")
    assert (tmp_path / "titan.db").read_bytes() == before


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("PRAGMA application_id=12345", id="that says so"),
        pytest.param("CREATE TABLE notes (text)", id="that says nothing"),
    ],
)
def test_a_database_of_another_program_is_refused_and_left_alone(
    tmp_path: Path, statement: str
) -> None:
    with closing(sqlite3.connect(tmp_path / "titan.db")) as other:
        other.execute(statement)
    before = (tmp_path / "titan.db").read_bytes()
    with pytest.raises(LedgerUnusable, match="another program") as caught:
        a_ledger(tmp_path)
    assert "\n" not in str(caught.value)
    assert (tmp_path / "titan.db").read_bytes() == before


@pytest.mark.parametrize(
    "content", [b"this is no database, " * 500, b"SQLite format 3\x00" + b"\xff" * 8192]
)
def test_a_damaged_file_is_one_line_and_left_alone(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "titan.db").write_bytes(content)
    for open_it in (lambda: a_ledger(tmp_path), lambda: Reader(tmp_path / "titan.db")):
        with pytest.raises(LedgerUnusable, check=code_is("ledger_damaged")) as caught:
            open_it()
        assert "\n" not in str(caught.value)
    assert (tmp_path / "titan.db").read_bytes() == content


def test_a_page_that_was_damaged_later_is_one_line(tmp_path: Path) -> None:
    with a_ledger(tmp_path) as ledger:
        for _ in range(200):
            with ledger.transaction("x") as written:
                ledger.event(written, "e", note="n" * 500)
        ledger.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    whole = bytearray((tmp_path / "titan.db").read_bytes())
    whole[8192:] = b"\xff" * (len(whole) - 8192)
    (tmp_path / "titan.db").write_bytes(whole)
    with (
        pytest.raises(LedgerUnusable, check=code_is("ledger_damaged")),
        a_ledger(tmp_path) as ledger,
    ):
        ledger.rows("SELECT * FROM events")


def test_a_folder_that_cannot_be_made_is_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(LedgerUnusable, match="Set TITAN_HOME to a folder") as caught:
        a_ledger(tmp_path / "file" / "titan")
    assert "\n" not in str(caught.value)


def test_a_folder_in_the_place_of_the_ledger_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "titan.db").mkdir()
    with pytest.raises(LedgerUnusable, match="Cannot write the ledger"):
        a_ledger(tmp_path)


def test_a_reader_needs_a_ledger_and_cannot_write(tmp_path: Path) -> None:
    with pytest.raises(LedgerUnusable, check=code_is("ledger_missing")):
        Reader(tmp_path / "titan.db")
    assert list(tmp_path.iterdir()) == []
    a_ledger(tmp_path).close()
    with Reader(tmp_path / "titan.db") as reader, pytest.raises(LedgerUnusable, match="readonly"):
        reader.rows("INSERT INTO events (at, actor, kind) VALUES ('', '', '')")


def test_a_half_made_ledger_is_never_left_behind(tmp_path: Path) -> None:
    (tmp_path / "titan.db").touch()
    with a_ledger(tmp_path) as ledger:
        assert ledger.rows("SELECT count(*) FROM batches")[0][0] == 0


MIGRATE = """
import sys
from pathlib import Path
from support.ledgers.ledger_builders import a_ledger, spooled, submit
sys.stdin.readline()
for number in range(10):
    with a_ledger(Path(sys.argv[1])) as ledger:
        submit(ledger, [spooled(f"{sys.argv[2]}-{number}")])
        submission, is_new = submit(ledger, [spooled("the-same")], tag="shared")
        print(submission.key)
"""


def test_eight_processes_may_begin_and_submit_at_once(tmp_path: Path) -> None:
    tests = str(Path(__file__).parents[1])
    started = [
        subprocess.Popen(
            [sys.executable, "-c", MIGRATE, str(tmp_path / "titan"), str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": tests},  # noqa: TID251 - a child needs all of it
        )
        for number in range(8)
    ]
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=120) for process in started]
    assert [errors for _, errors in answers] == [""] * 8
    assert len({key for out, _ in answers for key in out.split()}) == 1
    with a_ledger(tmp_path / "titan") as ledger:
        assert ledger.rows("SELECT count(*) FROM requests")[0][0] == 81
        assert ledger.rows("PRAGMA integrity_check")[0][0] == "ok"


_WRITER = """
import sys
from state.db.connection import sqlite3
connection = sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None)
try:
    connection.execute("BEGIN IMMEDIATE")
except sqlite3.OperationalError as error:
    sys.exit(str(error))
"""


def test_a_second_opening_in_a_process_takes_no_lock_of_the_first_away(tmp_path: Path) -> None:
    def other_process() -> str:
        command = [sys.executable, "-c", _WRITER, str(tmp_path / "titan.db")]
        return subprocess.run(command, capture_output=True, text=True, check=False).stderr.strip()

    with a_ledger(tmp_path) as first:
        # The lock that SQLite holds for as long as it has the file open, and that for a write.
        assert _locks_on(tmp_path / "titan.db")
        with first.transaction("first"), a_ledger(tmp_path):
            assert _locks_on(tmp_path / "titan.db")
            assert other_process() == "database is locked"
        assert other_process() == ""


def _locks_on(path: Path) -> bool:
    """Whether this process has one, where the system tells."""
    table = Path("/proc/locks")
    if not table.exists():
        return True
    inode = f":{path.stat().st_ino}"
    fields = [line.split() for line in table.read_text().splitlines()]
    return any(str(os.getpid()) in line and line[-3].endswith(inode) for line in fields)


def test_a_damaged_schema_that_is_no_utf8_is_one_line(tmp_path: Path) -> None:
    a_ledger(tmp_path).close()
    path = tmp_path / "titan.db"
    content = path.read_bytes()
    path.write_bytes(content.replace(b"CREATE TABLE", b"CRE\xdfTE TABLE"))
    for open_it in (lambda: a_ledger(tmp_path), lambda: Reader(path)):
        with pytest.raises(LedgerUnusable, check=code_is("ledger_damaged")) as caught:
            open_it()
        assert "\n" not in str(caught.value)
