"""Latencies that the console measures of itself, shown on the Doctor screen."""

from collections import deque

from msgspec import Struct, field

from core.money.kpis import percentile
from core.text import pluralize

_KEPT = 500


def _samples() -> deque[float]:
    return deque(maxlen=_KEPT)


class UiMetrics(Struct):
    """The latest samples of each kind, in milliseconds.

    `seen` is from a commit elsewhere to its being read here, `painted` from it to its being drawn,
    `drawn` what a frame took to draw, `answered` what a query took.
    """

    seen: deque[float] = field(default_factory=_samples)
    painted: deque[float] = field(default_factory=_samples)
    drawn: deque[float] = field(default_factory=_samples)
    answered: deque[float] = field(default_factory=_samples)
    frames: int = 0

    def record_query(self, seconds: float) -> None:
        """Add a query."""
        self.answered.append(seconds * 1000)

    def record_frame(self, seconds: float) -> None:
        """Add a drawn frame."""
        self.frames += 1
        self.drawn.append(seconds * 1000)


def percentiles(samples: deque[float]) -> str:
    """Percentiles and the maximum."""
    values = list(samples)
    p50, p95, p99 = (percentile(values, percent) for percent in (50, 95, 99))
    if p50 is None or p95 is None or p99 is None:
        return "not measured yet"
    return (
        f"p50 {p50:,.0f} ms, p95 {p95:,.0f} ms, p99 {p99:,.0f} ms, max {max(values):,.0f} ms"
        f" ({pluralize(len(values), 'sample')})"
    )
