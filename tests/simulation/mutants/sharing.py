"""Deliberate bugs in a ledger that hosts share; a history on PostgreSQL finds them."""

from collections.abc import Generator
from datetime import timedelta

from simulation.mutants.patching import nothing, patched

from core.delivery.owner import Owner
from state.db.postgres.files import PostgresFiles
from state.db.postgres.ledger import PostgresLedger


def _no_offset(_ledger: PostgresLedger) -> timedelta:
    return timedelta()


def _always(*_args: object) -> bool:
    return True


def own_clocks() -> Generator[None, None, None]:
    """Each host compares the times of the others with its own clock."""
    with patched(PostgresLedger, "clock_offset", _no_offset):
        yield


def assumed_commits() -> Generator[None, None, None]:
    """A commit whose reply is lost is taken for one that was stored."""
    with patched(PostgresLedger, "_was_committed", _always):
        yield


def files_not_kept() -> Generator[None, None, None]:
    """The ledger refers to results that the other hosts do not have."""
    with patched(PostgresFiles, "keep", nothing):
        yield


def delivered_by_any() -> Generator[None, None, None]:
    """Each host delivers what any of them has submitted."""
    with patched(Owner, "is_here", _always):
        yield


MUTANTS = (own_clocks, assumed_commits, files_not_kept, delivered_by_any)
