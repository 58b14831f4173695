"""Migration from version 2 to version 3: every table is created again from the old one."""

from sqlite_utils import Database

from state.db.recreate import Values, recreate
from state.db.statements import run_script
from state.db.tables import TABLES, TRIGGERS

# New column -> its value for a row of version 2; other columns keep their name and value.
_VALUES: Values = {}


def complete_billing(db: Database) -> None:
    """Columns and tables of version 3."""
    recreate(db, TABLES, _VALUES, old="v2")
    run_script(db.conn, TRIGGERS)
