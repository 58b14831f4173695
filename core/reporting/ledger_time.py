"""The time by which ages and periods of a ledger are measured."""

from datetime import datetime

from core.clock import SystemClock
from state.db.reader import Reader


def ledger_now(reader: Reader) -> datetime:
    """The time of the server, by whose clock its hosts write; of this machine for a file."""
    return reader.server_now() or SystemClock().now()
