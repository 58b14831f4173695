"""The body of a batch's POST, streamed from the spool and never held in memory."""

from collections.abc import Callable, Iterator, Mapping

from core.api.protocol import Body
from core.batches.engine_context import Context
from core.requests.common_prefix import marked
from core.requests.supported_schema import as_sent, sent_schema
from core.requests.wire_id import LIMIT, max_unshortened_length, to_wire
from state.batches import output_schemas, sending
from state.batches.sending import sent_requests
from state.files.spool import LineReader, check_complete
from state.model.errors import FileMissing, FileUnusable
from state.model.records import Batch

_HEAD = b'{"requests":['
_TAIL = b"]}"
_BEFORE_ID = b'{"custom_id":"'
_PIECE = 1 << 18
_Change = Callable[[bytes], bytes]


def make(context: Context, batch: Batch, marks: Mapping[str, int]) -> Body:
    """Yield the body of the batch's POST, with the nonce appended to each custom_id.

    `marks` are the common prefixes that get a cache mark, see `core.requests.common_prefix`.

    Raises FileMissing if a body is no longer in the spool.
    """
    body_sizes = sending.body_sizes(
        context.ledger, batch, longer_than=max_unshortened_length(batch.nonce)
    )
    check_complete(context.folder.spool, body_sizes.ends, context.ledger.files)
    change = _change(context, batch, marks)
    around = len(_HEAD) + len(_TAIL) + batch.request_count - 1
    grown = (batch.request_count - len(body_sizes.long_ids)) * (len(batch.nonce) + 1)
    grown += sum(LIMIT - len(custom_id) for custom_id in body_sizes.long_ids)
    return Body(
        length=around + body_sizes.bytes + grown + _bytes_of_changes(context, batch, change),
        pieces=lambda: _pieces(context, batch, change),
        request_count=batch.request_count,
        betas=batch.betas,
    )


def _change(context: Context, batch: Batch, marks: Mapping[str, int]) -> _Change | None:
    """What becomes of each stored line before it is sent; None where it is sent as it is."""
    schemas = output_schemas.ids_of(context.ledger, batch)
    texts = (output_schemas.text_of(context.ledger, one) for one in schemas if one is not None)
    if any(sent_schema(text) != text for text in texts):
        return lambda line: as_sent(marked(line, marks) if marks else line)
    return (lambda line: marked(line, marks)) if marks else None


def _bytes_of_changes(context: Context, batch: Batch, change: _Change | None) -> int:
    """By how much longer the lines become, which only the lines themselves show."""
    if change is None:
        return 0
    try:
        with LineReader(context.folder.spool, context.ledger.files) as bodies:
            return sum(
                len(change(bodies.read(request.spool_file, request.offset, request.length)))
                - request.length
                for request in sent_requests(context.ledger, batch)
            )
    except FileMissing as error:
        # It was complete a moment ago.
        raise FileUnusable(str(error), code=error.code) from error


def _pieces(context: Context, batch: Batch, change: _Change | None) -> Iterator[bytes]:
    pending = [_HEAD]
    size = done = 0
    with LineReader(context.folder.spool, context.ledger.files) as bodies:
        for request in sent_requests(context.ledger, batch):
            line = bodies.read(request.spool_file, request.offset, request.length)
            if change is not None:
                line = change(line)
            if done:
                pending.append(b",")
            # The line as `payload.to_line` wrote it, with the wire id in the place of the caller's.
            pending += (
                _BEFORE_ID,
                to_wire(request.custom_id, batch.nonce).encode(),
                line[len(_BEFORE_ID) + len(request.custom_id) :],
            )
            size += request.length
            done += 1
            if size >= _PIECE:
                yield b"".join(pending)
                pending.clear()
                size = 0
                context.progress("sending", done, batch.request_count)
    pending.append(_TAIL)
    yield b"".join(pending)
    context.progress("sending", done, batch.request_count)
