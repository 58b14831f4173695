"""Cached tokens by batch, with what their price depends on."""

import json
from collections.abc import Iterable

from msgspec import Struct

from state.db.dialect import LISTED_TEXTS, THEN_JOIN, as_list, items, text_in
from state.db.reader import Source
from state.db.totals_sql import USES_CACHE
from state.model.records import BatchKind
from state.model.usage import TOKENS, Tokens

# A prompt size for each step of `cache_totals`.
_SIZES = (0, 150_000, 500_000)
_SHARED = ", ".join(
    f"nullif(t.{name}, '') AS {name}" for name in ("inference_geo", "service_tier", "speed")
)


class CacheUse(Struct, frozen=True, kw_only=True):
    """What answers of one batch and one price wrote to a cache or read, with their iterations.

    `prompt_tokens` is a prompt of a size with that price; `cost_nano` is that of the whole batch.
    """

    batch_key: str
    tag: str
    workflow: str
    lane: str
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


class CachedTotals(Struct, frozen=True, kw_only=True):
    """The priced answers of a UTC day, workflow, mode and model, which used a cache.

    Sums of tokens and nano-dollars; `fee_nano` is the part of the cost that is not for tokens.
    """

    day: str
    workflow: str
    kind: BatchKind
    model: str
    answers: int
    unpriced: int
    tokens: Tokens
    cost_nano: int
    fee_nano: int

    @property
    def group(self) -> "CachedGroup":
        """The batches that these answers are in."""
        return self.day, self.workflow, self.kind


# UTC day, workflow and mode.
CachedGroup = tuple[str, str, str]


def totals_since(source: Source, since_day: str) -> list[CachedTotals]:
    """The daily totals with cached tokens from that UTC day on."""
    rows = source.rows(
        "SELECT day, workflow, kind, model, succeeded, unpriced, cost_nano, fee_nano,"  # noqa: S608 - our own words
        f" {', '.join(TOKENS)} FROM daily_totals WHERE day >= ? AND {USES_CACHE}",
        since_day,
    )
    return [
        CachedTotals(
            day=row["day"],
            workflow=row["workflow"],
            kind=BatchKind(row["kind"]),
            model=row["model"],
            answers=row["succeeded"],
            unpriced=row["unpriced"],
            tokens=Tokens(**{name: row[name] for name in TOKENS}),
            cost_nano=row["cost_nano"],
            fee_nano=row["fee_nano"],
        )
        for row in rows
    ]


def of_groups(source: Source, groups: Iterable[CachedGroup]) -> list[CacheUse]:
    """Of the batches of these days, workflows and modes."""
    parts = ", ".join(text_in("j.value", position) for position in range(3))
    return _rows(
        source,
        f"(substr(b.collected_ts, 1, 10), b.workflow, b.kind) IN (SELECT {parts}"  # noqa: S608 - our own words
        f" FROM {items('?', 'j')})",
        json.dumps([list(group) for group in groups]),
    )


def of_batches(source: Source, keys: Iterable[str]) -> list[CacheUse]:
    """Of these batches."""
    return _rows(source, f"b.key IN {LISTED_TEXTS}", as_list(keys))


def _rows(source: Source, condition: str, parameter: str) -> list[CacheUse]:
    rows = source.rows(
        "SELECT b.key AS batch_key, b.tag, b.workflow, b.lane, b.kind, b.collected_ts,"  # noqa: S608 - our own words
        " coalesce(b.accepted_ts, b.created_ts) AS priced_ts, b.cache_marks AS is_primed,"
        " coalesce(b.cost_nano, 0) AS cost_nano, t.model, t.prompt_step AS step,"
        f" {_SHARED}, t.answers, t.cache_write_5m_tokens AS written_5m,"
        " t.cache_write_1h_tokens AS written_1h, t.cache_read_tokens AS read"
        f" FROM batches b {THEN_JOIN} cache_totals t ON t.batch_id = b.id WHERE {condition}"
        " ORDER BY b.collected_ts DESC, b.id DESC, t.model, t.prompt_step",
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
