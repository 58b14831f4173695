"""Parses the API's description of batches, strictly, and only the fields that the ledger needs."""

from datetime import datetime
from typing import Annotated, TypeVar

import msgspec

from core.errors import NoResponse
from state.batches.sending import RemoteState
from state.model.records import BatchStatus, Counts
from state.model.timestamps import to_text

# An unknown status counts as in progress.
_STATUS = {
    "in_progress": BatchStatus.IN_PROGRESS,
    "canceling": BatchStatus.CANCELING,
    "ended": BatchStatus.ENDED,
}
_Id = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_-]{1,128}\Z")]
# Far above any batch, and small enough that sums fit into the ledger.
_Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 32)]
# Other years mean an invalid time, which would break the order of the ledger.
_YEARS = range(2000, 9000)
_Time = Annotated[datetime, msgspec.Meta(tz=True)]


class _Counts(msgspec.Struct):
    processing: _Count
    succeeded: _Count
    errored: _Count
    canceled: _Count
    expired: _Count


class _Batch(msgspec.Struct):
    id: _Id
    processing_status: str
    request_counts: _Counts
    created_at: _Time
    expires_at: _Time
    ended_at: _Time | None = None
    cancel_initiated_at: _Time | None = None


class _Page(msgspec.Struct):
    data: list[msgspec.Raw]
    # Required: without it, a listing could not prove absence.
    has_more: bool
    last_id: str | None = None


_Shape = TypeVar("_Shape", _Batch, _Page)


class _Named(msgspec.Struct):
    id: _Id


class Listed(msgspec.Struct, frozen=True):
    """A page of the list of batches; `malformed` describes the objects that are no batches."""

    batches: tuple[RemoteState, ...]
    has_more: bool
    last_id: str | None
    malformed: tuple[str, ...] = ()


_batch = msgspec.json.Decoder(_Batch)
_page = msgspec.json.Decoder(_Page)


def batch_of(content: bytes) -> RemoteState:
    """The batch of a response. Raises NoResponse where it is malformed."""
    return _to_remote(_decoded(_batch, content))


def page_of(content: bytes) -> Listed:
    """A page; a malformed object spoils no other. Raises NoResponse where it is no page."""
    page = _decoded(_page, content)
    batches: list[RemoteState] = []
    malformed: list[str] = []
    for item in page.data:
        try:
            batches.append(batch_of(bytes(item)))
        except NoResponse as error:
            malformed.append(f"{_name_of(bytes(item))}: {error}")
    return Listed(tuple(batches), page.has_more, page.last_id, tuple(malformed))


def _name_of(item: bytes) -> str:
    try:
        return msgspec.json.decode(item, type=_Named).id
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return "an object without an id"


def _decoded(decoder: "msgspec.json.Decoder[_Shape]", content: bytes) -> _Shape:
    try:
        return decoder.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise NoResponse(f"The API's response is not a batch: {error!s:.100}") from error


def _to_remote(batch: _Batch) -> RemoteState:
    counts = batch.request_counts
    return RemoteState(
        remote_id=batch.id,
        status=_STATUS.get(batch.processing_status, BatchStatus.IN_PROGRESS),
        counts=Counts(
            processing=counts.processing,
            succeeded=counts.succeeded,
            errored=counts.errored,
            canceled=counts.canceled,
            expired=counts.expired,
        ),
        created_ts=_text(batch.created_at),
        expires_ts=_text(batch.expires_at),
        ended_ts=batch.ended_at and _text(batch.ended_at),
        cancel_ts=batch.cancel_initiated_at and _text(batch.cancel_initiated_at),
    )


def _text(moment: datetime) -> str:
    if moment.year not in _YEARS:
        raise NoResponse(f"The API's response is not a batch: one of its times is {moment}.")
    return to_text(moment)
