"""The latest submissions of every workflow, and the command after its last delivery."""

from msgspec import Struct

from state.db.reader import Source
from state.operations.hook_runs import RunState

LATEST = 14


class JobRun(Struct, frozen=True, kw_only=True):
    """One submission, with the number of its failed requests that are not acknowledged."""

    key: str
    workflow: str
    job: str | None
    request_count: int
    failed: int
    is_sent: bool
    created_ts: str
    deadline_ts: str | None
    finished_ts: str | None
    delivered_ts: str | None


class LastCommand(Struct, frozen=True, kw_only=True):
    """The command that follows the latest delivery of a workflow."""

    workflow: str
    state: RunState
    tries: int
    problem: str | None


def latest_runs(source: Source, *, each: int = LATEST) -> list[JobRun]:
    """The latest submissions of every workflow, newest first."""
    failed = {
        row["submission_id"]: row["failed"]
        for row in source.rows(
            "SELECT submission_id, count(*) AS failed FROM requests WHERE status IN"
            " ('errored', 'canceled', 'expired', 'missing') AND status NOT IN"
            " ('assigned', 'succeeded') GROUP BY submission_id"
        )
    }
    rows = source.rows(
        "SELECT id, key, workflow, job, request_count, created_ts, deadline_ts, finished_ts,"
        " delivered_ts, EXISTS (SELECT 1 FROM batches b WHERE b.submission_id = s.id"
        " AND b.accepted_ts IS NOT NULL) AS is_sent FROM (SELECT *, row_number() OVER"
        " (PARTITION BY workflow ORDER BY id DESC) AS recency FROM submissions) s"
        " WHERE recency <= ? ORDER BY id DESC",
        each,
    )
    return [
        JobRun(
            **{
                name: row[name]
                for name in (
                    *("key", "workflow", "job", "request_count", "created_ts", "deadline_ts"),
                    *("finished_ts", "delivered_ts"),
                )
            },
            is_sent=bool(row["is_sent"]),
            failed=failed.get(row["id"], 0),
        )
        for row in rows
    ]


def last_commands(source: Source) -> list[LastCommand]:
    """For each workflow with deliveries, the state of the command after its last one."""
    rows = source.rows(
        "SELECT workflow, state, tries, problem FROM (SELECT *, row_number() OVER (PARTITION BY"
        " workflow ORDER BY work_date DESC) AS recency FROM hook_runs) h WHERE recency = 1"
        " ORDER BY workflow"
    )
    return [
        LastCommand(
            workflow=row["workflow"],
            state=RunState(row["state"]),
            tries=row["tries"],
            problem=row["problem"],
        )
        for row in rows
    ]
