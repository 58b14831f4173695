"""Cost, savings and tokens by day, workflow, model, tag or batch, and the attempts behind a sum."""

import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta

from msgspec import Struct

from state.db.dialect import THEN_JOIN, array_of, items, number_in
from state.db.model_sql import ATTEMPT_MODEL
from state.db.reader import Source
from state.db.usage_sql import BILLED_IN, BILLED_OUT
from state.model.records import BatchKind, Outcome
from state.model.usage import TOKENS, USAGE_COLUMNS, Usage, usage_in

_PRICED_PLAIN = (
    *("custom_id", "tag", "workflow", "batch_key", "lane", "model"),
    *("cost_nano", "sync_cost_nano", "fee_nano", "unpriced", "priced_ts", "collected_ts"),
)
# Grouping -> its SQL on the totals `t` of batches `b`.
_BY = {
    "workflow": "b.workflow",
    "model": "t.model",
    "day": "substr(b.collected_ts, 1, 10)",
    "tag": "b.tag",
    "batch": "b.key",
}
BY = tuple(_BY)
_IN_TOTALS = ("workflow", "model", "day")
_MIDNIGHT = "T00:00:00.000Z"
_NEVER = "9999"
_TOKENS_IN = " + ".join(f"t.{name}" for name in TOKENS if name != "output_tokens")
# Of the totals `t` of days or batches.
_SUMS = (
    "sum(t.requests) AS attempts, sum(t.succeeded) AS succeeded, sum(t.errored) AS errored,"
    f" sum(t.expired + t.missing) AS lost, sum({_TOKENS_IN}) AS tokens_in,"
    " sum(t.output_tokens) AS tokens_out, sum(t.web_searches) AS web_searches,"
    " sum(t.fee_nano) AS fee_nano, sum(t.cost_nano) AS cost_nano,"
    " sum(t.sync_cost_nano) AS sync_cost_nano, sum(t.duplicate_nano) AS duplicate_nano,"
    " sum(t.unpriced) AS unpriced"
)


def _usage_columns() -> str:
    return ", ".join(f"a.{name}" for name in USAGE_COLUMNS)


class Spending(Struct, frozen=True, kw_only=True):
    """Sums over collected attempts. Money in nano-dollars; `tokens_in` includes cached tokens.

    Tokens include those of compaction and advisor iterations.

    `fee_nano` is the part of both costs that is not for tokens.
    """

    name: str
    attempts: int
    succeeded: int
    errored: int
    lost: int
    tokens_in: int
    tokens_out: int
    web_searches: int
    fee_nano: int
    cost_nano: int
    sync_cost_nano: int
    duplicate_nano: int
    unpriced: int
    first_day: str

    @property
    def savings_nano(self) -> int:
        """Synchronous price of the same answers minus their cost."""
        return self.sync_cost_nano - self.cost_nano

    @property
    def canceled(self) -> int:
        """The attempts that were canceled."""
        return self.attempts - self.succeeded - self.errored - self.lost


_NUMBERS = tuple(name for name in Spending.__struct_fields__ if name not in ("name", "first_day"))


def by_day_column(source: Source, column: str, *, since_day: str) -> list[Spending]:
    """Sums by `workflow`, `model`, `day` or `kind` since that UTC day, from the daily totals."""
    rows = source.rows(
        f"SELECT t.{column} AS name, {_SUMS}, min(t.day) AS first_day FROM daily_totals t"  # noqa: S608 - our own words
        f" WHERE t.day >= ? GROUP BY t.{column} ORDER BY t.{column}",
        since_day,
    )
    return [Spending(**dict(row)) for row in rows]


class PricedAttempt(Struct, frozen=True, kw_only=True):
    """One attempt with the inputs of its price. `priced_ts` is the day of the prices."""

    custom_id: str
    tag: str
    workflow: str
    batch_key: str
    lane: str
    kind: BatchKind
    outcome: Outcome
    model: str
    usage: Usage
    cost_nano: int | None
    sync_cost_nano: int | None
    fee_nano: int
    unpriced: str | None
    is_duplicate: bool
    priced_ts: str
    collected_ts: str | None


