"""Billed usage by UTC day, model and region, to be compared with the provider's export."""

from collections import defaultdict

from state.db.dialect import THEN_JOIN
from state.db.model_sql import ATTEMPT_MODEL
from state.db.reader import Source
from state.model.records import BatchKind
from state.model.usage import TOKENS, Tokens, Usage, usage_in

_ENDED_DAY = "substr(coalesce(b.ended_ts, b.collected_ts), 1, 10)"
_SUMMED = (*TOKENS, "web_searches")

# UTC day of the batch's end, model, region as the API reports it.
UsageKey = tuple[str, str, str]


def usage_by_day(
    source: Source, *, first_day: str, last_day: str, kinds: tuple[BatchKind, ...]
) -> dict[UsageKey, Usage]:
    """Tokens and searches; those of an iteration count for the model that it is billed as."""
    sums = ", ".join(f"sum(a.{name}) AS {name}" for name in _SUMMED)
    rows = source.rows(
        f"SELECT {_ENDED_DAY} AS day, {ATTEMPT_MODEL} AS model,"  # noqa: S608 - our own words
        f" coalesce(a.inference_geo, '') AS region, {sums}"
        f" FROM batches b {THEN_JOIN} attempts a ON a.batch_id = b.id WHERE {_answered(kinds)}"
        f" AND {_ENDED_DAY} BETWEEN ? AND ? GROUP BY 1, 2, 3",
        first_day,
        last_day,
    )
    found = defaultdict[UsageKey, dict[str, int]](dict)
    for row in rows:
        key = row["day"], row["model"], row["region"]
        found[key] = {name: row[name] for name in _SUMMED}
    for key, tokens in _iterations(source, first_day, last_day, kinds):
        sums_of_key = found[key]
        for name in TOKENS:
            sums_of_key[name] = sums_of_key.get(name, 0) + getattr(tokens, name)
    return {key: Usage(**sums) for key, sums in found.items()}  # pyright: ignore[reportArgumentType]


def _iterations(
    source: Source, first_day: str, last_day: str, kinds: tuple[BatchKind, ...]
) -> list[tuple[UsageKey, Tokens]]:
    rows = source.rows(
        f"SELECT a.*, {_ENDED_DAY} AS day, {ATTEMPT_MODEL} AS billed_model"  # noqa: S608 - our own words
        f" FROM batches b {THEN_JOIN} attempts a ON a.batch_id = b.id"
        f" WHERE {_answered(kinds)} AND a.iterations IS NOT NULL"
        f" AND {_ENDED_DAY} BETWEEN ? AND ?",
        first_day,
        last_day,
    )
    return [
        ((row["day"], part.model or row["billed_model"], row["inference_geo"] or ""), part)
        for row in rows
        for part in usage_in(row).iterations
    ]


def without_usage(
    source: Source, *, first_day: str, last_day: str, kinds: tuple[BatchKind, ...]
) -> int:
    """Answers in these days whose usage was unusable, so that no tokens are known."""
    tokens = " + ".join(f"a.{name}" for name in TOKENS)
    return source.rows(
        f"SELECT count(*) FROM batches b {THEN_JOIN} attempts a ON a.batch_id = b.id"  # noqa: S608 - our own words
        f" WHERE {_answered(kinds)} AND a.cost_nano IS NULL AND {tokens} = 0"
        f" AND {_ENDED_DAY} BETWEEN ? AND ?",
        first_day,
        last_day,
    )[0][0]


def _answered(kinds: tuple[BatchKind, ...]) -> str:
    marks = ", ".join(f"'{kind}'" for kind in kinds)
    return f"a.outcome = 'succeeded' AND b.kind IN ({marks})"
