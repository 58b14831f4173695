"""Totals over the whole ledger, and the state of the poller."""

import json
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from msgspec import Struct

from state.db import liveness_lock
from state.db.liveness_lock import place_id
from state.db.reader import Source
from state.db.sql_conditions import ACKNOWLEDGED, STATUS, TO_DO, UNSENT
from state.files.folder import Folder
from state.files.system_errors import full_disk
from state.model.errors import LedgerError
from state.model.records import (
    FAILED_STATUSES,
    Batch,
    Hold,
    RequestStatus,
    Submission,
)
from state.model.timestamps import from_text
from state.operations import reviews
from state.queries.batch_list import count_open

if TYPE_CHECKING:
    from state.db.reader import Row


class Totals(Struct, frozen=True, kw_only=True):
    """Sums over the whole ledger. Money in nano-dollars."""

    # Without attempts to send that were not sent: their requests are in another batch, or queued.
    batches: int
    requests: int
    open_batches: int
    # Not sent yet, in a batch or not.
    queued_requests: int
    in_flight_requests: int
    # Without an answer: errored, expired, missing or canceled.
    failed_requests: int
    canceled_requests: int
    succeeded: int
    cost_nano: int
    sync_cost_nano: int
    # The part of both costs that is not for tokens.
    fee_nano: int
    duplicate_nano: int
    unpriced: int
    # Answers that were cut off, refused or left unfinished, and are not acknowledged yet.
    reviews: int

    @property
    def savings_nano(self) -> int:
        """Synchronous price of the same answers minus their cost."""
        return self.sync_cost_nano - self.cost_nano

    @property
    def errored_requests(self) -> int:
        """Requests without an answer that were not canceled."""
        return self.failed_requests - self.canceled_requests


class Poller(Struct, frozen=True, kw_only=True):
    """The last poll, its summary, and the holder of the lease, unless its process has ended.

    `last_error` is why the last finished poll failed; `last_success_ts` is the end of the last one
    that did not. `blocked` is why no poll can be recorded now. `restored_ts` is when the ledger was
    restored or rebuilt: earlier polls are those of the backup.
    """

    blocked: str | None = None
    last_started_ts: str | None
    last_finished_ts: str | None
    last_success_ts: str | None = None
    last_error: str | None = None
    last_summary: dict[str, object]
    lease_holder: str | None
    lease_expires_ts: str | None
    restored_ts: str | None = None


def revision(source: Source) -> int:
    """The number of the latest change to the ledger."""
    return int(source.rows("SELECT value FROM revision")[0][0])


def totals(source: Source) -> Totals:
    """Read the totals; the time does not grow with the ledger."""
    (batches, requests) = source.rows(
        "SELECT (SELECT count(*) FROM batches)"
        " - (SELECT count(*) FROM batches WHERE status = 'not_sent'),"
        " (SELECT coalesce(sum(request_count), 0) FROM submissions)"
    )[0]
    money = source.rows(
        "SELECT coalesce(sum(cost_nano), 0) AS cost_nano,"
        " coalesce(sum(sync_cost_nano), 0) AS sync_cost_nano,"
        " coalesce(sum(fee_nano), 0) AS fee_nano,"
        " coalesce(sum(duplicate_nano), 0) AS duplicate_nano,"
        " coalesce(sum(unpriced), 0) AS unpriced FROM daily_totals"
    )[0]
    by_status = requests_by_status(source)
    (in_batches,) = source.rows("SELECT count(*) FROM attempts WHERE active = 1")[0]
    (unsent,) = source.rows(f"SELECT count(*) FROM ({UNSENT}) unsent")[0]  # noqa: S608 - our own words
    return Totals(
        batches=batches,
        requests=requests,
        open_batches=count_open(source),
        queued_requests=by_status.get(RequestStatus.QUEUED, 0) + unsent,
        in_flight_requests=in_batches - unsent,
        failed_requests=sum(by_status.get(status, 0) for status in FAILED_STATUSES),
        canceled_requests=by_status.get(RequestStatus.CANCELED, 0),
        succeeded=requests - sum(by_status.values()) - in_batches,
        reviews=reviews.count(source),
        **{name: money[name] for name in money.keys()},  # noqa: SIM118 - a Row iterates its values
    )


def count_failed(source: Source) -> int:
    """The number of failed requests."""
    by_status = requests_by_status(source)
    return sum(by_status.get(status, 0) for status in FAILED_STATUSES)


def requests_by_status(source: Source) -> dict[RequestStatus, int]:
    """Number of requests in each status; those in a batch, and succeeded ones, left out."""
    rows = source.rows(
        f"SELECT status, count(*) FROM requests r WHERE {TO_DO} GROUP BY status"  # noqa: S608
    )
    return _shown(Counter({row[0]: row[1] for row in rows}))


