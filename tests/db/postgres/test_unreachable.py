"""A server that cannot be reached is one line that says what to do."""

from pathlib import Path

import pytest

from state.db.postgres.connection import connect
from state.db.postgres.errors import postgres_errors
from state.model.errors import LedgerUnusable

_NAME = "postgresql://db.example/titan"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (
            'server at "db" failed: FATAL:  password authentication failed for user "titan"\n',
            'user "titan"). Set PGPASSWORD, PGPASSFILE or a service file for that user.',
        ),
        (
            "failed: fe_sendauth: no password supplied",
            "supplied). Set PGPASSWORD, PGPASSFILE or a service file for that user.",
        ),
        (
            'failed: FATAL:  database "titan" does not exist',
            "exist). Create it, or correct the address in TITAN_LEDGER or titan.toml.",
        ),
        (
            "failed to resolve host 'db.example': [Errno -2] Name or service not known",
            "known). Correct the address in TITAN_LEDGER or titan.toml.",
        ),
        (
            "failed: Connection refused\n\tIs the server running on that host?",
            "failed: Connection refused; Is the server running on that host?).",
        ),
        (
            "Connection attempts failed. All failures were:\n- host: 'a': late\n- host: 'b': late",
            "All failures were: - host: 'a': late; - host: 'b': late).",
        ),
    ],
)
def test_the_line_says_what_to_do(said: str, shown: str) -> None:
    psycopg = pytest.importorskip("psycopg")
    with pytest.raises(LedgerUnusable) as raised, postgres_errors(_NAME, did="read"):
        raise psycopg.OperationalError(said)
    assert raised.value.code == "ledger_unreachable"
    assert str(raised.value).endswith(shown)
    assert "\n" not in str(raised.value)


def test_a_socket_without_a_server_is_one_line(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    url = f"postgresql:///titan?host={tmp_path}"
    with pytest.raises(LedgerUnusable) as raised, postgres_errors(_NAME, did="read"):
        connect(url)
    assert "; Is the server running locally" in str(raised.value)
