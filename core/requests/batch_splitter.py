"""Cuts a stream of requests into batches that the API takes."""

from msgspec import Struct

from core.requests.payload import Limits, Line, wire_overhead

_OVERHEAD = wire_overhead()


class _Filling(Struct):
    """The batch that requests of the same betas go into, until it is full."""

    part: int
    count: int = 0
    size: int = 0


class BatchSplitter:
    """Tells of each line, as it comes, which batch it goes into; the first is 0.

    A batch has one set of beta headers, so lines of different betas never share one.
    """

    def __init__(self, limits: Limits) -> None:
        """Begin without a batch."""
        self._limits = limits
        self._room = limits.max_bytes - _OVERHEAD
        self._filling: dict[tuple[str, ...], _Filling] = {}
        self.batches = 0
        self.bytes = 0

    def place(self, line: Line) -> int:
        """The batch of the line, a new one where the last of its betas is full."""
        grown = len(line.body) + _OVERHEAD
        batch = self._filling.get(line.betas)
        if (
            batch is None
            or batch.count == self._limits.max_requests
            or batch.size + grown > self._room
        ):
            batch = self._filling[line.betas] = _Filling(self.batches)
            self.batches += 1
        batch.count, batch.size = batch.count + 1, batch.size + grown
        self.bytes += grown
        return batch.part
