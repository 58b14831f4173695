"""Errors name the cause, and the file or folder that it is about, for every command."""

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from support.builders import some_requests
from support.processes.terminal import Ended, Terminal, a_server

from core.config.settings import Settings, child_environment
from state.db.connection import sqlite3
from state.db.sqlite_errors import ledger_error, ledger_errors
from state.files.folder import Folder
from state.files.system_errors import cause, users_of
from state.model.errors import LedgerBusy, LedgerError, TooManyTerms
from titan_console.doctor import file_checks
from titan_console.doctor.finding import Health
from titan_console.sandbox.model.timing import Plan

pwd = pytest.importorskip("pwd", reason="needs owners of files")
NUMBER = 65534
COMMANDS = ("status", "errors", "events", "commands", "export --all", "savings", "--poll", "kpis")
needs_root = pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() != 0 or not shutil.which("setpriv"),
    reason="needs root, to run as another user",
)


@contextmanager
def a_used_home() -> Generator[Terminal, None, None]:
    """A home with three answered requests; another user may enter the folder above it."""
    with TemporaryDirectory() as folder, a_server(Plan.instant()) as (_, address):
        Path(folder).chmod(0o755)
        terminal = Terminal(Path(folder) / "home", address)
        terminal.submit_and_poll(tag="t")
        yield terminal


@pytest.fixture
def used() -> Generator[Terminal, None, None]:
    with a_used_home() as terminal:
        yield terminal


def _lines() -> str:
    return "".join(json.dumps(request) + "\n" for request in some_requests(3))


def _as_another(terminal: Terminal, line: str) -> Ended:
    settings = Settings(home=terminal.home, base_url=terminal.base_url, api_key="sk-ant-test")
    user = ["setpriv", f"--reuid={NUMBER}", f"--regid={NUMBER}", "--clear-groups"]
    done = subprocess.run(
        [*user, sys.executable, "-m", "titan_console", *line.split()],
        input=_lines().replace("feed-", "more-"),
        env=child_environment(settings) | {"HOME": "/nonexistent"},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


@needs_root
@pytest.mark.parametrize("line", COMMANDS)
def test_the_folder_of_another_user_is_named_with_its_owner(used: Terminal, line: str) -> None:
    done = _as_another(used, line)
    assert (done.code, done.out) == (3, "")
    assert (
        f"{used.home} belongs to root, and {pwd.getpwuid(NUMBER).pw_name} has no permission"
        in done.err
    )
    assert done.err.count("\n") == 1


@needs_root
def test_what_another_user_may_read_is_read(used: Terminal) -> None:
    for path in (used.home, *used.home.rglob("*")):
        path.chmod(0o755)
    done = _as_another(used, "results t --json")
    assert (done.code, done.err, len(done.lines())) == (0, "", 3)


@needs_root
@pytest.mark.parametrize("mode", [0o700, 0o755])
def test_doctor_completes_for_another_user(used: Terminal, mode: int) -> None:
    used.home.chmod(mode)
    done = _as_another(used, "doctor --json")
    checks = {finding["what"]: finding for finding in done.json()["findings"]}
    assert done.code == 1
    assert {"python", "sqlite", "packages", "server", "key", "ledger"} <= set(checks)
    assert checks["ledger"]["health"] == "bad"
    assert "belongs to root" in checks["ledger"]["detail"]


@needs_root
@pytest.mark.parametrize("name", ["spool", "batch-results", "titan.db", "staging"])
def test_a_poll_names_the_file_of_another_owner(used: Terminal, name: str) -> None:
    used.run("submit", "-", "--tag", "u", stdin=_lines().replace("feed-", "other-"))
    for path in (used.home, *used.home.rglob("*")):
        os.chown(path, NUMBER, NUMBER)
    wrong = used.home / name
    os.chown(wrong, 0, 0)
    wrong.chmod(0o700 if wrong.is_dir() else 0o600)
    line = "submit - --tag v" if name == "spool" else "--poll"
    done = _as_another(used, line)
    assert done.code in (1, 3)
    assert f"belongs to root, and {pwd.getpwuid(NUMBER).pw_name} has no permission" in done.err
    assert str(wrong) in done.err
    assert "free some" not in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [
        (errno.ENOSPC, "disk_full", "no space is left on the disk of /somewhere; free some space"),
        (errno.EROFS, "read_only", "the file system of /somewhere is read-only"),
        (errno.ENAMETOOLONG, "name_too_long", "the path is too long for this file system"),
        (errno.EIO, "disk_error", "the disk of /somewhere reports an error; check the disk"),
        (errno.ENOTDIR, "system_error", os.strerror(errno.ENOTDIR)),
    ],
)
def test_each_error_of_the_system_has_its_own_words(number: int, code: str, said: str) -> None:
    error = OSError(number, os.strerror(number))
    assert cause(error, Path("/somewhere/file")) == (code, said)


