"""A restored backup: what it does not know is shown, imported, or held back; nothing runs twice."""

import json
import shutil
from collections.abc import Generator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from support.builders import START, some_requests
from support.processes.terminal import Terminal, a_server

from core import bootstrap
from core.clock import ManualClock, SystemClock
from core.config.settings import Settings
from state.db.connection import sqlite3
from state.db.reader import Reader
from state.files.folder import Folder
from state.model.timestamps import to_text
from state.queries import event_list
from state.recovery import backups
from titan_console.sandbox.api import Sandbox

_Used = tuple[Terminal, Folder, Sandbox]


def _lines(count: int, workflow: str = "feed-classify") -> str:
    return "".join(json.dumps(request) + "\n" for request in some_requests(count, workflow))


@pytest.fixture
def used(tmp_path: Path) -> Generator[_Used, None, None]:
    """A home with a backup that knows one answered submission."""
    with a_server() as (sandbox, address):
        terminal = Terminal(tmp_path / "home", address)
        terminal.submit_and_poll(tag="one")
        yield terminal, Folder(tmp_path / "home"), sandbox


def _backup(terminal: Terminal) -> str:
    (listed,) = terminal.run("restore", "--json").lines()
    return str(listed["backup"])


def _totals(terminal: Terminal) -> dict[str, int]:
    totals: dict[str, int] = terminal.run("status", "--json").json()["totals"]
    return totals


def test_the_backups_are_listed_and_an_unknown_one_is_refused(used: _Used) -> None:
    terminal, folder, _ = used
    assert (folder.backups / _backup(terminal)).exists()
    assert _backup(terminal) in terminal.run("restore").out
    done = terminal.run("restore", "titan-1999-01-01.db", "--yes")
    assert (done.code, done.err.count("\n")) == (2, 1)


def test_without_a_yes_it_shows_what_would_be_lost_and_changes_nothing(used: _Used) -> None:
    terminal, folder, _ = used
    name = _backup(terminal)
    key = terminal.run("submit", "-", "--tag", "two", stdin=_lines(2, "later")).out.strip()
    before = folder.ledger.stat().st_ino
    done = terminal.run("restore", name)
    assert done.code == 2
    assert ": 1 submission, 1 batch and 2 requests" in done.err
    assert done.err.count(key) == 1
    assert "--yes" in done.err
    assert folder.ledger.stat().st_ino == before
    assert not list(folder.root.glob("titan.rebuilt*"))


@pytest.mark.parametrize("lose", ["present", "gone", "damaged"])
def test_what_is_newer_than_the_backup_is_imported_and_not_sent_again(
    used: _Used, lose: str
) -> None:
    terminal, folder, sandbox = used
    name = _backup(terminal)
    assert terminal.run("submit", "-", "--tag", "two", stdin=_lines(2, "later")).code == 0
    assert terminal.run("--poll").code == 0
    before = _totals(terminal)
    if lose == "gone":
        folder.ledger.unlink()
    if lose == "damaged":
        folder.ledger.write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    done = terminal.run("restore", name, "--yes", "--json")
    assert done.code == 0, done.err
    assert (done.json()["submissions"], done.json()["missing"]) == (1, 0)
    assert (done.json()["kept"] is None) == (lose == "gone")
    assert terminal.run("--poll").code == 0
    assert _totals(terminal) == before
    assert terminal.run("savings", "--check-log").code == 0
    assert terminal.run("submit", "-", "--tag", "two", stdin=_lines(2, "later")).code == 0
    assert sandbox.billing_log().creates == 2
    assert terminal.run("doctor", "--check").code == 0


def _with_unsent_backup(terminal: Terminal, folder: Folder) -> str:
    """A backup that was made while a submission waited to be sent; it is sent afterwards."""
    without_key = Terminal(folder.root, terminal.base_url, api_key=None)
    assert without_key.run("submit", "-", "--tag", "two", stdin=_lines(4, "later")).out
    name = _backup(terminal)
    (folder.backups / name).unlink()
    without_key.run("--poll")
    copy = folder.backups / name
    assert copy.exists()
    terminal.run("--poll")
    terminal.run("--poll")
    return name