def spending(source: Source, by: str, *, since_ts: str) -> list[Spending]:
    """Sums by one of `BY` over the attempts collected since that time.

    From the first UTC midnight on they come from the daily totals, if these have them, otherwise
    from those of batches.
    """
    if by not in _IN_TOTALS:
        return _of_batches(source, by, since_ts, _NEVER)
    if since_ts.endswith(_MIDNIGHT):
        return by_day_column(source, by, since_day=since_ts[:10])
    next_day = str(date.fromisoformat(since_ts[:10]) + timedelta(days=1))
    rows = defaultdict[str, list[Spending]](list)
    for row in _of_batches(source, by, since_ts, next_day):
        rows[row.name].append(row)
    for row in by_day_column(source, by, since_day=next_day):
        rows[row.name].append(row)
    return [added(name, rows[name]) for name in sorted(rows)]


def added(name: str, rows: Sequence[Spending]) -> Spending:
    """The sum of these rows, under a name."""
    return Spending(
        name=name,
        first_day=min(row.first_day for row in rows),
        **{field: sum(getattr(row, field) for row in rows) for field in _NUMBERS},
    )


def _of_batches(source: Source, by: str, since_ts: str, before_ts: str) -> list[Spending]:
    """The sums over the totals of the batches collected from one time to before another."""
    rows = source.rows(
        f"SELECT {_BY[by]} AS name, {_SUMS}, min(substr(b.collected_ts, 1, 10)) AS first_day"  # noqa: S608 - our own words
        f" FROM batches b {THEN_JOIN} batch_totals t ON t.batch_id = b.id"
        " WHERE b.collected_ts >= ? AND b.collected_ts < ?"
        f" GROUP BY {_BY[by]} ORDER BY {_BY[by]}",
        since_ts,
        before_ts,
    )
    return [Spending(**dict(row)) for row in rows]


def priced_attempts(source: Source, name: str) -> list[PricedAttempt]:
    """Every ended attempt of a custom_id, of TAG/CUSTOM_ID, or of a batch's key or remote id."""
    tag, _, custom_id = name.rpartition("/")
    rows = source.rows(
        "SELECT r.custom_id, r.tag, b.workflow, b.key AS batch_key, b.lane, b.kind, a.outcome,"  # noqa: S608 - our own words
        f" {ATTEMPT_MODEL} AS model, {_usage_columns()}, a.cost_nano, a.fee_nano,"
        " a.sync_cost_nano, a.unpriced, a.duplicate,"
        " coalesce(b.accepted_ts, b.created_ts) AS priced_ts, b.collected_ts"
        " FROM attempts a JOIN requests r ON r.id = a.request_id"
        " JOIN batches b ON b.id = a.batch_id WHERE a.outcome IS NOT NULL AND"
        " (a.request_id IN (SELECT id FROM requests WHERE custom_id = ? UNION"
        " SELECT id FROM requests WHERE tag = ? AND custom_id = ?)"
        " OR a.batch_id IN (SELECT id FROM batches WHERE key = ? OR remote_id = ?))"
        " ORDER BY b.id, r.id",
        *(name, tag, custom_id, name, name),
    )
    return [
        PricedAttempt(
            **{key: row[key] for key in _PRICED_PLAIN},
            kind=BatchKind(row["kind"]),
            outcome=Outcome(row["outcome"]),
            usage=usage_in(row, row["unpriced"]),
            is_duplicate=bool(row["duplicate"]),
        )
        for row in rows
    ]


