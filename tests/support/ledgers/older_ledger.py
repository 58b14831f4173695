"""A ledger of today as the version before would have left it."""

import sqlite3
from contextlib import closing
from pathlib import Path

from state.db.tables import TABLES
from state.db.views import VIEWS

_COLUMNS = {
    "submissions": ("reask", "continue_turns", "on_max_tokens"),
    "requests": ("schema_id",),
    "edits": ("schema_id",),
    "attempts": ("invalid",),
}
_INDEX = "attempts_for_review"


def as_version(path: Path, version: int) -> None:
    """Make it one of version 3, which had no views, 4, no totals of batches, or 5, no schemas."""
    steps = ("m004_public_views", "m005_batch_totals", "m006_structured_output")[version - 3 :]
    dropped = ["output_schemas", *(("batch_totals", "cache_totals") if version < 5 else ())]
    index = (
        f"CREATE INDEX {_INDEX}{TABLES.partition(f'CREATE INDEX {_INDEX}')[2].partition(';')[0]}"
    )
    with closing(sqlite3.connect(path)) as opened:
        for view in VIEWS:
            opened.execute(f"DROP VIEW {view}")
        opened.executescript(f"DROP INDEX {_INDEX}; DROP INDEX commands_failed;")
        for table, columns in _COLUMNS.items():
            for column in columns:
                opened.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
        opened.execute(index)
        for table in dropped:
            opened.execute(f"DROP TABLE {table}")
        if version > 3:
            for name, view in VIEWS.items():
                opened.execute(f"CREATE VIEW {name} AS{view}")
        for step in steps:
            assert opened.execute("DELETE FROM _sqlite_migrations WHERE name = ?", (step,)).rowcount
        opened.execute(f"PRAGMA user_version={version}")
        opened.commit()
