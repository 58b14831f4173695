"""The text of the lines around the lists. Pure."""

from datetime import datetime, timedelta

from core.batches.holds import label as hold_label
from core.reporting.poller_health import assess
from core.text import pluralize
from state.model.records import BatchStatus
from state.model.timestamps import from_text
from state.queries.console_snapshot import Saved, Snapshot
from titan_console.session.messages import LedgerProblem
from titan_console.text import format as fmt
from titan_console.text.format import Tone
from titan_console.text.lines import Part, Total

# The watcher reads at least twice a second; after that long it is stuck.
_LATE = timedelta(seconds=5)
# States of a ledger that cannot be read, by the code of the error.
_STATES = {
    "ledger_too_old": "OLDER VERSION",
    "ledger_too_new": "NEWER VERSION",
    "ledger_lost": "LOST",
    "ledger_damaged": "DAMAGED",
    "ledger_locked": "LOCKED",
}
_LAG_WORTH_TELLING = timedelta(seconds=10)


def totals(snapshot: Snapshot) -> tuple[Total, ...]:
    """The totals: open batches, queued and errored requests, money saved, spent and for fees."""
    found = snapshot.totals
    return (
        _counted("open", found.open_batches, Tone.BUSY),
        _counted("queued", found.queued_requests, Tone.WARN),
        _counted("errored", found.failed_requests, Tone.BAD),
        Total("spent", fmt.sum_of_money(found.cost_nano, found.unpriced)),
        _saved("saved", Saved(nano=found.savings_nano, unpriced=found.unpriced)),
        _saved("saved 30d", snapshot.saved_30d),
        _saved("saved today", snapshot.saved_today),
        *((Total("fees", fmt.money(found.fee_nano)),) if found.fee_nano else ()),
    )


def _counted(label: str, number: int, tone: Tone) -> Total:
    return Total(label, fmt.count(number), tone if number else Tone.DIM)


def _saved(label: str, saved: Saved) -> Total:
    return Total(label, fmt.sum_of_money(saved.nano, saved.unpriced), _saved_tone(saved.nano))


def _saved_tone(nano: int) -> Tone:
    if nano > 0:
        return Tone.GOOD
    return Tone.WARN if nano < 0 else Tone.DIM


def poller_status(
    snapshot: Snapshot | None, now: datetime, silent_after: timedelta
) -> tuple[Part, ...]:
    """The health of the poller."""
    if snapshot is None:
        return ()
    label = fmt.poller_status(assess(snapshot.poller, now, silent_after))
    return (Part(str(label), label.tone),)


def holds(snapshot: Snapshot | None, now: datetime) -> tuple[Part, ...]:
    """Alerts, then sends on hold and until when."""
    parts = _alerts(snapshot) if snapshot else []
    for hold in snapshot.holds if snapshot else ():
        left = from_text(hold.until_ts) - now
        if left > timedelta(0):
            parts.append(Part("‖ ON HOLD  ", Tone.WARN, strong=True))
            parts.append(
                Part(f"{hold_label(hold.name)} for {fmt.span(left)}: {hold.reason}  ", Tone.WARN)
            )
    return tuple(parts)


def _alerts(snapshot: Snapshot) -> list[Part]:
    if not snapshot.alerts:
        return []
    newest, others = snapshot.alerts[-1], len(snapshot.alerts) - 1
    more = f" · {pluralize(others, 'more alert')}" if others else ""
    return [
        Part("! alert: ", Tone.BAD, strong=True),
        Part(f"{newest.message.removesuffix('.')}{more}  ", Tone.BAD),
    ]


def open_title(snapshot: Snapshot) -> str:
    """The title of the open batches, with those that need attention."""
    unconfirmed = sum(b.status == BatchStatus.UNCONFIRMED for b in snapshot.open_batches)
    not_sent = len(snapshot.not_sent)
    return " · ".join(
        (
            counted_title("Open batches", snapshot.totals.open_batches, len(snapshot.open_batches)),
            *((f"{unconfirmed:,} unconfirmed",) if unconfirmed else ()),
            *((f"plus {not_sent:,} not sent (requests queued again)",) if not_sent else ()),
        )
    )


def recent_title(snapshot: Snapshot) -> str:
    """The title of the ended batches."""
    return "Recently ended" if not snapshot.recent else f"Last {len(snapshot.recent):,} ended"


def errors_title(snapshot: Snapshot) -> str:
    """The title of the errors."""
    return counted_title("Latest errors", snapshot.totals.failed_requests, len(snapshot.errors))


def counted_title(name: str, number: int, listed: int) -> str:
    """A title with its count, as in `Open batches 5` or `Latest errors 100 of 800`."""
    if not number:
        return name
    return f"{name} {listed:,} of {number:,}" if number > listed else f"{name} {number:,}"


def live_status(
    *,
    problem: LedgerProblem | None,
    is_explained: bool,
    frozen_changes: int | None,
    silent_for: timedelta | None,
    lag: timedelta | None,
) -> tuple[Part, ...]:
    """Whether the view is current; `frozen_changes` is None while it is live.

    `is_explained`: the page shows the reason of the problem.
    """
    if problem is not None:
        return _problem_parts(problem, is_explained=is_explained)
    if frozen_changes is not None:
        number = pluralize(frozen_changes, "change")
        behind = f"{number} behind" if frozen_changes else "no new changes"
        return (Part("‖ FROZEN  ", Tone.WARN, strong=True), Part(behind, Tone.DIM))
    if silent_for is None:
        return (Part("◦ opening ledger", Tone.DIM),)
    if silent_for > _LATE:
        late = f"ledger not read for {fmt.span(silent_for)}"
        return (Part("! LATE  ", Tone.BAD, strong=True), Part(late, Tone.WARN))
    return _live(lag)


def _problem_parts(problem: LedgerProblem, *, is_explained: bool) -> tuple[Part, ...]:
    if problem.missing:
        return (Part("◦ WAITING  ", Tone.BUSY, strong=True), Part("no ledger yet", Tone.DIM))
    state = _STATES.get(problem.code or "", "UNREADABLE")
    part = Part(f"! {state}  ", Tone.BAD, strong=True)
    return (part,) if is_explained else (part, Part(problem.reason, Tone.WARN))


def _live(lag: timedelta | None) -> tuple[Part, ...]:
    live = Part("• LIVE", Tone.GOOD, strong=True)
    if lag is None or lag > _LAG_WORTH_TELLING:
        return (live,)
    milliseconds = lag // timedelta(milliseconds=1)
    return (live, Part(f"  change until shown {milliseconds:,} ms", Tone.DIM))


def last_event(snapshot: Snapshot | None, now: datetime) -> tuple[Part, ...]:
    """The age of the newest event."""
    if snapshot is None or snapshot.newest_event_ts is None:
        return ()
    return (Part(f"last event {fmt.since(snapshot.newest_event_ts, now)} ago", Tone.DIM),)
