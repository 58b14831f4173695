"""Raises and clears alerts at the end of a poll, and sends them to a command or a URL."""

import hashlib
import hmac
from collections.abc import Iterator
from datetime import timedelta

import msgspec
from msgspec import to_builtins
from msgspec.structs import replace

from core.batches import budget_admission
from core.batches.engine_context import Context
from core.batches.error_isolation import isolated
from core.commands import auto_replay, deadline_guard
from core.commands.auto_replay import ReplayCandidates
from core.config import titan_file
from core.config.alert_settings import AlertRules
from core.config.money_settings import Budgets
from core.config.settings import command_environment
from core.delivery import run_command
from core.money.kpis import MONTH_DAYS, Kpi, kpis
from core.reporting.alert_rules import Observed, conditions
from core.reporting.history import History, fleet_in
from core.reporting.poller_health import assess, silent_after
from state.batches import orphans, priming_records, sending, stuck_batches
from state.batches.orphans import OrphanVerdict
from state.model.timestamps import to_text
from state.operations import alerts
from state.operations.alerts import Alert
from state.queries import batch_list, digest_figures, ledger_status
from state.queries.ledger_status import Poller

SIGNATURE, STAMP = "Titan-Signature", "Titan-Timestamp"
_TIMEOUT_S = 20
_DAY = timedelta(days=1)
_FIRST_WAIT = timedelta(minutes=10)
_LONGEST_WAIT = timedelta(hours=6)


def update_and_notify(context: Context, error: str | None) -> list[str]:
    """Update the alerts and send the new notifications. Returns the problems, as lines.

    `error` is why this poll failed; None where it did not.

    A failed notification is sent again later: delivery is at least once, so a receiver
    may get it twice.
    """
    problems: list[str] = []
    rules = titan_file.read(context.folder).alerts
    with isolated(context, "Cannot check the alert rules", problems):
        found = conditions(rules, _observe(context, rules, error, problems))
        alerts.update(context.ledger, ((c.rule, c.subject, c.message) for c in found))
    return [*problems, *_notify(context, rules)]


def message(alert: Alert) -> bytes:
    """The notification, as JSON."""
    state = "cleared" if alert.cleared_ts else "raised"
    return msgspec.json.encode({"id": alert.id, "state": state} | to_builtins(alert))


def signature(secret: str, stamp: str, body: bytes) -> str:
    """The signature header: HMAC-SHA256 over the timestamp, a dot and the body."""
    digest = hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256)
    return f"sha256={digest.hexdigest()}"


def _observe(
    context: Context, rules: AlertRules, error: str | None, problems: list[str]
) -> Observed:
    ledger, now = context.ledger, context.clock.now()
    first = alerts.first_day(ledger)
    horizon = now + timedelta(hours=rules.deadline_lead_h or 0)
    return Observed(
        now=now,
        errors_a_day=digest_figures.counts_since(ledger, to_text(now - _DAY)).failed,
        due=batch_list.due_before(ledger, to_text(horizon)) if rules.deadline_lead_h else (),
        holds=ledger_status.holds(ledger, now_ts=to_text(now)),
        orphans=orphans.count(ledger, OrphanVerdict.UNKNOWN),
        unpriced_models=alerts.unpriced_models(ledger, since_day=(now - _DAY).date().isoformat()),
        kpis=_kpis(context) if rules.kpis else (),
        has_a_month=first is not None and first <= _month_ago(context),
        poller=assess(_with_this_poll(context, error), now, silent_after(rules)),
        stopped_replays=_stopped(context, problems) if rules.replay else (),
        stopped_priming=priming_records.stops(ledger) if rules.priming else (),
        stuck=stuck_batches.awaited(ledger) if rules.stuck else (),
        written_off=stuck_batches.with_missing_requests(ledger) if rules.stuck else (),
        over_budget=_over_budget(context, problems) if rules.budget else (),
    )


