"""A ledger that is gone or empty beside its data files is refused, never created again."""

import json
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path

import click
import pytest
from support.builders import some_requests
from support.error_codes import code_is
from support.processes.terminal import Terminal, a_server

import titan_batch
from state.db.connection import sqlite3
from state.files import fallback_file
from state.files.folder import Folder
from state.model.errors import LedgerUnusable
from titan_console.cli.main import COMMANDS, cli
from titan_console.sandbox.api import Sandbox
from titan_console.session.query_worker import ReopeningReader


def _gone(ledger: Path) -> None:
    ledger.unlink()


def _empty(ledger: Path) -> None:
    ledger.write_bytes(b"")


def _without_tables(ledger: Path) -> None:
    ledger.unlink()
    with closing(sqlite3.connect(ledger)) as made:
        made.execute("PRAGMA user_version=0")
        made.execute("VACUUM")


def _development(ledger: Path) -> None:
    ledger.unlink()
    with closing(sqlite3.connect(ledger)) as made:
        made.execute(f"PRAGMA application_id={0x5449544E}")
        made.execute("PRAGMA user_version=1")
        made.execute("CREATE TABLE intents (id INTEGER PRIMARY KEY)")


def _development_now(ledger: Path) -> None:
    """The newest version, and other tables: written by an earlier commit."""
    _development(ledger)
    with closing(sqlite3.connect(ledger)) as made:
        made.execute("PRAGMA user_version=2")


def _tables_without_version(ledger: Path) -> None:
    with closing(sqlite3.connect(ledger)) as made:
        made.execute("PRAGMA user_version=0")


def _newer(ledger: Path) -> None:
    with closing(sqlite3.connect(ledger)) as made:
        made.execute("PRAGMA user_version=99")


def _of_another_program(ledger: Path) -> None:
    ledger.unlink()
    with closing(sqlite3.connect(ledger)) as made:
        made.execute("CREATE TABLE bookmarks (id INTEGER PRIMARY KEY)")


LOST = [_gone, _empty, _without_tables]
UNKNOWN: dict[Callable[[Path], None], str] = {
    _development: "ledger_unknown_schema",
    _development_now: "ledger_unknown_schema",
    _tables_without_version: "ledger_unknown_schema",
    _newer: "ledger_too_new",
    _of_another_program: "ledger_unusable",
}
# Commands that do not open the ledger, or that diagnose it. `mcp` reports it in each answer.
_WITHOUT_LEDGER = {
    "schedule", "keys", "sandbox", "demo", "serve", "completion", "doctor", "rebuild", "restore",
    "verify-api", "mcp", "skill",
}  # fmt: skip
_ARGUMENTS = {
    "submit": ["-", "--tag", "t", "--json"],
    "show": ["t", "--json"],
    "results": ["t", "--json"],
    "wait": ["t", "--json"],
    "export": ["--all"],
    "query": ["SELECT 1", "--json"],
    "adopt": ["msgbatch_1", "--json"],
    **{
        name: ["t", "--yes", "--json"]
        for name in ("replay", "cancel", "sync", "acknowledge", "pause", "resume")
    },
    "withdraw": ["t"],
}
_LINES = "".join(json.dumps(request) + "\n" for request in some_requests(2))


@pytest.fixture
def used(tmp_path: Path) -> Generator[tuple[Terminal, Folder, Sandbox], None, None]:
    """A home with one answered submission; its ledger is in one file."""
    with a_server() as (sandbox, address):
        terminal = Terminal(tmp_path / "home", address)
        assert terminal.run("submit", "-", "--tag", "t", stdin=_LINES).code == 0
        assert terminal.run("--poll").code == 0
        folder = Folder(tmp_path / "home")
        assert not list(folder.root.glob("titan.db-*"))
        yield terminal, folder, sandbox


def _names() -> list[str]:
    context = click.Context(cli)
    return [name for name in cli.list_commands(context) if name not in _WITHOUT_LEDGER]


def test_every_command_of_the_group_is_tried() -> None:
    assert set(_ARGUMENTS) | _WITHOUT_LEDGER <= set(COMMANDS)
    assert len(_names()) > 20


