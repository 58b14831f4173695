"""Everything the console's first screen shows, read in one transaction."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from state.db.reader import Reader, Source
from state.db.rows import to_batch
from state.db.sql_conditions import QUEUED, RETURNED, is_open
from state.model.records import Batch, Hold
from state.model.timestamps import to_text
from state.operations import alerts, commands, pauses
from state.operations.alerts import Alert
from state.operations.commands import Command
from state.queries import batch_list, error_list, ledger_status

OPEN_SHOWN = 200
RECENT_SHOWN = 50
ERRORS_SHOWN = 100
COMMANDS_SHOWN = 20
_DAYS = 30
# Enough queued requests to know their submissions; the totals count all of them.
_MOST_QUEUED = 2000


class Saved(Struct, frozen=True, kw_only=True):
    """Nano-dollars saved, and the number of answers left out because their price is unknown."""

    nano: int
    unpriced: int


class Snapshot(Struct, frozen=True, kw_only=True):
    """The ledger at one moment. Lists are capped; counts are not."""

    taken_at: datetime
    revision: int
    open_batches: Sequence[Batch]
    not_sent: Sequence[Batch]
    recent: Sequence[Batch]
    errors: Sequence[error_list.ErrorRow]
    totals: ledger_status.Totals
    saved_today: Saved
    saved_30d: Saved
    poller: ledger_status.Poller
    poll_interval: timedelta | None
    holds: Sequence[Hold]
    alerts: Sequence[Alert]
    commands: Sequence[Command]
    newest_event_id: int
    newest_event_ts: str | None
    #: The paused workflows.
    paused: Collection[str]
    #: Why a batch is queued or a command has not ended, by their keys.
    reasons: Mapping[str, str]


def take(
    reader: Reader,
    now: datetime,
    explain: Callable[[Source, Snapshot], Mapping[str, str]] = lambda _source, _snapshot: {},
) -> Snapshot:
    """Read everything in one short transaction, so that the figures agree.

    `explain` returns the reasons.
    """
    with reader.read_transaction():
        found = _read(reader, now)
        return replace(found, reasons=explain(reader, found))


def _read(source: Source, now: datetime) -> Snapshot:
    totals = ledger_status.totals(source)
    now_text = to_text(now)
    event = source.rows("SELECT id, at FROM events ORDER BY id DESC LIMIT 1")
    return Snapshot(
        taken_at=now,
        revision=ledger_status.revision(source),
        open_batches=_open(source),
        not_sent=not_sent_and_queued(source) if totals.queued_requests else (),
        recent=batch_list.closed_batches(source, limit=RECENT_SHOWN),
        errors=_latest_errors(source),
        totals=totals,
        saved_today=_saved(source, now),
        saved_30d=_saved(source, now - timedelta(days=_DAYS - 1)),
        poller=ledger_status.poller(source),
        poll_interval=ledger_status.median_poll_interval(source),
        holds=ledger_status.holds(source, now_ts=now_text),
        alerts=alerts.raised(source),
        commands=commands.open_and_recent(source, latest=COMMANDS_SHOWN),
        paused=frozenset(pause.workflow for pause in pauses.paused(source)),
        newest_event_id=event[0]["id"] if event else 0,
        newest_event_ts=event[0]["at"] if event else None,
        reasons={},
    )


def _latest_errors(source: Source) -> list[error_list.ErrorRow]:
    """Of the newest requests that errored; one that errored again in a replay comes first."""
    found = error_list.errors(source, limit=ERRORS_SHOWN)
    return sorted(found, key=lambda error: error.ended_ts or "", reverse=True)


def _open(source: Source) -> list[Batch]:
    sql = f"SELECT * FROM batches WHERE {is_open()} ORDER BY id LIMIT ?"  # noqa: S608 - our own words
    rows = source.rows(sql, OPEN_SHOWN)
    return [to_batch(row) for row in rows]


def _saved(source: Source, since: datetime) -> Saved:
    row = source.rows(
        "SELECT coalesce(sum(sync_cost_nano - cost_nano), 0), coalesce(sum(unpriced), 0)"
        " FROM daily_totals WHERE day >= ?",
        to_text(since)[:10],
    )[0]
    return Saved(nano=row[0], unpriced=row[1])


def not_sent_and_queued(source: Source) -> list[Batch]:
    """The latest unsent batch of each submission whose requests are queued again."""
    rows = source.rows(
        "SELECT * FROM batches WHERE id IN (SELECT (SELECT max(b.id) FROM batches b"  # noqa: S608 - our own words
        f" WHERE b.submission_id = w.submission_id AND {RETURNED})"
        f" FROM (SELECT DISTINCT submission_id FROM (SELECT submission_id FROM requests r"
        f" WHERE {QUEUED} ORDER BY id LIMIT ?) q) w) ORDER BY id LIMIT ?",
        _MOST_QUEUED,
        OPEN_SHOWN,
    )
    return [to_batch(row) for row in rows]
