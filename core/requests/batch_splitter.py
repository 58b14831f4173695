"""Splits a stream of requests into batches within the API's limits."""

from msgspec import Struct

from core.requests.model_limits import MAX_CALL_BYTES
from core.requests.payload import Limits, Line, wire_overhead

_OVERHEAD = wire_overhead()


class _Filling(Struct):
    """The batch that takes requests of one group until it is full."""

    part: int
    count: int = 0
    size: int = 0


class BatchSplitter:
    """Assigns each line to a batch, numbered from 0, in the order the lines come.

    A batch has one set of beta headers, so lines of different betas never share one. Nor do those
    too large for a synchronous call and others: for a deadline, only the batch of these is
    canceled.
    """

    def __init__(self, limits: Limits, *, extra: int = 0) -> None:
        """Start without a batch; a line may grow by `extra` bytes more than the wire id."""
        self._limits = limits
        self._overhead = _OVERHEAD + extra
        self._room = limits.max_bytes - self._overhead
        self._filling: dict[tuple[tuple[str, ...], bool], _Filling] = {}
        self.batches = 0
        self.bytes = 0

    def assign(self, line: Line) -> int:
        """The number of the line's batch, a new one if the last batch of its group is full."""
        grown = len(line.body) + self._overhead
        group = line.betas, len(line.body) > MAX_CALL_BYTES
        batch = self._filling.get(group)
        if (
            batch is None
            or batch.count == self._limits.max_requests
            or batch.size + grown > self._room
        ):
            batch = self._filling[group] = _Filling(self.batches)
            self.batches += 1
        batch.count, batch.size = batch.count + 1, batch.size + grown
        self.bytes += grown
        return batch.part
