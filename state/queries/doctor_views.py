"""Read models of how the engine itself is: how often its polls come."""

from datetime import timedelta
from itertools import pairwise

from state.db.reader import Source
from state.model.timestamps import from_text

_POLLS = 20


def usual_gap(source: Source) -> timedelta | None:
    """The middle one of the gaps between the latest polls; None with fewer than three."""
    rows = source.rows("SELECT started_ts FROM polls ORDER BY id DESC LIMIT ?", _POLLS)
    starts = [from_text(row["started_ts"]) for row in rows]
    gaps = sorted(later - earlier for later, earlier in pairwise(starts))
    return gaps[len(gaps) // 2] if len(gaps) > 1 else None
