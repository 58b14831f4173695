"""What a ledger holds, read with its read models."""

from collections import Counter
from collections.abc import Mapping

from state.db.reader import Source
from state.model.records import Batch, RequestStatus
from state.operations import selection
from state.operations.selection import Filter
from state.queries import batch_detail, event_list, request_detail
from state.queries.request_detail import AttemptRecord, RequestRecord


def ids(source: Source, *names: str) -> dict[str, int]:
    """Row ids by custom_id, of the requests that have these names."""
    return {
        one.custom_id: one.request_id for one in selection.requests(source, Filter(names=names))
    }


def statuses(source: Source, *names: str) -> dict[str, RequestStatus]:
    """Statuses by custom_id."""
    return {one.custom_id: one.status for one in selection.requests(source, Filter(names=names))}


def request(source: Source, tag: str, custom_id: str) -> RequestRecord:
    """One request with its attempts."""
    found = request_detail.request(source, tag, custom_id)
    assert found is not None
    return found


def attempt(source: Source, tag: str, custom_id: str, number: int = -1) -> AttemptRecord:
    """One attempt of a request; the latest, unless its number is given."""
    return request(source, tag, custom_id).attempts[number]


def batch(source: Source, name: str) -> Batch:
    """The batch with that key or id of the API."""
    found = batch_detail.batch(source, name)
    assert found is not None
    return found


def kinds(source: Source, of: Batch | None = None) -> list[str]:
    """The kinds of all events, or of those of one batch, oldest first."""
    return [event.kind for event in event_list.events(source, batch=of)][::-1]


def detail(source: Source, kind: str) -> Mapping[str, object]:
    """The detail of the latest event of that kind."""
    return next(event.detail for event in event_list.events(source) if event.kind == kind)


def count_kinds(source: Source) -> Counter[str]:
    """How many events there are of each kind."""
    return Counter(kinds(source))
