"""Read models of what lies behind a sum of money: batches, their answers, cached tokens."""

from msgspec import Struct

from state.db.reader import Source
from state.model.records import Kind, Outcome

# Of a batch's answers; whatever is more is in the sums and not listed.
MOST_LISTED = 1000
# What the rows behind a sum may have in common -> the condition on attempts `a`, batches `b`.
_BEHIND = {
    "all": "? = ''",
    "day": "substr(b.collected_ts, 1, 10) = ?",
    "workflow": "b.workflow = ?",
    "model": "coalesce(a.model, b.model) = ?",
    "duplicate": "? = '' AND a.duplicate = 1",
    "unpriced": "? = '' AND a.outcome = 'succeeded' AND a.cost_nano IS NULL",
    "cached": "? = '' AND a.cache_read_tokens + a.cache_write_5m_tokens"
    " + a.cache_write_1h_tokens > 0",
}


class Behind(Struct, frozen=True):
    """Which answers a sum is made of: `what` they share, and its value where it has one."""

    what: str
    value: str
    since_day: str


class BatchSum(Struct, frozen=True, kw_only=True):
    """One batch with the part of its answers that is in the sum. Money in nano-dollars."""

    key: str
    tag: str
    workflow: str
    model: str
    kind: Kind
    collected_ts: str
    attempts: int
    cost_nano: int
    sync_cost_nano: int
    duplicate_nano: int
    unpriced: int

    @property
    def savings_nano(self) -> int:
        """What they would have cost synchronously, less what they cost."""
        return self.sync_cost_nano - self.cost_nano


class AnswerSum(Struct, frozen=True, kw_only=True):
    """One attempt in the sum. Money in nano-dollars, None without a known price."""

    request_id: int
    custom_id: str
    tag: str
    outcome: Outcome
    model: str
    tokens_in: int
    tokens_out: int
    cost_nano: int | None
    sync_cost_nano: int | None
    is_duplicate: bool


class CacheTokens(Struct, frozen=True, kw_only=True):
    """Cached tokens of one day, model and way."""

    day: str
    model: str
    kind: Kind
    written_5m: int
    written_1h: int
    read: int


def batches_behind(source: Source, behind: Behind) -> list[BatchSum]:
    """The batches, newest first."""
    rows = source.rows(
        "SELECT b.key, b.tag, b.workflow, b.model, b.kind, b.collected_ts, count(*) AS attempts,"  # noqa: S608 - our own words
        " coalesce(sum(a.cost_nano), 0) AS cost_nano,"
        " coalesce(sum(a.sync_cost_nano), 0) AS sync_cost_nano,"
        " coalesce(sum(a.cost_nano) FILTER (WHERE a.duplicate = 1), 0) AS duplicate_nano,"
        " coalesce(sum(a.outcome = 'succeeded' AND a.cost_nano IS NULL), 0) AS unpriced"
        " FROM batches b JOIN attempts a ON a.batch_id = b.id"
        " WHERE b.collected_ts >= ? AND a.outcome IS NOT NULL"
        f" AND {_BEHIND[behind.what]} GROUP BY b.id ORDER BY b.collected_ts DESC, b.id DESC",
        behind.since_day,
        behind.value,
    )
    return [BatchSum(**{**dict(row), "kind": Kind(row["kind"])}) for row in rows]  # pyright: ignore[reportArgumentType]


def answers_behind(source: Source, behind: Behind, batch_key: str) -> list[AnswerSum]:
    """The answers of one batch that are in the sum, in input order, at most `MOST_LISTED`."""
    rows = source.rows(
        "SELECT r.id AS request_id, r.custom_id, r.tag, a.outcome,"  # noqa: S608 - our own words
        " coalesce(a.model, b.model) AS model, a.input_tokens + a.cache_write_5m_tokens"
        " + a.cache_write_1h_tokens + a.cache_read_tokens AS tokens_in,"
        " a.output_tokens AS tokens_out, a.cost_nano, a.sync_cost_nano, a.duplicate AS is_duplicate"
        " FROM batches b JOIN attempts a ON a.batch_id = b.id JOIN requests r ON r.id ="
        " a.request_id WHERE b.key = ? AND a.outcome IS NOT NULL"
        f" AND {_BEHIND[behind.what]} ORDER BY r.id LIMIT ?",
        batch_key,
        behind.value,
        MOST_LISTED,
    )
    return [
        AnswerSum(
            **{  # pyright: ignore[reportArgumentType]
                **dict(row),
                "outcome": Outcome(row["outcome"]),
                "is_duplicate": bool(row["is_duplicate"]),
            }
        )
        for row in rows
    ]


def cached_tokens(source: Source, *, since_day: str) -> list[CacheTokens]:
    """Where caching was used, from that UTC day on; from the daily totals."""
    rows = source.rows(
        "SELECT day, model, kind, sum(cache_write_5m_tokens) AS written_5m,"
        " sum(cache_write_1h_tokens) AS written_1h, sum(cache_read_tokens) AS read"
        " FROM daily_totals WHERE day >= ? AND cache_write_5m_tokens + cache_write_1h_tokens"
        " + cache_read_tokens > 0 GROUP BY day, model, kind ORDER BY day, model, kind",
        since_day,
    )
    return [CacheTokens(**{**dict(row), "kind": Kind(row["kind"])}) for row in rows]  # pyright: ignore[reportArgumentType]
