"""SQL is written in `state` alone: a second database is added there and nowhere else."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_STATEMENT = re.compile(
    r"\s*(SELECT\b.*\bFROM|INSERT\s+INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM|CREATE\s+TABLE|PRAGMA\s)",
    re.DOTALL,
)


_PACKAGES = ["core", "titan_batch", "titan_console"]
# A call that takes SQL, or returns rows.
_RUN = re.compile(
    r"\b_?(ledger|reader|source|copy)\.(rows?|tuples|execute|executemany|insert|next_id|connection)\b"
)


@pytest.mark.parametrize("package", _PACKAGES)
def test_sql_is_written_in_state_alone(package: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and _STATEMENT.match(node.value)
    ]
    assert found == []


def test_the_pattern_knows_a_statement() -> None:
    assert _STATEMENT.match("SELECT key FROM batches")
    assert not _STATEMENT.match("Select one of the rows.")
    assert _RUN.search("context.ledger.rows(sql)")
    assert not _RUN.search("with context.ledger.transaction(name) as tx:")


@pytest.mark.parametrize("package", _PACKAGES)
def test_other_packages_run_no_statement(package: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}: {call.group()}"
        for path in (ROOT / package).rglob("*.py")
        for call in _RUN.finditer(path.read_text("utf-8"))
    ]
    assert found == []
