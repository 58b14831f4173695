"""Cached tokens by batch, with what their price depends on."""

import json
from collections.abc import Iterable

from msgspec import Struct

from state.db.reader import Source
from state.model.records import BatchKind

# Prompt sizes at which a price may change.
_STEP = "(input_tokens + cache_write_5m_tokens + cache_write_1h_tokens + cache_read_tokens > {})"
_STEPS = f"{_STEP.format(100_000)} + {_STEP.format(200_000)}"
_SIZES = (0, 150_000, 500_000)
_TOKENS = ("input_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens", "cache_read_tokens")
_BATCH = (
    "b.id, b.key AS batch_key, b.tag, b.workflow, b.kind, b.collected_ts,"
    " coalesce(b.accepted_ts, b.created_ts) AS priced_ts, b.cache_marks AS is_primed,"
    " coalesce(b.cost_nano, 0) AS cost_nano, a.inference_geo, a.service_tier, a.speed"
)
_ANSWERS = (
    "FROM batches b JOIN attempts a ON a.batch_id = b.id {} WHERE {}"
    " AND b.collected_ts IS NOT NULL AND a.outcome = 'succeeded'"
)
# An answer's own tokens, then those of the iterations that its counts leave out.
_OWN = (
    f"SELECT {_BATCH}, coalesce(a.model, b.model) AS model, 1 AS answers,"
    f" {', '.join(f'a.{name}' for name in _TOKENS)} "
)
_ITERATIONS = (
    f"SELECT {_BATCH}, coalesce(i.value ->> 'model', a.model, b.model), 0,"
    f" {', '.join(f'coalesce(i.value ->> {name!r}, 0)' for name in _TOKENS)} "
)


class CacheUse(Struct, frozen=True, kw_only=True):
    """What answers of one batch and one price wrote to a cache or read, with their iterations.

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
        f"WITH used AS ({_OWN}{_ANSWERS.format('', condition)} UNION ALL {_ITERATIONS}"  # noqa: S608 - our own words
        f"{_ANSWERS.format('JOIN json_each(a.iterations) i', condition)})"
        " SELECT batch_key, tag, workflow, kind, collected_ts, priced_ts, is_primed, cost_nano,"
        f" model, inference_geo, service_tier, speed, {_STEPS} AS step, sum(answers) AS answers,"
        " sum(cache_write_5m_tokens) AS written_5m, sum(cache_write_1h_tokens) AS written_1h,"
        " sum(cache_read_tokens) AS read FROM used"
        " WHERE cache_write_5m_tokens + cache_write_1h_tokens + cache_read_tokens > 0"
        " GROUP BY id, model, step, inference_geo, service_tier, speed"
        " ORDER BY collected_ts DESC, id DESC, model, step",
        parameter,
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
