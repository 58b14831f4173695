"""What commands apply to in the lists of requests and batches, and which commands fit."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import cast

from core.reporting.job_status import JobStatus
from core.text import pluralize
from state.db.reader import Source
from state.model.records import REVIEW_REASONS, Batch, BatchStatus, RequestStatus
from state.operations.commands import Action
from state.operations.selection import Filter
from state.queries import batch_detail, job_runs, request_detail
from state.queries.request_list import RequestRow
from titan_console.session.command_worker import Target
from titan_console.text import format as fmt
from titan_console.text.safe_text import clean
from titan_console.tui.widgets.record_table import RecordTable

_WIDEST_TARGET = 80
ACTIONS_OF_ERRORS = frozenset((Action.REPLAY, Action.SYNC, Action.ACKNOWLEDGE, Action.PAUSE))
_FAILED = (
    RequestStatus.ERRORED,
    RequestStatus.EXPIRED,
    RequestStatus.CANCELED,
    RequestStatus.MISSING,
)


def named(workflow: str, what: str) -> str:
    """What a command applies to, the workflow first."""
    return clean(f"{workflow} · {what}" if workflow else what, _WIDEST_TARGET)


def found_requests(find: Callable[[Source], Sequence[int]], label: str) -> Target:
    """The requests whose ids `find` reads."""
    return Target(label=label, find=lambda source: Filter(request_ids=tuple(find(source))))


def requests(
    table: RecordTable, label: str, actions: Collection[Action], action: Action
) -> Target | None:
    """The selected requests of a list keyed by their ids, else the one under the cursor.

    `label` names that one, and `actions` are those that fit it; a selection takes any action.
    """
    if table.selection:
        # The selection does not change while the dialog is open.
        return found_requests(
            lambda _source: [int(key) for key in table.target_keys()],
            f"{len(table.selection):,} selected",
        )
    key = table.current_key()
    if key is None or action not in actions:
        return None
    return found_requests(lambda _source: [int(key)], clean(label, _WIDEST_TARGET))


def actions_of_request(row: RequestRow) -> set[Action]:
    """The actions that fit a request in its status."""
    if row.status in _FAILED:
        return set(ACTIONS_OF_ERRORS)
    if row.is_in_batch:
        return {Action.CANCEL, Action.SYNC, Action.PAUSE}
    if row.status == RequestStatus.QUEUED:
        return {Action.SYNC, Action.PAUSE}
    if row.status == RequestStatus.SUCCEEDED and row.review in REVIEW_REASONS:
        return {Action.REPLAY, Action.ACKNOWLEDGE, Action.PAUSE}
    return {Action.REPLAY, Action.PAUSE}


def batches(table: RecordTable, known: Mapping[str, Batch], action: Action) -> Target | None:
    """The selected batches of a list keyed by their keys, else the one under the cursor."""
    keys = cast("list[str]", list(table.target_keys()))
    chosen = [known[key] for key in keys if key in known and action in actions_of_batch(known[key])]
    if not chosen:
        return None
    selected = pluralize(len(chosen), "selected batch", "selected batches")
    ids = tuple(sorted(batch.id for batch in chosen))
    return Target(
        label=selected if table.selection else _name_of(chosen[0]),
        find=lambda _source: Filter(batch_ids=ids),
    )


def ended_batches(table: RecordTable, current: Batch | None, action: Action) -> Target | None:
    """The selected batches of a list keyed by their ids, else the `current` one.

    A selection takes any action: batches that do not fit are skipped with the reason.
    """
    keys = cast("list[int]", list(table.target_keys()))
    if table.selection:
        return Target(
            label=pluralize(len(keys), "selected batch", "selected batches"),
            find=lambda _source: Filter(batch_ids=tuple(sorted(keys))),
        )
    if current is None or action not in actions_of_batch(current):
        return None
    return Target(
        label=_name_of(current),
        find=lambda _source: Filter(batch_ids=tuple(keys)),
    )


def _name_of(batch: Batch) -> str:
    return named(batch.workflow, f"batch {batch.key}")


def job(line: JobStatus, action: Action) -> Target | None:
    """What a command does to a job: to its failed or open requests, or its open batches."""
    workflows = line.workflows
    has_open = any(run.finished_ts is None for run in line.runs)
    fits = {
        Action.REPLAY: line.failed > 0,
        Action.ACKNOWLEDGE: line.failed > 0,
        Action.SYNC: line.failed > 0 or has_open,
        Action.CANCEL: has_open,
        Action.PAUSE: True,
    }
    if not fits.get(action):
        return None
    label = f"job {clean(line.name, _WIDEST_TARGET)}"
    if action == Action.PAUSE:
        names = workflows_of_job(line)
        return Target(label=label, find=lambda _source: Filter(names=names))
    return Target(label=label, find=lambda source: _of_workflows(source, workflows, action))


def workflows_of_job(line: JobStatus) -> tuple[str, ...]:
    """The workflows that a pause of the job applies to."""
    return tuple(dict.fromkeys(run.workflow for run in line.runs)) or (line.name,)


def _of_workflows(source: Source, workflows: Sequence[str], action: Action) -> Filter:
    match action:
        case Action.CANCEL:
            return Filter(batch_ids=tuple(job_runs.open_batches(source, workflows)))
        case Action.SYNC:
            return Filter(request_ids=job_runs.unanswered_requests(source, workflows))
        case _:
            return Filter(request_ids=job_runs.failed_requests(source, workflows))


def batch_named(name: str, workflow: str = "") -> Target:
    """The batch with that key or remote id; `workflow` is its own, where it is known."""

    def find(source: Source) -> Filter:
        found = batch_detail.batch(source, name)
        return Filter(batch_ids=(found.id,) if found else ())

    return Target(label=named(workflow, f"batch {name}"), find=find)


def request_named(tag: str, custom_id: str) -> Target:
    """The request with that tag and custom_id."""

    def find(source: Source) -> list[int]:
        found = request_detail.request(source, tag, custom_id)
        return [found.request_id] if found else []

    return found_requests(find, clean(custom_id, _WIDEST_TARGET))


def actions_of_batch(batch: Batch) -> set[Action]:
    """The actions that fit a batch in its status, or the requests in it."""
    if batch.status == BatchStatus.CANCELING:
        return {Action.SYNC, Action.PAUSE}
    if batch.is_canceled_unsent():
        return set(ACTIONS_OF_ERRORS)
    if batch.status == BatchStatus.NOT_SENT:
        return {Action.SYNC, Action.PAUSE}
    if batch.status not in (BatchStatus.ENDED, BatchStatus.REJECTED):
        return {Action.CANCEL, Action.SYNC, Action.PAUSE}
    if batch.status == BatchStatus.REJECTED or fmt.failed(batch):
        return set(ACTIONS_OF_ERRORS)
    return {Action.REPLAY, Action.PAUSE}
