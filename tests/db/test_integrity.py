"""A ledger without its triggers, indexes and views is damaged: the tables alone enforce no rule."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from support.ledgers.new_ledger import prepare_new_home
from support.processes.terminal import Terminal

from state.db.integrity import damage


def change(ledger: Path, sql: str) -> None:
    with closing(sqlite3.connect(ledger)) as connection:
        connection.executescript(sql)


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("DROP VIEW v_batches", "the view v_batches is missing: another program"),
        ("DROP TRIGGER requests_success_is_final", "the trigger requests_success_is_final is"),
        ("DROP INDEX one_active_attempt", "the index one_active_attempt is missing: another"),
        (
            "DROP VIEW v_batches; DROP VIEW v_events",
            "the view v_batches and 1 more are missing: another program",
        ),
    ],
)
def test_what_another_program_has_dropped_is_named(tmp_path: Path, sql: str, said: str) -> None:
    ledger = tmp_path / "home" / "titan.db"
    prepare_new_home(ledger)
    assert damage(ledger, thorough=True) is None
    change(ledger, sql)
    assert (damage(ledger, thorough=False) or "").startswith(said)


def test_doctor_says_it_and_a_rebuild_creates_it(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path)
    assert terminal.run("--poll").code == 0
    change(tmp_path / "titan.db", "DROP VIEW v_batches")
    ended = terminal.run("doctor")
    assert "the view v_batches is missing" in ended.out
    assert ended.code == 1
    assert terminal.run("rebuild", "--yes").code == 0
    assert terminal.run("query", "SELECT count(*) FROM v_batches").code == 0
