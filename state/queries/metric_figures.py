"""Sums over the whole ledger for a monitoring system, from the totals of days and batches."""

from msgspec import Struct

from state.db.dialect import THEN_JOIN
from state.db.reader import Source
from state.db.sql_conditions import QUEUED, UNSENT_BATCHES
from state.db.totals_sql import COUNTED
from state.model.records import BatchKind
from state.model.timestamps import from_text


class WorkKey(Struct, frozen=True, order=True):
    """What sums are grouped by."""

    workflow: str
    model: str
    kind: BatchKind


class WorkSums(Struct, frozen=True, kw_only=True):
    """Sums over the collected attempts of one workflow, model and mode. Money in nano-dollars.

    `counted` has the columns of `COUNTED`, none of which is ever less than before in this ledger:
    what a correction took away stays in it.
    """

    counted: dict[str, int]
    savings_nano: int
    unpriced: int


class Submitted(Struct, frozen=True, kw_only=True):
    """Submissions of one workflow and their requests.

    `deadline_ts` is the earliest deadline of an unfinished one.
    """

    workflow: str
    submissions: int
    requests: int
    deadline_ts: str | None


class AlertCount(Struct, frozen=True, kw_only=True):
    """Alerts of one rule: how many were ever raised, and how many are now."""

    rule: str
    ever: int
    now: int


def work(source: Source) -> dict[WorkKey, WorkSums]:
    """The sums of each workflow, model and mode, those of the earliest day first."""
    columns = ", ".join(f"sum({name}) AS {name}" for name in (*COUNTED, "unpriced"))
    rows = source.rows(
        f"SELECT workflow, model, kind, {columns} FROM daily_totals"  # noqa: S608 - our own words
        " GROUP BY workflow, model, kind ORDER BY min(day), workflow, model, kind"
    )
    corrected = _corrected(source)
    found: dict[WorkKey, WorkSums] = {}
    for row in rows:
        key = WorkKey(row["workflow"], row["model"], BatchKind(row["kind"]))
        more = corrected.pop(key, {})
        found[key] = WorkSums(
            counted={name: row[name] + more.get(name, 0) for name in COUNTED},
            savings_nano=row["sync_cost_nano"] - row["cost_nano"],
            unpriced=row["unpriced"],
        )
    return {
        key: WorkSums(counted=counted, savings_nano=0, unpriced=0)
        for key, counted in sorted(corrected.items())
    } | found


def _corrected(source: Source) -> dict[WorkKey, dict[str, int]]:
    """By how much the sums of corrected batches were higher once."""
    more = (
        f"sum(CASE WHEN p.{name} > coalesce(t.{name}, 0)"
        f" THEN p.{name} - coalesce(t.{name}, 0) ELSE 0 END) AS {name}"
        for name in COUNTED
    )
    rows = source.rows(
        f"SELECT b.workflow, p.model, b.kind, {', '.join(more)} FROM peak_totals p"  # noqa: S608 - our own words
        f" {THEN_JOIN} batches b ON b.id = p.batch_id"
        " LEFT JOIN batch_totals t ON t.batch_id = p.batch_id AND t.model = p.model"
        " GROUP BY b.workflow, p.model, b.kind"
    )
    return {
        WorkKey(row["workflow"], row["model"], BatchKind(row["kind"])): {
            name: row[name] for name in COUNTED
        }
        for row in rows
    }


def submitted(source: Source) -> list[Submitted]:
    """What each workflow submitted, in the order of their first submissions."""
    rows = source.rows(
        "SELECT workflow, count(*) AS submissions, sum(request_count) AS requests,"
        " min(deadline_ts) FILTER (WHERE finished_ts IS NULL) AS deadline_ts FROM submissions"
        " GROUP BY workflow ORDER BY min(id)"
    )
    return [Submitted(**dict(row)) for row in rows]


def oldest_queued(source: Source) -> str | None:
    """When the oldest queued request was submitted; None without one."""
    rows = source.rows(
        "SELECT min(created_ts) FROM submissions WHERE id IN"  # noqa: S608 - our own words
        f" (SELECT submission_id FROM batches WHERE id IN ({UNSENT_BATCHES}))"
        f" OR id = (SELECT r.submission_id FROM requests r WHERE {QUEUED} ORDER BY r.id LIMIT 1)"
    )
    return rows[0][0]


def alert_counts(source: Source) -> list[AlertCount]:
    """The alerts of each rule that was ever raised."""
    rows = source.rows(
        "SELECT rule, count(*) AS ever, count(*) FILTER (WHERE cleared_ts IS NULL) AS now"
        " FROM alerts GROUP BY rule ORDER BY rule"
    )
    return [AlertCount(**dict(row)) for row in rows]


def polls(source: Source) -> tuple[int, float | None]:
    """How many polls began, and how many seconds the last one that ended took."""
    (count,) = source.rows("SELECT coalesce(max(id), 0) FROM polls")[0]
    last = source.rows(
        "SELECT started_ts, finished_ts FROM polls WHERE finished_ts IS NOT NULL"
        " ORDER BY id DESC LIMIT 1"
    )
    if not last:
        return count, None
    started, finished = (from_text(text) for text in last[0])
    return count, (finished - started).total_seconds()