@pytest.mark.parametrize("lose", [*LOST, *UNKNOWN])
def test_every_command_refuses_it_in_one_line(
    used: tuple[Terminal, Folder, Sandbox], tmp_path: Path, lose: Callable[[Path], None]
) -> None:
    terminal, folder, sandbox = used
    for path, text in (("table.csv", "title\nDune\n"), ("prompt.txt", "About {title}")):
        (tmp_path / path).write_text(text)
    table = (str(tmp_path / "table.csv"), "--prompt", str(tmp_path / "prompt.txt"))
    arguments = {
        **_ARGUMENTS,
        "run": [*table, "--yes", "--json"],
        "metrics": ["--textfile", str(tmp_path / "titan.prom")],
        "ledger": ["copy", str(folder.root), "postgresql://127.0.0.1:1/t", "--yes", "--json"],
    }
    lose(folder.ledger)
    before = folder.ledger.read_bytes() if folder.ledger.exists() else None
    for name in ["--poll", *_names()]:
        given = arguments.get(name, ["--json"])
        done = terminal.run(name, *given, stdin=_LINES)
        assert (done.code, done.err.count("\n"), done.out) == (3, 1, ""), (name, done)
        if "--json" in given:
            assert done.error_code() == UNKNOWN.get(lose, "ledger_lost"), (name, done)
        now = folder.ledger.read_bytes() if folder.ledger.exists() else None
        assert now == before, name
    assert sandbox.billing_log().creates == 1
    assert terminal.run("doctor", "--check").code == 1


@pytest.mark.parametrize("lose", LOST)
def test_rebuild_works_and_nothing_is_bought_again(
    used: tuple[Terminal, Folder, Sandbox], lose: Callable[[Path], None]
) -> None:
    terminal, folder, sandbox = used
    lose(folder.ledger)
    refused = terminal.run("--poll")
    assert "titan-console rebuild" in refused.err
    assert "titan-console restore" in refused.err
    assert "1 copy of the ledger (1 in backups/)" in refused.err
    doctor = terminal.run("doctor", "--check")
    assert doctor.code == 1
    assert "its data files exist: 1 in spool/, 1 in batch-results/" in doctor.out
    preview = terminal.run("rebuild")
    assert (preview.code, "damaged" in preview.err.splitlines()[-1]) == (
        1,
        folder.ledger.exists(),
    )
    done = terminal.run("rebuild", "--yes", "--json")
    assert (done.code, done.json()["collected"]) == (0, 1), done.err
    assert terminal.run("submit", "-", "--tag", "t", stdin=_LINES).code == 0
    assert sandbox.billing_log().creates == 1
    assert terminal.run("doctor", "--check").code == 0


@pytest.mark.parametrize("lose", LOST)
def test_a_job_keeps_its_requests_in_a_fallback_file(
    home: Path, sandbox: Sandbox, lose: Callable[[Path], None]
) -> None:
    titan_batch.submit(some_requests(2), tag="t")
    lose(Folder(home).ledger)
    key = titan_batch.submit(some_requests(3, "other"), tag="other")
    (file,) = fallback_file.pending(Folder(home))
    assert (file.key, sandbox.billing_log().creates) == (key, 1)
    assert "its data files exist" in titan_batch.reconcile("t")["problem"]


@pytest.mark.parametrize("left", ["spool", "batch-results", "batch-jobs.jsonl", "backups"])
def test_each_kind_of_file_tells_that_there_was_a_ledger(tmp_path: Path, left: str) -> None:
    folder = Folder(tmp_path / "home")
    names = {
        "spool": folder.spool / "tb_0123456789.jsonl.zst",
        "batch-results": folder.results / "tb_0123456789-1.jsonl",
        "batch-jobs.jsonl": folder.jobs_mirror,
        "backups": folder.backups / "titan-2026-11-22.db",
    }
    names[left].parent.mkdir(parents=True, exist_ok=True)
    names[left].write_bytes(b"{}")
    done = Terminal(folder.root).run("--poll", "--json")
    assert (done.code, done.error_code()) == (3, "ledger_lost")
    assert not folder.ledger.exists()


def test_a_new_home_and_one_with_fallback_files_alone_get_a_ledger(
    home: Path, sandbox: Sandbox
) -> None:
    home.mkdir()
    (home / "titan.toml").write_text("")
    (home / "titan.db").write_bytes(b"")
    key = titan_batch.submit(some_requests(2), tag="t")
    assert titan_batch.reconcile("t")["submissions"] == [key]
    assert sandbox.billing_log().creates == 1


def test_the_console_says_that_it_is_lost_instead_of_waiting_for_a_new_one(
    used: tuple[Terminal, Folder, Sandbox],
) -> None:
    _, folder, _ = used
    with closing(ReopeningReader(folder)) as kept:
        kept.get()
        _gone(folder.ledger)
        with pytest.raises(LedgerUnusable, check=code_is("ledger_lost")):
            kept.get()
        Folder(folder.root / "new").root.mkdir()
    with (
        closing(ReopeningReader(Folder(folder.root / "new"))) as kept,
        pytest.raises(FileNotFoundError),
    ):
        kept.get()
