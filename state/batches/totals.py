"""The sums of collected batches and of their days, which reports read instead of the attempts."""

from state.db import totals_sql
from state.db.dialect import LISTED, as_list
from state.db.ledger import Ledger, Transaction
from state.model.records import Batch


def add(ledger: Ledger, tx: Transaction, batch: Batch) -> None:
    """Inside the transaction that completes a batch: sum its attempts, and add them to the day."""
    for statement in totals_sql.FILL:
        ledger.execute(statement, batch.id)
    _change_day(ledger, tx.at[:10], batch, "+")


def subtract(ledger: Ledger, batch: Batch) -> None:
    """Inside the transaction that reopens a collected batch: remove its sums."""
    _change_day(ledger, (batch.collected_ts or "")[:10], batch, "-")
    ledger.execute("DELETE FROM batch_totals WHERE batch_id = ?", batch.id)
    ledger.execute("DELETE FROM cache_totals WHERE batch_id = ?", batch.id)


def change(ledger: Ledger, batch: Batch, ids: list[int], sign: str) -> None:
    """Add (`+`) or subtract (`-`) these attempts in the sums of the batch and of its day."""
    listed = as_list(ids)
    ledger.execute(
        "UPDATE batches SET (cost_nano, sync_cost_nano, unpriced, duplicate_nano) = (SELECT"  # noqa: S608 - our own words
        f" batches.cost_nano {sign} coalesce(sum(a.cost_nano), 0),"
        f" batches.sync_cost_nano {sign} coalesce(sum(a.sync_cost_nano), 0),"
        f" batches.unpriced {sign} count(*) FILTER (WHERE a.cost_nano IS NULL),"
        f" batches.duplicate_nano {sign}"
        " coalesce(sum(a.cost_nano) FILTER (WHERE a.duplicate = 1), 0) FROM attempts a"
        " WHERE a.batch_id = batches.id AND a.outcome = 'succeeded'"
        f" AND a.request_id IN {LISTED}) WHERE id = ?",
        listed,
        batch.id,
    )
    if batch.collected_ts is None:
        return
    day = batch.collected_ts[:10]
    _change_day(ledger, day, batch, "-")
    for statement in totals_sql.change_chosen(sign):
        ledger.execute(statement, batch.id, listed)
    ledger.execute("DELETE FROM batch_totals WHERE batch_id = ? AND requests = 0", batch.id)
    ledger.execute(
        f"DELETE FROM cache_totals WHERE batch_id = ? AND NOT {totals_sql.USES_CACHE}",  # noqa: S608 - our own words
        batch.id,
    )
    _change_day(ledger, day, batch, "+")


def _change_day(ledger: Ledger, day: str, batch: Batch, sign: str) -> None:
    if sign == "-":
        ledger.execute(totals_sql.KEEP_PEAKS, batch.id)
    ledger.execute(totals_sql.change_daily_totals(sign), day, batch.id)
    ledger.execute("DELETE FROM daily_totals WHERE day = ? AND requests = 0", day)
