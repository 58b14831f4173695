import csv
import json
import signal
import subprocess
import sys
from contextlib import closing
from io import StringIO
from pathlib import Path

import pytest
from support.console.console_builders import Failure, LedgerBuilder
from support.processes.terminal import Terminal

from core.config.settings import Settings, child_environment
from state.db.connection import sqlite3
from state.db.public_query import select
from state.db.reader import Reader
from titan_console.cli.main import cli

_ALL = "SELECT custom_id FROM v_requests"
COUNTING = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
ENDLESS = f"SELECT count(*) FROM ({COUNTING})"  # noqa: S608 - our own words


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    home = tmp_path_factory.mktemp("home")
    made = LedgerBuilder(home)
    made.collected("daily", ["a-1", "a-2"], [Failure("api_error", "=SUM(A1) \x1b[31mred")])
    made.close()
    return Terminal(home)


def test_rows_as_a_table_json_lines_and_csv(terminal: Terminal) -> None:
    query = "SELECT custom_id, status, NULL AS empty, x'00ff' AS blob FROM v_requests ORDER BY 1"
    table = terminal.run("query", query).out.splitlines()
    assert table[0].split() == ["custom_id", "status", "empty", "blob"]
    assert [row.split()[0] for row in table[1:]] == ["a-1", "a-2"]
    assert all(row.endswith("00ff") for row in table[1:])
    rows = terminal.run("query", "--json", query).lines()
    assert [row["custom_id"] for row in rows] == ["a-1", "a-2"]
    assert rows[0]["empty"] is None
    assert rows[0]["blob"] == "00ff"
    written = list(csv.DictReader(StringIO(terminal.run("query", "--csv", query).out)))
    assert [row["custom_id"] for row in written] == ["a-1", "a-2"]


def test_a_query_from_stdin(terminal: Terminal) -> None:
    ended = terminal.run("query", "-", "--json", stdin="SELECT count(*) AS count FROM v_requests")
    assert ended.lines() == [{"count": 2}]


def test_no_cell_is_a_formula_or_an_escape(terminal: Terminal) -> None:
    query = "SELECT error_message FROM v_errors"
    assert list(csv.reader(StringIO(terminal.run("query", "--csv", query).out)))[1][0][0] == "'"
    assert "\x1b" not in terminal.run("query", query).out
    assert "\x1b" not in terminal.run("query", "--json", query).out


def test_the_header_of_csv(terminal: Terminal) -> None:
    """It is there without a row, and no formula either."""
    for condition in ("1", "0"):
        query = f"SELECT 1 AS number, 2 AS '=SUM(A1)' WHERE {condition}"
        written = list(csv.reader(StringIO(terminal.run("query", "--csv", query).out)))
        assert written[0] == ["number", "'=SUM(A1)"]


def test_what_is_over_the_limit_is_counted_as_cut(terminal: Terminal) -> None:
    query = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 1500) SELECT i FROM n"
    )
    cut = terminal.run("query", query)
    assert len(cut.out.splitlines()) == 1001
    assert cut.err
    everything = terminal.run("query", query, "--limit", "0")
    assert (len(everything.out.splitlines()), everything.err) == (1501, "")
    assert len(terminal.run("query", "--json", query).lines()) == 1500
    assert len(terminal.run("query", "--json", query, "--limit", "7").lines()) == 7


def test_no_value_of_a_table_is_cut_in_a_pipe(terminal: Terminal) -> None:
    """Neither one that is wider than the rows that were measured, nor one of wide characters."""
    later = f"SELECT iif(i > 10000, 'later ' || i, '') AS a, i FROM ({COUNTING}"  # noqa: S608 - as above
    table = terminal.run("query", "--limit", "0", f"{later} LIMIT 10002)").out
    assert table.splitlines()[-2:] == ["later 10001  10001", "later 10002  10002"]
    wide = terminal.run("query", "SELECT '\u65e5\u672c\u8a9e' AS a, 'x' AS b")
    assert wide.out.splitlines() == ["a       b", "\u65e5\u672c\u8a9e  x"]


@pytest.mark.parametrize("arguments", [("query", _ALL), ("errors",), ("events",), ("commands",)])
def test_any_number_is_a_limit(terminal: Terminal, arguments: tuple[str, ...]) -> None:
    everything = terminal.run(*arguments, "--limit", "0")
    assert terminal.run(*arguments, "--limit", str(10**20)) == everything
    assert everything.code == 0


