"""What the price of an answer depends on. Each field is documented by the comment above it."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

TOKENS = (
    *("input_tokens", "output_tokens", "cache_write_5m_tokens"),
    *("cache_write_1h_tokens", "cache_read_tokens"),
)
# The columns of an attempt that hold its usage.
USAGE_COLUMNS = (
    *TOKENS,
    *("web_searches", "inference_geo", "service_tier", "speed", "iterations"),
)
# How `Usage.unknown` begins; other reasons for an unknown price depend on the price list.
UNKNOWN = "usage: "


class Tokens(Struct, frozen=True, kw_only=True):
    """Tokens by kind; each token is in one field."""

    #: Input at the full price, without cached input.
    input_tokens: int = 0
    #: Output tokens, thinking included.
    output_tokens: int = 0
    #: Input written to the 5-minute cache.
    cache_write_5m_tokens: int = 0
    #: Input written to the 1-hour cache.
    cache_write_1h_tokens: int = 0
    #: Input read from a cache.
    cache_read_tokens: int = 0


class Iteration(Tokens, frozen=True, kw_only=True):
    """Tokens of one part of an answer that the answer's own counts leave out."""

    #: `compaction` or `advisor_message`.
    type: str
    #: Model that is billed. None: the model of the answer.
    model: str | None = None


class Usage(Tokens, frozen=True, kw_only=True):
    """The usage of one answer: tokens, and whatever else changes its price."""

    #: Web searches, billed by number.
    web_searches: int = 0
    #: Region, as the API reports it. None: not reported.
    inference_geo: str | None = None
    #: Service tier, as the API reports it. None: not reported.
    service_tier: str | None = None
    #: Speed, as the API reports it. None: not reported.
    speed: str | None = None
    #: What is billed beside the tokens above.
    iterations: tuple[Iteration, ...] = ()
    #: What in the API's usage has no known price, one line from `UNKNOWN` on. None: nothing.
    unknown: str | None = None

    def values(self) -> "UsageRow":
        """The values of `USAGE_COLUMNS`."""
        return (
            *(self.input_tokens, self.output_tokens, self.cache_write_5m_tokens),
            *(self.cache_write_1h_tokens, self.cache_read_tokens),
            *(self.web_searches, self.inference_geo, self.service_tier, self.speed),
            _encode(self.iterations).decode() if self.iterations else None,
        )


UsageRow = tuple[
    *tuple[int, int, int, int, int, int], *tuple[str | None, str | None, str | None, str | None]
]
_NO_USAGE = Usage()
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(tuple[Iteration, ...]).decode


def usage_of(values: Sequence[Any]) -> Usage:
    """The usage in the values of `USAGE_COLUMNS`, all of which are None without an attempt."""
    if values[0] is None:
        return _NO_USAGE
    tokens_in, tokens_out, write_5m, write_1h, read, searches, geo, tier, speed, others = values
    return Usage(
        input_tokens=tokens_in,
        output_tokens=tokens_out,
        cache_write_5m_tokens=write_5m,
        cache_write_1h_tokens=write_1h,
        cache_read_tokens=read,
        web_searches=searches,
        inference_geo=geo,
        service_tier=tier,
        speed=speed,
        iterations=_decode(others) if others else (),
    )


def usage_in(row: Any, unpriced: str | None = None) -> Usage:  # noqa: ANN401 - a row of any database
    """The usage in the columns of an attempt; `unpriced` is why its cost is unknown."""
    return Usage(
        **{name: row[name] or 0 for name in (*TOKENS, "web_searches")},
        inference_geo=row["inference_geo"],
        service_tier=row["service_tier"],
        speed=row["speed"],
        iterations=_decode(row["iterations"]) if row["iterations"] else (),
        unknown=unpriced if unpriced and unpriced.startswith(UNKNOWN) else None,
    )
