"""Formats for cells: statuses, money, counts, sizes, durations and ages. One place for each."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum

import humanize
from msgspec import Struct

from core.batches import holds
from core.batches.unresolved import stuck_reason
from core.money.pricing import dollars_text
from core.reporting.poller_health import PollerHealth, PollerState
from core.text import duration_text, pluralize
from state.model.records import (
    DEFAULT_LANE,
    Batch,
    BatchKind,
    BatchStatus,
    CollectionStatus,
    Hold,
    Outcome,
    RequestStatus,
)
from state.model.timestamps import from_text
from state.operations.hook_runs import HookRun, RunState

UNPRICED = "unpriced"
NOTHING = "-"
# The guard fires that long before a deadline.
SOON = timedelta(hours=2)
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


class Tone(StrEnum):
    """The role of a text; the theme gives it a style."""

    PLAIN = "plain"
    DIM = "dim"
    GOOD = "good"
    BUSY = "busy"
    WARN = "warn"
    BAD = "bad"
    MARK = "mark"


class Label(Struct, frozen=True):
    """A glyph and a word, so that no meaning depends on colour alone."""

    glyph: str
    word: str
    tone: Tone

    def __str__(self) -> str:
        """Both, for a cell."""
        return f"{self.glyph} {self.word}"


_STATUS = {
    BatchStatus.QUEUED: Label("◦", "queued", Tone.DIM),
    BatchStatus.SENDING: Label("⇡", "sending", Tone.BUSY),
    BatchStatus.UNCONFIRMED: Label("?", "unconfirmed", Tone.WARN),
    BatchStatus.NOT_SENT: Label("⇠", "not sent", Tone.WARN),
    BatchStatus.REJECTED: Label("✗", "rejected", Tone.BAD),
    BatchStatus.IN_PROGRESS: Label("▸", "in progress", Tone.BUSY),
    BatchStatus.CANCELING: Label("⊘", "canceling", Tone.WARN),
}
_CANCELED_UNSENT = Label("⊘", "canceled", Tone.DIM)
# The API no longer has the batch, or has not ended it in time.
_STUCK = Label("✗", "stuck", Tone.BAD)
_ENDED = {
    CollectionStatus.NOT_READY: Label("⇣", "ended", Tone.BUSY),
    CollectionStatus.PENDING: Label("⇣", "to collect", Tone.BUSY),
    CollectionStatus.COLLECTED: Label("✓", "collected", Tone.GOOD),
    CollectionStatus.RESULTS_EXPIRED: Label("✗", "results expired", Tone.BAD),
    CollectionStatus.DELETED: Label("✗", "deleted", Tone.BAD),
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
    RequestStatus.IN_FLIGHT: Label("▸", "in progress", Tone.BUSY),
    RequestStatus.SUCCEEDED: Label("✓", "succeeded", Tone.GOOD),
    RequestStatus.ERRORED: Label("✗", "errored", Tone.BAD),
    RequestStatus.CANCELED: Label("⊘", "canceled", Tone.DIM),
    RequestStatus.EXPIRED: Label("⊗", "expired", Tone.WARN),
    RequestStatus.MISSING: Label("?", "missing", Tone.WARN),
    RequestStatus.ACKNOWLEDGED: Label("-", "acknowledged", Tone.DIM),
}


def status(batch: Batch) -> Label:
    """The status of a batch, its collection included."""
    if batch.is_canceled_unsent():
        return _CANCELED_UNSENT
    if batch.status != BatchStatus.ENDED:
        return _STUCK if batch.stuck_ts else _STATUS[batch.status]
    if batch.collection == CollectionStatus.COLLECTED and failed(batch):
        has_errors = failed(batch) > batch.counts.canceled
        return Label("!" if has_errors else "⊘", "collected", Tone.WARN)
    return _ENDED[batch.collection]


def outcome(value: Outcome) -> Label:
    """The outcome of an attempt."""
    return _OUTCOME[value]


def request_status(value: RequestStatus) -> Label:
    """The status of a request."""
    return _REQUEST_STATUS[value]


def failed(batch: Batch) -> int:
    """The number of requests of an ended batch without an answer."""
    if batch.collection in (
        CollectionStatus.COLLECTED,
        CollectionStatus.RESULTS_EXPIRED,
        CollectionStatus.DELETED,
    ):
        return max(0, batch.request_count - batch.counts.succeeded)
    return batch.counts.errored + batch.counts.canceled + batch.counts.expired


def money(nano: int | None) -> str:
    """Nano-dollars as dollars, as in every message."""
    return UNPRICED if nano is None else dollars_text(nano)


def fees_in_sum(nano: int) -> str:
    """Fees such as those of web searches; empty without any."""
    return f"{money(nano)}, included in the cost" if nano else ""


def sum_of_money(nano: int | None, unpriced: int) -> str:
    """A sum, with `+?` where some of its parts have no known price."""
    if not unpriced:
        return money(nano)
    return f"{money(nano)}+?" if nano else UNPRICED


def cost(batch: Batch) -> str:
    """The cost of a collected batch."""
    if batch.collected_ts is None:
        return NOTHING
    return sum_of_money(batch.cost_nano, batch.unpriced)


def saved(batch: Batch) -> str:
    """The savings of a batch against synchronous prices."""
    if batch.collected_ts is None:
        return NOTHING
    if batch.kind == BatchKind.SYNC:
        return money(0)
    if batch.cost_nano is None or batch.sync_cost_nano is None:
        return UNPRICED
    return sum_of_money(batch.sync_cost_nano - batch.cost_nano, batch.unpriced)


def models(counts: Mapping[str, int]) -> str:
    """The models of some requests, with their counts where there are several."""
    if len(counts) < 2:  # noqa: PLR2004 - one needs no count
        return "".join(counts)
    return ", ".join(f"{model} ({number:,})" for model, number in counts.items())


def count(number: int) -> str:
    """An integer with thousands separators."""
    return f"{number:,}"


def size(octets: int) -> str:
    """Bytes in the largest unit that fits."""
    return humanize.naturalsize(octets, binary=True).replace("Byte", "byte")


def poll_counts(summary: Mapping[str, object]) -> dict[str, object]:
    """The summary of a poll with the failed requests that were not canceled as `failed`."""
    counts = dict(summary)
    failed, canceled = counts.get("failed"), counts.get("canceled")
    if isinstance(failed, int) and isinstance(canceled, int):
        counts["failed"] = failed - canceled
    return counts


def poll_count(number: int, name: str) -> str:
    """A count of a poll's summary, such as `2 collected`."""
    if name == "open":
        return pluralize(number, "open batch", "open batches")
    return f"{number:,} {'errored' if name == 'failed' else name.replace('_', ' ')}"


