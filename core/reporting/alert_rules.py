"""Evaluates the alert rules of titan.toml. Pure: facts in, conditions out."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from core.batches.holds import ACCOUNT_HOLD, SPEND_HOLD, SYNC_HOLD, SYNC_SPEND_HOLD, describe
from core.batches.priming_release import describe_stop
from core.batches.unresolved import stuck_reason
from core.commands.auto_replay import ReplayCandidates
from core.config.alert_settings import AlertRules
from core.money.kpis import Kpi, shown
from core.reporting.poller_health import PollerHealth, PollerState
from core.text import pluralize
from state.batches.priming_records import Stop
from state.model.records import DEFAULT_LANE, Batch, Hold
from state.model.timestamps import from_text

# These end only when an operator acts, however short they are.
_HOLD_RULES = {
    ACCOUNT_HOLD: "account",
    SYNC_HOLD: "account",
    SPEND_HOLD: "spend_cap",
    SYNC_SPEND_HOLD: "spend_cap",
}
# A rate limit or a full queue ends by itself, usually within the hour.
_RATE_LIMIT, _LONG_HOLD = "rate_limit", timedelta(hours=1)
_SAVED = "saved_usd_30d"
_DOCTOR = "`titan-console doctor`"
_UNPRICED = (
    "Answers of {} have no known cost; `titan-console savings` names the reasons. Add a missing"
    " price to [prices] in titan.toml, then run `titan-console savings --recompute --apply`."
)


class Condition(Struct, frozen=True, kw_only=True):
    """One alert condition that holds now, identified by rule and subject."""

    rule: str
    subject: str
    message: str


class Observed(Struct, frozen=True, kw_only=True):
    """The facts of one poll. `poller` is judged as of its end."""

    now: datetime
    errors_a_day: int
    due: Sequence[Batch]
    holds: Sequence[Hold]
    orphans: int
    unpriced_models: Sequence[str]
    kpis: Sequence[Kpi]
    has_a_month: bool
    poller: PollerHealth
    stopped_replays: Sequence[ReplayCandidates] = ()
    stopped_priming: Sequence[Stop] = ()
    stuck: Sequence[Batch] = ()
    written_off: Sequence[Batch] = ()
    over_budget: Sequence[tuple[str, str]] = ()


def conditions(rules: AlertRules, observed: Observed) -> list[Condition]:
    """Every condition that holds now, in a stable order."""
    found = [
        *_errors(rules, observed),
        *_deadlines(rules, observed),
        *_poller(rules, observed),
        *(_kpis(observed) if rules.kpis else ()),
        *_holds(rules, observed),
        *(_replays(observed) if rules.replay else ()),
        *(_priming(observed) if rules.priming else ()),
        *(_stuck(observed) if rules.stuck else ()),
        *(_over_budget(observed) if rules.budget else ()),
    ]
    if rules.orphans and observed.orphans:
        many = pluralize(observed.orphans, "batch", "batches")
        said = f"The ledger has no record of {many} at the API; see `titan-console orphans`."
        found.append(Condition(rule="orphan", subject="api", message=said))
    if rules.unpriced:
        found += [
            Condition(
                rule="unpriced",
                subject=model,
                message=_UNPRICED.format(model),
            )
            for model in observed.unpriced_models
        ]
    return found


def _errors(rules: AlertRules, observed: Observed) -> list[Condition]:
    if not rules.errors_a_day or observed.errors_a_day <= rules.errors_a_day:
        return []
    errored = pluralize(observed.errors_a_day, "request")
    said = (
        f"{errored} errored in the last 24 hours (limit {rules.errors_a_day:,}), including those"
        " replayed later. See `titan-console errors`."
    )
    return [Condition(rule="errors", subject="day", message=said)]


def _deadlines(rules: AlertRules, observed: Observed) -> list[Condition]:
    if not rules.deadline_lead_h:
        return []
    latest = observed.now + timedelta(hours=rules.deadline_lead_h)
    return [
        Condition(
            rule="deadline",
            subject=batch.key,
            message=f"{batch.tag} ({batch.key}) is due at {batch.deadline_ts} and has not ended.",
        )
        for batch in observed.due
        if batch.deadline_ts and from_text(batch.deadline_ts) < latest
    ]


def _poller(rules: AlertRules, observed: Observed) -> list[Condition]:
    """One alert for an outage, from the first failed poll to the next success."""
    health = observed.poller
    minutes = int(health.age.total_seconds()) // 60
    if health.error and rules.poll_failed:
        see = "" if _DOCTOR in health.error else f" See {_DOCTOR}."
        said = f"The last poll failed: {health.error}{see}"
    elif health.state == PollerState.SILENT and rules.poller_silent_min:
        said = f"No successful poll for {minutes:,} minutes. Check the scheduler."
    else:
        return []
    return [Condition(rule="poller", subject="polls", message=said)]


def _kpis(observed: Observed) -> list[Condition]:
    """The saving per month is checked only once there is a full month."""
    return [
        Condition(
            rule="kpi",
            subject=kpi.name,
            message=f"{kpi.title} {shown(kpi, kpi.value)} misses its target"
            f" ({'≥' if kpi.is_floor else '≤'} {shown(kpi, kpi.target)});"
            " see `titan-console kpis`.",
        )
        for kpi in observed.kpis
        if kpi.ok is False
        and kpi.value is not None
        and (kpi.name != _SAVED or observed.has_a_month)
    ]


def _holds(rules: AlertRules, observed: Observed) -> Iterator[Condition]:
    is_on = {"spend_cap": rules.spend_cap, "account": rules.account, _RATE_LIMIT: rules.rate_limit}
    for hold in observed.holds:
        rule = _HOLD_RULES.get(hold.name, _RATE_LIMIT)
        is_long = from_text(hold.until_ts) - observed.now > _LONG_HOLD
        own = is_on[rule]
        if (rules.spend_cap if own is None else own) and (is_long or rule != _RATE_LIMIT):
            subject = hold.name if hold.lane == DEFAULT_LANE else f"{hold.lane}: {hold.name}"
            yield Condition(rule=rule, subject=subject, message=describe(hold))


def _priming(observed: Observed) -> Iterator[Condition]:
    """Until an operator allows it again."""
    for stop in observed.stopped_priming:
        said = describe_stop(stop)
        yield Condition(rule="priming", subject=stop.workflow, message=said[0].upper() + said[1:])


def _stuck(observed: Observed) -> Iterator[Condition]:
    """Until the batch is at the API again, or its missing requests are replayed or acknowledged."""
    for batch in observed.stuck:
        message = stuck_reason.describe(batch, observed.now)
        yield Condition(rule="stuck", subject=batch.key, message=message)
    for batch in observed.written_off:
        message = (
            f"{batch.key} ({batch.tag}) ended without results; its requests may have run."
            f" {batch.last_error} Replay them (`titan-console replay {batch.key}`) or acknowledge"
            " them."
        )
        yield Condition(rule="stuck", subject=batch.key, message=message)


def _over_budget(observed: Observed) -> Iterator[Condition]:
    """What a budget holds back, or will hold back when a deadline comes."""
    for subject, message in observed.over_budget:
        yield Condition(rule="budget", subject=subject, message=message)


def _replays(observed: Observed) -> list[Condition]:
    return [
        Condition(
            rule="replay",
            subject=stopped.workflow,
            message=f"{stopped.workflow}: auto-replay stopped, because only"
            f" {stopped.recent.succeeded:,} of the last {stopped.recent.answers:,} answers"
            f" succeeded; {pluralize(len(stopped.request_ids), 'errored request')} not replayed."
            " Fix the cause (`titan-console errors`), then run `titan-console replay"
            f" --workflow {stopped.workflow}`.",
        )
        for stopped in observed.stopped_replays
    ]
