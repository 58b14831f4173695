"""The open batches that hold requests of a synchronous run, and what becomes of the others."""

from collections.abc import Collection

from msgspec import Struct

from state.db.dialect import LISTED, as_list
from state.db.ledger import Ledger
from state.db.reader import Source
from state.db.rows import to_batch
from state.model.records import Batch, BatchStatus


class AffectedBatch(Struct, frozen=True):
    """A batch with `chosen` requests that are to run now, and `others` that are not."""

    batch: Batch
    chosen: int
    others: int

    @property
    def is_canceled(self) -> bool:
        """Whether the run cancels the batch: at the API, and more than half of it is chosen.

        Else the batch goes on, and its answers to the chosen requests may be paid for as well.
        """
        return self.batch.status == BatchStatus.IN_PROGRESS and self.chosen > self.others

    @property
    def goes_on(self) -> bool:
        """Whether the chosen requests run beside the batch, which may answer them, too."""
        return self.batch.status == BatchStatus.IN_PROGRESS and not self.is_canceled


def affected_batches(source: Source, request_ids: Collection[int]) -> list[AffectedBatch]:
    """The batches in which any of the requests is active."""
    rows = source.rows(
        "SELECT a.batch_id, count(*) AS active, count(*) FILTER"  # noqa: S608 - our own words
        f" (WHERE a.request_id IN {LISTED}) AS chosen FROM attempts a WHERE a.active = 1"
        f" AND a.batch_id IN (SELECT batch_id FROM attempts WHERE active = 1 AND request_id IN"
        f" {LISTED}) GROUP BY a.batch_id ORDER BY a.batch_id",
        as_list(request_ids),
        as_list(request_ids),
    )
    return [
        AffectedBatch(
            to_batch(source.rows("SELECT * FROM batches WHERE id = ?", row["batch_id"])[0]),
            row["chosen"],
            row["active"] - row["chosen"],
        )
        for row in rows
    ]


def active_in(source: Source, batch: Batch, request_ids: Collection[int]) -> list[int]:
    """Those of the requests that are active in the batch."""
    rows = source.rows(
        "SELECT request_id FROM attempts WHERE batch_id = ? AND active = 1"  # noqa: S608 - our own words
        f" AND request_id IN {LISTED} ORDER BY request_id",
        batch.id,
        as_list(request_ids),
    )
    return [int(row[0]) for row in rows]


def reattach(ledger: Ledger, request_ids: Collection[int]) -> None:
    """Give requests that could not run back to the batch that they were taken out of.

    Queued, they would be sent in a second batch while the first goes on.
    """
    with ledger.transaction("reattach"):
        ledger.execute(
            "UPDATE attempts SET active = 1 WHERE outcome IS NULL AND request_id IN"  # noqa: S608 - our own words
            f" (SELECT id FROM requests WHERE status = 'queued' AND id IN {LISTED})"
            " AND batch_id = (SELECT max(b.id) FROM attempts m JOIN batches b ON b.id = m.batch_id"
            " WHERE m.request_id = attempts.request_id AND m.outcome IS NULL"
            " AND b.kind = 'batch' AND b.status = 'in_progress')",
            as_list(request_ids),
        )
        ledger.execute(
            f"UPDATE requests SET status = 'assigned' WHERE status = 'queued' AND id IN {LISTED}"  # noqa: S608 - our own words
            " AND EXISTS (SELECT 1 FROM attempts a WHERE a.request_id = requests.id"
            " AND a.active = 1)",
            as_list(request_ids),
        )


def requeue_canceled(ledger: Ledger, affected: AffectedBatch, reason: str) -> None:
    """Record that the others go back to the queue if the cancel ends them. Before the cancel."""
    with ledger.transaction("requeue_canceled") as tx:
        # A cancel that failed is made again by the next poll.
        if ledger.execute(
            "UPDATE batches SET requeue_canceled = 1 WHERE id = ? AND status = 'in_progress'"
            " AND requeue_canceled = 0",
            affected.batch.id,
        ):
            ledger.event(
                tx,
                "batch.cancel_requested",
                batch_id=affected.batch.id,
                requests=affected.chosen,
                others=affected.others,
                reason=reason,
            )


def keep_canceled(ledger: Ledger, batch: Batch) -> None:
    """Record that an operator canceled the batch itself: nothing of it goes back to the queue."""
    with ledger.transaction("keep_canceled"):
        ledger.execute("UPDATE batches SET requeue_canceled = 0 WHERE id = ?", batch.id)
