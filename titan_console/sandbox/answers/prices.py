"""The bill of an answer in dollars, from a price list of its own, so that it can check the ledger.

Prices are those of Anthropic's pricing page of 22 November 2026.
"""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, cast

# Dollars a million tokens: input, output, 5-minute write, 1-hour write, read.
_PRICES = {
    "claude-fable-5-2": ("8", "40", "10", "16", "0.20"),
    "claude-mythos-5-2": ("8", "40", "10", "16", "0.20"),
    "claude-fable-5-1": ("10", "50", "12.5", "20", "0.25"),
    "claude-mythos-5-1": ("10", "50", "12.5", "20", "0.25"),
    "claude-fable-5": ("10", "50", "12.5", "20", "1.00"),
    "claude-mythos-5": ("10", "50", "12.5", "20", "1.00"),
    "claude-opus-5-5": ("4", "20", "5", "8", "0.20"),
    "claude-opus-5": ("5", "25", "6.25", "10", "0.50"),
    "claude-opus-4-8": ("5", "25", "6.25", "10", "0.50"),
    "claude-opus-4-7": ("5", "25", "6.25", "10", "0.50"),
    "claude-opus-4-6": ("5", "25", "6.25", "10", "0.50"),
    "claude-opus-4-5-20251101": ("5", "25", "6.25", "10", "0.50"),
    "claude-sonnet-5-5": ("2", "10", "2.5", "4", "0.10"),
    "claude-sonnet-5": ("2", "10", "2.5", "4", "0.20"),
    "claude-sonnet-4-6": ("3", "15", "3.75", "6", "0.30"),
    "claude-sonnet-4-5-20250929": ("3", "15", "3.75", "6", "0.30"),
    "claude-haiku-5-5": ("0.10", "0.50", "0.125", "0.20", "0.01"),
    "claude-haiku-4-5-20251001": ("1", "5", "1.25", "2", "0.10"),
}
_LARGE_PROMPT = ("claude-haiku-5-5", 100_000, ("0.50", "2.50", "0.625", "1", "0.05"))
_REGIONS = {"us": Fraction("1.1")}
_SEARCH = Fraction("0.01")
_FAST = 2
# Iterations that the counts of the answer leave out.
_ADDED = ("compaction", "advisor_message")


def bill(model: str, usage: Mapping[str, Any]) -> Fraction:
    """What one answer with this usage costs, exactly."""
    tokens = _tokens(model, usage)
    for part in cast("list[dict[str, Any]]", usage.get("iterations") or ()):
        if part["type"] in _ADDED:
            tokens += _tokens(part.get("model") or model, part)
    tokens *= _REGIONS.get(usage.get("inference_geo") or "", 1)
    if usage["service_tier"] == "batch":
        tokens /= 2
    if usage.get("speed") == "fast":
        tokens *= _FAST
    tools = cast("dict[str, int]", usage.get("server_tool_use") or {})
    return tokens + _SEARCH * tools.get("web_search_requests", 0)


def _tokens(model: str, counts: Mapping[str, Any]) -> Fraction:
    split = cast("dict[str, int]", counts["cache_creation"] or {})
    numbers: tuple[int, ...] = (
        counts["input_tokens"],
        counts["output_tokens"],
        split.get("ephemeral_5m_input_tokens", 0),
        split.get("ephemeral_1h_input_tokens", 0),
        counts["cache_read_input_tokens"],
    )
    large, step, prices_above = _LARGE_PROMPT
    prompt = sum(numbers) - counts["output_tokens"]
    prices = prices_above if model == large and prompt > step else _PRICES[model]
    return sum(
        (Fraction(price) * number for price, number in zip(prices, numbers, strict=True)),
        Fraction(),
    ) / Fraction(1_000_000)