def statuses_of(source: Source, submission: Submission) -> dict[RequestStatus, int]:
    """Number of the submission's requests in each status."""
    rows = source.rows(
        "SELECT status, count(*) FROM requests WHERE submission_id = ? GROUP BY status",
        submission.id,
    )
    counts: Counter[str] = Counter({row[0]: row[1] for row in rows})
    ((unsent,),) = source.rows(
        f"SELECT count(*) FROM ({UNSENT} AND u.batch_id IN"  # noqa: S608 - our own words
        " (SELECT id FROM batches WHERE submission_id = ?)) unsent",
        submission.id,
    )
    counts["in_flight"] = counts.pop("assigned", 0) - unsent
    counts["queued"] += unsent
    return _shown(counts)


def statuses_in(source: Source, batch: Batch) -> dict[RequestStatus, int]:
    """Number of the batch's requests in each status; empty where all returned to the queue."""
    rows = source.rows(
        f"SELECT {STATUS}, count(*) FROM requests r WHERE r.id IN"  # noqa: S608 - our own words
        " (SELECT request_id FROM attempts WHERE batch_id = ?) GROUP BY 1",
        batch.id,
    )
    return {RequestStatus(status): count for status, count in rows}


def _shown(counts: Counter[str]) -> dict[RequestStatus, int]:
    counts["acknowledged"] = counts.pop(ACKNOWLEDGED, 0)
    return {RequestStatus(status): count for status, count in counts.items() if count}


def poller(source: Source) -> Poller:
    """The last poll, and the lease."""
    polls = source.rows("SELECT * FROM polls ORDER BY id DESC LIMIT 1")
    ended = source.rows(
        "SELECT * FROM polls WHERE finished_ts IS NOT NULL ORDER BY id DESC LIMIT 1"
    )
    succeeded = source.rows(
        "SELECT finished_ts FROM polls WHERE finished_ts IS NOT NULL AND error IS NULL"
        " ORDER BY id DESC LIMIT 1"
    )
    leases = {row["name"]: row for row in source.rows("SELECT * FROM leases")}
    lease, restored = leases.get("poll"), leases.get("restored")
    if lease and _has_ended(source, lease):
        lease = None
    return Poller(
        blocked=full_disk(source.path),
        last_started_ts=polls[0]["started_ts"] if polls else None,
        last_finished_ts=ended[0]["finished_ts"] if ended else None,
        last_success_ts=succeeded[0]["finished_ts"] if succeeded else None,
        last_error=ended[0]["error"] if ended else None,
        last_summary=json.loads(ended[0]["summary"]) if ended else {},
        lease_holder=lease["holder"] if lease else None,
        lease_expires_ts=lease["expires_ts"] if lease else None,
        restored_ts=restored["acquired_ts"] if restored else None,
    )


def _has_ended(source: Source, lease: "Row") -> bool:
    """Whether the process that has the lease has ended, as far as its lock tells.

    The lock is this home's, and a poll keeps it for longer than the lease. So one that still has
    the lease after its lock was free has ended; until the lock was free, it may have released both.
    """
    lock = Folder(source.path.parent).poll_lock
    if not lease["lock_id"] or lease["lock_id"] not in (lock.name, place_id(lock)):
        return False
    if not liveness_lock.is_free(lock):
        return False
    with suppress(LedgerError):
        same = "SELECT 1 FROM leases WHERE name = 'poll' AND holder = ? AND epoch = ?"
        return bool(source.fresh_rows(same, lease["holder"], lease["epoch"]))
    return False


def holds(source: Source, *, now_ts: str) -> list[Hold]:
    """The holds in force at that time."""
    rows = source.rows("SELECT * FROM holds WHERE until_ts > ? ORDER BY lane, name", now_ts)
    return [Hold(**dict(row)) for row in rows]


# Few, so that a new schedule soon tells.
_POLLS = 8


def median_poll_interval(source: Source) -> timedelta | None:
    """The median interval between the latest polls; None with fewer than three polls."""
    rows = source.rows("SELECT started_ts FROM polls ORDER BY id DESC LIMIT ?", _POLLS)
    starts = [from_text(row["started_ts"]) for row in rows]
    gaps = sorted(later - earlier for later, earlier in pairwise(starts))
    return gaps[len(gaps) // 2] if len(gaps) > 1 else None


def canceled_in(source: Source, batch_id: int) -> int:
    """How many requests of a collected batch ended as canceled, and are not queued again."""
    return int(
        source.rows(
            "SELECT count(*) FROM attempts a JOIN requests r ON r.id = a.request_id"
            " WHERE a.batch_id = ? AND a.outcome = 'canceled'"
            " AND r.status NOT IN ('succeeded', 'queued', 'assigned')",
            batch_id,
        )[0][0]
    )