@pytest.mark.parametrize("mirror", ["kept", "lost", "behind", "lost with the results"])
def test_what_was_sent_after_the_backup_is_not_sent_again(used: _Used, mirror: str) -> None:
    terminal, folder, sandbox = used
    name = _with_unsent_backup(terminal, folder)
    assert sandbox.billing_log().creates == 2
    if mirror.startswith("lost"):
        folder.jobs_mirror.unlink()
    if mirror == "lost with the results":
        for path in folder.results.glob("*"):
            path.unlink()
    if mirror == "behind":
        lines = folder.jobs_mirror.read_text().splitlines(keepends=True)
        folder.jobs_mirror.write_text(
            "".join(line for line in lines if '"two"' not in line or '"queued"' in line)
        )
        for path in folder.results.glob("*"):
            path.unlink()
    done = terminal.run("restore", name, "--yes", "--json")
    assert done.out, done.err
    is_lost = mirror == "lost with the results"
    assert (done.code, done.json()["missing"]) == ((1, 4) if is_lost else (0, 0)), done
    terminal.run("--poll")
    terminal.run("--poll")
    assert sandbox.billing_log().creates == 2
    if not is_lost:
        assert len(terminal.run("results", "two", "--json").lines()) == 4
        assert _totals(terminal)["requests"] == 7


