"""Splits a script of SQL into its statements."""

from state.db.connection import sqlite3


def split(script: str) -> list[str]:
    """Yield one statement at a time: `executescript` would commit the open transaction."""
    statements: list[str] = []
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            statements.append(pending)
            pending = ""
    return statements