@pytest.mark.parametrize("end", [";", ";;;", " ; ;\n", ";\t;\r\n"])
def test_a_query_may_end_with_semicolons(terminal: Terminal, end: str) -> None:
    assert terminal.run("query", "--json", f"SELECT ';' AS mark{end}").lines() == [{"mark": ";"}]
    assert (
        terminal.run("query", "--json", f"SELECT 1{end} SELECT 2").error_code() == "query_invalid"
    )
    assert terminal.run("query", "--json", end).error_code() == "query_invalid"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("DELETE FROM alerts", "query_not_read_only"),
        ("UPDATE batches SET tag = 'x'", "query_not_read_only"),
        ("CREATE TEMP TABLE t (a)", "query_not_read_only"),
        ("ATTACH 'other.db' AS other", "query_not_read_only"),
        ("PRAGMA user_version = 9", "query_not_read_only"),
        ("VACUUM INTO 'copy.db'", "query_not_read_only"),
        ("BEGIN", "query_not_read_only"),
        ("WITH a AS (SELECT 1) INSERT INTO alerts SELECT * FROM a", "query_not_read_only"),
        ("SELEC 1", "query_invalid"),
        ("SELECT * FROM nothing", "query_invalid"),
        ("SELECT nothing FROM v_batches", "query_invalid"),
        ("SELECT 1; SELECT 2", "query_invalid"),
        ("SELECT ?", "query_invalid"),
        ("", "query_invalid"),
        ("/* nothing */", "query_invalid"),
        ("SELECT 1 AS a, 2 AS a", "query_invalid"),
        ("SELECT zeroblob(3000000000)", "query_invalid"),
        ("SELECT json('x')", "query_invalid"),
        ("SELECT 1\0", "query_invalid"),
        ("SELECT '\udcff'", "query_invalid"),
    ],
)
def test_a_query_that_does_not_only_read_is_refused(
    terminal: Terminal, query: str, code: str
) -> None:
    before = (terminal.home / "titan.db").read_bytes()
    ended = terminal.run("query", "--json", query)
    assert (ended.code, ended.error_code(), ended.out) == (2, code, "")
    assert (terminal.home / "titan.db").read_bytes() == before
    assert not [path for path in terminal.home.rglob("*.db") if path.name != "titan.db"]


def test_two_columns_with_one_name_are_named(terminal: Terminal) -> None:
    ended = terminal.run("query", "--csv", "SELECT 1 AS a, 2 AS b, 3 AS b")
    assert "Two columns have the name 'b'" in ended.err


def test_a_query_that_never_ends_is_stopped(terminal: Terminal) -> None:
    ended = terminal.run("query", "--json", ENDLESS, "--timeout", "0.2")
    assert (ended.code, ended.error_code()) == (2, "query_timeout")


@pytest.mark.parametrize(
    "query",
    [
        "SELECT zeroblob(600000000)",
        "SELECT zeroblob(20000000)",
        f"SELECT group_concat(zeroblob(1000)) FROM ({COUNTING} LIMIT 20000)",  # noqa: S608 - as above
    ],
)
def test_a_query_that_needs_too_much_memory_is_stopped(terminal: Terminal, query: str) -> None:
    ended = terminal.run("query", "--json", query)
    assert (ended.code, ended.error_code(), ended.out) == (2, "query_too_large", "")


@pytest.mark.parametrize("seconds", ["nan", "0", "-1", "soon"])
def test_a_timeout_is_a_number_of_seconds(terminal: Terminal, seconds: str) -> None:
    ended = terminal.run("query", "--json", "SELECT 1", "--timeout", seconds)
    assert (ended.code, ended.error_code(), ended.out) == (2, "usage", "")


@pytest.mark.parametrize("query", ["-- how many?\nSELECT 1 AS one", "--\n\nSELECT 1 AS one"])
def test_a_query_may_begin_with_a_comment(terminal: Terminal, query: str) -> None:
    for arguments in (
        ["--json", query],
        [query, "--json"],
        ["--json", "--limit", "5", "--", query],
    ):
        assert terminal.run("query", *arguments).lines() == [{"one": 1}]
    ended = terminal.run("query", "--jsno", query)
    assert (ended.code, "No such option" in ended.err) == (2, True)