def span(time: timedelta) -> str:
    """A duration in at most two units; a negative one is 0s."""
    return duration_text(time.total_seconds())


def rough_span(time: timedelta) -> str:
    """A duration for estimates: in one unit, or below two hours with tens of minutes.

    >>> [rough_span(timedelta(minutes=m)) for m in (0, 12, 60, 75, 100, 700, 4000)]
    ['1m', '12m', '1h', '1h 20m', '1h 40m', '12h', '3d']
    """
    minutes = time.total_seconds() / _MINUTE
    if round(minutes) < _HOUR // _MINUTE:
        return f"{max(1, round(minutes))}m"
    hours, tens = divmod(round(minutes / 10) * 10, 60)
    if hours < 2:  # noqa: PLR2004 - as above
        return f"{hours}h {tens}m" if tens else f"{hours}h"
    days = time / timedelta(days=1)
    return f"{round(minutes / 60)}h" if days < 2 else f"{round(days)}d"  # noqa: PLR2004 - two days


def moment(timestamp: str | None) -> str:
    """The time in UTC and in the local zone."""
    if timestamp is None:
        return ""
    return f"{timestamp[:16]}Z ({from_text(timestamp).astimezone():%a %d %b, %H:%M} here)"


def local_time(timestamp: str | None) -> str:
    """The time in the local zone, with the zone; empty for None."""
    return "" if timestamp is None else local_moment(from_text(timestamp))


def local_moment(moment: datetime) -> str:
    """A time in the local zone, with the zone."""
    return f"{moment.astimezone():%a %d %b %Y, %H:%M:%S %z}"


def since(timestamp: str | None, now: datetime) -> str:
    """The age of a timestamp."""
    return NOTHING if timestamp is None else span(now - from_text(timestamp))


def age(batch: Batch, now: datetime) -> str:
    """The age of a batch since it was recorded."""
    return since(batch.created_ts, now)


def due(batch: Batch, now: datetime) -> tuple[str, Tone]:
    """The time to the deadline, else to the expiry at the API.

    Of a collected batch, how long before or after its deadline it was collected.
    """
    if batch.deadline_ts is not None:
        deadline = from_text(batch.deadline_ts)
        if batch.collected_ts is not None:
            return _met(deadline, from_text(batch.collected_ts))
        left = deadline - now
        if left <= timedelta(0):
            return f"late {span(-left)}", Tone.BAD
        return f"in {span(left)}", Tone.WARN if left < SOON else Tone.PLAIN
    if batch.expires_ts is None or batch.status == BatchStatus.ENDED:
        return NOTHING, Tone.DIM
    left = from_text(batch.expires_ts) - now
    if left <= timedelta(0):
        return "expired", Tone.BAD
    return f"expires {rough_span(left)}", Tone.WARN if left < SOON else Tone.DIM


def _met(deadline: datetime, collected: datetime) -> tuple[str, Tone]:
    if collected > deadline:
        return f"collected {span(collected - deadline)} after it", Tone.BAD
    return f"collected {span(deadline - collected)} before it", Tone.PLAIN


