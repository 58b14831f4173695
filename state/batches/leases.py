"""Leases (who may poll until when), holds (what waits until when) and the record of polls."""

import json
from collections.abc import Mapping
from datetime import datetime

from state.db.ledger import Ledger
from state.model.records import Hold
from state.model.timestamps import from_text, to_text


def acquire(
    ledger: Ledger, name: str, holder: str, *, until: datetime, is_abandoned: bool = False
) -> bool:
    """Acquire or renew the lease for `holder`; False while another holder's lease is valid.

    A lease expires by the monotonic clock of the machine, which a change of the time of day does
    not affect. A lease from a later monotonic time is from before a restart of the machine, so its
    holder is dead (docs/adr/0009). `is_abandoned`: the caller knows that the holder is dead.

    A lease only avoids duplicate work. Correctness does not depend on it: each write checks the
    state that it changes.
    """
    with ledger.transaction("lease") as tx:
        now = ledger.monotonic()
        lasts = (until - from_text(tx.at)).total_seconds()
        taken = ledger.execute(
            "INSERT INTO leases (name, holder, acquired_ts, expires_ts, acquired_at, expires_at)"
            " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET holder = excluded.holder,"
            " acquired_ts = excluded.acquired_ts, expires_ts = excluded.expires_ts,"
            " acquired_at = excluded.acquired_at, expires_at = excluded.expires_at"
            " WHERE leases.holder = excluded.holder OR leases.expires_at <= excluded.acquired_at"
            " OR leases.acquired_at > excluded.acquired_at OR ?",
            *(name, holder, tx.at, to_text(until), now, now + lasts, is_abandoned),
        )
    return bool(taken)


def release(ledger: Ledger, name: str, holder: str) -> None:
    """Delete the lease if `holder` still has it."""
    with ledger.transaction("lease"):
        ledger.execute("DELETE FROM leases WHERE name = ? AND holder = ?", name, holder)


def set_hold(ledger: Ledger, name: str, *, until: datetime, reason: str) -> None:
    """Set or replace the hold `name`: the activity of that name waits until `until`."""
    with ledger.transaction("hold") as tx:
        ledger.execute(
            "INSERT INTO holds (name, since_ts, until_ts, reason) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (name) DO UPDATE SET since_ts = excluded.since_ts,"
            " until_ts = excluded.until_ts, reason = excluded.reason",
            name,
            tx.at,
            to_text(until),
            reason,
        )
        ledger.event(tx, "hold", subject=name, until=to_text(until), reason=reason)


def active_hold(ledger: Ledger, name: str) -> Hold | None:
    """Return the hold `name` if it has not ended."""
    row = ledger.row(
        "SELECT name, until_ts, reason, since_ts FROM holds WHERE name = ? AND until_ts > ?",
        name,
        ledger.now_text(),
    )
    return Hold(**dict(row)) if row else None


def last_hold(ledger: Ledger, name: str) -> Hold | None:
    """Return the hold `name`, also if it has ended; None once it was lifted."""
    row = ledger.row("SELECT name, until_ts, reason, since_ts FROM holds WHERE name = ?", name)
    return Hold(**dict(row)) if row else None


def end_hold(ledger: Ledger, name: str, *, reason: str) -> None:
    """Delete the hold `name`, also if it has ended."""
    with ledger.transaction("hold") as tx:
        if ledger.execute("DELETE FROM holds WHERE name = ?", name):
            ledger.event(tx, "hold.lifted", subject=name, reason=reason)


def begin_poll(ledger: Ledger) -> int:
    """Record that a poll started, and return its row id; screens show when the last one started."""
    with ledger.transaction("poll") as tx:
        return ledger.insert(
            "INSERT INTO polls (actor, started_ts) VALUES (?, ?)", ledger.actor, tx.at
        )


def end_poll(
    ledger: Ledger, poll_id: int, summary: Mapping[str, object], error: str | None = None
) -> None:
    """Record that the poll ended, with its summary and, where it failed, the reason."""
    with ledger.transaction("poll") as tx:
        ledger.execute(
            "UPDATE polls SET finished_ts = ?, summary = ?, error = ? WHERE id = ?",
            tx.at,
            json.dumps(summary),
            error,
            poll_id,
        )
        if summary.get("left"):
            ledger.event(tx, "poll.time_limit", left=json.dumps(summary["left"]))
