"""A ledger of today as the version before would have left it."""

import sqlite3
from collections.abc import Callable
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
_TABLES = {"alert_silences": 8, "peak_totals": 7, "batch_totals": 5, "cache_totals": 5, "hosts": 11}


_OF_ONE_LANE = ("orphans", "holds", "listings")
_STEPS = (
    *("m004_public_views", "m005_batch_totals", "m006_structured_output"),
    *("m007_peak_totals", "m008_alert_silences", "m009_lanes", "m010_fences"),
    "m011_hosts",
)


def as_version(path: Path, version: int) -> None:
    """Make it one of version 3, which had no views, and so on to 10, which had no hosts.

    What was recorded of lanes is that of the default one.
    """
    with closing(sqlite3.connect(path)) as opened:
        for view in VIEWS:
            opened.execute(f"DROP VIEW {view}")
        _without_newer(opened, version)
        if version > 3:
            for name, view in VIEWS.items():
                opened.execute(f"CREATE VIEW {name} AS{view}")
        for step in _STEPS[version - 3 :]:
            assert opened.execute("DELETE FROM _sqlite_migrations WHERE name = ?", (step,)).rowcount
        opened.execute(f"PRAGMA user_version={version}")
        opened.commit()


def _statement(begin: str) -> str:
    return f"{begin}{TABLES.partition(begin)[2].partition(';')[0]}"


def _without_hosts(opened: sqlite3.Connection) -> None:
    opened.execute("ALTER TABLE submissions DROP COLUMN host")
    _rebuild(opened, "hook_runs", lambda name: name)
    opened.execute(_statement("CREATE INDEX hook_runs_open"))


def _without_fences(opened: sqlite3.Connection) -> None:
    for column in ("epoch", "lock_id"):
        opened.execute(f"ALTER TABLE leases DROP COLUMN {column}")


def _without_lanes(opened: sqlite3.Connection) -> None:
    opened.executescript("DROP INDEX submissions_of_lanes; DROP INDEX batches_of_lanes;")
    opened.execute("ALTER TABLE submissions DROP COLUMN lane")
    for table in _OF_ONE_LANE:
        _rebuild(opened, table, lambda name: "1" if name == "id" else name)


def _rebuild(opened: sqlite3.Connection, table: str, value: Callable[[str], str]) -> None:
    """Make the table as it was before; `value` is that of an older column."""
    opened.execute(f"ALTER TABLE {table} RENAME TO newer_{table}")
    opened.execute(_statement(f"CREATE TABLE {table} ("))
    columns = [row[1] for row in opened.execute(f"PRAGMA table_info({table})")]
    values = ", ".join(map(value, columns))
    opened.execute(f"INSERT INTO {table} SELECT {values} FROM newer_{table}")  # noqa: S608 - ours
    opened.execute(f"DROP TABLE newer_{table}")


def _without_schemas(opened: sqlite3.Connection) -> None:
    opened.executescript(f"DROP INDEX {_INDEX}; DROP INDEX commands_failed;")
    for table, columns in _COLUMNS.items():
        for column in columns:
            opened.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
    opened.execute(_statement(f"CREATE INDEX {_INDEX}"))
    opened.execute("DROP TABLE output_schemas")


# What a version added to tables that were there, newest first.
_REMOVED = {11: _without_hosts, 10: _without_fences, 9: _without_lanes, 6: _without_schemas}


def _without_newer(opened: sqlite3.Connection, version: int) -> None:
    for since, remove in _REMOVED.items():
        if version < since:
            remove(opened)
    for table, added in _TABLES.items():
        if version < added:
            opened.execute(f"DROP TABLE {table}")