def problem(batch: Batch, now: datetime) -> str:
    """The last problem of a batch, and when an unconfirmed or stuck one is decided."""
    if batch.stuck_ts is not None and batch.status != BatchStatus.ENDED:
        return stuck_reason.outlook(batch, now)
    message = batch.last_error or ""
    if batch.status == BatchStatus.UNCONFIRMED and batch.next_poll_ts:
        left = from_text(batch.next_poll_ts) - now
        # Each poll looks for it; the first one after that time decides that it was not sent.
        then = f"resolves within {span(left)}" if left > timedelta(0) else "resolves at next poll"
        return f"{then}: {message}" if message else then
    if batch.failures > 1:
        return f"failed {batch.failures} times: {message}"
    return message


def hook_run(run: HookRun) -> str:
    """The result of a delivery hook, the host where it ran, and its next try."""
    where = f" on host {run.host}" if run.host else ""
    then = "no more retries" if run.state == RunState.FAILED else f"retry at {run.not_before_ts}"
    return f"on_delivery failed {pluralize(run.tries, 'time')}{where}, {then}: {run.problem}"


def mode(kind: BatchKind, *, is_replay: bool) -> str:
    """How requests run; a replay is a batch of requests that have ended in an earlier one."""
    return "replay" if is_replay and kind == BatchKind.BATCH else kind.value


def api_batch_id(batch: Batch) -> str:
    """The API's id; a synchronous run never gets one."""
    if batch.remote_id:
        return batch.remote_id
    if batch.kind == BatchKind.SYNC:
        return "none (synchronous run)"
    is_over = batch.status in (BatchStatus.NOT_SENT, BatchStatus.REJECTED)
    return "none (not accepted by the API)" if is_over else "not assigned yet"


def poller_status(health: PollerHealth, *, has_open: bool = True) -> Label:
    """The state of the poller, without the reason of a failure.

    Where no batch is open, silence is no problem: nothing waits for a poll.
    """
    is_idle = not health.needs_attention(has_open_batches=has_open)
    if health.state == PollerState.SILENT and is_idle and not health.restored_ts:
        return Label("◦", f"last poll {span(health.age)} ago, no batch open", Tone.DIM)
    quiet, restored = span(health.age), f"ledger restored at {health.restored_ts}, no poll since"
    if health.state == PollerState.SILENT and health.restored_ts:
        return Label("!", f"{restored} (overdue)", Tone.BAD)
    if health.state == PollerState.SILENT and health.error:
        return Label("!", f"no successful poll for {quiet}", Tone.BAD)
    return {
        PollerState.RUNNING: Label("▸", "poll running", Tone.BUSY),
        PollerState.BLOCKED: Label("!", "no poll can be recorded", Tone.BAD),
        PollerState.NEVER_RAN: Label("◦", "no poll yet", Tone.WARN),
        PollerState.RESTORED: Label("◦", restored, Tone.WARN),
        PollerState.OK: Label("✓", f"last poll {quiet} ago", Tone.GOOD),
        PollerState.INTERRUPTED: Label("!", f"poll interrupted {quiet} ago", Tone.BAD),
        PollerState.FAILED: Label("!", f"poll failed {quiet} ago", Tone.BAD),
        PollerState.SILENT: Label("!", f"last poll {quiet} ago (overdue)", Tone.BAD),
    }[health.state]


# Of a batch that duplicates another.
DUPLICATE = "the API created this batch twice from one POST; its cost is a duplicate charge"


def lane(name: str) -> str:
    """A lane of titan.toml; nothing for the default one and for reported calls."""
    return "" if name in (DEFAULT_LANE, "recorded") else name


def hold_reason(hold: Hold) -> str:
    """What is on hold, until when and why."""
    return f"{holds.label(hold.name, hold.lane)} until {hold.until_ts}: {hold.reason}"


def hold_line(hold: Hold) -> str:
    """The same, and how to end it earlier."""
    return f"{hold_reason(hold).rstrip('.')}; to end it now: titan-console resume --holds"


def process(name: str | None) -> str:
    """A process as `poller@host:4711`; the part that only tells two runs apart is left out.

    >>> process("poller@build-7:4711/k3x9"), process(None)
    ('poller@build-7:4711', '')
    """
    who, slash, _ = (name or "").rpartition("/")
    return who if slash else name or ""


def host(name: str) -> str:
    """The host of a process; the name itself where it has none.

    >>> host("poller@build-7:4711"), host("test")
    ('build-7', 'test')
    """
    _, _, place = name.rpartition("@")
    return place.partition(":")[0]


def poller_line(health: PollerHealth) -> str:
    """The state of the poller with the reason of a failure."""
    label = str(poller_status(health))
    return f"{label}: {health.error}" if health.error else label
