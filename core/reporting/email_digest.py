"""The digest of an hourly e-mail: savings, open and ended batches, and what needs attention."""

from datetime import datetime, timedelta
from html import escape

from msgspec import Struct

from core.config.durations import RETENTION
from core.money.pricing import dollars, dollars_text
from core.reporting.poller_health import SILENT_AFTER, PollerHealth, PollerState, assess
from core.text import pluralize
from state.db.reader import Source
from state.model.records import Batch
from state.model.timestamps import from_text, to_text
from state.operations import alerts
from state.queries import batch_list, digest_figures, ledger_status
from state.queries.digest_figures import DigestCounts

ERRORS_A_DAY = 5
_DAY = timedelta(days=1)
# One hour before the deadline guard, so that an operator can act first.
_AT_RISK = timedelta(hours=3)
# The API keeps results for 29 days; the digest warns a week before.
_RETENTION_NOTICE = timedelta(days=7)
_SHOWN = 5


# Alerts about work that goes on only when an operator acts, or much later.
_STOPPED = ("account", "spend_cap", "rate_limit", "budget", "stuck", "replay")


class Digest(Struct, frozen=True, kw_only=True):
    """What happened since `since_ts`. `errors_a_day`: failed requests of the last 24 hours."""

    since_ts: str
    now: datetime
    happened: DigestCounts
    open_batches: int
    open_requests: int
    errors_a_day: int
    # None: no limit.
    error_limit: int | None
    at_risk: tuple[Batch, ...]
    leaving: tuple[Batch, ...]
    poller: PollerHealth
    # The messages of alerts about work that stands still.
    stopped: tuple[str, ...] = ()

    @property
    def has_error_alert(self) -> bool:
        """Whether more failed in a day than is allowed."""
        return self.error_limit is not None and self.errors_a_day > self.error_limit

    @property
    def has_poller_alert(self) -> bool:
        """Whether the poller fails, or is silent while a batch is open."""
        return self.poller.needs_attention(has_open_batches=self.open_batches > 0)

    @property
    def is_calm(self) -> bool:
        """Whether nothing happened and nothing is open."""
        seen = self.happened
        quiet = not (seen.ended or seen.answered or seen.failed or seen.sync_runs)
        return quiet and not (
            self.open_batches
            or self.at_risk
            or self.leaving
            or self.has_error_alert
            or self.has_poller_alert
            or self.stopped
        )


def digest(
    source: Source,
    *,
    since: datetime,
    now: datetime,
    error_limit: int | None = ERRORS_A_DAY,
    silent_after: timedelta = SILENT_AFTER,
) -> Digest:
    """Read the digest from the ledger."""
    open_batches = batch_list.open_batches(source)
    day = digest_figures.counts_since(source, to_text(now - _DAY))
    return Digest(
        since_ts=to_text(since),
        now=now,
        happened=digest_figures.counts_since(source, to_text(since)),
        open_batches=len(open_batches),
        open_requests=sum(batch.request_count for batch in open_batches),
        errors_a_day=day.failed,
        error_limit=error_limit,
        at_risk=tuple(batch_list.due_before(source, to_text(now + _AT_RISK))),
        leaving=tuple(
            batch_list.uncollected_since(source, to_text(now + _RETENTION_NOTICE - RETENTION))
        ),
        poller=assess(ledger_status.poller(source), now, silent_after),
        stopped=tuple(
            alert.message
            for alert in alerts.raised(source)
            if alert.rule in _STOPPED and not alert.is_silenced(to_text(now))
        ),
    )


def lines(found: Digest) -> list[str]:
    """The digest as lines, the money first; one line where nothing happened."""
    since = found.since_ts[:16].replace("T", " ")
    if found.is_calm:
        return [f"No activity since {since} UTC: no open batches, no results, no errors."]
    seen = found.happened
    spent = dollars_text(seen.cost_nano)
    if seen.unpriced:
        spent += f" plus {pluralize(seen.unpriced, 'answer')} without a known price"
    report = [
        f"Since {since} UTC: saved {dollars_text(seen.savings_nano)}, spent {spent}.",
        f"Open: {_batches(found.open_batches)}, {pluralize(found.open_requests, 'request')}.",
        f"Ended: {_batches(seen.ended)}, {pluralize(seen.answered, 'answer')}.",
    ]
    if seen.failed or found.has_error_alert:
        report.append(_errors(found))
    if seen.duplicate_nano:
        report.append(
            f"Duplicate charges: {dollars_text(seen.duplicate_nano)} for answers billed twice."
        )
    if seen.sync_runs:
        report.append(f"Synchronous runs at full price: {seen.sync_runs:,}.")
    if found.has_poller_alert:
        report.append(_poller(found.poller))
    report += [f"ALERT. {message}" for message in found.stopped]
    report += [_risk(batch, found.now) for batch in found.at_risk[:_SHOWN]]
    report += [_retention(batch, found.now) for batch in found.leaving[:_SHOWN]]
    hidden = max(0, len(found.at_risk) - _SHOWN) + max(0, len(found.leaving) - _SHOWN)
    return [*report, f"{hidden:,} more at risk; see `titan-console status`."] if hidden else report


