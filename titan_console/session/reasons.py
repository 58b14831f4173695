"""Why batches are queued and commands have not ended, as `status` and `commands` say it."""

from collections.abc import Iterator, Mapping, Sequence

from core.commands.waiting_reason import waits_for
from core.reporting.queued_reason import QueuedReasons
from state.db.reader import Source
from state.model.records import Batch
from state.model.timestamps import to_text
from state.queries.console_snapshot import Snapshot


def of(source: Source, snapshot: Snapshot) -> Mapping[str, str]:
    """The reasons of the batches and commands of a snapshot, by key."""
    return dict(_all(source, snapshot))


def _all(source: Source, snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    now_ts = to_text(snapshot.taken_at)
    yield from of_open(source, snapshot.open_batches, now_ts).items()
    reasons = QueuedReasons(source, now_ts)
    for batch in snapshot.not_sent:
        yield batch.key, reasons.of_returned(batch)
    for command in snapshot.commands:
        if waiting := waits_for(source, command):
            yield command.key, waiting.text


def of_open(source: Source, batches: Sequence[Batch], now_ts: str) -> Mapping[str, str]:
    """The reasons of those of these open batches that are queued, by key."""
    reasons = QueuedReasons(source, now_ts)
    return {batch.key: why for batch in batches if (why := reasons.of_batch(batch))}
