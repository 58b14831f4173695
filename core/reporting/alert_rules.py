"""The alert rules of titan.toml, and what of them holds now: decided from facts alone."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from core.config.alert_settings import Rules
from core.money.kpis import Kpi, shown
from core.text import counted
from state.model.records import Batch, Hold
from state.model.timestamps import from_text

# A throttled create waits a minute or so; what holds longer is a matter of money or of an account.
_LONG_HOLD = timedelta(hours=1)
_SAVED = "saved_usd_30d"


class Condition(Struct, frozen=True, kw_only=True):
    """One thing that is wrong now. Rule and subject together are its identity."""

    rule: str
    subject: str
    message: str


class StoppedReplay(Struct, frozen=True, kw_only=True):
    """A workflow whose automatic replay has stopped, and how many requests that leaves failed."""

    workflow: str
    good: int
    answers: int
    waiting: int


class Seen(Struct, frozen=True, kw_only=True):
    """What a poll saw. `last_poll` is when the one before it ended."""

    now: datetime
    errors_a_day: int
    due: Sequence[Batch]
    holds: Sequence[Hold]
    orphans: int
    unpriced_models: Sequence[str]
    kpis: Sequence[Kpi]
    has_a_month: bool
    last_poll: datetime | None
    stopped_replays: Sequence[StoppedReplay] = ()


def conditions(rules: Rules, seen: Seen) -> list[Condition]:
    """Everything that is wrong now, in a stable order."""
    found = [
        *_errors(rules, seen),
        *_deadlines(rules, seen),
        *_poller(rules, seen),
        *(_kpis(seen) if rules.kpis else ()),
        *(_holds(seen) if rules.spend_cap else ()),
        *(_replays(seen) if rules.replay else ()),
    ]
    if rules.orphans and seen.orphans:
        many = counted(seen.orphans, "batch at the API is", "batches at the API are")
        said = f"{many} not of this ledger: titan-console orphans."
        found.append(Condition(rule="orphan", subject="api", message=said))
    if rules.unpriced:
        found += [
            Condition(
                rule="unpriced",
                subject=model,
                message=f"{model} has no price: add it to [prices] in titan.toml.",
            )
            for model in seen.unpriced_models
        ]
    return found


def _errors(rules: Rules, seen: Seen) -> list[Condition]:
    if rules.errors_a_day is None or seen.errors_a_day <= rules.errors_a_day:
        return []
    failed = counted(seen.errors_a_day, "request")
    said = f"{failed} failed in 24 hours; the limit is {rules.errors_a_day:,}."
    return [Condition(rule="errors", subject="day", message=said)]


def _deadlines(rules: Rules, seen: Seen) -> list[Condition]:
    if rules.deadline_h is None:
        return []
    latest = seen.now + timedelta(hours=rules.deadline_h)
    return [
        Condition(
            rule="deadline",
            subject=batch.key,
            message=f"{batch.tag} ({batch.key}) is due at {batch.deadline_ts} and is not done.",
        )
        for batch in seen.due
        if batch.deadline_ts and from_text(batch.deadline_ts) < latest
    ]


def _poller(rules: Rules, seen: Seen) -> list[Condition]:
    if rules.poller_silent_min is None or seen.last_poll is None:
        return []
    quiet = seen.now - seen.last_poll
    if quiet <= timedelta(minutes=rules.poller_silent_min):
        return []
    said = f"No poll ran for {int(quiet.total_seconds()) // 60:,} minutes: look at the scheduler."
    return [Condition(rule="poller", subject="silent", message=said)]


def _kpis(seen: Seen) -> list[Condition]:
    """Dollars saved a month are judged once there is a month to judge."""
    return [
        Condition(
            rule="kpi",
            subject=kpi.name,
            message=f"{kpi.title}: {shown(kpi, kpi.value)}, the target is"
            f" {'at least' if kpi.is_floor else 'at most'} {shown(kpi, kpi.target)}.",
        )
        for kpi in seen.kpis
        if kpi.ok is False and kpi.value is not None and (kpi.name != _SAVED or seen.has_a_month)
    ]


def _holds(seen: Seen) -> list[Condition]:
    return [
        Condition(
            rule="spend_cap",
            subject=hold.name,
            message=f"Nothing is sent before {hold.until_ts}: {hold.reason}",
        )
        for hold in seen.holds
        if from_text(hold.until_ts) - seen.now > _LONG_HOLD
    ]


def _replays(seen: Seen) -> list[Condition]:
    return [
        Condition(
            rule="replay",
            subject=stopped.workflow,
            message=f"{stopped.workflow}: {stopped.good:,} of the last {stopped.answers:,} answers"
            f" were good, so {stopped.waiting:,} failed requests are not asked again by"
            " themselves. See `titan-console errors`; once it is mended, `titan-console replay"
            f" --workflow {stopped.workflow}` starts it again.",
        )
        for stopped in seen.stopped_replays
    ]
