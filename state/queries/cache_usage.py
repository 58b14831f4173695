"""Cached tokens by batch, with what their price depends on."""

import json
from collections.abc import Iterable

from msgspec import Struct

from state.db.reader import Source
from state.model.records import BatchKind

# Prompt sizes at which a price may change.
_STEP = (
    "(a.input_tokens + a.cache_write_5m_tokens + a.cache_write_1h_tokens + a.cache_read_tokens"
    " > {})"
)
_STEPS = f"{_STEP.format(100_000)} + {_STEP.format(200_000)}"
_SIZES = (0, 150_000, 500_000)


class CacheUse(Struct, frozen=True, kw_only=True):
    """Answers of one batch and one price that wrote or read a cache.

    `prompt_tokens` is a prompt of a size with that price; `cost_nano` is that of the whole batch.
    """

    batch_key: str
    tag: str
    workflow: str
    kind: BatchKind
    collected_ts: str
    priced_ts: str
    cost_nano: int
    is_primed: bool
    model: str
    inference_geo: str | None
    service_tier: str | None
    speed: str | None
    prompt_tokens: int
    answers: int
    written_5m: int
    written_1h: int
    read: int


def since(source: Source, since_ts: str) -> list[CacheUse]:
    """Of the batches collected since that time, newest first."""
    return _rows(source, "b.collected_ts >= ?", since_ts)


def of_batches(source: Source, keys: Iterable[str]) -> list[CacheUse]:
    """Of these batches."""
    return _rows(source, "b.key IN (SELECT value FROM json_each(?))", json.dumps(list(keys)))


def _rows(source: Source, condition: str, parameter: str) -> list[CacheUse]:
    rows = source.rows(
        "SELECT b.key AS batch_key, b.tag, b.workflow, b.kind, b.collected_ts,"  # noqa: S608 - our own words
        " coalesce(b.accepted_ts, b.created_ts) AS priced_ts, b.cache_marks AS is_primed,"
        " coalesce(b.cost_nano, 0) AS cost_nano, coalesce(a.model, b.model) AS model,"
        f" a.inference_geo, a.service_tier, a.speed, {_STEPS} AS step, count(*) AS answers,"
        " sum(a.cache_write_5m_tokens) AS written_5m, sum(a.cache_write_1h_tokens) AS written_1h,"
        " sum(a.cache_read_tokens) AS read FROM batches b JOIN attempts a ON a.batch_id = b.id"
        f" WHERE {condition} AND b.collected_ts IS NOT NULL AND a.outcome = 'succeeded'"
        " AND a.cache_write_5m_tokens + a.cache_write_1h_tokens + a.cache_read_tokens > 0"
        " GROUP BY b.id, a.model, step, a.inference_geo, a.service_tier, a.speed"
        " ORDER BY b.collected_ts DESC, b.id DESC, a.model, step",
        parameter,
    )
    return [
        CacheUse(
            **{key: row[key] for key in row.keys() if key not in ("kind", "is_primed", "step")},  # noqa: SIM118 - a row
            kind=BatchKind(row["kind"]),
            is_primed=bool(row["is_primed"]),
            prompt_tokens=_SIZES[int(row["step"])],
        )
        for row in rows
    ]
