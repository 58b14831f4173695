"""Figures for the preview of a command: models, deadlines, batches and pauses."""

from collections.abc import Collection

from msgspec import Struct

from state.db import effective_attempt
from state.db.dialect import LISTED, THEN_JOIN, as_list
from state.db.ledger import Ledger
from state.db.reader import Source
from state.db.sql_conditions import REVIEW_REASON
from state.model.records import REVIEW_REASONS, Outcome
from state.operations.selection import Filter


class ModelGroup(Struct, frozen=True, kw_only=True):
    """Requests of one workflow, lane and model, and what they can cost at most, in nano-dollars.

    Of `unknown` ones that is not known. `is_primed`: a submission primes the cache for some.
    """

    workflow: str
    lane: str
    model: str
    requests: int
    batch_nano: int
    sync_nano: int
    unknown: int
    is_primed: bool


def by_model(ledger: Ledger, request_ids: Collection[int]) -> list[ModelGroup]:
    """The requests by workflow, lane and model."""
    # By submission first, which are few: it is read for each of them, not for each request.
    rows = ledger.rows(
        "SELECT s.workflow, s.lane, coalesce(x.model, s.model) AS model,"  # noqa: S608 - our own words
        " sum(x.requests) AS requests,"
        " sum(x.batch_nano) AS batch_nano, sum(x.sync_nano) AS sync_nano,"
        " sum(x.unknown) AS unknown,"
        " count(*) FILTER (WHERE s.id IN (SELECT submission_id FROM primings"
        " WHERE state <> 'unprimed')) > 0 AS is_primed"
        " FROM (SELECT r.submission_id, coalesce(e.model, r.model) AS model, count(*) AS requests,"
        " coalesce(sum(r.at_most_batch_nano), 0) AS batch_nano,"
        " coalesce(sum(r.at_most_sync_nano), 0) AS sync_nano,"
        " count(*) FILTER (WHERE r.at_most_batch_nano IS NULL) AS unknown"
        " FROM requests r LEFT JOIN edits e ON e.id = r.edit_id"
        f" WHERE r.id IN {LISTED} GROUP BY 1, 2) x JOIN submissions s ON s.id = x.submission_id"
        " GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
        as_list(request_ids),
    )
    return [
        ModelGroup(
            workflow=row["workflow"],
            lane=row["lane"],
            model=row["model"],
            requests=row["requests"],
            batch_nano=row["batch_nano"],
            sync_nano=row["sync_nano"],
            unknown=row["unknown"],
            is_primed=bool(row["is_primed"]),
        )
        for row in rows
    ]


def custom_ids(ledger: Ledger, request_ids: Collection[int]) -> list[str]:
    """The custom_ids of the requests, oldest first."""
    sql = f"SELECT custom_id FROM requests WHERE id IN {LISTED} ORDER BY id"  # noqa: S608 - our own words
    return _texts(ledger, sql, request_ids)


def full_names(source: Source, request_ids: Collection[int]) -> list[str]:
    """TAG/CUSTOM_ID of the requests, oldest first: a custom_id is unique only within its tag."""
    sql = f"SELECT tag || '/' || custom_id FROM requests WHERE id IN {LISTED} ORDER BY id"  # noqa: S608 - our own words
    return _texts(source, sql, request_ids)


def submission_keys(source: Source, request_ids: Collection[int], *, limit: int) -> list[str]:
    """The keys of the submissions of the requests, at most so many, oldest first."""
    return _texts(
        source,
        "SELECT s.key FROM submissions s WHERE s.id IN (SELECT r.submission_id FROM requests r"  # noqa: S608 - our own words
        f" WHERE r.id IN {LISTED}) ORDER BY s.id LIMIT {limit:d}",
        request_ids,
    )


def common_filter(source: Source, request_ids: Collection[int], names: tuple[str, ...]) -> Filter:
    """These names, with the outcome, error type and review reason that all requests have."""
    parts = (("outcome", "a.outcome"), ("error_type", "a.error_type"), ("reason", REVIEW_REASON))
    columns = ", ".join(
        f"CASE WHEN count({sql}) = count(*) AND min({sql}) = max({sql}) THEN min({sql}) END"
        f" AS {name}"
        for name, sql in parts
    )
    (row,) = source.rows(
        f"SELECT {columns} FROM requests r {effective_attempt.JOIN} WHERE r.id IN {LISTED}",  # noqa: S608 - our own words
        as_list(request_ids),
    )
    return Filter(
        names=names,
        outcome=Outcome(row["outcome"]) if row["outcome"] else None,
        error_type=row["error_type"],
        stop_reason=row["reason"] if row["reason"] in REVIEW_REASONS else None,
    )


def deadlines(ledger: Ledger, request_ids: Collection[int]) -> list[str]:
    """The deadlines of the requests, earliest first."""
    return _texts(
        ledger,
        "SELECT DISTINCT s.deadline_ts FROM requests r JOIN submissions s"  # noqa: S608 - our own words
        f" ON s.id = r.submission_id WHERE r.id IN {LISTED}"
        " AND s.deadline_ts IS NOT NULL ORDER BY 1",
        request_ids,
    )


def deadlines_of_batches(ledger: Ledger, batch_ids: Collection[int]) -> list[str]:
    """The deadlines of the batches, earliest first."""
    return _texts(
        ledger,
        f"SELECT DISTINCT deadline_ts FROM batches WHERE id IN {LISTED}"  # noqa: S608 - our own words
        " AND deadline_ts IS NOT NULL ORDER BY 1",
        batch_ids,
    )


def batch_keys(source: Source, batch_ids: Collection[int]) -> list[str]:
    """The keys of the batches."""
    sql = f"SELECT key FROM batches WHERE id IN {LISTED} ORDER BY id"  # noqa: S608 - our own words
    return _texts(source, sql, batch_ids)


def counts(ledger: Ledger, batch_ids: Collection[int]) -> tuple[int, int]:
    """The number of requests in those not sent yet, and in those at the API, without stuck ones."""
    (found,) = ledger.rows(
        "SELECT coalesce(sum(request_count) FILTER (WHERE status = 'queued'), 0) AS unsent,"  # noqa: S608 - our own words
        " coalesce(sum(request_count) FILTER (WHERE status IN ('in_progress', 'canceling')"
        f" AND stuck_ts IS NULL), 0) AS at_api FROM batches WHERE id IN {LISTED}",
        as_list(batch_ids),
    )
    return found["unsent"], found["at_api"]


def stuck_keys(ledger: Ledger, batch_ids: Collection[int]) -> list[str]:
    """The keys of those that are stuck."""
    sql = f"SELECT key FROM batches WHERE id IN {LISTED} AND stuck_ts IS NOT NULL ORDER BY id"  # noqa: S608 - our own words
    return _texts(ledger, sql, batch_ids)


def paused_workflows(ledger: Ledger, request_ids: Collection[int]) -> list[str]:
    """Which workflows of the requests are paused."""
    return _texts(
        ledger,
        "SELECT workflow FROM pauses p WHERE EXISTS (SELECT 1 FROM requests r"  # noqa: S608 - our own words
        f" {THEN_JOIN} submissions s ON s.id = r.submission_id"
        f" WHERE s.workflow = p.workflow AND r.id IN {LISTED}) ORDER BY 1",
        request_ids,
    )


def _texts(source: Source, sql: str, ids: Collection[int]) -> list[str]:
    return [str(row[0]) for row in source.rows(sql, as_list(ids))]