@pytest.mark.parametrize("command", ["restore", "rebuild"])
@pytest.mark.parametrize("damage", ["empty", "no result", "zeros", "cut short"])
def test_results_on_disk_that_are_damaged_come_from_the_api_again(
    used: _Used, damage: str, command: str
) -> None:
    terminal, folder, sandbox = used
    name = _with_unsent_backup(terminal, folder)
    (key,) = {row["batch_id"] for row in terminal.run("results", "two", "--json").lines()}
    results = folder.results / f"{key}.jsonl"
    whole = results.read_bytes()
    contents = {"empty": b"", "no result": b"no result\n", "zeros": b"\0" * 4096}
    results.write_bytes(contents.get(damage, whole[: len(whole) // 2]))
    if command == "rebuild":
        folder.ledger.unlink()
    done = terminal.run(command, *([name] if command == "restore" else []), "--yes", "--json")
    assert (done.code, done.json()["missing"]) == (0, 0), done
    terminal.run("--poll")
    terminal.run("--poll")
    assert sandbox.billing_log().creates == 2
    found = terminal.run("results", "two", "--json").lines()
    assert [row["outcome"] for row in found] == ["succeeded"] * 4
    assert results.read_bytes() == whole


@pytest.mark.parametrize("command", ["restore", "rebuild"])
def test_a_restored_ledger_judges_no_poll_by_the_record_of_the_backup(
    used: _Used, command: str
) -> None:
    """The backup was made within a poll, 20 hours ago; its lease would still be valid."""
    terminal, folder, _ = used
    name = _backup(terminal)
    with closing(sqlite3.connect(folder.backups / name)) as backup:
        old = to_text(SystemClock().now() - timedelta(hours=20))
        backup.execute("UPDATE polls SET started_ts = ?, finished_ts = ?", (old, old))
        backup.execute("UPDATE leases SET expires_ts = '2999-01-01T00:00:00.000Z'")
        backup.commit()
    without_key = Terminal(folder.root, terminal.base_url, api_key=None)
    before = to_text(SystemClock().now())
    if command == "restore":
        assert without_key.run("restore", name, "--yes").code == 0
    else:
        bootstrap.rebuild_ledger(Settings(home=folder.root), actor="test")
    poller = without_key.run("status", "--json").json()["poller"]
    assert (poller["state"], poller["error"], poller["lease"]) == ("restored", None, None)
    assert before <= poller["restored_ts"] <= to_text(SystemClock().now())
    said = f"ledger restored at {poller['restored_ts']}, no poll since"
    assert said in without_key.run("status").out
    findings = without_key.run("doctor", "--json").json()["findings"]
    found = {one["what"]: (one["health"], one["detail"]) for one in findings}
    assert found["poller"] == ("ok", said)
    with Reader(folder.ledger) as reader:
        kinds = [line.event.kind for line in event_list.latest(reader, limit=9)]
    assert f"ledger.{'restored' if command == 'restore' else 'rebuilt'}" in kinds
    assert without_key.run("--poll").code == 3
    failed = without_key.run("status", "--json").json()["poller"]
    assert (failed["state"], failed["restored_ts"]) == ("failed", None)
    assert terminal.run("--poll").code == 0
    assert terminal.run("status", "--json").json()["poller"]["state"] == "ok"


def test_a_restore_can_be_undone_by_a_restore(used: _Used) -> None:
    terminal, _, sandbox = used
    name = _backup(terminal)
    terminal.run("submit", "-", "--tag", "two", stdin=_lines(2, "later"))
    terminal.run("--poll")
    before = _totals(terminal)
    kept = Path(terminal.run("restore", name, "--yes", "--json").json()["kept"])
    assert terminal.run("restore", kept.name, "--yes").code == 0
    assert _totals(terminal) == before
    assert sandbox.billing_log().creates == 2


def test_a_damaged_backup_is_refused_and_the_ledger_stays(used: _Used) -> None:
    terminal, folder, _ = used
    name = _backup(terminal)
    content = bytearray((folder.backups / name).read_bytes())
    content[8192:] = b"\xff" * (len(content) - 8192)
    (folder.backups / name).write_bytes(bytes(content))
    before = folder.ledger.stat().st_ino
    for damage in (bytes(content), b"\xff" * 5000, b"SQLite format 3\0" + b"\xff" * 5000):
        (folder.backups / name).write_bytes(damage)
        done = terminal.run("restore", name, "--yes")
        assert (done.code, done.err.count("\n")) == (3, 1), done
        assert f"The backup {folder.backups / name} is damaged: " in done.err
        assert "rebuilt" not in done.err.replace("rebuild`", "")
        assert folder.ledger.stat().st_ino == before
        assert not list(folder.root.glob("titan.rebuilt*"))
    shutil.rmtree(folder.backups)
    assert terminal.run("restore").out == "No backups.\n"


def test_what_a_damaged_ledger_has_beyond_the_backup_is_not_counted(used: _Used) -> None:
    terminal, folder, _ = used
    name = _backup(terminal)
    terminal.submit_and_poll(tag="two")
    folder.ledger.write_bytes(b"\xff" * 8192)
    shown = terminal.run("restore", name)
    assert "1 submission, 1 batch and an unknown number of requests" in shown.err
    assert "Cannot compare with the current ledger: " in shown.err
    (lost,) = [path for path in folder.spool.glob("*.jsonl") if path.stem in shown.err]
    for left in (lost, folder.results / lost.name):
        left.unlink()
    folder.jobs_mirror.unlink()
    again = terminal.run("restore", name)
    assert f"{name} has every submission and batch of its files." in again.err


def test_two_restores_in_a_second_keep_both_ledgers(
    used: _Used, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal, _, _ = used
    monkeypatch.setattr(bootstrap, "SystemClock", lambda: ManualClock(START))
    name = _backup(terminal)
    settings = Settings(home=terminal.home)
    path = Folder(settings.home).backups / name
    first, second = (bootstrap.restore_ledger(settings, path, actor="t")[1] for _ in range(2))
    assert first
    assert second
    assert first != second
    assert {first, second} <= {backup.path for backup in backups.listed(Folder(settings.home))}


def _set(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


@pytest.mark.parametrize(
    ("statements", "code"),
    [
        (["PRAGMA user_version = 99"], "ledger_too_new"),
        (["PRAGMA user_version = -1"], "ledger_unknown_schema"),
        (["PRAGMA user_version = 2"], "ledger_unknown_schema"),
        (["PRAGMA application_id = 7"], "ledger_unusable"),
    ],
)
def test_a_backup_that_is_no_ledger_of_ours_is_refused_by_its_own_name(
    used: _Used, statements: list[str], code: str
) -> None:
    terminal, folder, _ = used
    path = folder.backups / _backup(terminal)
    _set(path, *statements)
    before = folder.ledger.stat().st_ino
    done = terminal.run("restore", path.name, "--yes", "--json")
    assert (done.code, done.error_code()) == (3, code)
    assert str(path) in done.err
    assert "TITAN_HOME" not in done.err
    assert folder.ledger.stat().st_ino == before
    assert not list(folder.root.glob("titan.rebuilt*"))


def test_a_restore_after_a_rebuild_leaves_whole_mirrors_that_a_rebuild_can_read(
    used: _Used,
) -> None:
    """The backup has positions in mirror files that the rebuild has written again."""
    terminal, folder, sandbox = used
    name = _backup(terminal)
    folder.ledger.write_bytes(b"")
    assert terminal.run("rebuild", "--yes").code == 0
    assert terminal.run("submit", "-", "--tag", "two", stdin=_lines(2, "later")).code == 0
    assert terminal.run("--poll").code == 0
    terminal.run("restore", name, "--yes")
    assert terminal.run("--poll").code == 0
    for mirror in (folder.jobs_mirror, folder.cost_mirror):
        assert [json.loads(line) for line in mirror.read_text("utf-8").splitlines()]
    for path in folder.root.glob("titan.db*"):
        path.unlink()
    assert terminal.run("rebuild", "--yes").code == 0
    assert terminal.run("submit", "-", "--tag", "one", stdin=_lines(3)).code == 0
    assert sandbox.billing_log().creates == 2


def test_a_mirror_that_another_program_replaced_is_written_again(used: _Used) -> None:
    terminal, folder, _ = used
    folder.jobs_mirror.write_text("x" * 10_000, "utf-8")
    assert terminal.run("submit", "-", "--tag", "two", stdin=_lines(2, "later")).code == 0
    assert terminal.run("--poll").code == 0
    tags = {json.loads(line)["tag"] for line in folder.jobs_mirror.read_text("utf-8").splitlines()}
    assert tags == {"one", "two"}
