"""Finished submissions to deliver, and the record of deliveries."""

from collections.abc import Callable

from state.db.ledger import Ledger, Transaction
from state.db.reader import Source
from state.db.rows import to_submission
from state.model.records import Submission


def due(source: Source) -> list[tuple[str, str]]:
    """Workflow and date of finished, undelivered submissions, oldest first."""
    return [
        (row["workflow"], row["work_date"])
        for row in source.rows(
            "SELECT workflow, work_date FROM submissions"
            " WHERE delivered_ts IS NULL AND finished_ts IS NOT NULL"
            " GROUP BY workflow, work_date ORDER BY min(id)"
        )
    ]


def finished(source: Source, workflow: str, work_date: str) -> list[Submission]:
    """Every finished submission of that workflow and date, oldest first."""
    return [
        to_submission(row)
        for row in source.rows(
            "SELECT * FROM submissions WHERE workflow = ? AND work_date = ?"
            " AND finished_ts IS NOT NULL AND pruned_ts IS NULL ORDER BY id",
            workflow,
            work_date,
        )
    ]


def waiting(source: Source) -> list[Submission]:
    """Each finished, undelivered submission, oldest first."""
    return [
        to_submission(row)
        for row in source.rows(
            "SELECT * FROM submissions WHERE delivered_ts IS NULL AND finished_ts IS NOT NULL"
            " ORDER BY id"
        )
    ]


def record_delivery(
    ledger: Ledger,
    submissions: list[Submission],
    name: str,
    *,
    publish: Callable[[], None],
    is_ours: Callable[[Submission], bool] = lambda _: True,
    is_due: Callable[[Transaction], bool] = lambda _: True,
) -> bool:
    """Rename the results file to its final name, and record the delivery.

    False if a submission changed since `finished` returned `submissions`, of which those were
    taken that are this host's, or nothing is due any more; the delivery stays due.
    """
    with ledger.transaction("delivered") as tx:
        first = submissions[0]
        now = list(filter(is_ours, finished(ledger, first.workflow, first.work_date)))
        if [(s.id, s.finished_ts) for s in now] != [(s.id, s.finished_ts) for s in submissions]:
            return False
        if not is_due(tx):
            return False
        publish()
        for submission in submissions:
            if ledger.execute(
                "UPDATE submissions SET delivered_ts = ?"
                " WHERE id = ? AND finished_ts = ? AND delivered_ts IS NULL",
                tx.at,
                submission.id,
                submission.finished_ts,
            ):
                ledger.event(tx, "submission.delivered", subject=submission.key, file=name)
    return True
