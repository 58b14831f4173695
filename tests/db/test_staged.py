"""Staged rows are in a file, also with a SQLite that keeps temporary tables in memory."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from state.db import staged
from state.db.ledger import Ledger

NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.mark.parametrize("in_memory", [False, True])
def test_a_staging_leaves_no_file_and_no_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_memory: bool
) -> None:
    monkeypatch.setattr(staged, "_keeps_temporary_tables_in_memory", lambda: in_memory)
    with Ledger(tmp_path / "titan.db", now=lambda: NOW, actor="test") as ledger:
        before = sorted(tmp_path.iterdir())
        with (
            ledger.staged({"number": int, "text": str}, [(1, "a")]) as one,
            ledger.staged({"n": int}, key="n") as two,
        ):
            attached = ledger.rows("SELECT name FROM pragma_database_list WHERE name LIKE 'in_%'")
            assert len(attached) == (2 if in_memory else 0)
            one.add_rows((number, "b" * 100) for number in range(2, 100_000))
            with ledger.transaction("test"):
                ledger.execute(f"INSERT INTO {two} SELECT max(number) FROM {one}")  # noqa: S608 - our own name
            assert ledger.rows(f"SELECT n FROM {two}")[0][0] == 99_999  # noqa: S608 - our own name
            # Windows deletes no open file.
            if os.name == "posix":
                assert sorted(tmp_path.iterdir()) == before
        assert not ledger.rows("SELECT name FROM pragma_database_list WHERE name LIKE 'in_%'")
        assert sorted(tmp_path.iterdir()) == before


def test_without_room_for_a_file_the_rows_are_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(**_given: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr(staged, "_keeps_temporary_tables_in_memory", lambda: True)
    monkeypatch.setattr(staged, "mkstemp", no_room)
    with (
        Ledger(tmp_path / "titan.db", now=lambda: NOW, actor="test") as ledger,
        ledger.staged({"number": int}, [(1,), (2,)]) as rows,
    ):
        assert len(ledger.rows(f"SELECT * FROM {rows}")) == 2  # noqa: S608 - our own name
