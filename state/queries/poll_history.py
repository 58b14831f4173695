"""The latest polls: when, how long, and why they failed."""

import json

from msgspec import Struct

from state.db.reader import Source


class PollRecord(Struct, frozen=True, kw_only=True):
    """One poll. `finished_ts` is None while it runs, and of one that was interrupted.

    `error` is why it failed; `problems` are what it met while it ran through.
    """

    started_ts: str
    finished_ts: str | None
    error: str | None
    problems: int
    actor: str


def latest(source: Source, *, limit: int) -> list[PollRecord]:
    """The latest polls, newest first."""
    rows = source.rows(
        "SELECT started_ts, finished_ts, error, summary, actor FROM polls ORDER BY id DESC LIMIT ?",
        limit,
    )
    return [
        PollRecord(
            started_ts=row["started_ts"],
            finished_ts=row["finished_ts"],
            error=row["error"],
            problems=len(json.loads(row["summary"]).get("problems") or ()),
            actor=row["actor"],
        )
        for row in rows
    ]
