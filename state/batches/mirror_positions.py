"""How far each mirror file is written; hosts that share the ledger have files of their own."""

from state.db.ledger import Ledger


def forget(ledger: Ledger, file: str) -> None:
    """Inside a transaction: the next poll, of each host, writes that mirror anew."""
    for (name,) in ledger.rows("SELECT name FROM mirrors"):
        if name.rpartition("/")[2] == file:
            ledger.execute("DELETE FROM mirrors WHERE name = ?", name)
