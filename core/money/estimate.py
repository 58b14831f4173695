"""An upper estimate of the cost of requests, before the API has counted their tokens.

Input tokens are estimated from the bytes of a request, output tokens are its max_tokens.
"""

from datetime import datetime

from msgspec import Struct

from core.money.pricing import PriceBook
from core.requests.payload import Line
from state.model.records import BatchKind, Usage

# English text has about four bytes a token, with newer tokenizers three; JSON adds some.
_BYTES_PER_TOKEN = 3


class Estimate(Struct, kw_only=True):
    """Sums over requests. Money in nano-dollars, without the `unpriced` models."""

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
        """An empty estimate at the prices of that day."""
        return cls(prices=prices, at=at, unpriced=set())

    def add(self, line: Line) -> None:
        """Add one request."""
        usage = Usage(
            input_tokens=-(-len(line.body) // _BYTES_PER_TOKEN), output_tokens=line.max_tokens
        )
        self.requests += 1
        self.tokens_in += usage.input_tokens
        self.tokens_out += usage.output_tokens
        batch, sync = self.prices.price(line.model, usage, at=self.at, kind=BatchKind.BATCH)
        if batch is None or sync is None:
            self.unpriced.add(line.model)
            return
        self.batch_nano += batch
        self.sync_nano += sync
