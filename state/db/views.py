"""The public views, which `docs/sql.md` describes: any SQL tool can read them.

They are stored in the ledger. To change one, add a migration step that runs `REPLACE_VIEWS`.
"""

from state.db import effective_attempt
from state.db.model_sql import ATTEMPT_MODEL, REQUEST_MODEL
from state.db.sql_conditions import STATUS, TO_DO
from state.model.records import FAILED_STATUSES
from state.model.usage import USAGE_COLUMNS

_FAILED = ", ".join(f"'{status}'" for status in FAILED_STATUSES)
_USAGE = ", ".join(f"a.{name}" for name in USAGE_COLUMNS)


def _usd(nano: str, name: str) -> str:
    """A column in dollars. Sums are exact in the columns that end in `_nano`."""
    return f"{nano} / 1e9 AS {name}"


def _costs(table: str) -> str:
    return ", ".join(
        (
            _usd(f"{table}.cost_nano", "cost_usd"),
            _usd(f"{table}.sync_cost_nano", "sync_cost_usd"),
            _usd(f"({table}.sync_cost_nano - {table}.cost_nano)", "savings_usd"),
            f"{table}.cost_nano, {table}.sync_cost_nano",
        )
    )


_FEE = f"{_usd('a.fee_nano', 'fee_usd')}, a.fee_nano"

# ruff: noqa: S608 - only our own words
VIEWS = {
    "v_batches": f"""
SELECT b.key AS batch_id, b.remote_id, s.key AS submission_id, b.tag, b.workflow, s.job, b.model,
  b.kind, b.status, b.collection, b.request_count, b.processing, b.succeeded, b.errored,
  b.canceled, b.expired, b.created_ts, b.sent_ts, b.accepted_ts,
  b.ended_ts, b.collected_ts, b.expires_ts, b.deadline_ts, b.server,
  b.lane,
  {_costs("b")}, {_usd("b.duplicate_nano", "duplicate_cost_usd")},
  b.duplicate_nano AS duplicate_cost_nano, b.unpriced, b.last_error AS error
FROM batches b LEFT JOIN submissions s ON s.id = b.submission_id""",
    "v_requests": f"""
SELECT r.custom_id, r.tag, s.key AS submission_id, s.workflow, s.job, {STATUS} AS status, a.outcome,
  b.key AS batch_id, b.remote_id, b.kind, coalesce(a.model, {REQUEST_MODEL}) AS model,
  (SELECT count(*) FROM attempts n WHERE n.request_id = r.id) AS attempts, a.stop_reason, a.invalid,
  a.error_type, a.error_message, {_USAGE}, {_costs("a")}, {_FEE}, a.unpriced,
  s.created_ts AS submitted_ts, s.deadline_ts, b.ended_ts
FROM requests r JOIN submissions s ON s.id = r.submission_id {effective_attempt.JOIN}
  LEFT JOIN batches b ON b.id = a.batch_id""",
    "v_attempts": f"""
SELECT r.custom_id, r.tag, b.workflow, b.key AS batch_id, b.remote_id, b.kind,
  {ATTEMPT_MODEL} AS model, a.outcome, a.stop_reason, a.invalid,
  a.error_type, a.error_message, {_USAGE},
  {_costs("a")}, {_FEE}, a.unpriced, a.duplicate, coalesce(b.sent_ts, b.created_ts) AS sent_ts,
  b.ended_ts
FROM attempts a JOIN requests r ON r.id = a.request_id JOIN batches b ON b.id = a.batch_id""",
    "v_errors": f"""
SELECT r.custom_id, r.tag, b.workflow, b.key AS batch_id, b.remote_id, r.status,
  {ATTEMPT_MODEL} AS model, a.error_type, a.error_message, b.ended_ts
FROM requests r {effective_attempt.JOIN} JOIN batches b ON b.id = a.batch_id
WHERE {TO_DO} AND r.status IN ({_FAILED})""",
    "v_events": """
SELECT e.id, e.at, e.actor, e.kind, b.key AS batch_id, b.tag, e.subject, e.detail
FROM events e LEFT JOIN batches b ON b.id = e.batch_id""",
    "v_usage_daily": f"""
SELECT d.day, d.workflow, d.model, d.kind, d.requests, d.succeeded, d.errored, d.canceled,
  d.expired, d.missing, d.input_tokens, d.output_tokens, d.cache_write_5m_tokens,
  d.cache_write_1h_tokens, d.cache_read_tokens, d.web_searches, {_costs("d")},
  {_usd("d.fee_nano", "fee_usd")}, d.fee_nano,
  {_usd("d.duplicate_nano", "duplicate_cost_usd")},
  d.duplicate_nano AS duplicate_cost_nano, d.unpriced
FROM daily_totals d""",
}
REPLACE_VIEWS = "".join(
    f"DROP VIEW IF EXISTS {name};\nCREATE VIEW {name} AS{select};\n"
    for name, select in VIEWS.items()
)
