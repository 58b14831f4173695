"""Checks of the records in the ledger: polls, alerts, unconfirmed batches, holds and costs."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import cast

from core.reporting.poller_health import SILENT_AFTER, PollerState, assess
from core.text import pluralize
from state.batches import orphans
from state.batches.orphans import OrphanVerdict
from state.db.reader import Source
from state.model.records import BatchStatus
from state.model.timestamps import to_text
from state.operations import alerts, hook_runs, pauses
from state.operations.hook_runs import RunState
from state.queries import batch_list, ledger_status, unpriced
from state.queries.unpriced import reasons_text
from titan_console.doctor.finding import Finding, Health, isolated
from titan_console.text import format as cells

# `error` is the finding on the poller; what was left is one of the problems.
_NOT_DONE = ("ran", "error", "left")


def findings(source: Source, now: datetime, limit: timedelta = SILENT_AFTER) -> Iterator[Finding]:
    """Findings on polls, alerts, unconfirmed batches, holds and costs."""
    yield from isolated("poller", lambda: [_poller(source, now, limit)])
    for timed in (_polls, _holds):
        yield from isolated(_name(timed), partial(timed, source, now))
    for check in (_alerts, _unconfirmed, _orphans, _pauses, _hooks, _costs):
        yield from isolated(_name(check), partial(check, source))


def _name(check: Callable[..., object]) -> str:
    return check.__name__.strip("_").replace("_", " ")


def _poller(source: Source, now: datetime, limit: timedelta) -> Finding:
    """A failed poll is a finding; a missing one only where a batch waits for it."""
    health = assess(ledger_status.poller(source), now, limit)
    has_open = bool(batch_list.open_batches(source))
    never_ran = has_open and health.state == PollerState.NEVER_RAN
    is_late = never_ran or health.needs_attention(has_open_batches=has_open)
    word = cells.poller_status(health, has_open=has_open).word
    line = f"{word}: {health.error}" if health.error else word
    return Finding(Health.WARN if is_late else Health.OK, "poller", line)


def _polls(source: Source, now: datetime) -> Iterator[Finding]:
    """The poll interval, a running poll, and the summary of the last one."""
    beat = ledger_status.poller(source)
    gap = ledger_status.median_poll_interval(source)
    if gap is not None:
        yield Finding(Health.OK, "poll interval", f"{cells.span(gap)} (median of the latest polls)")
    if beat.lease_expires_ts and beat.lease_expires_ts > to_text(now):
        lease = f"its lease expires at {beat.lease_expires_ts}"
        yield Finding(Health.OK, "lease", f"{beat.lease_holder} is polling; {lease}")
    if beat.last_finished_ts:
        # Polls of earlier versions stored their problems as `troubles`.
        had_problems = beat.last_summary.get("problems") or beat.last_summary.get("troubles")
        health = Health.WARN if had_problems else Health.OK
        yield Finding(health, "poll result", _summary(beat.last_summary))


def _summary(summary: Mapping[str, object]) -> str:
    done = (
        _done(name, value)
        for name, value in cells.poll_counts(summary).items()
        if value and name not in _NOT_DONE
    )
    return ", ".join(done) or "nothing to do"


def _done(name: str, value: object) -> str:
    """A count such as `2 open`, or a list such as `problems: a; b`."""
    if isinstance(value, int):
        return cells.poll_count(value, name)
    text = name.replace("_", " ")
    if isinstance(value, list):
        return f"{text}: {'; '.join(map(str, cast('list[object]', value)))}"
    return f"{value} {text}"


def _alerts(source: Source) -> Iterator[Finding]:
    for alert in alerts.raised(source):
        seen = f" (acknowledged by {alert.acknowledged_by})" if alert.acknowledged_by else ""
        muted = f" (muted until {alert.muted_until_ts})" if alert.muted_until_ts else ""
        yield Finding(Health.WARN, "alert", f"{alert.rule}: {alert.message}{seen}{muted}")


def _unconfirmed(source: Source) -> Iterator[Finding]:
    unconfirmed = [
        b for b in batch_list.open_batches(source) if b.status == BatchStatus.UNCONFIRMED
    ]
    for batch in unconfirmed:
        yield Finding(
            Health.WARN,
            "unconfirmed",
            f"{batch.key} was sent, and no response confirmed it; polls check whether the API has"
            " it before sending it again",
        )


def _orphans(source: Source) -> Iterator[Finding]:
    candidates = orphans.count(source, OrphanVerdict.CANDIDATE)
    if candidates:
        yield Finding(
            Health.WARN,
            "orphans",
            f"{pluralize(candidates, 'batch', 'batches')} at the API may belong to this ledger:"
            " polls check that",
        )
    unknown = orphans.count(source, OrphanVerdict.UNKNOWN)
    if unknown:
        yield Finding(
            Health.OK,
            "orphans",
            f"the ledger has no record of {pluralize(unknown, 'batch', 'batches')} at the API",
        )


def _holds(source: Source, now: datetime) -> Iterator[Finding]:
    for hold in ledger_status.holds(source, now_ts=to_text(now)):
        yield Finding(Health.WARN, "on hold", cells.hold_line(hold))


def _pauses(source: Source) -> Iterator[Finding]:
    for pause in pauses.paused(source):
        yield Finding(
            Health.WARN,
            "paused",
            f"{pause.workflow}: {pause.text}; to continue: titan-console resume {pause.workflow}",
        )


def _hooks(source: Source) -> Iterator[Finding]:
    for run in hook_runs.failing(source):
        health = Health.BAD if run.state == RunState.FAILED else Health.WARN
        yield Finding(health, "on_delivery", f"{run.file}: {cells.hook_run(run)}")


def _costs(source: Source) -> Iterator[Finding]:
    totals = ledger_status.totals(source)
    if totals.duplicate_nano:
        spent = cells.money(totals.duplicate_nano)
        yield Finding(
            Health.WARN, "duplicates", f"{spent} charged for requests that were answered twice"
        )
    if totals.unpriced:
        yield Finding(
            Health.WARN,
            "unpriced",
            f"{pluralize(totals.unpriced, 'answer')} without a known price, not included in any"
            f" total: {reasons_text(unpriced.reasons(source))}",
        )
