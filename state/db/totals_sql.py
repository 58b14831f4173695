"""SQL that keeps the sums of a collected batch: `batch_totals`, `cache_totals` and its day.

Each statement adds (`+`) or subtracts (`-`); `where` chooses among attempts `a`.
"""

from state.db.dialect import LISTED, items, number_in, text_in
from state.db.model_sql import ATTEMPT_MODEL
from state.db.usage_sql import billed
from state.model.records import Outcome
from state.model.usage import TOKENS

_CACHED_TOKENS = ("cache_write_5m_tokens", "cache_write_1h_tokens", "cache_read_tokens")
# Sum of an attempt `a` -> its SQL.
_SUMS = {
    "requests": "count(*)",
    **{one.value: f"count(*) FILTER (WHERE a.outcome = '{one.value}')" for one in Outcome},
    **{name: f"sum({billed(name)})" for name in TOKENS},
    "web_searches": "sum(a.web_searches)",
    "fee_nano": "sum(a.fee_nano)",
    "cost_nano": "coalesce(sum(a.cost_nano), 0)",
    "sync_cost_nano": "coalesce(sum(a.sync_cost_nano), 0)",
    "duplicate_nano": "coalesce(sum(a.cost_nano) FILTER (WHERE a.duplicate = 1), 0)",
    "unpriced": "count(*) FILTER (WHERE a.outcome = 'succeeded' AND a.cost_nano IS NULL)",
}
# What the price of an answer depends on, beside the size of its prompt.
_SHARED = ("inference_geo", "service_tier", "speed")
# Prompt sizes at which a price may change.
_STEP = "CASE WHEN {0} > 200000 THEN 2 WHEN {0} > 100000 THEN 1 ELSE 0 END".format(
    f"(input_tokens + {' + '.join(_CACHED_TOKENS)})"
)
# Tokens were written to a cache or read.
USES_CACHE = f"({' + '.join(_CACHED_TOKENS)} > 0)"

# All attempts of a batch; those to some of its requests; all, if some of them used a cache.
_ALL = "a.batch_id = ?"
_CHOSEN = f"{_ALL} AND a.request_id IN {LISTED}"
_ALL_CACHED = (
    f"a.batch_id IN (SELECT batch_id FROM batch_totals WHERE batch_id = ? AND {USES_CACHE})"  # noqa: S608 - our own words
)


def _batch_totals(where: str, sign: str) -> str:
    """The sums of a batch by model."""
    rows = (
        f"SELECT a.batch_id, a.asked AS model, {_named(_SUMS)} FROM"  # noqa: S608 - our own words
        f" (SELECT a.*, {ATTEMPT_MODEL} AS asked FROM attempts a"
        f" JOIN batches b ON b.id = a.batch_id WHERE {where}) a GROUP BY a.batch_id, a.asked"
    )
    return _merge("batch_totals", ("batch_id", "model"), tuple(_SUMS), rows, sign)


def _cache_totals(where: str, sign: str) -> str:
    """Cached tokens of a batch: of its answers, then of iterations that their counts leave out."""
    keys = ("batch_id", "model", "prompt_step", *_SHARED)
    sums = ("answers", *_CACHED_TOKENS)
    shared = ", ".join(f"coalesce(a.{name}, '') AS {name}" for name in _SHARED)
    counts = ("input_tokens", *_CACHED_TOKENS)
    own = ", ".join(f"a.{name}" for name in counts)
    others = ", ".join(f"coalesce({number_in('i.value', name)}, 0)" for name in counts)
    rows = (
        "WITH a AS NOT MATERIALIZED (SELECT a.*, b.model AS batch_model FROM attempts a"  # noqa: S608 - our own words
        f" JOIN batches b ON b.id = a.batch_id WHERE a.outcome = 'succeeded' AND {where})"
        f" SELECT batch_id, model, {_STEP} AS prompt_step, {', '.join(_SHARED)},"
        f" {', '.join(f'sum({name}) AS {name}' for name in sums)} FROM"
        f" (SELECT a.batch_id, coalesce(a.model, a.batch_model) AS model, {shared}, 1 AS answers,"
        f" {own} FROM a UNION ALL"
        f" SELECT a.batch_id, coalesce({text_in('i.value', 'model')}, a.model, a.batch_model),"
        f" {shared}, 0, {others} FROM a CROSS JOIN {items('a.iterations', 'i')}"
        " WHERE a.iterations IS NOT NULL) counted"
        f" WHERE {USES_CACHE} GROUP BY {', '.join(keys)}"
    )
    return _merge("cache_totals", keys, sums, rows, sign)


def change_daily_totals(sign: str) -> str:
    """The sums of a UTC day by those of a batch. Parameters: the day and the batch."""
    rows = (
        f"SELECT ? AS day, b.workflow, t.model, b.kind, {', '.join(f't.{n}' for n in _SUMS)}"  # noqa: S608 - our own words
        " FROM batch_totals t JOIN batches b ON b.id = t.batch_id WHERE t.batch_id = ?"
    )
    return _merge("daily_totals", ("day", "workflow", "model", "kind"), tuple(_SUMS), rows, sign)


# What a counter counts: never less than before, whatever is corrected.
COUNTED = (
    *(one.value for one in Outcome),
    *TOKENS,
    *("fee_nano", "cost_nano", "sync_cost_nano", "duplicate_nano"),
)


def _keep_peaks() -> str:
    higher = (
        f"{name} = CASE WHEN excluded.{name} > peak_totals.{name}"
        f" THEN excluded.{name} ELSE peak_totals.{name} END"
        for name in COUNTED
    )
    columns = ", ".join(("batch_id", "model", *COUNTED))
    return (
        f"INSERT INTO peak_totals ({columns}) SELECT {columns} FROM batch_totals"  # noqa: S608 - our own words
        " WHERE batch_id = ? ON CONFLICT (batch_id, model) DO UPDATE SET " + ", ".join(higher)
    )


# The sums of a batch before they are corrected. Parameter: the batch.
KEEP_PEAKS = _keep_peaks()


def _named(values: dict[str, str]) -> str:
    return ", ".join(f"{value} AS {name}" for name, value in values.items())


def _merge(table: str, keys: tuple[str, ...], sums: tuple[str, ...], rows: str, sign: str) -> str:
    """Add the rows to those of the table with the same keys."""
    signed = ", ".join(f"{sign}rows.{name}" for name in sums)
    grown = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in sums)
    return (
        f"INSERT INTO {table} ({', '.join((*keys, *sums))})"  # noqa: S608 - our own words
        f" SELECT {', '.join(f'rows.{name}' for name in keys)}, {signed} FROM ({rows}) rows"
        f" WHERE true ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {grown}"
    )


# The sums of a batch that has none yet. Parameter: the batch.
FILL = (_batch_totals(_ALL, "+"), _cache_totals(_ALL_CACHED, "+"))


def change_chosen(sign: str) -> tuple[str, str]:
    """Some attempts in the sums of their batch. Parameters: the batch and the list of requests."""
    return _batch_totals(_CHOSEN, sign), _cache_totals(_CHOSEN, sign)
