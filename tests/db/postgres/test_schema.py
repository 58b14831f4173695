"""The schema and the statements of PostgreSQL are those of SQLite."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.ledgers.ledger_builders import START, a_ledger
from support.ledgers.postgres_database import an_empty_ledger

from state.db import dialect
from state.db.postgres import statements
from state.db.postgres.ledger import PostgresLedger

_TYPES = {"INTEGER": "bigint", "TEXT": "text", "BLOB": "bytea", "REAL": "double precision"}
# Tables that one of them has for itself.
_OWN = {
    *("titan_ledger", "commits", "stored_files", "stored_pieces"),
    *("_sqlite_migrations", "sqlite_sequence"),
}


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[PostgresLedger]:
    url = an_empty_ledger().url
    with PostgresLedger(url, tmp_path / "titan.db", now=lambda: START, actor="test") as made:
        yield made


def test_both_schemas_have_the_same_columns(tmp_path: Path, postgres: PostgresLedger) -> None:
    with a_ledger(tmp_path / "home") as sqlite:
        ours = {
            (table, column, _TYPES[kind], bool(required or key))
            for table, column, kind, required, key in sqlite.rows(
                'SELECT t.name, c.name, c.type, c."notnull", c.pk FROM sqlite_master t,'
                " pragma_table_info(t.name) c WHERE t.type = 'table'"
            )
            if table not in _OWN
        }
    theirs = {
        (table, column, kind, required == "NO")
        for table, column, kind, required in postgres.rows(
            "SELECT c.table_name, c.column_name, c.data_type, c.is_nullable"
            " FROM information_schema.columns c JOIN information_schema.tables t"
            " ON t.table_schema = c.table_schema AND t.table_name = c.table_name"
            " WHERE t.table_schema = current_schema() AND t.table_type = 'BASE TABLE'"
        )
        if table not in _OWN
    }
    assert ours == theirs


def test_both_schemas_have_the_same_views_triggers_and_indexes(
    tmp_path: Path, postgres: PostgresLedger
) -> None:
    with a_ledger(tmp_path / "home") as sqlite:
        ours = {
            (kind, name)
            for kind, name in sqlite.rows(
                "SELECT type, name FROM sqlite_master WHERE type <> 'table' AND sql IS NOT NULL"
                " AND tbl_name <> '_sqlite_migrations'"
            )
        }
    theirs = {
        tuple(row)
        for row in postgres.rows(
            "SELECT 'view', viewname FROM pg_views WHERE schemaname = current_schema()"
            " UNION SELECT 'trigger', tgname FROM pg_trigger WHERE NOT tgisinternal"
            " UNION SELECT 'index', i.indexname FROM pg_indexes i WHERE i.schemaname ="
            " current_schema() AND i.tablename <> 'stored_files' AND NOT EXISTS"
            " (SELECT 1 FROM pg_constraint c WHERE c.conname = i.indexname)"
        )
    }
    assert ours == theirs


def test_every_reference_is_enforced(tmp_path: Path) -> None:
    with a_ledger(tmp_path / "home") as sqlite:
        ours = {
            tuple(row)
            for row in sqlite.rows(
                'SELECT t.name, k."from", k."table" FROM sqlite_master t,'
                " pragma_foreign_key_list(t.name) k WHERE t.type = 'table'"
            )
        }
    theirs = {tuple(row) for row in an_empty_ledger().references}
    assert ours == {row for row in theirs if row[0] not in _OWN}


def test_text_is_ordered_by_its_bytes(postgres: PostgresLedger) -> None:
    others = postgres.rows(
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = current_schema() AND data_type = 'text' AND table_name <> 'commits'"
        " AND table_name NOT LIKE 'v\\_%' AND collation_name IS DISTINCT FROM 'C'"
    )
    assert [tuple(row) for row in others] == []


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT ? + 1", "SELECT %s + 1"),
        ("SELECT '?', 'it''s ?', ? % 2", "SELECT '?', 'it''s ?', %s %% 2"),
        (
            f"WHERE {dialect.is_not('a', dialect.text_in('d', 'k'))}",
            "WHERE a IS DISTINCT FROM (d::json ->> 'k')",
        ),
        (
            f"WHERE x.{dialect.is_same('b')} AND id IN {dialect.LISTED}",
            (
                "WHERE x.b IS NOT DISTINCT FROM %s AND id IN (SELECT value::bigint AS value"
                " FROM json_array_elements_text(%s::json))"
            ),
        ),
        (
            f"{dialect.number_in('i.value', 'n')} IN {dialect.items('?', 'i')}",
            "(i.value::json ->> 'n')::bigint IN json_array_elements(%s::json) i",
        ),
        (
            f"FROM a {dialect.THEN_JOIN} b ON b.x = a.x CROSS JOIN c",
            "FROM a JOIN b ON b.x = a.x CROSS JOIN c",
        ),
    ],
)
def test_a_statement_is_spelled_for_postgresql(sql: str, expected: str) -> None:
    assert statements.query(sql).decode() == expected
