"""Reads the provider's usage export and compares tokens, searches and regions with the ledger.

Accepts the CSV of the Console's usage page and the JSON of the Admin API's usage report for
messages; rejects a file that lacks a column or key.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, cast

import msgspec
from msgspec import Struct, structs

from core.errors import InputError
from state.model.usage import Usage

_DATE_SUFFIX = re.compile(r"-\d{8}$")
_DAY, _MODEL = "usage_date_utc", "model_version"
# The record's field -> the CSV's column.
_COLUMNS = {
    "input_tokens": "usage_input_tokens_no_cache",
    "output_tokens": "usage_output_tokens",
    "cache_write_5m_tokens": "usage_input_tokens_cache_write_5m",
    "cache_write_1h_tokens": "usage_input_tokens_cache_write_1h",
    "cache_read_tokens": "usage_input_tokens_cache_read",
}
_TIERS = ("usage_type", "service_tier")

_REGION = "inference_geo"
# Regions at the plain price.
_PLAIN_REGIONS = ("", "global", "not_available")
_SEARCHES = "web_searches"
_SEARCH_COLUMN = "web_search_count"
# No bill has more tokens; Python refuses to read some thousand digits.
_MOST_DIGITS = 15
_SUMMED = (*_COLUMNS, _SEARCHES)

# UTC day, model, region; the region is empty at the plain price.
Key = tuple[str, str, str]


class Export(Struct, frozen=True, kw_only=True):
    """Tokens and searches by UTC day, model and region.

    `is_batch_only`, `has_regions`, `has_searches`: the export separates batch usage and regions,
    and counts web searches.
    """

    usage: Mapping[Key, Usage]
    is_batch_only: bool
    has_regions: bool
    has_searches: bool

    @property
    def days(self) -> tuple[str, str]:
        """The first and the last day, as YYYY-MM-DD."""
        days = sorted(day for day, _, _ in self.usage)
        return (days[0], days[-1]) if days else ("", "")


class Difference(Struct, frozen=True, kw_only=True):
    """Usage of one day, model and region in the ledger and in the export; None: no such row."""

    day: str
    model: str
    region: str
    ledger: Usage | None
    export: Usage | None

    @property
    def is_same(self) -> bool:
        """Whether both have the same tokens of each kind."""
        return (self.ledger or Usage()) == (self.export or Usage())

    def text(self) -> str:
        """The difference by kind of token, ledger minus export; `same` without one."""
        if self.is_same:
            return "same"
        kinds = [
            f"{name.removesuffix('_tokens')} {gap:+,}"
            for name in _SUMMED
            if (gap := _of(self.ledger, name) - _of(self.export, name))
        ]
        only = ""
        if self.export is None:
            only = "only in the ledger: "
        elif self.ledger is None:
            only = "only in the export: "
        return only + ", ".join(kinds)


def read(content: bytes) -> Export:
    """Parse the export in either form. Raises InputError, which names the defect."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"The export is not UTF-8: {error.reason}.", code="not_utf8") from error
    rows = list(_from_json(text) if text.lstrip()[:1] in ("{", "[") else _from_csv(text))
    if not rows:
        raise InputError("The export has no rows.", code="export_empty")
    tiers = {row.tier for row in rows}
    if None in tiers and len(tiers) > 1:
        raise InputError(
            "Some rows of the export have a service tier and some do not.",
            code="export_mixed_tiers",
        )
    usage = dict[Key, Usage]()
    for row in rows:
        key = row.day, row.model, row.region or ""
        if row.tier in (None, "batch"):
            usage[key] = add(usage.get(key, Usage()), row.usage)
        else:
            usage.setdefault(key, Usage())
    return Export(
        usage=usage,
        is_batch_only=None not in tiers,
        has_regions=any(row.region is not None for row in rows),
        has_searches=any(row.has_searches for row in rows),
    )


class _Row(Struct, frozen=True, kw_only=True):
    """One row of an export; None: it does not separate tiers or regions."""

    day: str
    model: str
    region: str | None
    tier: str | None
    usage: Usage
    has_searches: bool


def compare(ledger: Mapping[Key, Usage], export: Export) -> list[Difference]:
    """Every day, model and region of either, in order; ignores the date suffix of a model.

    What the export does not separate or count is not compared.
    """
    left, right = _plain(ledger, export), _plain(export.usage, export)
    found = [
        Difference(
            day=key[0], model=key[1], region=key[2], ledger=left.get(key), export=right.get(key)
        )
        for key in sorted(left.keys() | right.keys())
    ]
    return [row for row in found if row.ledger or row.export != Usage()]


def totals(rows: list[Difference]) -> list[Difference]:
    """The totals by model and region: a batch that ran over midnight shifts days but no total."""
    kinds = sorted({(row.model, row.region) for row in rows})
    return [
        Difference(
            day="all",
            model=model,
            region=region,
            ledger=_sum([row.ledger for row in rows if (row.model, row.region) == (model, region)]),
            export=_sum([row.export for row in rows if (row.model, row.region) == (model, region)]),
        )
        for model, region in kinds
    ]


def add(left: Usage, right: Usage) -> Usage:
    """The sum of two usages."""
    return _usage({name: _of(left, name) + _of(right, name) for name in _SUMMED})


def _usage(counts: Mapping[str, int]) -> Usage:
    return msgspec.convert(counts, Usage)


def _sum(parts: list[Usage | None]) -> Usage | None:
    found = [part for part in parts if part is not None]
    total = Usage()
    for part in found:
        total = add(total, part)
    return total if found else None


