"""The suite itself: it knows no database, so that another implementation runs it unchanged."""

import re
from pathlib import Path

import pytest

_TESTS = sorted(Path(__file__).parent.glob("*.py"))
# Statements, the names of one database, and calls that take or return what is one database's.
_KNOWS_A_DATABASE = re.compile(
    r"\bSELECT\b|\bINSERT\b|\bUPDATE\b|\bDELETE\b|\bPRAGMA\b|\bWHERE\b|sqlite|postgres|psycopg"
    r"|(?:ledger|reader|other)\.(?:execute|executemany|insert|rows?|tuples|connection|checkpoint)\b"
    r"|titan\.db|\browid\b"
)
# What a test may import of `state.db`: connections as types, and the moves that are drawn.
_MAY_IMPORT = {"state.db.ledger", "state.db.reader", "state.db.tables"}


@pytest.mark.parametrize("path", _TESTS, ids=lambda path: path.stem)
def test_a_test_of_storage_knows_no_database(path: Path) -> None:
    text = path.read_text("utf-8") if path != Path(__file__) else ""
    assert _KNOWS_A_DATABASE.findall(text) == []
    imported = re.findall(r"^from (state\.db[\w.]*) import", text, re.MULTILINE)
    assert set(imported) <= _MAY_IMPORT
