"""What was answered and spent lately: batches and synchronous runs by the time they ended."""

from typing import NamedTuple

from state.db.reader import Source

# More than that in a day would not be seen in a chart anyway.
_MOST = 20_000


class EndedRun(NamedTuple):
    """A collected batch or synchronous run: when it ended, its answers, nano-dollars."""

    ended_ts: str
    answers: int
    cost_nano: int


def ended_since(source: Source, since_ts: str) -> list[EndedRun]:
    """Those that ended since then, latest first; at most 20,000."""
    rows = source.rows(
        "SELECT ended_ts, succeeded, coalesce(cost_nano, 0) AS cost_nano FROM batches"
        " WHERE ended_ts >= ? AND collected_ts IS NOT NULL ORDER BY ended_ts DESC LIMIT ?",
        since_ts,
        _MOST,
    )
    return [EndedRun(row["ended_ts"], row["succeeded"], row["cost_nano"]) for row in rows]
