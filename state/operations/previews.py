"""Figures for the preview of a command: models, deadlines, batches and pauses."""

from collections.abc import Sequence

from state.db.ledger import Ledger
from state.db.model_sql import REQUEST_MODEL
from state.db.sql_conditions import LISTED, as_list


def models(ledger: Ledger, request_ids: Sequence[int]) -> dict[tuple[str, str], int]:
    """How many of the requests are of each workflow and model."""
    rows = ledger.rows(
        f"SELECT s.workflow, {REQUEST_MODEL} AS model, count(*) AS requests"  # noqa: S608 - our own words
        " FROM requests r JOIN submissions s ON s.id = r.submission_id"
        f" WHERE r.id IN {LISTED} GROUP BY s.workflow, 2",
        as_list(request_ids),
    )
    return {(row["workflow"], row["model"]): row["requests"] for row in rows}


def deadlines(ledger: Ledger, request_ids: Sequence[int]) -> list[str]:
    """The deadlines of the requests, earliest first."""
    return _texts(
        ledger,
        "SELECT DISTINCT s.deadline_ts FROM requests r JOIN submissions s"  # noqa: S608 - our own words
        f" ON s.id = r.submission_id WHERE r.id IN {LISTED}"
        " AND s.deadline_ts IS NOT NULL ORDER BY 1",
        request_ids,
    )


def deadlines_of_batches(ledger: Ledger, batch_ids: Sequence[int]) -> list[str]:
    """The deadlines of the batches, earliest first."""
    return _texts(
        ledger,
        f"SELECT DISTINCT deadline_ts FROM batches WHERE id IN {LISTED}"  # noqa: S608 - our own words
        " AND deadline_ts IS NOT NULL ORDER BY 1",
        batch_ids,
    )


def batch_keys(ledger: Ledger, batch_ids: Sequence[int]) -> list[str]:
    """The keys of the batches."""
    sql = f"SELECT key FROM batches WHERE id IN {LISTED} ORDER BY id"  # noqa: S608 - our own words
    return _texts(ledger, sql, batch_ids)


def counts(ledger: Ledger, batch_ids: Sequence[int]) -> tuple[int, int]:
    """The number of requests in those not sent yet, and in those at the API, without stuck ones."""
    (found,) = ledger.rows(
        "SELECT coalesce(sum(request_count) FILTER (WHERE status = 'queued'), 0) AS unsent,"  # noqa: S608 - our own words
        " coalesce(sum(request_count) FILTER (WHERE status IN ('in_progress', 'canceling')"
        f" AND stuck_ts IS NULL), 0) AS at_api FROM batches WHERE id IN {LISTED}",
        as_list(batch_ids),
    )
    return found["unsent"], found["at_api"]


def stuck_keys(ledger: Ledger, batch_ids: Sequence[int]) -> list[str]:
    """The keys of those that are stuck."""
    sql = f"SELECT key FROM batches WHERE id IN {LISTED} AND stuck_ts IS NOT NULL ORDER BY id"  # noqa: S608 - our own words
    return _texts(ledger, sql, batch_ids)


def paused_workflows(ledger: Ledger, request_ids: Sequence[int]) -> list[str]:
    """Which workflows of the requests are paused."""
    return _texts(
        ledger,
        "SELECT workflow FROM pauses WHERE workflow IN (SELECT s.workflow FROM submissions s"  # noqa: S608 - our own words
        " WHERE s.id IN (SELECT submission_id FROM requests r"
        f" WHERE r.id IN {LISTED})) ORDER BY 1",
        request_ids,
    )


def _texts(ledger: Ledger, sql: str, ids: Sequence[int]) -> list[str]:
    return [str(row[0]) for row in ledger.rows(sql, as_list(ids))]
