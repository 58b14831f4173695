"""Turns rows of the ledger into records."""

from typing import TYPE_CHECKING

from state.model.records import (
    Batch,
    BatchKind,
    BatchStatus,
    CollectionStatus,
    Counts,
    OnFailure,
    Submission,
)

if TYPE_CHECKING:
    from state.db.connection import sqlite3

_COUNTS = ("processing", "succeeded", "errored", "canceled", "expired")
_BATCH_PLAIN = (
    *("id", "key", "nonce", "account", "submission_id", "duplicate_of", "tag", "workflow", "model"),
    *(
        "lane",
        "remote_id",
        "identified_by",
        "request_count",
        "bytes",
        "watermark_id",
        "watermark_ts",
    ),
    *("owner", "created_ts", "sent_ts", "accepted_ts", "ended_ts", "collected_ts", "expires_ts"),
    *("cancel_ts", "deadline_ts", "next_poll_ts", "not_found_ts", "stuck_ts"),
    *("failures", "collect_tries", "last_error"),
    *("results_bytes", "cost_nano", "sync_cost_nano", "unpriced", "duplicate_nano"),
)
_SUBMISSION_PLAIN = (
    *("id", "key", "tag", "workflow", "job", "model", "work_date", "deadline_ts"),
    *("request_count", "created_by", "created_ts", "finished_ts", "delivered_ts"),
    *("lane", "host"),
)


def to_batch(row: "sqlite3.Row") -> Batch:
    """A row of `batches`."""
    return Batch(
        **{name: row[name] for name in _BATCH_PLAIN},
        kind=BatchKind(row["kind"]),
        status=BatchStatus(row["status"]),
        collection=CollectionStatus(row["collection"]),
        counts=Counts(**{name: row[name] for name in _COUNTS}),
        betas=tuple(row["betas"].split(",")) if row["betas"] else (),
    )


def to_submission(row: "sqlite3.Row") -> Submission:
    """A row of `submissions`."""
    return Submission(
        **{name: row[name] for name in _SUBMISSION_PLAIN},
        on_failure=OnFailure(row["on_failure"]),
    )
