"""Alerts: raised and cleared once each, and notified until the notification is delivered."""

from collections.abc import Collection, Iterable

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
    #: Who acknowledged it. None: it is not, or it is muted.
    acknowledged_by: str | None = None
    #: Until when it is muted. None: it is not.
    muted_until_ts: str | None = None

    def is_silenced(self, now_ts: str) -> bool:
        """Whether it is acknowledged, or muted at that time."""
        is_muted = self.muted_until_ts is not None and self.muted_until_ts > now_ts
        return is_muted or self.acknowledged_by is not None


def raised(source: Source) -> list[Alert]:
    """The raised alerts, oldest first."""
    return _alerts(source, "cleared_ts IS NULL")


def unnotified(source: Source, *, now_ts: str, latest_ts: str) -> list[Alert]:
    """Alerts whose raising or clearing was not notified yet, and is due; none that is silenced.

    A wait that ends after `latest_ts` was begun before the clock was set back.
    """
    return _alerts(
        source,
        "(notified_raised_ts IS NULL OR (cleared_ts IS NOT NULL AND notified_cleared_ts IS NULL))"
        " AND (not_before_ts IS NULL OR not_before_ts <= ? OR not_before_ts > ?)"
        " AND (s.rule IS NULL OR s.until_ts <= ?)",
        now_ts,
        latest_ts,
        now_ts,
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
        ledger.execute("DELETE FROM alert_silences WHERE until_ts <= ?", tx.at)
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
            if alert.is_silenced(tx.at):
                _skip_notifications(ledger, alert, tx.at)
            ledger.execute(
                "DELETE FROM alert_silences WHERE rule = ? AND subject = ? AND until_ts IS NULL",
                *(alert.rule, alert.subject),
            )
            ledger.event(tx, "alert.cleared", subject=alert.subject, rule=alert.rule)
    return len(new), len(gone)


def silence(ledger: Ledger, ids: Collection[int], *, who: str, until_ts: str | None) -> int:
    """Acknowledge raised alerts, or mute them until then; returns how many there were."""
    found = [alert for alert in raised(ledger) if alert.id in ids]
    with ledger.transaction("alerts_silenced") as tx:
        for alert in found:
            ledger.execute(
                "INSERT INTO alert_silences (rule, subject, until_ts, who, since_ts)"
                " VALUES (?, ?, ?, ?, ?) ON CONFLICT (rule, subject) DO UPDATE SET"
                " until_ts = excluded.until_ts, who = excluded.who, since_ts = excluded.since_ts",
                *(alert.rule, alert.subject, until_ts, who, tx.at),
            )
            kind = "alert.muted" if until_ts else "alert.acknowledged"
            ledger.event(tx, kind, subject=alert.subject, rule=alert.rule, until=until_ts)
    return len(found)


def unsilence(ledger: Ledger, ids: Collection[int]) -> int:
    """Notify of these raised alerts again; returns how many were silenced."""
    found = [
        alert
        for alert in raised(ledger)
        if alert.id in ids and (alert.acknowledged_by or alert.muted_until_ts)
    ]
    with ledger.transaction("alerts_unsilenced") as tx:
        for alert in found:
            ledger.execute(
                "DELETE FROM alert_silences WHERE rule = ? AND subject = ?",
                *(alert.rule, alert.subject),
            )
            ledger.event(tx, "alert.unmuted", subject=alert.subject, rule=alert.rule)
    return len(found)


def _skip_notifications(ledger: Ledger, alert: Alert, at: str) -> None:
    """Of an alert whose raising was not sent, the clearing is not sent either."""
    ledger.execute(
        "UPDATE alerts SET notified_raised_ts = ?, notified_cleared_ts = ?"
        " WHERE id = ? AND notified_raised_ts IS NULL",
        *(at, at, alert.id),
    )


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
        "SELECT id, alerts.rule, alerts.subject, message, raised_ts, cleared_ts,"  # noqa: S608 - our own words
        " CASE WHEN s.until_ts IS NULL THEN s.who END AS acknowledged_by,"
        " s.until_ts AS muted_until_ts FROM alerts"
        " LEFT JOIN alert_silences s ON s.rule = alerts.rule AND s.subject = alerts.subject"
        f" WHERE {where} ORDER BY id",
        *values,
    )
    return [Alert(**dict(row)) for row in rows]
