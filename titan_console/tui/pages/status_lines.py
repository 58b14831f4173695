"""The text of the lines around the lists. Pure."""

from datetime import datetime, timedelta

from core.batches.holds import label as hold_label
from core.reporting.poller_health import PollerState, assess
from core.text import pluralize
from state.model.records import BatchStatus
from state.model.timestamps import from_text, to_text
from state.operations.alerts import Alert
from state.queries.console_snapshot import Saved, Snapshot
from titan_console.session.messages import LedgerProblem
from titan_console.text import format as fmt
from titan_console.text import ledger_messages
from titan_console.text.access import Access
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
# A shorter delay is not felt; a longer one is that of a ledger that was written before.
_FELT, _LAG_WORTH_TELLING = timedelta(milliseconds=500), timedelta(seconds=10)
_WORTH_EXPECTING = timedelta(seconds=30)


def totals(snapshot: Snapshot) -> tuple[Total, ...]:
    """The totals: open batches, requests queued, errored and canceled, money spent and saved."""
    found = snapshot.totals
    return (
        _counted("open batches", found.open_batches, Tone.BUSY),
        _counted("queued", found.queued_requests, Tone.WARN),
        _counted("errored", found.errored_requests, Tone.BAD),
        *(
            (_counted("canceled", found.canceled_requests, Tone.WARN),)
            if found.canceled_requests
            else ()
        ),
        Total("total spent", fmt.sum_of_money(found.cost_nano, found.unpriced)),
        _saved("saved (30 d)", snapshot.saved_30d),
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
    snapshot: Snapshot | None,
    now: datetime,
    silent_after: timedelta,
    access: Access | None = None,
    *,
    has_room: bool = True,
) -> tuple[Part, ...]:
    """The health of the poller, when the next poll is expected, and whether a key is missing."""
    if snapshot is None:
        return ()
    has_work = bool(snapshot.totals.open_batches or snapshot.totals.queued_requests)
    health = assess(snapshot.poller, now, silent_after)
    label = fmt.poller_status(health, has_open=has_work)
    parts = [Part(ledger_messages.in_list(str(label), now), label.tone)]
    interval = snapshot.poll_interval
    if has_room and health.state == PollerState.OK and interval is not None:
        left = interval - (now - from_text(snapshot.poller.last_started_ts or to_text(now)))
        if interval >= _WORTH_EXPECTING:
            word = f"next in {fmt.span(left)}" if left > timedelta(0) else "next due now"
            parts.append(Part(f", {word}", Tone.DIM))
    if access is not None and access.problem and has_work:
        parts.append(Part("  ! no API key", Tone.WARN, strong=True))
    return tuple(parts)


def holds(snapshot: Snapshot | None, now: datetime) -> tuple[Part, ...]:
    """Alerts, then sends on hold and until when."""
    parts = _alerts(snapshot, now) if snapshot else []
    for hold in snapshot.holds if snapshot else ():
        left = from_text(hold.until_ts) - now
        if left > timedelta(0):
            label = hold_label(hold.name, hold.lane)
            parts.append(Part("‖ ON HOLD  ", Tone.WARN, strong=True))
            reason = ledger_messages.in_list(hold.reason, now)
            parts.append(Part(f"{label} for {fmt.span(left)}: {reason}  ", Tone.WARN))
    return tuple(parts)


def _alerts(snapshot: Snapshot, now: datetime) -> list[Part]:
    heard = _heard(snapshot, to_text(now))
    if not heard:
        return []
    # The key that the line names leads there.
    message, _, _ = ledger_messages.in_list(heard[-1].message, now).partition(". See ")
    return [
        Part("! alert: ", Tone.BAD, strong=True),
        Part(f"{message.removesuffix('.')}  ", Tone.BAD),
    ]


def alerts_hint(snapshot: Snapshot | None, now: datetime) -> tuple[Part, ...]:
    """How many alerts there are beside the one that is shown, and the key that opens them."""
    heard = _heard(snapshot, to_text(now))
    if not heard:
        return ()
    more = f"{len(heard) - 1:,} more, " if len(heard) > 1 else ""
    return (Part(f"{more}! opens alerts", Tone.DIM),)


def _heard(snapshot: Snapshot | None, now_ts: str) -> list[Alert]:
    alerts = snapshot.alerts if snapshot else ()
    return [alert for alert in alerts if not alert.is_silenced(now_ts)]


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


def errors_title(snapshot: Snapshot) -> str:
    """The title of the errors, which lists canceled requests, too."""
    totals, listed = snapshot.totals, len(snapshot.errors)
    if not totals.canceled_requests:
        return counted_title("Latest errors", totals.failed_requests, listed)
    title = f"Latest errors {totals.errored_requests:,} · {totals.canceled_requests:,} canceled"
    return f"{title} · {listed:,} listed" if totals.failed_requests > listed else title


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
    was_read: bool = False,
) -> tuple[Part, ...]:
    """Whether the view is current; `frozen_changes` is None while it is live.

    `is_explained`: the page shows the reason of the problem. `was_read`: the ledger was there.
    """
    if problem is not None and problem.missing and was_read:
        gone = "its file was deleted or moved; shown as last read"
        return (Part("! LEDGER GONE  ", Tone.BAD, strong=True), Part(gone, Tone.WARN))
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
    if lag is None or not _FELT <= lag <= _LAG_WORTH_TELLING:
        return (live,)
    milliseconds = lag // timedelta(milliseconds=1)
    return (live, Part(f"  display delay {milliseconds:,} ms", Tone.DIM))
