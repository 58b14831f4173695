"""The latest submissions of every workflow, and the command after its last delivery."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from state.db.dialect import LISTED, LISTED_TEXTS, as_list
from state.db.reader import Source
from state.db.sql_conditions import IS_REPLAY, is_open
from state.model.records import Outcome
from state.operations.hook_runs import RunState
from state.queries.batch_models import SAMPLE

if TYPE_CHECKING:
    from state.db.reader import Row

LATEST = 14


class JobRun(Struct, frozen=True, kw_only=True):
    """One submission, with the number of its failed requests that are not acknowledged.

    `canceled` is how many of these were canceled.
    """

    key: str
    tag: str
    workflow: str
    job: str | None
    request_count: int
    failed: int
    canceled: int
    is_sent: bool
    created_ts: str
    deadline_ts: str | None
    finished_ts: str | None
    delivered_ts: str | None

    @property
    def errored(self) -> int:
        """How many failed that were not canceled."""
        return self.failed - self.canceled


class RunRecord(Struct, frozen=True, kw_only=True):
    """A run with the sums of its batches, in nano-dollars.

    `began_ts` is when the API accepted the first of them, `ended_ts` when the last one ended.
    `replayed` counts the requests that were sent again in a later batch, each time.
    """

    run: JobRun
    cost_nano: int
    sync_cost_nano: int
    unpriced: int
    sync_runs: int
    replayed: int
    began_ts: str | None
    ended_ts: str | None


class LastFailure(Struct, frozen=True, kw_only=True):
    """A failed request with its last outcome."""

    tag: str
    custom_id: str
    outcome: Outcome
    error_type: str | None
    error_message: str | None
    ended_ts: str | None


class LastCommand(Struct, frozen=True, kw_only=True):
    """The command that follows the latest delivery of a workflow."""

    workflow: str
    state: RunState
    tries: int
    problem: str | None


_FAILED = (
    "status IN ('errored', 'canceled', 'expired', 'missing')"
    " AND status NOT IN ('assigned', 'succeeded')"
)
_COLUMNS = (
    "id, key, tag, workflow, job, request_count, created_ts, deadline_ts, finished_ts,"
    " delivered_ts, EXISTS (SELECT 1 FROM batches b WHERE b.submission_id = s.id"
    " AND b.accepted_ts IS NOT NULL) AS is_sent"
)


def latest_runs(source: Source, *, each: int = LATEST) -> list[JobRun]:
    """The latest submissions of every workflow, newest first."""
    rows = source.rows(
        f"SELECT {_COLUMNS} FROM (SELECT *, row_number() OVER"  # noqa: S608 - our own words
        " (PARTITION BY workflow ORDER BY id DESC) AS recency FROM submissions) s"
        " WHERE recency <= ? ORDER BY id DESC",
        each,
    )
    return _runs(source, rows)


def runs_of(source: Source, workflows: Sequence[str], *, limit: int) -> list[RunRecord]:
    """The latest submissions of these workflows with what their batches took and cost."""
    rows = source.rows(
        f"SELECT {_COLUMNS} FROM submissions s WHERE workflow IN {LISTED_TEXTS}"  # noqa: S608 - our own words
        " ORDER BY id DESC LIMIT ?",
        as_list(workflows),
        limit,
    )
    sums = {
        row["submission_id"]: row
        for row in source.rows(
            "SELECT submission_id, coalesce(sum(cost_nano), 0) AS cost_nano,"  # noqa: S608 - our own words
            " coalesce(sum(sync_cost_nano), 0) AS sync_cost_nano, sum(unpriced) AS unpriced,"
            " count(*) FILTER (WHERE kind = 'sync') AS sync_runs,"
            f" coalesce(sum(CASE WHEN {IS_REPLAY} THEN request_count END), 0) AS replayed,"
            " min(accepted_ts) AS began_ts, max(ended_ts) AS ended_ts"
            f" FROM batches b WHERE submission_id IN {LISTED} GROUP BY submission_id",
            as_list(row["id"] for row in rows),
        )
    }
    return [
        RunRecord(
            run=run,
            **{
                name: sums[row["id"]][name] if row["id"] in sums else default
                for name, default in _NO_SUMS.items()
            },
        )
        for row, run in zip(rows, _runs(source, rows), strict=True)
    ]


_NO_SUMS: Mapping[str, Any] = {
    "cost_nano": 0,
    "sync_cost_nano": 0,
    "unpriced": 0,
    "sync_runs": 0,
    "replayed": 0,
    "began_ts": None,
    "ended_ts": None,
}


def _runs(source: Source, rows: "Sequence[Row]") -> list[JobRun]:
    failed = {
        row["submission_id"]: (row["failed"], row["canceled"])
        for row in source.rows(
            "SELECT submission_id, count(*) AS failed,"  # noqa: S608 - our own words
            " count(*) FILTER (WHERE status = 'canceled') AS canceled FROM requests"
            f" WHERE {_FAILED} GROUP BY submission_id"
        )
    }
    return [
        JobRun(
            **{
                name: row[name]
                for name in (
                    *("key", "tag", "workflow", "job", "request_count", "created_ts"),
                    *("deadline_ts", "finished_ts", "delivered_ts"),
                )
            },
            is_sent=bool(row["is_sent"]),
            failed=failed.get(row["id"], (0, 0))[0],
            canceled=failed.get(row["id"], (0, 0))[1],
        )
        for row in rows
    ]


_OF_WORKFLOWS = f"submission_id IN (SELECT id FROM submissions WHERE workflow IN {LISTED_TEXTS})"  # noqa: S608 - our own words


def failed_requests(source: Source, workflows: Sequence[str]) -> list[int]:
    """The ids of the failed requests of these workflows that are not acknowledged."""
    rows = source.rows(
        f"SELECT id FROM requests WHERE {_FAILED} AND {_OF_WORKFLOWS} ORDER BY id",  # noqa: S608 - our own words
        as_list(workflows),
    )
    return [int(row[0]) for row in rows]


def unanswered_requests(source: Source, workflows: Sequence[str]) -> list[int]:
    """The ids of their requests that are queued, in flight or failed."""
    rows = source.rows(
        "SELECT id FROM requests WHERE status NOT IN ('assigned', 'succeeded')"  # noqa: S608 - our own words
        f" AND status <> 'dismissed' AND {_OF_WORKFLOWS}"
        " UNION SELECT r.id FROM attempts a JOIN requests r ON r.id = a.request_id"
        f" WHERE a.active = 1 AND r.{_OF_WORKFLOWS} ORDER BY 1",
        as_list(workflows),
        as_list(workflows),
    )
    return [int(row[0]) for row in rows]


def open_batches(source: Source, workflows: Sequence[str]) -> list[int]:
    """The ids of their open batches."""
    rows = source.rows(
        f"SELECT id FROM batches WHERE {is_open()} AND workflow IN {LISTED_TEXTS} ORDER BY id",  # noqa: S608 - our own words
        as_list(workflows),
    )
    return [int(row[0]) for row in rows]


def models_of(source: Source, run_key: str) -> tuple[str, ...]:
    """The models that the first requests of a run name, by the key of its submission."""
    rows = source.rows(
        "SELECT DISTINCT model FROM (SELECT coalesce(r.model, s.model) AS model"  # noqa: S608 - a number
        " FROM submissions s JOIN requests r ON r.submission_id = s.id WHERE s.key = ?"
        f" ORDER BY r.id LIMIT {SAMPLE}) sampled ORDER BY model",
        run_key,
    )
    return tuple(str(row[0]) for row in rows)


def last_failure(source: Source, workflows: Sequence[str]) -> LastFailure | None:
    """The latest failed request of these workflows that is not acknowledged."""
    rows = source.rows(
        "SELECT r.tag, r.custom_id, a.outcome, a.error_type, a.error_message, b.ended_ts"  # noqa: S608 - our own words
        " FROM (SELECT max(id) AS id FROM requests"
        f" WHERE {_FAILED} AND {_OF_WORKFLOWS}) newest JOIN requests r ON r.id = newest.id"
        " JOIN attempts a ON a.request_id = r.id JOIN batches b ON b.id = a.batch_id"
        " WHERE a.outcome IS NOT NULL ORDER BY a.batch_id DESC LIMIT 1",
        as_list(workflows),
    )
    if not rows:
        return None
    found = dict(rows[0])
    return LastFailure(**{**found, "outcome": Outcome(found["outcome"])})


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
