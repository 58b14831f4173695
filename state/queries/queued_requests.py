"""Queued requests that are in no batch: not sent, taken out of one, or to be run by a `sync`."""

from msgspec import Struct

from state.db.dialect import LISTED, as_list
from state.db.reader import Source
from state.db.rows import to_batch
from state.db.sql_conditions import QUEUED, RETURNED
from state.model.records import Batch

# The running or pending `sync` that will run the request.
_COMMAND = (
    "SELECT min(c.id) FROM commands c JOIN command_items i ON i.command_id = c.id"
    " WHERE c.action = 'sync' AND c.state IN ('pending', 'running') AND i.item_id = r.id"
)


class QueuedRequests(Struct, frozen=True, kw_only=True):
    """Requests of one submission that wait for the same."""

    #: Key of the submission.
    submission: str
    #: Its tag.
    tag: str
    #: Its workflow.
    workflow: str
    #: When it was stored.
    submitted_ts: str
    #: The number of requests.
    count: int
    #: Key of the `sync` that will run them. None: they go to a batch.
    command: str | None
    #: The last batch of the submission that was not sent. None: there is none.
    not_sent: Batch | None
    #: Lane of the submission.
    lane: str


def sync_of(source: Source, batch: Batch) -> str | None:
    """The key of the `sync` that will run all queued requests of the batch's submission.

    None where there is none, or where some of them go to a batch.
    """
    if not source.rows(
        "SELECT 1 FROM commands WHERE action = 'sync' AND state IN ('pending', 'running') LIMIT 1"
    ):
        return None
    rows = source.rows(
        f"SELECT DISTINCT ({_COMMAND}) FROM requests r"  # noqa: S608 - our own words
        f" WHERE r.submission_id = ? AND {QUEUED}",
        batch.submission_id,
    )
    ids = [row[0] for row in rows]
    if not ids or None in ids:
        return None
    return str(source.rows("SELECT key FROM commands WHERE id = ?", min(ids))[0][0])


def without_batch(source: Source) -> list[QueuedRequests]:
    """Every queued request that is in no batch, by submission, oldest first."""
    rows = source.rows(
        f"SELECT q.*, s.key, s.tag, s.workflow, s.created_ts, s.lane, c.key AS command,"  # noqa: S608 - our own words
        f" (SELECT max(b.id) FROM batches b WHERE b.submission_id = s.id AND {RETURNED})"
        " AS batch_id"
        f" FROM (SELECT r.submission_id, ({_COMMAND}) AS command_id, count(*) AS count"
        f" FROM requests r WHERE {QUEUED} GROUP BY 1, 2) q JOIN submissions s"
        " ON s.id = q.submission_id LEFT JOIN commands c ON c.id = q.command_id ORDER BY s.id,"
        " c.id NULLS FIRST"
    )
    batches = {
        row["id"]: to_batch(row)
        for row in source.rows(
            f"SELECT * FROM batches WHERE id IN {LISTED}",  # noqa: S608 - as above
            as_list(row["batch_id"] for row in rows if row["batch_id"] is not None),
        )
    }
    return [
        QueuedRequests(
            submission=row["key"],
            tag=row["tag"],
            workflow=row["workflow"],
            submitted_ts=row["created_ts"],
            count=row["count"],
            command=row["command"],
            not_sent=batches.get(row["batch_id"]),
            lane=row["lane"],
        )
        for row in rows
    ]
