"""Leases, holds and polls: who works on the ledger, what must wait, what was done."""

import json
from collections.abc import Mapping
from datetime import datetime

from state.db.ledger import Ledger
from state.model.records import Hold
from state.model.timestamps import from_text, to_text


def acquire(
    ledger: Ledger, name: str, holder: str, *, until: datetime, is_left: bool = False
) -> bool:
    """Take the lease, or renew one's own; false while another holder's has not run out.

    It runs by the machine's own seconds, which no change of the time of day moves; where they are
    fewer than when it was taken, the machine was started anew, and its holder is dead
    (docs/adr/0009). A lease only saves double work. What keeps the ledger right is that each
    write checks the state it starts from. `is_left` says that whoever holds it is known to be dead.
    """
    with ledger.transaction("lease") as written:
        now = ledger.monotonic()
        lasts = (until - from_text(written.at)).total_seconds()
        taken = ledger.execute(
            "INSERT INTO leases (name, holder, acquired_ts, expires_ts, acquired_at, expires_at)"
            " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET holder = excluded.holder,"
            " acquired_ts = excluded.acquired_ts, expires_ts = excluded.expires_ts,"
            " acquired_at = excluded.acquired_at, expires_at = excluded.expires_at"
            " WHERE leases.holder = excluded.holder OR leases.expires_at <= excluded.acquired_at"
            " OR leases.acquired_at > excluded.acquired_at OR ?",
            *(name, holder, written.at, to_text(until), now, now + lasts, is_left),
        )
    return bool(taken)


def release(ledger: Ledger, name: str, holder: str) -> None:
    """Give the lease back, if it is still one's own."""
    with ledger.transaction("lease"):
        ledger.execute("DELETE FROM leases WHERE name = ? AND holder = ?", name, holder)


def hold(ledger: Ledger, name: str, *, until: datetime, reason: str) -> None:
    """Do not do `name` before `until`."""
    with ledger.transaction("hold") as written:
        ledger.execute(
            "INSERT INTO holds (name, since_ts, until_ts, reason) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (name) DO UPDATE SET since_ts = excluded.since_ts,"
            " until_ts = excluded.until_ts, reason = excluded.reason",
            name,
            written.at,
            to_text(until),
            reason,
        )
        ledger.event(written, "hold", subject=name, until=to_text(until), reason=reason)


def active_hold(ledger: Ledger, name: str) -> Hold | None:
    """The hold that is in force now."""
    row = ledger.row(
        "SELECT name, until_ts, reason, since_ts FROM holds WHERE name = ? AND until_ts > ?",
        name,
        ledger.now_text(),
    )
    return Hold(**dict(row)) if row else None


def lift(ledger: Ledger, name: str) -> None:
    """Forget a hold."""
    with ledger.transaction("hold"):
        ledger.execute("DELETE FROM holds WHERE name = ?", name)


def begin_poll(ledger: Ledger) -> int:
    """Note that a poll begins; the screens take it for the poller's heartbeat."""
    with ledger.transaction("poll") as written:
        return ledger.insert(
            "INSERT INTO polls (actor, started_ts) VALUES (?, ?)", ledger.actor, written.at
        )


def end_poll(ledger: Ledger, poll_id: int, summary: Mapping[str, object]) -> None:
    """Note that the poll ended, and what it did."""
    with ledger.transaction("poll") as written:
        ledger.execute(
            "UPDATE polls SET finished_ts = ?, summary = ? WHERE id = ?",
            written.at,
            json.dumps(summary),
            poll_id,
        )
