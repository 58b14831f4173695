"""Outside `state/db`, SQL is in the subset that SQLite and PostgreSQL share.

What they spell differently is in `state/db/dialect.py`; `docs/architecture.md` has the list. What
modules pass to each other are records, ids and names: a part of a statement that two of them need
is in `state/db`, too.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Up to four levels of parentheses.
_FROM = r"\b(FROM|JOIN) \((?:[^()]|\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))*\)"
_WORDS = (
    r"\bjson\w*\(",
    r"->",
    r"\bgroup_concat\(",
    r"\bstring_agg\(",
    r"\btotal\(",
    r"\b(iif|ifnull|instr|strpos|printf|typeof|hex|char|unicode|changes|last_insert_rowid)\(",
    r"\b(strftime|julianday|unixepoch|datetime|date|time)\(",
    r"\b(INSERT|UPDATE) OR\b",
    r"\bREPLACE INTO\b",
    r"\b(GLOB|LIKE|ILIKE|REGEXP|MATCH)\b",
    r"(?<!IS )\bNOT NULL\b",
    r"\b(NOTNULL|ISNULL)\b",
    r"\bCROSS JOIN \w+( \w+)? ON\b",
    r"\bIS (NOT )?(?!NOT\b|NULL\b|TRUE\b|FALSE\b)[\w?{]",
    r"\b(rowid|_rowid_|oid|ctid)\b",
    r"\?\d",
    # PostgreSQL does not know the type of such a parameter.
    r"\? IS\b",
    # A condition is no number, and a parameter no condition.
    r"\bOR \?(?! [=<>|+-])",
    r"\$\d",
    r"::",
    r"\b(PRAGMA|ATTACH|DETACH|VACUUM|AUTOINCREMENT|WITHOUT ROWID|INDEXED BY)\b",
    r"\bCOLLATE\b",
    r"\bRETURNING\b",
    r"\bx''",
    r"\bLIMIT -",
    # The greater of two values.
    r"\b(max|min)\((?:[^()]|\([^()]*\))*,",
    # A condition is no number.
    r"\b(sum|max|min|avg)\((?!CASE)(?:[^()]|\([^()]*\))*?( = | <> | < | > | IN \(| IS )",
    # A subquery in FROM needs a name.
    _FROM + r"(?! (?!WHERE|GROUP|ORDER|LIMIT|JOIN|LEFT|ON\b|UNION)\w)",
)
_OF_ONE_DATABASE = re.compile("|".join(f"(?:{word})" for word in _WORDS))
_SQL = re.compile(
    r"\b(SELECT|FROM|WHERE|INSERT|UPDATE|DELETE|JOIN|AND|OR|EXISTS|ORDER BY|GROUP BY|HAVING|CASE"
    r"|VALUES|SET|NULL)\b|[\w.]+ \w+ \?"
)


def _text(node: ast.JoinedStr) -> str:
    """The text of an f-string; a value in it is one word."""
    return "".join(
        str(part.value) if isinstance(part, ast.Constant) else "{value}" for part in node.values
    )


def sql_texts(code: str) -> Iterator[tuple[int, str]]:
    """Each text in the code that is SQL or a part of it, with its line; docstrings left out."""
    tree = ast.parse(code)
    skipped = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            skipped |= {id(part) for part in node.values}
            found = _text(node)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found = "" if id(node) in skipped else node.value
        else:
            continue
        if _SQL.search(found):
            yield node.lineno, found


def of_one_database(code: str) -> list[tuple[int, str]]:
    return [
        (line, found.group())
        for line, text in sql_texts(code)
        for found in _OF_ONE_DATABASE.finditer(text)
    ]


def test_sql_outside_state_db_is_of_no_single_database() -> None:
    found = [
        f"{name}:{line}: {word}"
        for path in sorted((ROOT / "state").rglob("*.py"))
        if not (name := path.relative_to(ROOT).as_posix()).startswith("state/db/")
        for line, word in of_one_database(path.read_text("utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT value FROM json_each(?)",
        "SELECT json_group_array(id) FROM batches",
        "SELECT group_concat(id) FROM batches",
        "SELECT detail ->> 'reason' FROM events",
        "SELECT total(cost_nano) FROM attempts",
        "SELECT sum(outcome = 'succeeded') FROM attempts",
        "SELECT sum(outcome IN ('expired', 'missing')) FROM attempts",
        "SELECT sum(coalesce(a, b) IS NULL) FROM attempts",
        "INSERT OR IGNORE INTO pauses VALUES (?)",
        "UPDATE OR IGNORE attempts SET batch_id = ?",
        "SELECT max(b.reserved_nano, coalesce(b.cost_nano, 0)) FROM batches b",
        "SELECT 1 FROM batches WHERE collected_ts IS ?",
        "SELECT 1 FROM requests r JOIN edits e ON r.edit_id IS NOT e.id",
        "SELECT key FROM batches WHERE key GLOB ?",
        "SELECT key FROM batches WHERE key LIKE ?",
        "SELECT iif(a, b, c) FROM batches",
        "SELECT key FROM batches WHERE instr(betas, ?) = 0",
        "SELECT key FROM batches WHERE remote_id NOT NULL",
        "SELECT 1 FROM batches b CROSS JOIN attempts a ON a.batch_id = b.id",
        "SELECT key FROM batches WHERE key = ?1 OR remote_id = ?1",
        "SELECT id FROM batches WHERE ? IS NULL OR id = ?",
        "SELECT id FROM batches WHERE id > 7 OR ?",
        "SELECT id FROM staged ORDER BY rowid",
        "SELECT count(*) FROM (SELECT 1 FROM batches) WHERE true",
        "SELECT count(*) FROM (SELECT 1 FROM batches WHERE id IN (SELECT 1))",
        "PRAGMA user_version WHERE",
        "INSERT INTO pauses VALUES (?) RETURNING id",
    ],
)
def test_what_is_of_one_database_is_found(sql: str) -> None:
    assert of_one_database(f"rows({sql!r})")
    assert of_one_database(f'rows(f"{sql} {{more}}")')


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FILTER (WHERE a.outcome = 'succeeded') FROM attempts a",
        "SELECT x.id FROM (SELECT id FROM batches) x WHERE (x.id > ?) IS NOT TRUE",
        "SELECT max(coalesce(a, b)), sum(CASE WHEN a = 1 THEN b END) FROM attempts",
        "SELECT s.finished_ts IS NOT NULL FROM submissions s CROSS JOIN pauses p WHERE s.id = 1",
        "INSERT INTO pauses (workflow) VALUES (?) ON CONFLICT DO NOTHING",
    ],
)
def test_what_they_share_is_not(sql: str) -> None:
    assert of_one_database(f"rows({sql!r})") == []


def shared_sql(code: str) -> list[str]:
    """The public constants of a module that are SQL."""
    return [
        name.id
        for node in ast.parse(code).body
        if isinstance(node, ast.Assign) and list(sql_texts(ast.unparse(node)))
        for name in node.targets
        if isinstance(name, ast.Name) and not name.id.startswith("_")
    ]


def test_parts_of_statements_that_modules_share_are_in_state_db() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in sorted((ROOT / "state").rglob("*.py"))
        if "db" not in path.parts
        for name in shared_sql(path.read_text("utf-8"))
    ]
    assert found == []


def test_a_shared_part_is_found() -> None:
    made = '{} = f"SELECT r.id FROM attempts a {{JOIN}} WHERE a.id = 1"'
    assert shared_sql(made.format("REQUEST_IDS")) == ["REQUEST_IDS"]
    assert shared_sql(made.format("_REQUEST_IDS")) == []
