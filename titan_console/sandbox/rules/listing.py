"""One page of a list: newest first, with the cursors of the API."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from titan_console.sandbox.model.http_messages import ErrorResponse
from titan_console.sandbox.model.lifecycle import Batch

_DEFAULT = 20
_MOST = 1000


@dataclass(frozen=True)
class Page:
    """Some batches, and whether there are more in the direction of the paging."""

    batches: Sequence[Batch]
    has_more: bool


def read_limit(query: Mapping[str, str]) -> int:
    """The page size that was asked for."""
    text = query.get("limit", "")
    if not text:
        return _DEFAULT
    try:
        limit = int(text)
    except ValueError:
        message = "limit: Input should be a valid integer, unable to parse string as an integer"
        raise ErrorResponse(400, message) from None
    if limit < 1:
        raise ErrorResponse(400, "limit: Input should be greater than or equal to 1")
    if limit > _MOST:
        raise ErrorResponse(400, f"limit: Input should be less than or equal to {_MOST}")
    return limit


def page(newest_first: Sequence[Batch], query: Mapping[str, str]) -> Page:
    """The page next to the cursor: older than after_id, or newer than before_id."""
    limit = read_limit(query)
    if query.get("before_id"):
        end = _find(newest_first, "before_id", query["before_id"])
        start = max(end - limit, 0)
        return Page(newest_first[start:end], has_more=start > 0)
    start = 0
    if query.get("after_id"):
        start = _find(newest_first, "after_id", query["after_id"]) + 1
    return Page(newest_first[start : start + limit], has_more=start + limit < len(newest_first))


def _find(batches: Sequence[Batch], name: str, batch_id: str) -> int:
    for at, batch in enumerate(batches):
        if batch.id == batch_id:
            return at
    raise ErrorResponse(400, f"{name}: Message Batch {batch_id} not found.")
