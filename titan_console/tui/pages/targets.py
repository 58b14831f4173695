"""What commands apply to in the lists of requests and batches, and which commands fit."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import cast

from core.text import pluralize
from state.db.reader import Source
from state.model.records import REVIEW_REASONS, Batch, BatchStatus, RequestStatus
from state.operations.commands import Action
from state.operations.selection import Filter
from state.queries import batch_detail, request_detail
from state.queries.request_list import RequestRow
from titan_console.session.command_worker import Target
from titan_console.text import format as fmt
from titan_console.text.safe_text import clean
from titan_console.tui.widgets.record_table import RecordTable

_WIDEST_NAME = 40
ACTIONS_OF_ERRORS = frozenset((Action.REPLAY, Action.SYNC, Action.ACKNOWLEDGE, Action.PAUSE))
_FAILED = (
    RequestStatus.ERRORED,
    RequestStatus.EXPIRED,
    RequestStatus.CANCELED,
    RequestStatus.MISSING,
)


def found_requests(
    find: Callable[[Source], Sequence[int]], label: str, *, is_all: bool = False
) -> Target:
    """The requests whose ids `find` reads."""
    return Target(
        label=label, find=lambda source: Filter(request_ids=tuple(find(source))), is_all=is_all
    )


def requests(
    table: RecordTable, label: str, actions: Collection[Action], action: Action
) -> Target | None:
    """The selected requests of a list keyed by their ids, else the one under the cursor.

    `label` names that one, and `actions` are those that fit it; a selection takes any action.
    `is_all` is set where all of a list are selected and not all of them are on the screen.
    """
    if table.selection:
        seen = len(table.visible_keys())
        is_all = len(table.selection) >= table.row_count > seen
        # The selection does not change while the dialog is open.
        return found_requests(
            lambda _source: [int(key) for key in table.target_keys()],
            f"{len(table.selection):,} selected",
            is_all=is_all,
        )
    key = table.current_key()
    if key is None or action not in actions:
        return None
    return found_requests(lambda _source: [int(key)], clean(label, _WIDEST_NAME))


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
        label=selected if table.selection else f"batch {clean(chosen[0].key, _WIDEST_NAME)}",
        find=lambda _source: Filter(batch_ids=ids),
    )


def batch_named(name: str) -> Target:
    """The batch with that key or remote id."""

    def find(source: Source) -> Filter:
        found = batch_detail.batch(source, name)
        return Filter(batch_ids=(found.id,) if found else ())

    return Target(label=f"batch {clean(name, _WIDEST_NAME)}", find=find)


def request_named(tag: str, custom_id: str) -> Target:
    """The request with that tag and custom_id."""

    def find(source: Source) -> list[int]:
        found = request_detail.request(source, tag, custom_id)
        return [found.request_id] if found else []

    return found_requests(find, clean(custom_id, _WIDEST_NAME))


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
