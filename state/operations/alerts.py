"""Alerts: raised and cleared once each, and notified until the notification is delivered."""

from collections.abc import Iterable

from msgspec import Struct

from state.db.ledger import Ledger
from state.db.reader import Source


class Alert(Struct, frozen=True, kw_only=True):
    """A condition that needs attention; raised once and cleared once."""

    #: Row id.
    id: int
    #: Name of the rule, as in titan.toml.
    rule: str
    #: Batch, workflow or other thing it is about.
    subject: str
    #: One line.
    message: str
    #: When it was raised.
    raised_ts: str
    #: When it was cleared. None: still raised.
    cleared_ts: str | None


def raised(source: Source) -> list[Alert]:
    """The raised alerts, oldest first."""
    return _alerts(source, "cleared_ts IS NULL")


def unnotified(source: Source, *, now_ts: str, latest_ts: str) -> list[Alert]:
    """Alerts whose raising or clearing was not notified yet, and is due.

    A wait that ends after `latest_ts` was begun before the clock was set back.
    """
    return _alerts(
        source,
        "(notified_raised_ts IS NULL OR (cleared_ts IS NOT NULL AND notified_cleared_ts IS NULL))"
        " AND (not_before_ts IS NULL OR not_before_ts <= ? OR not_before_ts > ?)",
        now_ts,
        latest_ts,
    )


def tries(source: Source, alert: Alert) -> int:
    """How often its notification was tried in vain."""
    return int(source.rows("SELECT tries FROM alerts WHERE id = ?", alert.id)[0][0])


def record_try(ledger: Ledger, alert: Alert, *, not_before_ts: str) -> None:
    """Record that its notification is tried now, and the earliest time of the next try."""
    with ledger.transaction("alert_try"):
        ledger.execute(
            "UPDATE alerts SET tries = tries + 1, not_before_ts = ? WHERE id = ?",
            not_before_ts,
            alert.id,
        )


def update(ledger: Ledger, wrong: Iterable[tuple[str, str, str]]) -> tuple[int, int]:
    """Make `wrong` (rule, subject, message) the raised alerts; returns the numbers new and cleared.

    The message of an alert that stays is updated; it is not notified again.
    """
    now = {(rule, subject): message for rule, subject, message in wrong}
    before = {(alert.rule, alert.subject): alert for alert in raised(ledger)}
    new = [key for key in now if key not in before]
    gone = [alert for key, alert in before.items() if key not in now]
    other = [key for key in now if key in before and now[key] != before[key].message]
    if not new and not gone and not other:
        return 0, 0
    with ledger.transaction("alerts") as tx:
        for rule, subject in new:
            ledger.insert(
                "INSERT INTO alerts (rule, subject, message, raised_ts) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (rule, subject) WHERE cleared_ts IS NULL DO NOTHING",
                *(rule, subject, now[rule, subject], tx.at),
            )
            ledger.event(tx, "alert.raised", subject=subject, rule=rule, message=now[rule, subject])
        for key in other:
            ledger.execute("UPDATE alerts SET message = ? WHERE id = ?", now[key], before[key].id)
        for alert in gone:
            ledger.execute("UPDATE alerts SET cleared_ts = ? WHERE id = ?", tx.at, alert.id)
            ledger.event(tx, "alert.cleared", subject=alert.subject, rule=alert.rule)
    return len(new), len(gone)


def record_notified(ledger: Ledger, alert: Alert) -> None:
    """Record that the raising was notified, and the clearing if there is one."""
    with ledger.transaction("alert_notified") as tx:
        ledger.execute(
            "UPDATE alerts SET notified_raised_ts = coalesce(notified_raised_ts, ?),"
            " tries = 0, not_before_ts = NULL,"
            " notified_cleared_ts = CASE WHEN ? THEN ? ELSE notified_cleared_ts END WHERE id = ?",
            tx.at,
            alert.cleared_ts is not None,
            tx.at,
            alert.id,
        )


def unpriced_models(source: Source, *, since_day: str) -> list[str]:
    """Models whose answers had no price from that UTC day on."""
    rows = source.rows(
        "SELECT DISTINCT model FROM daily_totals WHERE day >= ? AND unpriced > 0 ORDER BY model",
        since_day,
    )
    return [row[0] for row in rows]


def first_day(source: Source) -> str | None:
    """The first UTC day in the daily totals."""
    return source.rows("SELECT min(day) FROM daily_totals")[0][0]


def _alerts(source: Source, where: str, *values: str) -> list[Alert]:
    rows = source.rows(
        "SELECT id, rule, subject, message, raised_ts, cleared_ts FROM alerts"  # noqa: S608 - our own words
        f" WHERE {where} ORDER BY id",
        *values,
    )
    return [Alert(**dict(row)) for row in rows]
