"""Durations of batches and cancels, and their visible progress."""

import math
from dataclasses import dataclass
from random import Random
from typing import Self

_MINUTE = 60.0
_REALISTIC_MEDIAN = 9 * _MINUTE
_REALISTIC_SPREAD = 0.8
_REALISTIC_LONGEST = 6 * 60 * _MINUTE


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The pace of the provider. Times are seconds of the sandbox's clock."""

    shortest: float = 0.0
    longest: float = 0.0
    realistic_spread: bool = False
    # From the cancel call to `ended`; rows that start within `grace` of it still succeed.
    cancel: float = 0.0
    grace: float = 0.0
    # The share of rows that never reach a model, so that the batch ends by expiring.
    expired: float = 0.0
    # Whether request_counts change before the end; the API documents that they do not.
    movement: bool = False
    shuffle: bool = True

    @classmethod
    def instant(cls) -> Self:
        """Ended at the first poll after the create."""
        return cls()

    @classmethod
    def seconds(cls, shortest: float, longest: float, *, cancel: float = 1.0) -> Self:
        """Between two durations, drawn by the seed."""
        return cls(shortest=shortest, longest=longest, cancel=cancel)

    @classmethod
    def realistic(cls) -> Self:
        """Mostly 4 to 20 minutes with a long tail; a cancel takes effect after 25 s."""
        return cls(
            shortest=_MINUTE,
            longest=_REALISTIC_LONGEST,
            realistic_spread=True,
            cancel=25.0,
            grace=5.0,
        )

    @classmethod
    def manual(cls, *, cancel: float = 0.0) -> Self:
        """Only `Sandbox.end`, a cancel or the 24 hours end a batch."""
        return cls(shortest=math.inf, longest=math.inf, cancel=cancel)

    @classmethod
    def parse(cls, text: str) -> Self:
        """`instant`, `realistic`, `manual`, `30` or `5-20` (seconds)."""
        named = {"instant": cls.instant, "realistic": cls.realistic, "manual": cls.manual}
        if text in named:
            return named[text]()
        low, _, high = text.partition("-")
        try:
            return cls.seconds(float(low), float(high or low))
        except ValueError:
            names = ", ".join(named)
            raise ValueError(f"plan {text!r}: use {names}, or seconds as 30 or 5-20") from None

    def duration(self, rng: Random) -> float:
        """How long the next batch will take."""
        if self.shortest == self.longest:
            return self.shortest
        if self.realistic_spread:
            drawn = rng.lognormvariate(math.log(_REALISTIC_MEDIAN), _REALISTIC_SPREAD)
            return min(max(drawn, self.shortest), self.longest)
        return rng.uniform(self.shortest, self.longest)
