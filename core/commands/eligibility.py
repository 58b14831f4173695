"""Which of the requests that an operator names a verb may touch, and why not the others."""

from collections import Counter
from collections.abc import Iterable

from msgspec import Struct, field

from core.requests.models import needs_batch
from state.model.records import REVIEW_STOP_REASONS, RequestStatus
from state.operations.commands import Action
from state.operations.selection import Selected

_OPEN = (RequestStatus.WAITING, RequestStatus.LIVE)
# The API gives this to a request that it will never take as it is.
NEEDS_EDIT = "invalid_request_error"


class Eligibility(Struct, kw_only=True):
    """The requests that the verb takes, and how many it leaves for which reason."""

    taken: list[Selected] = field(default_factory=list[Selected])
    skipped: Counter[str] = field(default_factory=Counter[str])


def check_eligibility(
    action: Action, selected: Iterable[Selected], *, edited: bool = False, force: bool = False
) -> Eligibility:
    """Sort them; `edited` says that each gets another body, `force` that the operator insists."""
    eligibility = Eligibility()
    for request in selected:
        reason = _why_not(action, request, edited=edited, force=force)
        if reason is None:
            eligibility.taken.append(request)
        else:
            eligibility.skipped[reason] += 1
    return eligibility


def _why_not(action: Action, request: Selected, *, edited: bool, force: bool) -> str | None:
    if action in (Action.REPLAY, Action.SYNC) and not request.has_body and not edited:
        return "adopted, so what was asked is not known; --edits gives it"
    match action:
        case Action.REPLAY:
            return _why_no_replay(request, edited=edited, force=force)
        case Action.SYNC:
            return _answered(request) or _batch_only(request)
        case _:
            return _in_flight(request) or _needs_no_look(request) or _settled(request)


def _why_no_replay(request: Selected, *, edited: bool, force: bool) -> str | None:
    if request.status == RequestStatus.SUCCEEDED:
        if not edited:
            return "answered already; asking again takes an edit"
        if request.stop_reason not in REVIEW_STOP_REASONS and not force:
            return "answered well already; --force asks again"
        return None
    if request.status == RequestStatus.GIVEN_UP and not force:
        return "acknowledged already; --force asks again"
    if request.error_type == NEEDS_EDIT and not edited and not force:
        return f"{NEEDS_EDIT}: it would fail again without an edit"
    return _in_flight(request)


def _in_flight(request: Selected) -> str | None:
    return "still under way" if request.status in _OPEN else None


def _answered(request: Selected) -> str | None:
    return "answered already" if request.status == RequestStatus.SUCCEEDED else None


def _needs_no_look(request: Selected) -> str | None:
    """What is answered can be acknowledged only where the answer may be of no use."""
    if request.stop_reason in REVIEW_STOP_REASONS and not request.reviewed:
        return None
    return _answered(request)


def _batch_only(request: Selected) -> str | None:
    if needs_batch(request.betas):
        return "asking for more tokens than a synchronous call may"
    return None


def _settled(request: Selected) -> str | None:
    return "acknowledged already" if request.status == RequestStatus.GIVEN_UP else None
