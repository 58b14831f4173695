"""What other processes do while a ledger is being replaced: nothing is lost, all is said."""

import json
import subprocess
import sys
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import pytest
from support.builders import a_bench, some_requests
from support.ledgers.broken_ledger import poll
from support.processes.terminal import Terminal, a_server

import titan_batch
from core.config.settings import Settings, child_environment
from state.db import access_lock
from state.db.connection import sqlite3
from state.files import fallback_file
from state.files.folder import Folder
from state.recovery import rebuild as rebuilding
from titan_console.sandbox.api import Sandbox
from titan_console.sandbox.model.timing import Plan
from titan_console.session.query_worker import ReopeningReader


def damage_a_table(ledger: Path) -> None:
    """Overwrite the root page of `alerts`: a submit still works, the integrity check fails."""
    with closing(sqlite3.connect(ledger)) as opened:
        opened.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = opened.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'alerts'"
        ).fetchone()
    content = bytearray(ledger.read_bytes())
    content[(page - 1) * 4096 : page * 4096] = b"\xff" * 4096
    ledger.write_bytes(bytes(content))


@pytest.fixture
def waits_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_lock, "SHARED_WAIT_S", 0.0)
    monkeypatch.setattr(access_lock, "EXCLUSIVE_WAIT_S", 0.0)


@pytest.mark.usefixtures("waits_not")
def test_a_job_keeps_its_requests_and_the_next_poll_sends_them_once(
    home: Path, sandbox: Sandbox
) -> None:
    before = titan_batch.submit(some_requests(1), tag="before")
    with access_lock.exclusive(Folder(home).ledger):
        key = titan_batch.submit(some_requests(3, "meanwhile"), tag="meanwhile")
        assert titan_batch.poll_and_collect(key) is None
        assert titan_batch.poll_and_collect(before) is None
        assert "being rebuilt" in titan_batch.reconcile("before")["problem"]
    (file,) = fallback_file.pending(Folder(home))
    assert (file.key, sandbox.billing_log().creates) == (key, 1)
    poll()
    poll()
    assert len(titan_batch.poll_and_collect(key) or []) == 3
    assert sandbox.billing_log().creates == 2


@pytest.mark.slow
@pytest.mark.parametrize("command", [["--poll"], ["submit", "-", "--tag", "t"], ["replay", "t"]])
def test_a_command_that_writes_is_refused_in_one_line(tmp_path: Path, command: list[str]) -> None:
    terminal = Terminal(tmp_path / "home")
    terminal.run("--poll")
    line = json.dumps(some_requests(1)[0])
    with access_lock.exclusive(tmp_path / "home" / "titan.db"):
        done = terminal.run(*command, "--json", stdin=line)
        assert (done.code, done.error_code()) == (3, "ledger_being_replaced"), done
        assert done.err.count("\n") == 1
        assert terminal.run("status").code == 0


@pytest.fixture
def damaged(tmp_path: Path) -> Generator[tuple[Terminal, Folder, Sandbox], None, None]:
    with a_server(Plan.instant()) as (sandbox, address):
        terminal = Terminal(tmp_path / "home", address)
        lines = "".join(json.dumps(one) + "\n" for one in some_requests(2000))
        assert terminal.run("submit", "-", "--tag", "t", stdin=lines).code == 0
        assert terminal.run("--poll").code == 0
        folder = Folder(tmp_path / "home")
        damage_a_table(folder.ledger)
        yield terminal, folder, sandbox


def test_what_is_submitted_during_a_rebuild_is_in_the_new_ledger(
    damaged: tuple[Terminal, Folder, Sandbox],
) -> None:
    """Fault 00."""
    terminal, folder, sandbox = damaged
    settings = Settings(home=folder.root, base_url=terminal.base_url, api_key="sk-ant-test")
    with subprocess.Popen(
        [sys.executable, "-m", "titan_console", "rebuild", "--yes", "--json"],
        env=child_environment(settings),
        cwd=folder.root.parent,
        stdout=subprocess.PIPE,
    ) as rebuilding:
        while not (folder.root / "titan.rebuilt.db").exists():
            assert rebuilding.poll() is None
        line = json.dumps(some_requests(1, "meanwhile")[0])
        done = terminal.run("submit", "-", "--tag", "meanwhile", stdin=line)
        assert rebuilding.wait() == 0
    assert done.code == 0, done.err
    shown = terminal.run("show", "meanwhile", "--json")
    assert shown.code == 0, shown.err
    assert terminal.run("--poll").code == 0
    assert len(terminal.run("results", "meanwhile", "--json").lines()) == 1
    again = terminal.run("submit", "-", "--tag", "meanwhile", stdin=line)
    assert (again.out, sandbox.billing_log().creates) == (done.out, 2)


@pytest.mark.slow
def test_a_rebuild_waits_for_those_who_write_and_is_refused(
    damaged: tuple[Terminal, Folder, Sandbox],
) -> None:
    terminal, folder, _ = damaged
    before = folder.ledger.read_bytes()
    with closing(access_lock.share(folder.ledger)):
        done = terminal.run("rebuild", "--yes", "--json")
    assert (done.code, done.error_code()) == (3, "ledger_in_use")
    assert folder.ledger.read_bytes() == before


def test_an_open_console_sees_the_ledger_that_was_put_in_place(
    damaged: tuple[Terminal, Folder, Sandbox],
) -> None:
    terminal, folder, _ = damaged
    with closing(ReopeningReader(folder)) as kept:
        old = kept.get()
        old.rows("SELECT count(*) FROM requests")
        assert terminal.run("rebuild", "--yes").code == 0
        new = kept.get()
        assert new is not old
        assert new.rows("PRAGMA integrity_check")[0][0] == "ok"
        line = json.dumps(some_requests(1, "later")[0])
        assert terminal.run("submit", "-", "--tag", "later", stdin=line).code == 0
        assert kept.get().rows("SELECT count(*) FROM requests")[0][0] == 2001


class _Killed(BaseException):
    """A kill at a crash point."""


def test_a_kill_between_the_two_renames_leaves_no_ledger_and_that_is_refused(
    damaged: tuple[Terminal, Folder, Sandbox],
) -> None:
    terminal, folder, sandbox = damaged

    def kill(_point: str) -> None:
        raise _Killed

    fresh = rebuilding.fresh_path(folder.ledger)
    fresh.write_bytes(b"half")
    with pytest.raises(_Killed):
        rebuilding.install(
            fresh, folder.ledger, kept=folder.root / "titan.x.damaged", crash_point=kill
        )
    refused = terminal.run("--poll", "--json")
    assert (refused.code, refused.error_code()) == (3, "ledger_lost")
    assert terminal.run("rebuild", "--yes").code == 0
    assert len(terminal.run("results", "t", "--json").lines()) == 2000
    assert sandbox.billing_log().creates == 1


def test_the_next_poll_removes_what_a_killed_rebuild_left(tmp_path: Path) -> None:
    with a_bench(tmp_path / "home") as bench:
        bench.submit(1)
        fresh = bench.folder.fresh_ledger
        for name in (fresh.name, f"{fresh.name}-wal", "titan.rebuilt.access.lock"):
            (bench.folder.root / name).write_bytes(b"x")
        assert bench.engine.poll().problems == []
        assert list(bench.folder.root.glob("titan.rebuilt*")) == []