def _plain(usage: Mapping[Key, Usage], export: Export) -> dict[Key, Usage]:
    plain = dict[Key, Usage]()
    for (day, model, region), counts in usage.items():
        separate = export.has_regions and region not in _PLAIN_REGIONS
        key = day, _DATE_SUFFIX.sub("", model), region if separate else ""
        known = counts if export.has_searches else structs.replace(counts, web_searches=0)
        plain[key] = add(plain.get(key, Usage()), known)
    return plain


def _of(usage: Usage | None, name: str) -> int:
    return int(getattr(usage, name)) if usage else 0


def _from_csv(text: str) -> Iterator[_Row]:
    reader = csv.DictReader(io.StringIO(text), strict=True)
    try:
        header = list(reader.fieldnames or [])
        missing = [name for name in (_DAY, _MODEL, *_COLUMNS.values()) if name not in header]
        if missing:
            raise InputError(
                f"The export lacks the columns {', '.join(missing)}."
                f" It has: {', '.join(header)[:300] or 'none'}. Nothing was compared.",
                code="export_columns_missing",
            )
        repeated = [name for name in (*_COLUMNS.values(), _SEARCH_COLUMN) if header.count(name) > 1]
        if repeated:
            raise InputError(
                f"The export has the column {repeated[0]} more than once. Nothing was compared.",
                code="export_columns_repeated",
            )
        tier = next((name for name in _TIERS if name in header), None)
        columns = _COLUMNS | ({_SEARCHES: _SEARCH_COLUMN} if _SEARCH_COLUMN in header else {})
        for row in reader:
            where = f"Line {reader.line_num} of the export"
            counts = {key: _tokens(row[column], where, column) for key, column in columns.items()}
            yield _Row(
                day=_day(row[_DAY], where),
                model=_model(row[_MODEL], where),
                region=(row[_REGION] or "").strip().lower() if _REGION in header else None,
                tier=(row[tier] or "").strip().lower() if tier else None,
                usage=_usage(counts),
                has_searches=_SEARCHES in columns,
            )
    except csv.Error as error:
        raise InputError(f"The export is not CSV: {error}.", code="not_csv") from error


def _from_json(text: str) -> Iterator[_Row]:
    try:
        document: Any = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InputError(f"The export is not JSON: {error}.", code="not_json") from error
    buckets: Any = document.get("data") if isinstance(document, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    if not isinstance(buckets, list):
        raise InputError(
            'The export has no list "data", so it is not a usage report of the Admin API.',
            code="export_keys_missing",
        )
    if cast("dict[str, Any]", document).get("has_more"):
        raise InputError(
            "The export is one page of several (has_more). Get the next pages, and join their lists"
            ' "data" in one file with "has_more": false. Nothing was compared.',
            code="export_incomplete",
        )
    for number, bucket in enumerate(cast("list[Any]", buckets), 1):
        where = f"Bucket {number} of the export"
        results: Any = bucket.get("results") if isinstance(bucket, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        if not isinstance(results, list):
            raise InputError(f'{where} has no list "results".', code="export_keys_missing")
        fields = cast("dict[str, Any]", bucket)
        day = _day(str(fields.get("starting_at", ""))[:10], where)
        for result in cast("list[Any]", results):
            yield _json_row(result, day, where)


def _json_row(result: object, day: str, where: str) -> _Row:
    if not isinstance(result, dict):
        raise InputError(f"{where}: a result must be an object.", code="export_value_invalid")
    row = cast("dict[str, Any]", result)
    created = row.get("cache_creation")
    if not isinstance(created, dict):
        raise InputError(
            f'{where}: a result has no "cache_creation". Nothing was compared.',
            code="export_keys_missing",
        )
    writes = cast("dict[str, Any]", created)
    tier, region, tools = row.get("service_tier"), row.get(_REGION), row.get("server_tool_use")
    searches = (
        cast("dict[str, Any]", tools).get("web_search_requests")
        if isinstance(tools, dict)
        else None
    )
    usage = Usage(
        input_tokens=_tokens(row.get("uncached_input_tokens"), where, "uncached_input_tokens"),
        output_tokens=_tokens(row.get("output_tokens"), where, "output_tokens"),
        cache_write_5m_tokens=_tokens(
            writes.get("ephemeral_5m_input_tokens"), where, "ephemeral_5m_input_tokens"
        ),
        cache_write_1h_tokens=_tokens(
            writes.get("ephemeral_1h_input_tokens"), where, "ephemeral_1h_input_tokens"
        ),
        cache_read_tokens=_tokens(
            row.get("cache_read_input_tokens"), where, "cache_read_input_tokens"
        ),
        web_searches=0 if searches is None else _tokens(searches, where, "web_search_requests"),
    )
    return _Row(
        day=day,
        model=_model(row.get("model"), where),
        region=region if isinstance(region, str) else None,
        tier=tier if isinstance(tier, str) else None,
        usage=usage,
        has_searches=searches is not None,
    )


def _tokens(value: object, where: str, name: str) -> int:
    text = str(value).strip().replace(",", "")
    is_count = text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS
    if isinstance(value, bool) or not is_count:
        raise InputError(
            f"{where}: {name} must be an integer from 0 to 10^{_MOST_DIGITS}, not {value!r:.40}.",
            code="export_value_invalid",
        )
    return int(text)


def _day(value: object, where: str) -> str:
    try:
        return date.fromisoformat(str(value)[:10]).isoformat()
    except ValueError:
        raise InputError(
            f"{where}: {value!r:.40} is not a date.", code="export_value_invalid"
        ) from None


def _model(value: object, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InputError(
            f"{where} has no model; export usage grouped by model.", code="export_value_invalid"
        )
    return value.strip()
