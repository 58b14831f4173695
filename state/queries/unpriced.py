"""Why answers are unpriced, with their number."""

from collections.abc import Sequence
from typing import NamedTuple

from state.db.reader import Source

_MOST_SHOWN = 3


class UnpricedReason(NamedTuple):
    """One reason, and the answers that have it."""

    reason: str
    answers: int


def reasons(source: Source, *, since_ts: str = "") -> list[UnpricedReason]:
    """The reasons of the answers collected since that time, the most frequent first."""
    rows = source.rows(
        "SELECT a.unpriced, count(*) FROM attempts a JOIN batches b ON b.id = a.batch_id"
        " WHERE a.unpriced IS NOT NULL AND b.collected_ts >= ? GROUP BY 1 ORDER BY 2 DESC, 1",
        since_ts,
    )
    return [UnpricedReason(*row) for row in rows]


def reasons_text(found: Sequence[UnpricedReason]) -> str:
    """The reasons in one line; the rarest are counted only."""
    shown = [f"{one.reason} ({one.answers:,})" for one in found[:_MOST_SHOWN]]
    left = found[_MOST_SHOWN:]
    if left:
        shown.append(f"other reasons ({sum(one.answers for one in left):,})")
    return ", ".join(shown)
