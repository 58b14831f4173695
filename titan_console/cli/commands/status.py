"""`titan-console status`: open batches, totals, savings and alerts."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import click

from core.batches.poll_time_limit import left_by
from core.config import titan_file
from core.config.settings import from_environment
from core.reporting import status_report
from core.reporting.history import etas
from core.reporting.ledger_time import ledger_now
from core.reporting.poller_health import assess, silent_after
from core.reporting.queued_reason import QueuedReasons
from core.text import pluralize
from state.batches import orphans
from state.batches.orphans import OrphanVerdict
from state.db.reader import Source
from state.files import fallback_file
from state.model.records import DEFAULT_LANE, RequestStatus
from state.model.timestamps import to_text
from state.operations import alerts, hook_runs, pauses
from state.operations.alerts import Alert
from state.queries import batch_list, ledger_status, queued_requests
from state.queries.batch_replays import replays_in
from titan_console.cli.output import (
    echo,
    json_option,
    ledger_reader,
    print_fields,
    print_json,
    print_rows,
)
from titan_console.text import eta_labels
from titan_console.text import format as cells
from titan_console.text.run_names import marked


@click.command
@json_option
def command(*, as_json: bool) -> None:
    """Show open batches, totals, savings and alerts.

    Synchronous runs are included in the batch count. Exits with 0 even if alerts are raised.
    `digest` exits with 1 if errors exceed the daily limit, a deadline is within 3 hours, polls fail
    or have stopped, or sending has stopped (a hold, a budget, a stuck batch or a stopped replay).
    """
    limit = silent_after(titan_file.read(from_environment().folder).alerts)
    with ledger_reader() as reader:
        now = ledger_now(reader)
        if as_json:
            report = status_report.status(
                reader,
                now_ts=to_text(now),
                silent_after=limit,
                fallback_files=_fallback_files(),
            )
            print_json(report)
        else:
            _print(reader, now, limit)


def _print(source: Source, now: datetime, limit: timedelta) -> None:
    # All is read before anything is shown: a damaged ledger has no "No open batches."
    rows = [*_open_batches(source, now), *_queued_requests(source, now)]
    totals = _totals(source, now, limit)
    header = ("STATUS", "BATCH", "TAG", "REQUESTS", "AGE", "ETA", "DEADLINE", "RISK", "PROBLEM")
    # The lane, the last cell of a row, stands before the problem.
    if any(row[-1] != DEFAULT_LANE for row in rows):
        header = (*header[:-1], "LANE", header[-1])
        rows = [(*row[:-2], row[-1], row[-2]) for row in rows]
    else:
        rows = [row[:-1] for row in rows]
    print_rows(
        rows,
        header,
        lambda row: row,
        empty="No open batches.",
    )
    echo()
    print_fields(totals)


def _open_batches(source: Source, now: datetime) -> Iterator[tuple[str, ...]]:
    batches, reasons = batch_list.open_batches(source), QueuedReasons(source, to_text(now))
    paused = {pause.workflow for pause in pauses.paused(source)}
    found, replays = etas(source, batches, now), replays_in(source, (b.id for b in batches))
    for batch in batches:
        tag = marked(batch.tag, batch.kind, is_replay=batch.id in replays)
        yield (
            *(str(cells.status(batch)), batch.key, tag, cells.count(batch.request_count)),
            cells.age(batch, now),
            eta_labels.ends(found[batch.key], now, is_paused=batch.workflow in paused)[0],
            cells.due(batch, now)[0],
            str(eta_labels.risk(found[batch.key])),
            reasons.of_batch(batch) or cells.problem(batch, now),
            batch.lane,
        )


def _queued_requests(source: Source, now: datetime) -> Iterator[tuple[str, ...]]:
    """Those in no batch; the status is that of the last batch that was not sent."""
    reasons = QueuedReasons(source, to_text(now))
    for queued in queued_requests.without_batch(source):
        status = cells.request_status(RequestStatus.QUEUED)
        if queued.not_sent:
            status = cells.status(queued.not_sent)
        yield (
            *(str(status), queued.not_sent.key if queued.not_sent else cells.NOTHING),
            *(queued.tag, cells.count(queued.count), cells.since(queued.submitted_ts, now)),
            *([cells.NOTHING] * 3),
            reasons.of_requests(queued),
            queued.lane,
        )


def _alerts(raised: Sequence[Alert], now_ts: str) -> Iterator[tuple[str, str]]:
    """Those that are silenced as a number only."""
    silenced = sum(alert.is_silenced(now_ts) for alert in raised)
    more = "more " if silenced < len(raised) else ""
    for alert in raised:
        if not alert.is_silenced(now_ts):
            yield f"alert: {alert.rule}", alert.message
    if silenced:
        yield "alerts", f"{silenced:,} {more}acknowledged or muted"


def _totals(source: Source, now: datetime, limit: timedelta) -> list[tuple[str, str]]:
    totals, poller = ledger_status.totals(source), ledger_status.poller(source)
    left = left_by(poller.last_summary)
    return [
        ("requests", cells.count(totals.requests)),
        ("batches", cells.count(totals.batches)),
        ("queued", cells.count(totals.queued_requests) if totals.queued_requests else ""),
        (
            "in progress",
            cells.count(totals.in_flight_requests) if totals.in_flight_requests else "",
        ),
        ("errored", _errored(totals.errored_requests)),
        ("canceled", cells.count(totals.canceled_requests) if totals.canceled_requests else ""),
        ("needs review", pluralize(totals.reviews, "answer") if totals.reviews else ""),
        ("spent", cells.sum_of_money(totals.cost_nano, totals.unpriced)),
        ("fees", cells.fees_in_sum(totals.fee_nano)),
        ("saved", cells.sum_of_money(totals.savings_nano, totals.unpriced)),
        (
            "duplicate charges",
            cells.money(totals.duplicate_nano) if totals.duplicate_nano else "",
        ),
        ("orphans", _orphans(source)),
        ("not imported", _not_imported()),
        *_alerts(alerts.raised(source), to_text(now)),
        ("poller", cells.poller_line(assess(poller, now, limit))),
        ("time limit", f"not done by the last poll: {'; '.join(left.lines())}" if left else ""),
        *(
            ("on hold", cells.hold_line(hold))
            for hold in ledger_status.holds(source, now_ts=to_text(now))
        ),
        *(("paused", f"{p.workflow}: {p.text}") for p in pauses.paused(source)),
        *((f"hook: {run.file}", cells.hook_run(run)) for run in hook_runs.failing(source)),
    ]


def _errored(count: int) -> str:
    """As `errors` lists them, without those that were canceled."""
    return f"{count:,} (including expired and missing)" if count else "none"


def _fallback_files() -> int:
    """The number of submissions that were kept while the ledger could not be used."""
    return len(fallback_file.pending(from_environment().folder))


def _not_imported() -> str:
    count = _fallback_files()
    return f"{pluralize(count, 'fallback file')}, for the next poll" if count else ""


def _orphans(source: Source) -> str:
    """Batches at the API that the ledger has no record of."""
    candidates = orphans.count(source, OrphanVerdict.CANDIDATE)
    others = orphans.count(source, OrphanVerdict.UNKNOWN)
    if not candidates and not others:
        return ""
    return f"{others:,} of unknown origin, {candidates:,} that may belong to this ledger"