@pytest.mark.parametrize("number", [errno.EEXIST, errno.ENOTDIR])
def test_a_file_in_place_of_a_folder_is_named(tmp_path: Path, number: int) -> None:
    (tmp_path / "spool").write_text("")
    for path in (tmp_path / "spool", tmp_path / "spool" / "a.jsonl"):
        found = cause(OSError(number, os.strerror(number)), path)
        assert found.text == f"{tmp_path / 'spool'} is a file, not a folder; move it away"


def test_a_folder_in_place_of_the_target_of_a_rename_is_named(tmp_path: Path) -> None:
    source, target = tmp_path / "x.try", tmp_path / "x"
    source.touch()
    target.mkdir()
    with pytest.raises(IsADirectoryError) as caught:
        source.replace(target)
    assert cause(caught.value, tmp_path).text.startswith(f"{target} is a folder")


@pytest.mark.parametrize("name", ["spool", "batch-results"])
def test_doctor_and_poll_name_a_link_to_a_missing_folder(
    used: Terminal, tmp_path: Path, name: str
) -> None:
    shutil.rmtree(used.home / name)
    (used.home / name).symlink_to(tmp_path / "disk")
    said = f"{used.home / name} is a link to {tmp_path / 'disk'}, which does not exist"
    done = used.run("doctor")
    assert (done.code, said in done.out) == (1, True)
    submitted = used.run("submit", "-", "--tag", "v", stdin=_lines().replace("feed-", "more-"))
    assert said in submitted.err + used.run("--poll").err


def test_a_read_only_file_system_is_no_matter_of_permissions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("state.files.system_errors.is_read_only", Path.is_absolute)
    assert cause(PermissionError(errno.EACCES, ""), tmp_path / "titan.db").code == "read_only"


@pytest.mark.parametrize("name", ["titan.db", "titan.access.lock"])
def test_a_folder_in_place_of_a_file_of_the_ledger_is_named(used: Terminal, name: str) -> None:
    for path in used.home.glob("titan.*"):
        path.unlink()
    (used.home / name).mkdir()
    for line in ("status", "--poll") if name == "titan.db" else ("--poll", "rebuild --yes"):
        done = used.run(*line.split())
        assert (done.code, done.err.count("\n")) == (3, 1)
        assert f"{used.home / name} is a folder, not a file; move it away" in done.err


@pytest.mark.parametrize("name", ["spool", "staging", "batch-results", "backups"])
def test_doctor_and_poll_name_a_file_in_place_of_a_folder(used: Terminal, name: str) -> None:
    shutil.rmtree(used.home / name)
    (used.home / name).write_text("")
    done = used.run("doctor")
    said = f"{used.home / name} is a file, not a folder; move it away"
    assert (done.code, said in done.out) == (1, True)
    submitted = used.run("submit", "-", "--tag", "v", stdin=_lines().replace("feed-", "more-"))
    assert said in submitted.err + used.run("--poll").err


def test_doctor_fails_where_the_disk_is_full(
    used: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("state.files.system_errors._LEAST_SPACE", 1 << 60)
    found = list(file_checks.findings(Folder(used.home), thorough=False))
    assert any(f.health == Health.BAD and "no space is left" in f.detail for f in found)


def _sqlite_error(path: Path, *statements: str) -> LedgerError:
    connection = sqlite3.connect(path, timeout=0, isolation_level=None)
    try:
        with ledger_errors(path, did="read"):
            for statement in statements:
                connection.execute(statement)
    except LedgerError as error:
        return error
    finally:
        connection.close()
    raise AssertionError("no error")


def test_each_error_of_sqlite_has_its_own_words(tmp_path: Path) -> None:
    terms = " OR ".join(["1 = 2"] * 2000)
    assert isinstance(_sqlite_error(tmp_path / "a", f"SELECT {terms}"), TooManyTerms)
    (tmp_path / "b").write_bytes(b"no database, but long enough" * 100)
    assert _sqlite_error(tmp_path / "b", "SELECT * FROM sqlite_master").code == "ledger_damaged"
    other = sqlite3.connect(tmp_path / "c", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    locked = _sqlite_error(tmp_path / "c", "BEGIN IMMEDIATE")
    assert isinstance(locked, LedgerBusy)
    # No lock file names a process of another program.
    assert "doctor" not in str(locked)
    assert users_of(tmp_path / "c") in str(locked)
    other.close()
    full = _sqlite_error(
        tmp_path / "d", "PRAGMA max_page_count=2", "CREATE TABLE a (b)", "CREATE TABLE c (d)"
    )
    assert full.code == "disk_full"
    assert "no space is left" in str(full)


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError) as caught:
        sqlite3.connect(tmp_path / "none" / "titan.db").execute("SELECT 1")
    error = ledger_error(caught.value, tmp_path / "none" / "titan.db", did="read")
    assert "cannot be read" in str(error)
