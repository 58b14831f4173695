"""Cuts a stream of requests into batches that the API takes."""

from core.payload import Limits, Line, wire_overhead


class Cutter:
    """Tells of each line, as it comes, which batch it goes into; the first is 0."""

    def __init__(self, limits: Limits) -> None:
        """Begin with an empty first batch."""
        self._limits = limits
        self._count = self._size = 0
        self.part = 0
        self.bytes = 0

    def place(self, line: Line) -> int:
        """The batch of the line, a new one where the last is full."""
        grown = len(line.body) + wire_overhead()
        room = self._limits.max_bytes - wire_overhead()
        is_full = self._count == self._limits.max_requests
        if is_full or (self._count and self._size + grown > room):
            self.part += 1
            self._count = self._size = 0
        self._count, self._size = self._count + 1, self._size + grown
        self.bytes += grown
        return self.part
