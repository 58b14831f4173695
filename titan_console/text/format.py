"""Turns records into the short texts of cells: money, ages, and a glyph with a word per status."""

from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum

import humanize
from msgspec import Struct

from state.model.records import Batch, BatchStatus, Collection, Kind, Outcome, RequestStatus
from state.model.timestamps import from_text
from state.operations.hook_runs import HookRun, RunState
from state.queries.ledger_status import Poller

UNPRICED = "unpriced"
NOTHING = "-"
# The guard before a deadline fires here; less than that left deserves a colour.
SOON = timedelta(hours=2)
# A poll is due every quarter of an hour: two missed ones are no accident.
STALE = timedelta(minutes=40)
_SMALL_NANO = 100_000_000  # ten cents: below it, cents say too little
_TINY_NANO = 50_000  # half of the last digit that is shown
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


class Tone(StrEnum):
    """What a text wants to be seen as; a theme decides how."""

    PLAIN = "plain"
    DIM = "dim"
    GOOD = "good"
    BUSY = "busy"
    WARN = "warn"
    BAD = "bad"


class Label(Struct, frozen=True):
    """A glyph and a word, so that no meaning hangs on a colour."""

    glyph: str
    word: str
    tone: Tone

    def __str__(self) -> str:
        """Both, as a cell shows them."""
        return f"{self.glyph} {self.word}"


_STATUS = {
    BatchStatus.QUEUED: Label("◦", "to send", Tone.DIM),
    BatchStatus.SENDING: Label("⇡", "sending", Tone.BUSY),
    BatchStatus.UNCONFIRMED: Label("?", "sent, answer lost", Tone.WARN),
    BatchStatus.NOT_SENT: Label("↻", "released, waits", Tone.WARN),
    BatchStatus.REJECTED: Label("✗", "rejected", Tone.BAD),
    BatchStatus.IN_PROGRESS: Label("▸", "in progress", Tone.BUSY),
    BatchStatus.CANCELING: Label("⊘", "canceling", Tone.WARN),
}
_ENDED = {
    Collection.NOT_READY: Label("⇣", "ended", Tone.BUSY),
    Collection.PENDING: Label("⇣", "to collect", Tone.BUSY),
    Collection.COLLECTED: Label("✓", "collected", Tone.GOOD),
    Collection.RESULTS_EXPIRED: Label("✗", "results expired", Tone.BAD),
    Collection.DELETED: Label("✗", "deleted", Tone.BAD),
}
_OUTCOME = {
    Outcome.SUCCEEDED: Label("✓", "succeeded", Tone.GOOD),
    Outcome.ERRORED: Label("✗", "errored", Tone.BAD),
    Outcome.CANCELED: Label("⊘", "canceled", Tone.DIM),
    Outcome.EXPIRED: Label("⊗", "expired", Tone.WARN),
    Outcome.MISSING: Label("?", "missing", Tone.WARN),
}
_REQUEST_STATUS = {
    RequestStatus.QUEUED: Label("◦", "queued", Tone.BUSY),
    RequestStatus.IN_FLIGHT: Label("▸", "in flight", Tone.BUSY),
    RequestStatus.SUCCEEDED: Label("✓", "succeeded", Tone.GOOD),
    RequestStatus.ERRORED: Label("✗", "errored", Tone.BAD),
    RequestStatus.CANCELED: Label("⊘", "canceled", Tone.DIM),
    RequestStatus.EXPIRED: Label("⊗", "expired", Tone.WARN),
    RequestStatus.MISSING: Label("?", "missing", Tone.WARN),
    RequestStatus.DISMISSED: Label("-", "given up", Tone.DIM),
}


def status(batch: Batch) -> Label:
    """Where a batch is, its results included."""
    if batch.status != BatchStatus.ENDED:
        return _STATUS[batch.status]
    if batch.collection == Collection.COLLECTED and failed(batch):
        return Label("!", "collected", Tone.WARN)
    return _ENDED[batch.collection]


def outcome(value: Outcome) -> Label:
    """How an attempt ended."""
    return _OUTCOME[value]


def request_status(value: RequestStatus) -> Label:
    """Where a request is."""
    return _REQUEST_STATUS[value]


def failed(batch: Batch) -> int:
    """How many of an ended batch's requests brought no answer."""
    if batch.collection in (Collection.COLLECTED, Collection.RESULTS_EXPIRED, Collection.DELETED):
        return max(0, batch.request_count - batch.counts.succeeded)
    return batch.counts.errored + batch.counts.canceled + batch.counts.expired


