"""The prompt cache of the emulator: which rows read a prefix, and which write it again."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self

from titan_console.sandbox.model.ids import draw

ALWAYS, NEVER, ACROSS, SHARED = "always", "never", "across", "shared"
_LIVES = {True: timedelta(hours=1), False: timedelta(minutes=5)}


@dataclass
class PromptCache:
    """Sources disagree how often the rows of a batch read the cache, so each behavior is offered.

    `always`: every row reads what an earlier row wrote. `never`: every row writes. `across`: a row
    reads only what an earlier batch wrote. `shared`: the same, and Messages calls are like batches;
    otherwise they have no cache. A rate from 0 to 1: so many of the rows that `always` would let
    read do.
    """

    behavior: str = ALWAYS
    seed: int = 0
    # Prefix -> when it was last used, and the call that wrote it.
    _entries: dict[Hashable, tuple[datetime, int]] = field(
        default_factory=dict[Hashable, tuple[datetime, int]]
    )
    _calls: int = 0

    @classmethod
    def parse(cls, text: str, *, seed: int = 0) -> Self:
        """One of the names, or a rate such as 0.3. Raises ValueError for others."""
        if text not in (ALWAYS, NEVER, ACROSS, SHARED):
            try:
                is_rate = 0 <= float(text) <= 1
            except ValueError:
                is_rate = False
            if not is_rate:
                raise ValueError(
                    f"cache {text!r}: use always, never, across, shared or a rate from 0 to 1"
                )
        return cls(text, seed)

    @property
    def serves_messages(self) -> bool:
        """Whether Messages calls read and write it."""
        return self.behavior == SHARED

    def next_call(self) -> int:
        """The number of a create or Messages call, for `reads`."""
        self._calls += 1
        return self._calls

    def reads(self, prefix: Hashable, row: str, *, hour: bool, call: int, now: datetime) -> bool:
        """Whether the row reads the prefix; otherwise it writes it."""
        used, writer = self._entries.get(prefix, (None, call))
        is_alive = used is not None and now - used <= _LIVES[hour]
        reads = is_alive and self._may_read(row, is_own=writer == call)
        self._entries[prefix] = (now, writer if is_alive else call)
        return reads

    def _may_read(self, row: str, *, is_own: bool) -> bool:
        if self.behavior in (ALWAYS, NEVER):
            return self.behavior == ALWAYS
        if self.behavior in (ACROSS, SHARED):
            return not is_own
        return draw(self.seed, "cache", row) < float(self.behavior)
