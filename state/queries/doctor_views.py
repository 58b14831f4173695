"""Read models of how the engine itself is: how often its passes come."""

from datetime import timedelta
from itertools import pairwise

from state.db.reader import Source
from state.model.timestamps import from_text

_PASSES = 20


def usual_gap(source: Source) -> timedelta | None:
    """The middle one of the gaps between the latest passes; None with fewer than three."""
    rows = source.rows("SELECT started_ts FROM passes ORDER BY id DESC LIMIT ?", _PASSES)
    starts = [from_text(row["started_ts"]) for row in rows]
    gaps = sorted(later - earlier for later, earlier in pairwise(starts))
    return gaps[len(gaps) // 2] if len(gaps) > 1 else None
