"""Raises and clears alerts at the end of a poll, and tells them to a command or an address."""

import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import timedelta

from core.batches.context import Context
from core.commands import auto_retry
from core.config import titan_file
from core.config.alert_settings import Rules
from core.money.kpis import MONTH_DAYS, Kpi, kpis
from core.reporting.alert_rules import Seen, StoppedReplay, conditions
from core.reporting.history import History
from state.batches import orphans
from state.batches.orphans import OrphanVerdict
from state.model.timestamps import from_text, to_text
from state.operations import alerts
from state.operations.alerts import Alert
from state.queries import digest_views, views

SIGNATURE, STAMP = "Titan-Signature", "Titan-Timestamp"
_TIMEOUT_S = 20
_DAY = timedelta(days=1)


def update_and_notify(context: Context) -> list[str]:
    """Bring the alerts up to date and tell what is untold; in words, what could not be told.

    What fails is told again by the next poll: at least once, so a receiver may hear it twice.
    """
    rules = titan_file.read(context.folder).alerts
    found = conditions(rules, _seen(context, rules))
    alerts.update(context.ledger, ((c.rule, c.subject, c.message) for c in found))
    return list(_tell(context, rules))


def message(alert: Alert) -> bytes:
    """What is told, as JSON."""
    return json.dumps(
        {
            "id": alert.id,
            "state": "cleared" if alert.cleared_ts else "raised",
            "rule": alert.rule,
            "subject": alert.subject,
            "message": alert.message,
            "raised_ts": alert.raised_ts,
            "cleared_ts": alert.cleared_ts,
        }
    ).encode()


def signature(secret: str, stamp: str, body: bytes) -> str:
    """What a receiver compares: HMAC-SHA256 over the timestamp, a dot and the body."""
    digest = hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256)
    return f"sha256={digest.hexdigest()}"


def _seen(context: Context, rules: Rules) -> Seen:
    ledger, now = context.ledger, context.clock.now()
    last = views.poller(ledger).last_finished_ts
    first = alerts.first_day(ledger)
    horizon = now + timedelta(hours=rules.deadline_h or 0)
    return Seen(
        now=now,
        errors_a_day=digest_views.since(ledger, to_text(now - _DAY)).failed,
        due=digest_views.due_before(ledger, to_text(horizon)) if rules.deadline_h else (),
        holds=views.holds(ledger, now_ts=to_text(now)),
        orphans=len(orphans.with_verdict(ledger, OrphanVerdict.UNKNOWN)),
        unpriced_models=alerts.unpriced_models(ledger, since_day=(now - _DAY).date().isoformat()),
        kpis=_kpis(context) if rules.kpis else (),
        has_a_month=first is not None and first <= _month_ago(context),
        last_poll=from_text(last) if last else None,
        stopped_replays=_stopped(context) if rules.replay else (),
    )


def _stopped(context: Context) -> list[StoppedReplay]:
    return [
        StoppedReplay(
            workflow=due.workflow,
            good=due.recent.good,
            answers=due.recent.answers,
            waiting=len(due.request_ids),
        )
        for due in auto_retry.find_due(context)
        if due.is_stopped
    ]


def _kpis(context: Context) -> tuple[Kpi, ...]:
    never = titan_file.read(context.folder).denylist
    history = History(
        context.ledger,
        since_day=_month_ago(context),
        is_batchable=lambda workflow: never.reason_for([workflow]) is None,
    )
    return kpis(history.facts())


def _month_ago(context: Context) -> str:
    return (context.clock.now() - timedelta(days=MONTH_DAYS - 1)).date().isoformat()


def _tell(context: Context, rules: Rules) -> Iterator[str]:
    if not rules.command and not rules.url:
        return
    for alert in alerts.unnotified(context.ledger):
        body = message(alert)
        trouble = _run(rules.command, body) if rules.command else None
        if rules.url and trouble is None:
            trouble = _post(rules, to_text(context.clock.now()), body)
        if trouble:
            yield f"The alert {alert.rule} could not be told, the next poll tries again: {trouble}"
            return
        alerts.record_notified(context.ledger, alert)


def _run(command: tuple[str, ...], body: bytes) -> str | None:
    import subprocess  # noqa: PLC0415 - only where something is told; no shell is involved

    try:
        done = subprocess.run(  # noqa: S603 - the owner's own command, as an argument list
            command, input=body, capture_output=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{command[0]}: {error}"
    return f"{command[0]} ended with {done.returncode}" if done.returncode else None


def _post(rules: Rules, stamp: str, body: bytes) -> str | None:
    from http.client import HTTPException  # noqa: PLC0415 - only where something is told
    from urllib.request import Request, urlopen  # noqa: PLC0415 - as above

    headers = {
        "Content-Type": "application/json",
        STAMP: stamp,
        SIGNATURE: signature(rules.secret, stamp, body),
    }
    request = Request(rules.url, data=body, headers=headers, method="POST")  # noqa: S310 - checked when titan.toml is read
    try:
        with urlopen(request, timeout=_TIMEOUT_S):  # noqa: S310 - as above
            return None
    except (OSError, HTTPException, ValueError) as error:
        return str(error)
