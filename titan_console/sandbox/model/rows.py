"""The rows of a batch, reduced to the fields that later responses need."""

from array import array
from collections.abc import Iterable, Iterator

import msgspec

# The stop of a row whose answer does not match the schema that it asks for.
WRONG_OUTPUT = "wrong-output"


class RowError(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Why a row will come back errored."""

    type: str
    message: str
    # Found by a worker at run time, not by validation: the line then names a request id.
    at_run_time: bool = False


class IterationTokens(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Tokens of a part of an answer that its own counts leave out; no model: that of the answer."""

    type: str
    model: str
    input_tokens: int
    output_tokens: int


class Extras(msgspec.Struct, array_like=True, frozen=True, gc=False, kw_only=True):
    """What an answer is billed for beside its tokens; None: it has no such tool."""

    region: str = ""
    speed: str = ""
    searches: int | None = None
    fetches: int | None = None
    iterations: tuple[IterationTokens, ...] = ()


class Row(msgspec.Struct, array_like=True, frozen=True, gc=False, kw_only=True):
    """One request, reduced to the fields that determine its answer, cost and outcome."""

    custom_id: str
    digest: int
    error: RowError | None = None
    model: str = ""
    kind: str = "text"
    text: str = ""
    tool: str = ""
    max_tokens: int = 0
    thinking: bool = False
    stop: str = ""
    input_tokens: int = 0
    write_5m: int = 0
    write_1h: int = 0
    read: int = 0
    extras: Extras | None = None


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Row)


class Rows:
    """An immutable sequence of rows in one block of memory."""

    def __init__(self, rows: Iterable[Row]) -> None:
        """Pack the rows as they come."""
        block = bytearray()
        self._ends = array("Q")
        for row in rows:
            block += _encoder.encode(row)
            self._ends.append(len(block))
        self._block = bytes(block)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._ends)

    def __getitem__(self, index: int) -> Row:
        """Unpack one."""
        start = self._ends[index - 1] if index else 0
        return _decoder.decode(memoryview(self._block)[start : self._ends[index]])

    def __iter__(self) -> Iterator[Row]:
        """Unpack one after the other."""
        return (self[index] for index in range(len(self)))
