"""Runs a script of SQL in the open transaction."""

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


def run_script(connection: sqlite3.Connection, script: str) -> None:
    """Run each statement of the script in the open transaction."""
    for statement in split(script):
        connection.execute(statement)