def started(terminal: Terminal, *arguments: str, wrap: str = "main()") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", f"from titan_console.cli.main import main\n{wrap}", *arguments],
        env=child_environment(Settings(home=terminal.home)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("form", ["--json", "--csv"])
def test_rows_are_printed_as_they_come_and_ctrl_c_stops_the_query(
    terminal: Terminal, form: str
) -> None:
    # SQLite's driver returns a row once it has the next.
    query = f"SELECT 'first' AS row UNION ALL SELECT 'second' UNION ALL {ENDLESS}"
    with started(terminal, "query", form, query) as process:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        assert any("first" in line for line in lines)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    assert (process.returncode, err.strip()) == (130, "titan-console: Stopped.")


@pytest.mark.parametrize("form", [["--limit", "0"], ["--json"], ["--csv"]])
def test_a_pipe_that_is_closed_stops_the_query(terminal: Terminal, form: list[str]) -> None:
    with started(terminal, "query", *form, COUNTING) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert process.stderr is not None
        assert (process.stderr.read(), process.wait()) == ("", 0)


_MANY = 30_000
_PEAK = """
try:
    main()
finally:
    lines = open("/proc/self/status")
    print(next(line for line in lines if line.startswith("VmHWM")).split()[1])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is in /proc")
@pytest.mark.parametrize("form", [["--limit", "0"], ["--json"]])
def test_any_number_of_rows_takes_little_memory(terminal: Terminal, form: list[str]) -> None:
    query = f"SELECT i, printf('%3000d', i) AS wide FROM ({COUNTING} LIMIT {_MANY})"  # noqa: S608 - as above
    with started(terminal, "query", *form, query, wrap=_PEAK) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        rows = [line[:20] for line in process.stdout]
    assert first
    assert len(rows) >= _MANY
    assert int(rows[-1]) < 100_000


def test_values_that_json_does_not_have(terminal: Terminal) -> None:
    query = "SELECT 9e999 AS infinite, CAST(x'ff41' AS TEXT) AS text, 9223372036854775807 AS large"
    ended = terminal.run("query", "--json", query)
    assert json.loads(ended.out) == {
        "infinite": None,
        "text": "\ufffdA",
        "large": 9223372036854775807,
    }


def test_no_ledger_is_an_error_with_its_code(tmp_path: Path) -> None:
    ended = Terminal(tmp_path).run("query", "--json", "SELECT 1")
    assert (ended.code, ended.error_code()) == (3, "ledger_missing")


class _StoppedReader(StringIO):
    """A stdout that is read no further: meanwhile a writer truncates the WAL."""

    def __init__(self, ledger: Path, timeout_s: float = 60) -> None:
        super().__init__()
        self._ledger = ledger
        self._timeout_s = timeout_s
        self.busy: list[int] = []

    def write(self, text: str) -> int:
        with closing(sqlite3.connect(self._ledger, timeout=self._timeout_s)) as connection:
            self.busy.append(connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0])
        return super().write(text)


@pytest.mark.parametrize("form", [[], ["--json"], ["--csv"]], ids=["table", "json", "csv"])
def test_a_reader_that_stops_keeps_no_transaction_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: list[str]
) -> None:
    made = LedgerBuilder(tmp_path)
    made.collected("daily", 3)
    monkeypatch.setenv("TITAN_HOME", str(tmp_path))
    stdout = _StoppedReader(made.path)
    monkeypatch.setattr(sys, "stdout", stdout)
    cli(["query", _ALL, *form], standalone_mode=False)
    monkeypatch.undo()
    made.close()
    assert stdout.getvalue().count("daily-00") == 3
    assert set(stdout.busy) == {0}


def test_rows_that_are_printed_as_they_are_read_keep_one_open(tmp_path: Path) -> None:
    """The stdout of the test above notices it."""
    made = LedgerBuilder(tmp_path)
    made.collected("daily", 3)
    stdout = _StoppedReader(made.path, timeout_s=0)
    with Reader(made.path) as reader, select(reader, _ALL, timeout_s=60) as found:
        for (custom_id,) in found.rows:
            stdout.write(f"{custom_id}\n")
            made.poll()
    made.close()
    assert 1 in stdout.busy
