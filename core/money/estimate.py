"""An upper estimate of what requests will cost, before anybody has counted their tokens.

Input tokens come from the bytes of a request, output tokens are all that it allows itself.
"""

from datetime import datetime

import msgspec
from msgspec import Struct

from core.money.pricing import PriceBook
from core.requests.payload import Line
from state.model.records import Kind, Usage

# English text has about four bytes a token, newer tokenizers three; JSON's own signs are on top.
_BYTES_PER_TOKEN = 3


class _Params(msgspec.Struct):
    model: str
    max_tokens: int


class _Body(msgspec.Struct):
    params: _Params


_decoder = msgspec.json.Decoder(_Body)


class Estimate(Struct, kw_only=True):
    """Sums over requests. Money in nano-dollars; `unpriced` models are in none of it."""

    prices: PriceBook
    at: datetime
    requests: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    batch_nano: int = 0
    sync_nano: int = 0
    unpriced: set[str]

    @classmethod
    def begin(cls, prices: PriceBook, at: datetime) -> "Estimate":
        """Nothing yet, at the prices of that day."""
        return cls(prices=prices, at=at, unpriced=set())

    def add(self, line: Line) -> None:
        """One more request."""
        params = _decoder.decode(line.body).params
        usage = Usage(
            input_tokens=-(-len(line.body) // _BYTES_PER_TOKEN), output_tokens=params.max_tokens
        )
        self.requests += 1
        self.tokens_in += usage.input_tokens
        self.tokens_out += usage.output_tokens
        batch, sync = self.prices.price(params.model, usage, at=self.at, kind=Kind.BATCH)
        if batch is None or sync is None:
            self.unpriced.add(params.model)
            return
        self.batch_nano += batch
        self.sync_nano += sync