def _with_this_poll(context: Context, error: str | None) -> Poller:
    """The poller once this poll has ended: one without error is the last success."""
    now_ts = to_text(context.clock.now())
    before = ledger_status.poller(context.ledger)
    return replace(
        before,
        blocked=None,
        last_started_ts=now_ts,
        last_finished_ts=now_ts,
        last_success_ts=before.last_success_ts if error else now_ts,
        last_error=error,
        lease_expires_ts=None,
    )


def _stopped(context: Context, problems: list[str]) -> list[ReplayCandidates]:
    found = auto_replay.find_candidates(context, problems)
    return [candidates for candidates in found if candidates.is_circuit_open]


def _over_budget(context: Context, problems: list[str]) -> list[tuple[str, str]]:
    """The deadlines, automatic replays and queued batches that a budget holds back, and why."""
    if titan_file.read(context.folder).budgets == Budgets():
        return []
    found = deadline_guard.held_by_budget(context, problems)
    for candidates in auto_replay.find_candidates(context, problems):
        if not candidates.is_circuit_open:
            held = auto_replay.held_by_budget(context, candidates)
            found += [(candidates.workflow, held)] if held else []
    for batch in sending.queued(context.ledger):
        held = budget_admission.batch_refusal(context, batch)
        found += [(batch.key, held)] if held else []
    return found


def _kpis(context: Context) -> tuple[Kpi, ...]:
    today, fleet = context.clock.now().date(), fleet_in(context.folder)
    return kpis(History(context.ledger, fleet, today, days=MONTH_DAYS).facts())


def _month_ago(context: Context) -> str:
    return (context.clock.now() - timedelta(days=MONTH_DAYS - 1)).date().isoformat()


def _notify(context: Context, rules: AlertRules) -> Iterator[str]:
    """Send what is due; the first failure ends it, since the others would fail alike."""
    if not rules.command and not rules.url:
        return
    now = context.clock.now()
    for alert in alerts.unnotified(
        context.ledger, now_ts=to_text(now), latest_ts=to_text(now + _LONGEST_WAIT)
    ):
        problems: list[str] = []
        with isolated(context, f"Cannot send alert {alert.rule}", problems):
            problems += filter(None, [_try(context, rules, alert)])
        yield from problems
        if problems:
            return


def _try(context: Context, rules: AlertRules, alert: Alert) -> str | None:
    """Send one alert; what went wrong, as a line.

    The try is recorded before it is made: a poll that dies or hangs in it does not repeat it at
    once.
    """
    doubled = 2 ** min(alerts.tries(context.ledger, alert), 10)
    again = to_text(context.clock.now() + min(_FIRST_WAIT * doubled, _LONGEST_WAIT))
    alerts.record_try(context.ledger, alert, not_before_ts=again)
    problem = _send(context, rules, alert)
    context.ledger.crash_point("alert:sent")
    if problem:
        return f"Alert {alert.rule} was not sent; it is sent again after {again}: {problem}"
    alerts.record_notified(context.ledger, alert)
    return None


def _send(context: Context, rules: AlertRules, alert: Alert) -> str | None:
    body = message(alert)
    if rules.command:
        ended = run_command.run(
            rules.command,
            folder=context.folder.root,
            environment=command_environment(context.folder.root),
            timeout_s=_TIMEOUT_S,
            stdin=body,
        )
        if ended.problem:
            return f"{rules.command[0]}: {ended.problem}"
    return _post(rules, to_text(context.clock.now()), body) if rules.url else None


def _post(rules: AlertRules, stamp: str, body: bytes) -> str | None:
    from core.reporting.webhook import post  # noqa: PLC0415 - only where something is sent

    headers = {
        "Content-Type": "application/json",
        STAMP: stamp,
        SIGNATURE: signature(rules.secret, stamp, body),
    }
    return post(rules.url, body, headers, timeout_s=_TIMEOUT_S)
