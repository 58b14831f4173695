"""Parses the usage of an answer: every field that changes its price, and what has no known price.

A field that is not listed here makes the answer unpriced unless it is empty or zero. The test
`tests/api/test_usage_schema.py` compares the lists with the SDK's types.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, cast

import msgspec

from core.api import lenient_json
from core.text import sanitize
from state.model.usage import TOKENS, UNKNOWN, Iteration, Usage

# Far above any answer, and small enough that the sums of 100,000 answers fit into the ledger.
MOST_TOKENS = 1 << 27
MOST_SEARCHES = 1 << 16
MOST_ITERATIONS = 1 << 10
_Tokens = Annotated[int, msgspec.Meta(ge=0, le=MOST_TOKENS)]
_Number = Annotated[int, msgspec.Meta(ge=0, le=MOST_SEARCHES)]
_Word = Annotated[str, msgspec.Meta(max_length=60)]

# Known fields that change no price: parts of another count, or free by the price list.
FREE = frozenset({"output_tokens_details.thinking_tokens", "server_tool_use.web_fetch_requests"})
# Iterations whose tokens the answer's own counts include.
_INCLUDED = ("message", "fallback_message")
_ADDED = ("compaction", "advisor_message")
_MOST_SHOWN = 200
_DATE = re.compile(r"-\d{8}$")


class _CacheCreation(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    ephemeral_5m_input_tokens: _Tokens | None = 0
    ephemeral_1h_input_tokens: _Tokens | None = 0


class _ServerToolUse(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    web_search_requests: _Number | None = 0
    web_fetch_requests: _Number | None = 0


class _OutputDetails(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    thinking_tokens: msgspec.Raw = msgspec.Raw()


class _Counts(msgspec.Struct, gc=False, forbid_unknown_fields=True, kw_only=True):
    input_tokens: _Tokens
    output_tokens: _Tokens
    cache_creation_input_tokens: _Tokens | None = None
    cache_read_input_tokens: _Tokens | None = None
    cache_creation: _CacheCreation | None = None


class _Iteration(_Counts, gc=False, forbid_unknown_fields=True, kw_only=True):
    type: _Word
    model: str | None = None


class _CreditStatus(msgspec.Struct, gc=False):
    type: _Word


class _FallbackCredit(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    status: _CreditStatus | None = None


class _Usage(_Counts, gc=False, forbid_unknown_fields=True, kw_only=True):
    inference_geo: _Word | None = None
    service_tier: _Word | None = None
    speed: _Word | None = None
    server_tool_use: _ServerToolUse | None = None
    output_tokens_details: _OutputDetails | None = None
    iterations: Annotated[list[_Iteration], msgspec.Meta(max_length=MOST_ITERATIONS)] | None = None
    fallback_credit: _FallbackCredit | None = None


# Field -> the struct of its value, or of the items of its list.
_NESTED: dict[str, type[msgspec.Struct]] = {
    "cache_creation": _CacheCreation,
    "server_tool_use": _ServerToolUse,
    "output_tokens_details": _OutputDetails,
    "iterations": _Iteration,
    "fallback_credit": _FallbackCredit,
}
_decoder = msgspec.json.Decoder(_Usage)


class InvalidUsageError(ValueError):
    """A usage without valid counts."""


def read_usage(raw: msgspec.Raw, model: str | None) -> Usage:
    """The usage in an answer of that model; `unknown` says why it has no known price."""
    if model is None:
        return Usage(unknown=_line("the answer names no model"))
    try:
        return _priced(_decoder.decode(raw), model, ())
    except (msgspec.MsgspecError, RecursionError, ValueError):
        pass
    try:
        return usage_of(lenient_json.load(bytes(raw)), model)
    except (RecursionError, ValueError) as error:
        return Usage(unknown=_line(f"invalid: {error}"))


def usage_of(value: object, model: str) -> Usage:
    """The usage in a decoded object of the API or its SDK. Raises InvalidUsageError."""
    unknown = list[str]()
    known = _known_fields(value, _Usage, "", unknown)
    try:
        return _priced(msgspec.convert(known, _Usage), model, unknown)
    except (msgspec.MsgspecError, ValueError) as error:
        raise InvalidUsageError(str(error)) from error


def _known_fields(
    value: object, known: type[msgspec.Struct], path: str, unknown: list[str]
) -> object:
    """The value without the fields that are not listed; adds those with a value to `unknown`."""
    if isinstance(value, list):
        items = cast("list[object]", value)
        return [_known_fields(item, known, path, unknown) for item in items]
    if not isinstance(value, Mapping):
        return value
    kept = dict[str, object]()
    for name, inner in cast("Mapping[Any, object]", value).items():
        if name not in known.__struct_fields__:
            if not _is_empty(inner):
                unknown.append(f"{path}{name}")
        elif f"{path}{name}" in FREE:
            continue
        elif name in _NESTED:
            kept[name] = _known_fields(inner, _NESTED[name], f"{path}{name}.", unknown)
        else:
            kept[name] = inner
    return kept


def _is_empty(value: object) -> bool:
    """Whether an unknown field says nothing that could be billed: null, zero, or only those."""
    if isinstance(value, Mapping):
        return all(map(_is_empty, cast("Mapping[object, object]", value).values()))
    if isinstance(value, list):
        return all(map(_is_empty, cast("list[object]", value)))
    return not value


def _priced(found: _Usage, model: str, unknown: Sequence[str]) -> Usage:
    tools = found.server_tool_use
    iterations = found.iterations or ()
    # Most answers have nothing of this.
    is_odd = unknown or iterations or found.fallback_credit
    plain, output, five_minutes, one_hour, read = _tokens(found)
    # Named one by one: unpacking a dictionary of them takes five times as long.
    return Usage(
        input_tokens=plain,
        output_tokens=output,
        cache_write_5m_tokens=five_minutes,
        cache_write_1h_tokens=one_hour,
        cache_read_tokens=read,
        web_searches=(tools.web_search_requests or 0) if tools else 0,
        inference_geo=found.inference_geo,
        service_tier=found.service_tier,
        speed=found.speed,
        iterations=_added(iterations) if iterations else (),
        unknown=next(_unknowns(found, model, unknown), None) if is_odd else None,
    )


def _tokens(found: _Counts) -> tuple[int, int, int, int, int]:
    """The values of `TOKENS`."""
    written = found.cache_creation
    total = found.cache_creation_input_tokens or 0
    one_hour = (written.ephemeral_1h_input_tokens or 0) if written else 0
    five_minutes = (written.ephemeral_5m_input_tokens or 0) if written else 0
    # Usage without a split is from before 1-hour caching.
    five_minutes = max(five_minutes, total - one_hour)
    read = found.cache_read_input_tokens or 0
    return found.input_tokens, found.output_tokens, five_minutes, one_hour, read


def _added(iterations: Iterable[_Iteration]) -> tuple[Iteration, ...]:
    """The iterations that are billed beside the answer's own counts. Raises ValueError."""
    found = tuple(
        Iteration(type=part.type, model=part.model, **dict(zip(TOKENS, _tokens(part), strict=True)))
        for part in iterations
        if part.type in _ADDED
    )
    if sum(sum(_tokens(part)) for part in iterations) > MOST_TOKENS:
        raise ValueError("more tokens in `$.iterations` than an answer can have")
    return found


def _unknowns(found: _Usage, model: str, unknown: Sequence[str]) -> Iterator[str]:
    """What has no known price, one line each."""
    for path in unknown:
        yield _line(f"unknown field {path}")
    credit = found.fallback_credit and found.fallback_credit.status
    if credit and credit.type != "not_applied":
        yield _line(f"fallback_credit {credit.type!r} has no known price")
    for part in found.iterations or ():
        if part.type not in _INCLUDED + _ADDED:
            yield _line(f"unknown iteration type {part.type!r}")
        elif part.type in _INCLUDED and not _is_same_model(part.model, model):
            yield _line(f"an iteration of type {part.type!r} by another model, {part.model!r}")
        elif part.type == "advisor_message" and not part.model:
            yield _line("an advisor iteration without a model")


def _is_same_model(found: str | None, model: str) -> bool:
    return not found or _DATE.sub("", found) == _DATE.sub("", model)


def _line(text: str) -> str:
    shown = "".join(letter if letter.isprintable() else "?" for letter in text[:_MOST_SHOWN])
    return UNKNOWN + sanitize(shown)