# Answers listed for one batch; the sums include all.
MOST_LISTED = 1000
# Filter -> its condition on attempts `a` and batches `b`.
_FILTERS = {
    "all": "? = ''",
    "day": "substr(b.collected_ts, 1, 10) = ?",
    "workflow": "b.workflow = ?",
    "model": f"{ATTEMPT_MODEL} = ?",
    "duplicate": "? = '' AND a.duplicate = 1",
    "unpriced": "? = '' AND a.outcome = 'succeeded' AND a.cost_nano IS NULL",
    # Of the answer's own tokens or of an iteration.
    "cached": "? = '' AND (a.cache_read_tokens + a.cache_write_5m_tokens"  # noqa: S608 - our own words
    f" + a.cache_write_1h_tokens > 0 OR EXISTS (SELECT 1 FROM {items('a.iterations', 'i')}"
    f" WHERE {number_in('i.value', 'cache_read_tokens')} > 0"
    f" OR {number_in('i.value', 'cache_write_5m_tokens')} > 0"
    f" OR {number_in('i.value', 'cache_write_1h_tokens')} > 0))",
}
# Filters that a row of the totals `t` of a batch meets as a whole.
_OF_TOTALS = {name: _FILTERS[name] for name in ("all", "day", "workflow")} | {
    "model": "t.model = ?"
}
_SUMS_OF_TOTALS = (
    f"sum(t.requests) AS attempts, {array_of('DISTINCT t.model')} AS models,"
    " sum(t.cost_nano) AS cost_nano, sum(t.sync_cost_nano) AS sync_cost_nano,"
    " sum(t.duplicate_nano) AS duplicate_nano, sum(t.unpriced) AS unpriced"
    f" FROM batches b {THEN_JOIN} batch_totals t ON t.batch_id = b.id"
)
_SUMS_OF_ATTEMPTS = (
    f"count(*) AS attempts, {array_of(f'DISTINCT {ATTEMPT_MODEL}')} AS models,"
    " coalesce(sum(a.cost_nano), 0) AS cost_nano,"
    " coalesce(sum(a.sync_cost_nano), 0) AS sync_cost_nano,"
    " coalesce(sum(a.cost_nano) FILTER (WHERE a.duplicate = 1), 0) AS duplicate_nano,"
    " count(*) FILTER (WHERE a.outcome = 'succeeded' AND a.cost_nano IS NULL) AS unpriced"
    f" FROM batches b {THEN_JOIN} attempts a ON a.batch_id = b.id AND a.outcome IS NOT NULL"
)


class SumFilter(Struct, frozen=True):
    """The answers in a sum: `what` is the filter, `value` its value where it has one."""

    what: str
    value: str
    since_day: str


class BatchSum(Struct, frozen=True, kw_only=True):
    """One batch with its answers in the sum, and their models. Money in nano-dollars."""

    id: int
    key: str
    tag: str
    workflow: str
    models: tuple[str, ...]
    kind: BatchKind
    collected_ts: str
    attempts: int
    cost_nano: int
    sync_cost_nano: int
    duplicate_nano: int
    unpriced: int

    @property
    def savings_nano(self) -> int:
        """Synchronous price of the same answers minus their cost."""
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


def batches_in_sum(source: Source, wanted: SumFilter) -> list[BatchSum]:
    """The batches in the sum, newest first."""
    condition = _OF_TOTALS.get(wanted.what)
    sums = _SUMS_OF_TOTALS if condition else _SUMS_OF_ATTEMPTS
    rows = source.rows(
        f"SELECT b.id, b.key, b.tag, b.workflow, b.kind, b.collected_ts, {sums}"
        f" WHERE b.collected_ts >= ? AND {condition or _FILTERS[wanted.what]}"
        " GROUP BY b.id ORDER BY b.collected_ts DESC, b.id DESC",
        wanted.since_day,
        wanted.value,
    )
    return [
        BatchSum(
            **{  # pyright: ignore[reportArgumentType]
                **dict(row),
                "models": tuple(sorted(json.loads(row["models"]))),
                "kind": BatchKind(row["kind"]),
            }
        )
        for row in rows
    ]


def answers_in_sum(source: Source, wanted: SumFilter, batch_key: str) -> list[AnswerSum]:
    """The answers of one batch that are in the sum, in input order, at most `MOST_LISTED`."""
    rows = source.rows(
        "SELECT r.id AS request_id, r.custom_id, r.tag, a.outcome,"  # noqa: S608 - our own words
        f" {ATTEMPT_MODEL} AS model, {BILLED_IN} AS tokens_in,"
        f" {BILLED_OUT} AS tokens_out, a.cost_nano, a.sync_cost_nano, a.duplicate AS is_duplicate"
        " FROM batches b JOIN attempts a ON a.batch_id = b.id JOIN requests r ON r.id ="
        " a.request_id WHERE b.key = ? AND a.outcome IS NOT NULL"
        f" AND {_FILTERS[wanted.what]} ORDER BY r.id LIMIT ?",
        batch_key,
        wanted.value,
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
