"""`titan-console show`: one submission, batch or request with its history."""

from collections.abc import Mapping
from datetime import datetime

import click
from msgspec import Struct

from core.config.settings import from_environment
from core.intake import fallback_contents
from core.reporting import json_reports, request_report
from core.reporting.ledger_time import ledger_now
from core.reporting.queued_reason import QueuedReasons
from state.db.opening import open_reader
from state.db.reader import Source
from state.files.folder import Folder
from state.model.errors import UnknownId
from state.model.records import Batch, Event, Submission
from state.model.timestamps import to_text
from state.queries import batch_list, event_list
from state.queries.batch_replays import replays_in
from state.queries.request_detail import RequestRecord
from titan_console.cli import request_history
from titan_console.cli.output import echo, json_option, print_fields, print_json, print_table
from titan_console.cli.stderr import print_stderr
from titan_console.text import event_labels
from titan_console.text import format as cells

_UNKNOWN = "{!r} not found (no such tb_… key, API batch id, tag or custom_id)."


class SubmissionReport(Struct, frozen=True, kw_only=True):
    """One submission. `batch_id` is the old name of `submission_id`, kept for one release."""

    submission_id: str
    batch_id: str
    tag: str
    workflow: str
    model: str
    models: Mapping[str, int]
    request_count: int
    submitted_ts: str
    finished_ts: str | None
    delivered_ts: str | None
    deadline_ts: str | None
    submitted_by: str
    lane: str


class EventReport(Struct, frozen=True, kw_only=True):
    """One event of a batch. The keys of `detail` depend on the kind."""

    at: str
    actor: str
    kind: str
    batch_id: str
    detail: Mapping[str, object]


@click.command
@click.argument("name", metavar="ID")
@json_option
def command(*, name: str, as_json: bool) -> None:
    """Show the submission, batch or request with this ID.

    ID is a submission or batch key, an API batch id, a tag, a custom_id or TAG/CUSTOM_ID. For a
    request, every attempt is listed with its batch, times, edit, outcome and cost, and with the
    file and byte offset of its body and answer.
    """
    folder = from_environment().folder
    with open_reader(folder) as reader:
        waiting = fallback_contents.waiting(reader, folder, name)
        try:
            submissions, batches = batch_list.find(reader, name)
        except UnknownId:
            requests = request_history.find(reader, name)
            if not requests and waiting:
                raise UnknownId(fallback_contents.described(waiting[0])) from None
            if not requests:
                raise UnknownId(_UNKNOWN.format(name)) from None
            _show_requests(reader, requests, folder, as_json=as_json)
            return
        models = {s.key: batch_list.models_of(reader, s) for s in submissions}
        history = {batch.key: event_list.events(reader, batch=batch) for batch in batches}
        now = ledger_now(reader)
        queued = QueuedReasons(reader, to_text(now))
        reasons = {batch.key: queued.of_batch(batch) for batch in batches}
        replays = replays_in(reader, [batch.id for batch in batches])
    for file in waiting:
        print_stderr(fallback_contents.described(file))
    if as_json:
        print_json(_report(submissions, models, batches, history))
        return
    for submission in submissions:
        _print_submission(submission, models[submission.key])
    for batch in batches:
        mode = cells.mode(batch.kind, is_replay=batch.id in replays)
        _print_batch(batch, mode, history[batch.key], reasons[batch.key], now)


def _show_requests(
    source: Source, requests: list[RequestRecord], folder: Folder, *, as_json: bool
) -> None:
    found = [(request, request_report.origins(source, request)) for request in requests]
    if as_json:
        print_json(
            {"requests": [request_report.report(r, origins, folder) for r, origins in found]}
        )
        return
    for request, origins in found:
        request_history.show(request, origins, folder)


def _report(
    submissions: list[Submission],
    models: Mapping[str, Mapping[str, int]],
    batches: list[Batch],
    history: dict[str, list[Event]],
) -> dict[str, object]:
    return {
        "submissions": [
            _submission(submission, models[submission.key]) for submission in submissions
        ],
        "batches": [json_reports.batch(batch) for batch in batches],
        "events": [
            EventReport(at=e.at, actor=e.actor, kind=e.kind, batch_id=key, detail=e.detail)
            for key, events in history.items()
            for e in reversed(events)
        ],
    }


def _submission(submission: Submission, models: Mapping[str, int]) -> SubmissionReport:
    return SubmissionReport(
        submission_id=submission.key,
        batch_id=submission.key,
        tag=submission.tag,
        workflow=submission.workflow,
        model=submission.model,
        models=models,
        request_count=submission.request_count,
        submitted_ts=submission.created_ts,
        finished_ts=submission.finished_ts,
        delivered_ts=submission.delivered_ts,
        deadline_ts=submission.deadline_ts,
        submitted_by=submission.created_by,
        lane=submission.lane,
    )


def _print_submission(submission: Submission, models: Mapping[str, int]) -> None:
    print_fields(
        [
            ("submission", submission.key),
            ("tag", submission.tag),
            ("workflow", submission.workflow),
            ("model", cells.models(models)),
            ("lane", cells.lane(submission.lane)),
            ("requests", cells.count(submission.request_count)),
            ("submitted", f"{submission.created_ts} by {submission.created_by}"),
            ("deadline", submission.deadline_ts or ""),
            ("finished", submission.finished_ts or "not yet"),
            ("delivered", submission.delivered_ts or "not yet"),
        ]
    )
    echo()


def _sent(batch: Batch) -> str:
    by = f" by {cells.process(batch.owner)}" if batch.owner else ""
    return f"{batch.sent_ts}{by}" if batch.sent_ts else ""


def _print_batch(
    batch: Batch, mode: str, events: list[Event], queued_because: str | None, now: datetime
) -> None:
    counts = batch.counts
    print_fields(
        [
            ("batch", batch.key),
            ("status", str(cells.status(batch))),
            ("mode", mode),
            ("API batch id", cells.api_batch_id(batch)),
            ("lane", cells.lane(batch.lane)),
            ("duplicate", cells.DUPLICATE if batch.duplicate_of else ""),
            ("requests", cells.count(batch.request_count)),
            (
                "counts",
                (
                    f"{counts.succeeded:,} succeeded, {counts.errored:,} errored,"
                    f" {counts.canceled:,} canceled, {counts.expired:,} expired"
                ),
            ),
            ("sent", _sent(batch)),
            ("age", cells.age(batch, now)),
            ("cost", cells.cost(batch)),
            ("saved", cells.saved(batch)),
            ("problem", queued_because or cells.problem(batch, now)),
        ]
    )
    echo()
    print_table(
        ("TIME", "ACTOR", "EVENT", "REASON", "RESULT"),
        (
            (
                *(e.at, e.actor, str(event_labels.what(e.kind))),
                *(event_labels.why(e.detail), event_labels.outcome(e.detail)),
            )
            for e in reversed(events)
        ),
    )
    echo()
