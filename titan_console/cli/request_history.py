"""A request with all its attempts, for `titan-console show CUSTOM_ID`."""

from pathlib import Path

from core.reporting.request_report import Origins, origin_of
from state.db.reader import Source
from state.files.folder import Folder
from state.model.records import INVALID
from state.queries import find_by_id, request_detail
from state.queries.request_detail import AttemptRecord, FileSpan, RequestRecord
from titan_console.cli.output import echo, print_fields, print_table
from titan_console.text import format as cells


def find(source: Source, name: str) -> list[RequestRecord]:
    """The requests with this custom_id, or the one request of TAG/CUSTOM_ID; may be empty."""
    tag, slash, custom_id = name.rpartition("/")
    tags = [tag] if slash else find_by_id.tags_of(source, name)
    found = (request_detail.request(source, one, custom_id) for one in tags)
    return [request for request in found if request is not None]


def show(request: RequestRecord, origins: Origins, folder: Folder) -> None:
    """Print the request as text."""
    print_fields(
        [
            ("request", request.custom_id),
            ("tag", request.tag),
            ("workflow", request.workflow),
            ("submission", request.submission_key),
            ("submitted", f"{request.created_ts} by {request.created_by}"),
            ("deadline", request.deadline_ts or ""),
            ("status", request.status.value),
        ]
    )
    echo()
    print_table(
        ("BATCH", "MODE", "SENT", "ENDED", "EDIT", "OUTCOME", "COST", "BODY", "ANSWER"),
        (_cells(a, origins, folder) for a in request.attempts),
    )
    echo()


def _cells(attempt: AttemptRecord, origins: Origins, folder: Folder) -> tuple[str, ...]:
    origin = origin_of(attempt, origins)
    return (
        attempt.batch_key,
        cells.mode(attempt.kind, is_replay=attempt.is_replay),
        attempt.sent_ts or "never",
        attempt.ended_ts or cells.NOTHING,
        origin.command if origin else cells.NOTHING,
        _outcome(attempt),
        _cost(attempt),
        _where(folder.spool, attempt.body),
        _where(folder.results, attempt.result) if attempt.result else cells.NOTHING,
    )


def _outcome(attempt: AttemptRecord) -> str:
    """The outcome with its stop reason or error type, and whether it settles the request."""
    if attempt.outcome is None:
        return cells.NOTHING
    why = attempt.error_type or attempt.stop_reason
    if attempt.invalid:
        why = f"{INVALID}: {attempt.invalid}"
    text = f"{attempt.outcome.value} ({why})" if why else attempt.outcome.value
    return f"{text}, the result of the request" if attempt.is_settling else text


def _cost(attempt: AttemptRecord) -> str:
    if attempt.outcome is None:
        return cells.NOTHING
    cost = cells.UNPRICED if attempt.cost_nano is None else cells.money(attempt.cost_nano)
    return f"{cost}, duplicate charge" if attempt.is_duplicate else cost


def _where(folder: Path, span: FileSpan) -> str:
    return f"{folder.name}/{span.file}:{span.offset}+{span.length}"
