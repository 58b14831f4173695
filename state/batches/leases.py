"""Leases (who may poll until when), holds (what waits until when) and the record of polls."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from state.db.ledger import HELD, Fence, Ledger
from state.model.records import DEFAULT_LANE, Hold
from state.model.timestamps import from_text, to_text


def acquire(
    ledger: Ledger,
    name: str,
    holder: str,
    *,
    until: datetime,
    lock_id: str = "",
) -> Fence | None:
    """Acquire or renew the lease for `holder`; None while another holder's lease is valid.

    A lease expires by the ledger's `monotonic` clock, which a change of the time of day does not
    affect. Where that is the machine's, a lease from a later time is from before a restart, so its
    holder is dead (docs/adr/0009). Where it is the database's, a failover may have set it back: the
    lease then ends as late as one that begins now, unless its holder renews it.
    `lock_id` names the lock that this process keeps: an earlier holder that kept the same one is
    dead.

    Inside `ledger.fenced` with the result, each write first checks that the lease is still held.
    """
    with ledger.transaction("lease") as tx:
        now = ledger.monotonic()
        expires_at = now + (until - from_text(tx.at)).total_seconds()
        taken = ledger.execute(
            "INSERT INTO leases (name, holder, acquired_ts, expires_ts, acquired_at, expires_at,"
            " epoch, lock_id) VALUES (?, ?, ?, ?, ?, ?, (SELECT value FROM revision), ?)"
            " ON CONFLICT (name) DO UPDATE SET holder = excluded.holder,"
            " acquired_ts = excluded.acquired_ts, expires_ts = excluded.expires_ts,"
            " acquired_at = excluded.acquired_at, expires_at = excluded.expires_at,"
            " epoch = excluded.epoch, lock_id = excluded.lock_id"
            " WHERE leases.holder = excluded.holder OR leases.expires_at <= excluded.acquired_at"
            " OR (leases.acquired_at > excluded.acquired_at AND ? = 1)"
            " OR (leases.lock_id = excluded.lock_id AND leases.lock_id <> '')",
            *(name, holder, tx.at, to_text(until), now, expires_at, lock_id),
            int(not ledger.is_shared),
        )
        if not taken and ledger.is_shared:
            ledger.execute(
                "UPDATE leases SET acquired_at = ?, expires_at = ? WHERE name = ?"
                " AND expires_at > ?",
                *(now, expires_at, name, expires_at),
            )
        found = ledger.rows("SELECT epoch FROM leases WHERE name = ?", name)
    return Fence(name=name, holder=holder, epoch=found[0][0]) if taken else None


def renew(ledger: Ledger, fence: Fence, *, until: datetime) -> None:
    """Let the lease last until then. Raises LeaseLost where another holder has it, or had it."""
    with ledger.transaction("lease") as tx:
        now = ledger.monotonic()
        expires_at = now + (until - from_text(tx.at)).total_seconds()
        renewed = ledger.execute(
            "UPDATE leases SET acquired_ts = ?, expires_ts = ?, acquired_at = ?, expires_at = ?"
            " WHERE name = ? AND holder = ? AND epoch = ?",
            *(tx.at, to_text(until), now, expires_at),
            *fence.terms(),
        )
    if not renewed:
        raise ledger.lease_lost(fence)


def check(ledger: Ledger, fence: Fence) -> None:
    """Raise LeaseLost where another holder has the lease, or had it since."""
    if not ledger.rows(f"SELECT 1 WHERE {HELD}", *fence.terms()):
        raise ledger.lease_lost(fence)


def release(ledger: Ledger, name: str, holder: str) -> None:
    """Delete the lease if `holder` still has it."""
    with ledger.transaction("lease"):
        ledger.execute("DELETE FROM leases WHERE name = ? AND holder = ?", name, holder)


def set_hold(
    ledger: Ledger, name: str, *, until: datetime, reason: str, lane: str = DEFAULT_LANE
) -> None:
    """Set or replace the hold `name`: the lane's activity of that name waits until `until`."""
    with ledger.transaction("hold") as tx:
        ledger.execute(
            "INSERT INTO holds (lane, name, since_ts, until_ts, reason) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (lane, name) DO UPDATE SET since_ts = excluded.since_ts,"
            " until_ts = excluded.until_ts, reason = excluded.reason",
            lane,
            name,
            tx.at,
            to_text(until),
            reason,
        )
        ledger.event(tx, "hold", subject=name, until=to_text(until), reason=reason, **named(lane))


def active_hold(ledger: Ledger, name: str, lane: str = DEFAULT_LANE) -> Hold | None:
    """Return the hold `name` of the lane if it has not ended."""
    row = ledger.row(
        "SELECT * FROM holds WHERE lane = ? AND name = ? AND until_ts > ?",
        lane,
        name,
        ledger.now_text(),
    )
    return Hold(**dict(row)) if row else None


def last_hold(ledger: Ledger, name: str, lane: str = DEFAULT_LANE) -> Hold | None:
    """Return the hold `name` of the lane, also if it has ended; None once it was lifted."""
    row = ledger.row("SELECT * FROM holds WHERE lane = ? AND name = ?", lane, name)
    return Hold(**dict(row)) if row else None


def end_hold(ledger: Ledger, name: str, *, reason: str, lane: str = DEFAULT_LANE) -> None:
    """Delete the hold `name` of the lane, also if it has ended."""
    with ledger.transaction("hold") as tx:
        if ledger.execute("DELETE FROM holds WHERE lane = ? AND name = ?", lane, name):
            ledger.event(tx, "hold.lifted", subject=name, reason=reason, **named(lane))


def named(lane: str) -> dict[str, Any]:
    """The lane in an event, unless it is the default one."""
    return {} if lane == DEFAULT_LANE else {"lane": lane}


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