def money(nano: int | None) -> str:
    """Nano-dollars as dollars: cents, or four places where cents would say too little."""
    if nano is None:
        return UNPRICED
    sign, size = ("-" if nano < 0 else ""), abs(nano)
    if 0 < size < _TINY_NANO:
        return f"{sign}<$0.0001"
    places = Decimal("0.0001") if 0 < size < _SMALL_NANO else Decimal("0.01")
    dollars = Decimal(size).scaleb(-9).quantize(places, rounding=ROUND_HALF_EVEN)
    return f"{sign}${dollars:,}"


def sum_of_money(nano: int | None, unpriced: int) -> str:
    """A sum, marked `+?` where some of its parts have no known price."""
    if not unpriced:
        return money(nano)
    return f"{money(nano)}+?" if nano else UNPRICED


def cost(batch: Batch) -> str:
    """What a batch cost, once that is known."""
    if batch.collected_ts is None:
        return NOTHING
    return sum_of_money(batch.cost_nano, batch.unpriced)


def saved(batch: Batch) -> str:
    """What a batch saved against the same answers bought synchronously."""
    if batch.collected_ts is None or batch.kind == Kind.SYNC:
        return NOTHING
    if batch.cost_nano is None or batch.sync_cost_nano is None:
        return UNPRICED
    return sum_of_money(batch.sync_cost_nano - batch.cost_nano, batch.unpriced)


def count(number: int) -> str:
    """A number with its thousands apart."""
    return f"{number:,}"


def size(octets: int) -> str:
    """A number of bytes in the largest unit that fits."""
    return humanize.naturalsize(octets, binary=True)


def span(time: timedelta) -> str:
    """A stretch of time in two units at most; what is negative counts as none."""
    seconds = max(0, int(time.total_seconds()))
    if seconds < _MINUTE:
        return f"{seconds}s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE}m"
    if seconds < _DAY:
        return f"{seconds // _HOUR}h {seconds % _HOUR // _MINUTE:02d}m"
    return f"{seconds // _DAY}d {seconds % _DAY // _HOUR:02d}h"


def moment(timestamp: str | None) -> str:
    """The time itself, and what the clocks here say then."""
    if timestamp is None:
        return ""
    return f"{timestamp[:16]}Z ({from_text(timestamp).astimezone():%a %d %b, %H:%M} here)"


def since(timestamp: str | None, now: datetime) -> str:
    """How long ago that was."""
    return NOTHING if timestamp is None else span(now - from_text(timestamp))


def age(batch: Batch, now: datetime) -> str:
    """How long ago the batch was recorded."""
    return since(batch.created_ts, now)


def due(batch: Batch, now: datetime) -> tuple[str, Tone]:
    """The deadline if the batch has one, else when the API gives it up."""
    if batch.deadline_ts is not None:
        left = from_text(batch.deadline_ts) - now
        if left <= timedelta(0):
            return f"late {span(-left)}", Tone.BAD
        return f"in {span(left)}", Tone.WARN if left < SOON else Tone.PLAIN
    if batch.expires_ts is None or batch.status == BatchStatus.ENDED:
        return NOTHING, Tone.DIM
    left = from_text(batch.expires_ts) - now
    if left <= timedelta(0):
        return "expired", Tone.BAD
    return f"exp {span(left)}", Tone.WARN if left < SOON else Tone.DIM


def trouble(batch: Batch, now: datetime) -> str:
    """What went wrong last, and when somebody looks again."""
    said = batch.last_error or ""
    if batch.status == BatchStatus.UNCONFIRMED and batch.next_poll_ts:
        left = from_text(batch.next_poll_ts) - now
        decided = f"decided in {span(left)}" if left > timedelta(0) else "decided by the next poll"
        return f"{decided}: {said}" if said else decided
    if batch.failures > 1:
        return f"{batch.failures} times: {said}"
    return said


def settled_run(run: HookRun) -> str:
    """What became of the command that follows a delivery, and what is to come."""
    then = "no more tries" if run.state == RunState.FAILED else f"next try {run.not_before_ts}"
    return f"on_delivery failed {count(run.tries)} times, {then}: {run.problem}"


def heartbeat(poller: Poller, now: datetime) -> Label:
    """Whether somebody looks after the batches."""
    if poller.lease_expires_ts is not None and from_text(poller.lease_expires_ts) > now:
        return Label("▸", "poller running now", Tone.BUSY)
    if poller.last_started_ts is None:
        return Label("◦", "poller never ran", Tone.WARN)
    if poller.last_finished_ts is None or poller.last_finished_ts < poller.last_started_ts:
        quiet = now - from_text(poller.last_started_ts)
        return Label("!", f"poller died {span(quiet)} ago", Tone.BAD)
    quiet = now - from_text(poller.last_finished_ts)
    if quiet > STALE:
        return Label("!", f"poller STALE {span(quiet)}", Tone.BAD)
    return Label("✓", f"poller {span(quiet)} ago", Tone.GOOD)
