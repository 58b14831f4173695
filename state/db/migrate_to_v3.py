"""Migration from version 2 to version 3: every table is created again from the old one."""

from sqlite_utils import Database

from state.db.recreate_tables import Values, recreate
from state.db.statements import run_script
from state.db.tables import TABLES, TRIGGERS


def _share(factor: str, table: str = "v2_requests") -> str:
    """The share of one request in the reservation of its submission, rounded up.

    Finished submissions had none; the full price is at most twice that of a batch.
    """
    return (
        f"(SELECT {factor} * (k.estimate_nano / s.request_count + 1) FROM budget_reservations k"  # noqa: S608 - our own words
        " JOIN v2_submissions s ON s.id = k.submission_id"
        f" WHERE s.finished_ts IS NULL AND k.submission_id = {table}.submission_id)"
    )


# New column -> its value for a row of version 2; other columns keep their name and value.
_VALUES: Values = {
    "requests": {
        "model": "NULL",
        "at_most_batch_nano": _share("1"),
        "at_most_sync_nano": _share("2"),
    },
    "edits": {"model": "NULL", "at_most_batch_nano": "NULL", "at_most_sync_nano": "NULL"},
    "batches": {
        "reserved_nano": "coalesce(request_count * " + _share("1", "v2_batches") + ", 0)",
        "cache_marks": "0",
    },
    # Version 2 priced tokens only, and did not say why an answer was unpriced.
    "attempts": {
        "web_searches": "0",
        **dict.fromkeys(("inference_geo", "service_tier", "speed", "iterations"), "NULL"),
        "fee_nano": "0",
        "unpriced": "CASE WHEN outcome = 'succeeded' AND cost_nano IS NULL THEN CASE"
        " WHEN model IS NULL OR input_tokens + output_tokens = 0"
        " THEN 'usage: not readable by the version that collected it'"
        " ELSE 'no known price for model ' || model END END",
    },
    "daily_totals": {"web_searches": "0", "fee_nano": "0"},
    # Each line of the cost log has more keys: the next poll writes the file again.
    "mirrors": {
        name: f"CASE name WHEN 'batch-cost-log.jsonl' THEN 0 ELSE {name} END"
        for name in ("position", "bytes")
    },
}


def complete_billing(db: Database) -> None:
    """Columns and tables of version 3."""
    recreate(db, TABLES, _VALUES, old="v2")
    # Reservations are columns of batches and requests.
    db.conn.execute("DROP TABLE budget_reservations")
    run_script(db.conn, TRIGGERS)
