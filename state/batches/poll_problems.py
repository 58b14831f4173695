"""The event of an item that a poll could not handle."""

from state.db.ledger import Ledger


def record(ledger: Ledger, item: str, problem: str, *, batch_id: int | None = None) -> None:
    """Record that the step failed; its subject is unchanged, for a later poll."""
    with ledger.transaction("poll_problem") as tx:
        ledger.event(tx, "poll.problem", batch_id=batch_id, subject=item, problem=problem)
