"""A batch's body for the wire, streamed from the spool: nothing of it is held in memory."""

from collections.abc import Iterator

from core.context import Context
from core.lane import Body
from core.wire_id import to_wire
from state.records import Batch, SentRequest
from state.sending import sent_requests
from state.spool import LineReader, check_whole

_HEAD = b'{"requests":['
_TAIL = b"]}"
_BEFORE_ID = b'{"custom_id":"'
_PIECE = 1 << 18


def make(context: Context, batch: Batch) -> Body:
    """The body of the batch's POST, with the nonce behind each custom_id.

    Raises FileLost when the spool does not hold it any more.
    """
    length = len(_HEAD) + len(_TAIL) + batch.request_count - 1
    ends: dict[str, int] = {}
    for request in sent_requests(context.ledger, batch):
        grown = len(to_wire(request.custom_id, batch.nonce)) - len(request.custom_id)
        length += request.length + grown
        end = request.offset + request.length
        ends[request.spool_file] = max(end, ends.get(request.spool_file, 0))
    check_whole(context.folder.spool, ends)
    return Body(
        length=length,
        pieces=lambda: _pieces(context, batch),
        request_count=batch.request_count,
        betas=batch.betas,
    )


def _pieces(context: Context, batch: Batch) -> Iterator[bytes]:
    pending = [_HEAD]
    size = done = 0
    with LineReader(context.folder.spool) as bodies:
        for request in sent_requests(context.ledger, batch):
            line = bodies.read(request.spool_file, request.offset, request.length)
            piece = _for_the_wire(line, request, batch.nonce)
            pending.append(b"," + piece if done else piece)
            size += len(piece)
            done += 1
            if size >= _PIECE:
                yield b"".join(pending)
                pending.clear()
                size = 0
                context.progress("sending", done, batch.request_count)
    pending.append(_TAIL)
    yield b"".join(pending)
    context.progress("sending", done, batch.request_count)


def _for_the_wire(line: bytes, request: SentRequest, nonce: str) -> bytes:
    """The line as `payload.to_line` wrote it, with the wire id in the place of the caller's."""
    rest = line[len(_BEFORE_ID) + len(request.custom_id) :]
    return _BEFORE_ID + to_wire(request.custom_id, nonce).encode() + rest