class RiskReport(Struct, frozen=True, kw_only=True):
    """A batch whose deadline is at risk."""

    batch_id: str
    tag: str
    deadline_ts: str | None


class RetentionReport(Struct, frozen=True, kw_only=True):
    """A batch whose results the API deletes soon. `days_left` are full days."""

    batch_id: str
    tag: str
    days_left: int


class DigestReport(Struct, frozen=True, kw_only=True):
    """The digest as JSON.

    `fallbacks`, `since` and `saved_usd` are the old names of `sync_runs`, `since_ts` and
    `savings_usd`.
    """

    since_ts: str
    since: str
    savings_usd: float
    saved_usd: float
    cost_usd: float
    duplicate_spend_usd: float
    unpriced: int
    open: int
    open_requests: int
    ended: int
    answers: int
    errors: int
    errors_24h: int
    error_alert: bool
    sync_runs: int
    fallbacks: int
    poller: PollerState
    alerts: list[str]
    deadlines_at_risk: list[RiskReport]
    retention: list[RetentionReport]
    calm: bool
    lines: list[str]


def report(found: Digest) -> DigestReport:
    """The digest as JSON."""
    seen = found.happened
    return DigestReport(
        since_ts=found.since_ts,
        since=found.since_ts,
        savings_usd=float(dollars(seen.savings_nano)),
        saved_usd=float(dollars(seen.savings_nano)),
        cost_usd=float(dollars(seen.cost_nano)),
        duplicate_spend_usd=float(dollars(seen.duplicate_nano)),
        unpriced=seen.unpriced,
        open=found.open_batches,
        open_requests=found.open_requests,
        ended=seen.ended,
        answers=seen.answered,
        errors=seen.failed,
        errors_24h=found.errors_a_day,
        error_alert=found.has_error_alert,
        sync_runs=seen.sync_runs,
        fallbacks=seen.sync_runs,
        poller=found.poller.state,
        alerts=list(found.stopped),
        deadlines_at_risk=[
            RiskReport(batch_id=b.key, tag=b.tag, deadline_ts=b.deadline_ts) for b in found.at_risk
        ],
        retention=[
            RetentionReport(batch_id=b.key, tag=b.tag, days_left=_days_left(b, found.now))
            for b in found.leaving
        ],
        calm=found.is_calm,
        lines=lines(found),
    )


def as_html(found: Digest) -> str:
    """The digest as an HTML list, escaped."""
    rows = "".join(f"<li>{escape(line)}</li>" for line in lines(found))
    return f"<ul>{rows}</ul>"


def _errors(found: Digest) -> str:
    failed, a_day = found.happened.failed, found.errors_a_day
    message = f"Errors: {failed:,} in this period, {a_day:,} in the last 24 hours"
    if found.has_error_alert:
        return f"ALERT. {message} (limit {found.error_limit:,}); see `titan-console errors`."
    return f"{message}."


def _poller(health: PollerHealth) -> str:
    quiet = _span(health.age)
    if health.state == PollerState.SILENT:
        said = f"no successful poll for {quiet}"
    elif health.state == PollerState.BLOCKED:
        said = "no poll can be recorded"
    else:
        said = f"the last poll, {quiet} ago, failed"
    return f"ALERT. Poller: {said}{f': {health.error}' if health.error else '.'}"


def _risk(batch: Batch, now: datetime) -> str:
    left = from_text(batch.deadline_ts or batch.created_ts) - now
    state = f"is {_span(-left)} late" if left < timedelta(0) else f"is due in {_span(left)}"
    return f"Deadline: {batch.tag} ({batch.key}) {state} and has not ended."


def _retention(batch: Batch, now: datetime) -> str:
    left = _days_left(batch, now)
    when = f"in {pluralize(left, 'day')}" if left > 0 else "within a day"
    return (
        f"Results at risk: the API deletes those of {batch.tag} ({batch.key}) {when}; they have not"
        " been downloaded yet."
    )


def _days_left(batch: Batch, now: datetime) -> int:
    return max(0, (from_text(batch.accepted_ts or batch.created_ts) + RETENTION - now).days)


def _span(time: timedelta) -> str:
    minutes = int(time.total_seconds()) // 60
    return f"{minutes // 60}h {minutes % 60:02d}m"


def _batches(number: int) -> str:
    return pluralize(number, "batch", "batches")
