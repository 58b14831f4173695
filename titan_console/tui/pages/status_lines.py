"""What the lines around the lists say. Pure."""

from datetime import datetime, timedelta

from state.model.records import BatchStatus
from state.model.timestamps import from_text
from state.queries.console_snapshot import Saved, Snapshot
from titan_console.session.messages import LedgerProblem
from titan_console.text import format as fmt
from titan_console.text.format import Tone
from titan_console.text.lines import Part, Total

# The feed looks at least twice a second; after that much silence it is stuck.
_LATE = timedelta(seconds=5)
_LAG_WORTH_TELLING = timedelta(seconds=10)


def totals(snapshot: Snapshot) -> tuple[Total, ...]:
    """The strip: how much is open, waits and failed; what was spent and saved."""
    found = snapshot.totals
    return (
        _counted("open", found.open_batches, Tone.BUSY),
        _counted("queued", found.waiting_requests, Tone.WARN),
        _counted("errors", found.failed_requests, Tone.BAD),
        _saved("saved", Saved(nano=found.savings_nano, unpriced=found.unpriced)),
        _saved("30 days", snapshot.saved_30d),
        _saved("today", snapshot.saved_today),
        Total("spent", fmt.sum_of_money(found.cost_nano, found.unpriced)),
    )


def _counted(label: str, number: int, tone: Tone) -> Total:
    return Total(label, fmt.count(number), tone if number else Tone.DIM)


def _saved(label: str, saved: Saved) -> Total:
    return Total(label, fmt.sum_of_money(saved.nano, saved.unpriced), _saved_tone(saved.nano))


def _saved_tone(nano: int) -> Tone:
    if nano > 0:
        return Tone.GOOD
    return Tone.WARN if nano < 0 else Tone.DIM


def heartbeat(snapshot: Snapshot | None, now: datetime) -> tuple[Part, ...]:
    """Whether the poller lives."""
    if snapshot is None:
        return ()
    label = fmt.heartbeat(snapshot.poller, now)
    return (Part(str(label), label.tone),)


def holds(snapshot: Snapshot | None, now: datetime) -> tuple[Part, ...]:
    """What is wrong, then what is held back and until when."""
    parts = _alerts(snapshot) if snapshot else []
    for hold in snapshot.holds if snapshot else ():
        left = from_text(hold.until_ts) - now
        if left > timedelta(0):
            parts.append(Part("‖ held ", Tone.WARN, strong=True))
            parts.append(Part(f"{hold.name} for {fmt.span(left)}: {hold.reason}  ", Tone.WARN))
    return tuple(parts)


def _alerts(snapshot: Snapshot) -> list[Part]:
    if not snapshot.alerts:
        return []
    newest, number = snapshot.alerts[-1], len(snapshot.alerts)
    more = f" and {number - 1:,} more" if number > 1 else ""
    return [
        Part("! alert ", Tone.BAD, strong=True),
        Part(f"{newest.rule}: {newest.message}{more}  ", Tone.BAD),
    ]


def open_title(snapshot: Snapshot) -> str:
    """What the list of open batches holds, and what of it needs a thought."""
    number = snapshot.totals.open_batches
    lost = sum(batch.status == BatchStatus.UNCONFIRMED for batch in snapshot.open_batches)
    return _title(
        _counting("Open batches", number),
        _more(number, len(snapshot.open_batches)),
        f"{lost:,} sent, answer lost" if lost else "",
        f"{len(snapshot.waiting_for_retry):,} released" if snapshot.waiting_for_retry else "",
    )


def recent_title(snapshot: Snapshot) -> str:
    """What the list of ended batches holds."""
    return "Recently ended" if not snapshot.recent else f"Last {len(snapshot.recent):,} ended"


def errors_title(snapshot: Snapshot) -> str:
    """What the list of errors holds."""
    number = snapshot.totals.failed_requests
    return _title(_counting("Latest errors", number), _more(number, len(snapshot.errors)))


def _title(*parts: str) -> str:
    return " · ".join(part for part in parts if part)


def _counting(name: str, number: int) -> str:
    return f"{name} {number:,}" if number else name


def _more(number: int, listed: int) -> str:
    return f"and {number - listed:,} more" if number > listed else ""


def pulse(
    *,
    trouble: LedgerProblem | None,
    paused_changes: int | None,
    silent_for: timedelta | None,
    lag: timedelta | None,
) -> tuple[Part, ...]:
    """How much the picture can be trusted: `paused_changes` is None while it is live."""
    if trouble is not None:
        return _problem_parts(trouble)
    if paused_changes is not None:
        behind = f"{paused_changes:,} changes behind" if paused_changes else "nothing new since"
        return (Part("‖ PAUSED  ", Tone.WARN, strong=True), Part(behind, Tone.DIM))
    if silent_for is None:
        return (Part("◦ opening the ledger", Tone.DIM),)
    if silent_for > _LATE:
        late = f"the ledger has not answered for {fmt.span(silent_for)}"
        return (Part("! LATE  ", Tone.BAD, strong=True), Part(late, Tone.WARN))
    return _live(lag)


def _problem_parts(trouble: LedgerProblem) -> tuple[Part, ...]:
    if trouble.missing:
        return (Part("◦ WAITING  ", Tone.BUSY, strong=True), Part("for a ledger", Tone.DIM))
    return (Part("! LOST  ", Tone.BAD, strong=True), Part(trouble.reason, Tone.WARN))


def _live(lag: timedelta | None) -> tuple[Part, ...]:
    live = Part("• LIVE", Tone.GOOD, strong=True)
    if lag is None or lag > _LAG_WORTH_TELLING:
        return (live,)
    milliseconds = lag // timedelta(milliseconds=1)
    return (live, Part(f"  seen {milliseconds:,} ms after it was written", Tone.DIM))


def changes(snapshot: Snapshot | None, first_revision: int, now: datetime) -> tuple[Part, ...]:
    """How much has happened since the console was opened."""
    if snapshot is None:
        return ()
    number = snapshot.revision - first_revision
    counted = f"{number:,} change{'' if number == 1 else 's'}"
    if snapshot.newest_event_ts is None:
        return (Part(counted, Tone.DIM),)
    return (
        Part(f"last event {fmt.since(snapshot.newest_event_ts, now)} ago  ·  {counted}", Tone.DIM),
    )
