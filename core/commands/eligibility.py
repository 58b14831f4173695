"""Which requests or workflows an action may touch, and why the others are skipped."""

from collections import Counter
from collections.abc import Iterable, Sequence

from msgspec import Struct, field

from core.batches.engine_context import Context
from core.config import titan_file
from core.errors import PayloadError
from core.requests.model_limits import needs_batch
from state.batches import priming_records
from state.db.reader import Source
from state.model.errors import UnknownId
from state.model.id_list import IdList
from state.model.records import REVIEW_REASONS, RequestStatus
from state.operations import pauses
from state.operations.commands import Action
from state.operations.failures import INVALID_REQUEST
from state.operations.pauses import Pause
from state.operations.selection import Filter, SelectedGroup, merged

_OPEN = (RequestStatus.QUEUED, RequestStatus.IN_FLIGHT)
_NAMES_SHOWN = 3


class Eligibility(Struct, kw_only=True):
    """The requests that the action applies to, and the number skipped for each reason."""

    ids: IdList
    skipped: Counter[str] = field(default_factory=Counter[str])


class WorkflowChoice(Struct, kw_only=True):
    """The workflows that a pause or a resume changes, and the number skipped for each reason."""

    eligible: list[str] = field(default_factory=list[str])
    skipped: Counter[str] = field(default_factory=Counter[str])


def check_eligibility(
    source: Source,
    action: Action,
    selected: Iterable[SelectedGroup],
    *,
    edited: bool = False,
    force: bool = False,
) -> Eligibility:
    """Split requests into eligible and skipped.

    `edited`: each gets another body. `force`: replay also what needs no replay or would fail again.
    """
    eligible, skipped = list[IdList](), Counter[str]()
    for group in selected:
        reason = _why_not(action, group, edited=edited, force=force)
        if reason is None:
            eligible.append(group.ids)
        else:
            skipped[reason] += len(group.ids)
    return Eligibility(ids=merged(source, eligible), skipped=skipped)


def choose_workflows(context: Context, action: Action, wanted: Filter) -> WorkflowChoice:
    """Split the named workflows into those to change and those already in that state.

    Raises UnknownId for a name that no job and no request has, PayloadError where none changes.
    """
    if wanted != Filter(names=wanted.names, workflow=wanted.workflow):
        raise PayloadError(
            f"To {action}, name workflows; {action} does not apply to single requests.",
            code="workflow_required",
        )
    names = list(dict.fromkeys((*wanted.names, *filter(None, [wanted.workflow]))))
    _check_known(context, names)
    paused = {pause.workflow: pause for pause in pauses.paused(context.ledger)}
    stopped = {stop.workflow for stop in priming_records.stops(context.ledger)}
    found = WorkflowChoice()
    for name in names:
        is_held = name in paused or (action == Action.RESUME and name in stopped)
        if is_held == (action == Action.RESUME):
            found.eligible.append(name)
        else:
            found.skipped[_current_state(paused.get(name))] += 1
    if not found.eligible:
        states = "; ".join(
            f"{name} {_current_state(paused.get(name))}" for name in sorted(names)[:_NAMES_SHOWN]
        )
        raise PayloadError(f"Nothing to {action}: {states}.", code="nothing_to_do")
    return found


def _why_not(action: Action, request: SelectedGroup, *, edited: bool, force: bool) -> str | None:
    runs = action in (Action.REPLAY, Action.SYNC)
    if runs and request.is_pruned:
        # Its answer could not be read: the results of its submission are deleted, too.
        return "pruned: the body was deleted; submit it again under another tag"
    if runs and not request.has_body and not edited:
        return "adopted without a request body; pass it with --edits"
    match action:
        case Action.REPLAY:
            return _why_no_replay(request, edited=edited, force=force)
        case Action.SYNC:
            return _succeeded(request) or _batch_only(request)
        case _:
            return _open(request) or _needs_no_review(request) or _acknowledged(request)


def _why_no_replay(request: SelectedGroup, *, edited: bool, force: bool) -> str | None:
    if request.status == RequestStatus.SUCCEEDED:
        is_complete = request.stop_reason not in REVIEW_REASONS
        if is_complete and not (edited and force):
            return "already succeeded (a replay needs an edit and --force)"
        if not edited:
            return "to review (a replay needs an edit)"
        return None
    if request.status == RequestStatus.ACKNOWLEDGED and not force:
        return "already acknowledged; --force replays it"
    if request.error_type == INVALID_REQUEST and not edited and not force:
        return f"with {INVALID_REQUEST}: needs an edit, or --force replays it unchanged"
    return _open(request)


def _open(request: SelectedGroup) -> str | None:
    return "still queued or in flight" if request.status in _OPEN else None


def _succeeded(request: SelectedGroup) -> str | None:
    return "already succeeded" if request.status == RequestStatus.SUCCEEDED else None


def _needs_no_review(request: SelectedGroup) -> str | None:
    """A succeeded request can be acknowledged only where its answer is flagged for review."""
    if request.stop_reason in REVIEW_REASONS and not request.reviewed:
        return None
    return _succeeded(request)


def _acknowledged(request: SelectedGroup) -> str | None:
    return "already acknowledged" if request.status == RequestStatus.ACKNOWLEDGED else None


def _batch_only(request: SelectedGroup) -> str | None:
    if request.is_large:
        return "larger than the 32 MB of a synchronous call"
    if needs_batch(request.betas, 0):
        return "above the output limit of a synchronous call"
    return None


def _current_state(pause: Pause | None) -> str:
    return "is not paused" if pause is None else f"is already paused, since {pause.since_ts}"


def _check_known(context: Context, names: Sequence[str]) -> None:
    """Raise UnknownId for a mistyped name, which would otherwise look like a pause."""
    unknown = [name for name in names if not pauses.is_known(context.ledger, name)]
    if not unknown:
        return
    jobs = titan_file.read(context.folder).jobs
    for name in unknown:
        if name not in jobs:
            raise UnknownId(
                f"Workflow {name!r} not found: it has no submissions and no job in titan.toml.",
                code="workflow_not_found",
            )
