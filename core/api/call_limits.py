"""How long a call may take, however slowly its data arrives, and how much it may return."""

from collections.abc import Callable, Iterable, Iterator

from msgspec import Struct

from core.errors import NoResponse

# The longest answers have about 2 MB.
_BYTES_OF_A_RESULT = 8 << 20
_BYTES_OF_A_BATCH = 64 << 20


class CallLimits(Struct, frozen=True, kw_only=True):
    """The limits of each kind of call.

    `small_s`: list, retrieve, cancel. `response_s`: until a large upload is answered, until results
    begin, and for one synchronous answer; more for an upload by its size (`upload_bytes_s`), and
    for a long answer by its tokens (`tokens_s`). Results must bring `window_bytes` in each
    `window_s`; any other response has at most `response_bytes`.
    """

    small_s: float = 120.0
    response_s: float = 600.0
    upload_bytes_s: int = 32_768
    tokens_s: float = 10.0
    window_s: float = 300.0
    window_bytes: int = 1 << 20
    response_bytes: int = 256 << 20

    def create_s(self, length: int) -> float:
        """For a create whose body has that many bytes."""
        return self.response_s + length / self.upload_bytes_s

    def message_s(self, max_tokens: object) -> float:
        """For one synchronous answer."""
        tokens = max_tokens if isinstance(max_tokens, int) else 0
        return self.response_s + max(0, tokens) / self.tokens_s


def paced(
    pieces: Iterable[bytes], limits: CallLimits, monotonic: Callable[[], float]
) -> Iterator[bytes]:
    """The pieces. Raises NoResponse where they arrive more slowly than the limits allow."""
    began, arrived = monotonic(), 0
    for piece in pieces:
        arrived += len(piece)
        now = monotonic()
        if arrived >= limits.window_bytes:
            began, arrived = now, 0
        elif now - began > limits.window_s:
            raise NoResponse(
                f"The API's results arrived too slowly: {arrived:,} bytes in {now - began:.0f} s.",
                code="results_too_slow",
            )
        yield piece


def most_result_bytes(requests: int) -> int:
    """More than the results of so many requests can have."""
    return _BYTES_OF_A_BATCH + requests * _BYTES_OF_A_RESULT


def up_to(pieces: Iterable[bytes], most: int) -> Iterator[bytes]:
    """The pieces. Raises NoResponse once they have more bytes than that."""
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > most:
            raise NoResponse(
                f"The API's response is longer than {most:,} bytes.", code="response_too_large"
            )
        yield piece
