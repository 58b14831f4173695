"""Creates every table again from its older shape, which a migration to a new version does."""

from collections.abc import Mapping

from sqlite_utils import Database

from state.db.statements import split

# Table -> column -> the SQL value that the old row gives it; by default the column of its name.
Values = Mapping[str, Mapping[str, str]]


def recreate(
    db: Database,
    tables: str,
    values: Values,
    *,
    old: str,
    old_names: Mapping[str, str] | None = None,
) -> None:
    """Create the tables and indexes of the script, and copy the rows of the old tables into them.

    During the copy an old table is called `{old}_{new name}`; `old_names` has the former names of
    renamed tables. A table that is not there yet stays empty. Triggers are dropped.

    Needs about as much free disk space as the ledger has bytes.
    """
    run = db.conn.execute
    creations = [line for line in split(tables) if "CREATE TABLE" in line]
    names = [line.partition("CREATE TABLE ")[2].split()[0] for line in creations]
    before = {new: (old_names or {}).get(new, new) for new in names}
    kept = [new for new in names if before[new] in db.table_names()]
    _drop_triggers_and_indexes(db)
    for table in kept:
        run(f"ALTER TABLE {before[table]} RENAME TO {old}_{table}")
    for statement in creations:
        run(statement)
    for table in kept:
        _copy(db, table, f"{old}_{table}", values.get(table, {}))
    for table in kept:
        run(f"DROP TABLE {old}_{table}")
    for statement in split(tables):
        if "CREATE" in statement and statement not in creations:
            run(statement)


def _drop_triggers_and_indexes(db: Database) -> None:
    for kind in ("trigger", "index"):
        for (name,) in db.conn.execute(
            "SELECT name FROM sqlite_master WHERE type = ? AND sql IS NOT NULL"
            " AND tbl_name <> '_sqlite_migrations'",
            (kind,),
        ).fetchall():
            db.conn.execute(f"DROP {kind} {name}")


def _copy(db: Database, table: str, source: str, values: Mapping[str, str]) -> None:
    columns = [
        str(row[0]) for row in db.conn.execute("SELECT name FROM pragma_table_info(?)", (table,))
    ]
    copied = ", ".join(values.get(column, column) for column in columns)
    # With ABORT, the default, a copy of each page that is used again would be kept in memory. What
    # fails is rolled back with the whole migration.
    db.conn.execute(
        f"INSERT OR FAIL INTO {table} ({', '.join(columns)}) SELECT {copied} FROM {source}"  # noqa: S608 - our own names
    )
