"""Every call has a limit, however slowly its data arrives, and returns a bounded amount."""

import gzip
from collections.abc import Callable, Generator, Iterator
from datetime import UTC, datetime
from itertools import repeat

import httpx2
import pytest
from support.api.mock_transport import KEY, a_batch, a_body, an_api
from support.api.slow_server import a_trickling_server

from core.api.call_limits import CallLimits, most_result_bytes, paced, up_to
from core.api.client import AnthropicApi
from core.api.gzip_stream import decompress
from core.api.line_splitter import LongLine, split_lines
from core.clock import ManualClock
from core.errors import ApiError, NoResponse

SHORT = CallLimits(small_s=0.1, response_s=0.1, upload_bytes_s=1 << 40, tokens_s=1e12)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"


CALLS: dict[str, Callable[[AnthropicApi], object]] = {
    "list": lambda api: api.list_page(),
    "retrieve": lambda api: api.retrieve("msgbatch_1"),
    "cancel": lambda api: api.cancel("msgbatch_1"),
    "create": lambda api: api.create(a_body()),
    "run one": lambda api: api.run_one({"model": "m", "max_tokens": 10, "messages": []}),
    "run one streamed": lambda api: api.run_one(
        {"model": "m", "max_tokens": 64_000, "messages": []}
    ),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("head", [b"HTTP/1.1 200 O", OK], ids=["in the head", "in the body"])
def test_a_call_to_a_server_that_answers_byte_by_byte_ends(
    call: Callable[[AnthropicApi], object], head: bytes
) -> None:
    with a_trickling_server(head) as address:
        api = AnthropicApi(api_key=KEY, base_url=address, limits=SHORT)
        with pytest.raises(NoResponse, match=r"did not respond in time|ended early|failed"):
            call(api)
        api.close()


def test_results_whose_headers_arrive_byte_by_byte_end() -> None:
    with a_trickling_server(b"HTTP/1.1 200 O") as address:
        api = AnthropicApi(api_key=KEY, base_url=address, limits=SHORT)
        with pytest.raises(NoResponse, match="did not respond in time"), api.results("msgbatch_1"):
            pass
        api.close()


def test_a_connection_is_used_again_after_a_call_in_time() -> None:
    clock = ManualClock(datetime(2026, 11, 22, tzinfo=UTC))
    api = AnthropicApi(
        api_key=KEY,
        base_url="https://api.anthropic.com",
        clock=clock,
        http_client=httpx2.Client(
            transport=httpx2.MockTransport(lambda _: httpx2.Response(200, json=a_batch()))
        ),
    )
    assert [api.retrieve("msgbatch_1").remote_id for _ in range(2)]


def slowly(
    pieces: Iterator[bytes], clock: ManualClock, seconds: float
) -> Generator[bytes, None, None]:
    for piece in pieces:
        clock.advance(seconds)
        yield piece


def test_results_that_trickle_are_broken_off() -> None:
    clock = ManualClock(datetime(2026, 11, 22, tzinfo=UTC))
    trickle = slowly(repeat(b"x"), clock, 5)
    http = httpx2.Client(
        transport=httpx2.MockTransport(lambda _: httpx2.Response(200, content=trickle))
    )
    api = AnthropicApi(api_key=KEY, base_url="https://x.test", http_client=http, clock=clock)
    with api.results("msgbatch_1") as pieces, pytest.raises(NoResponse) as caught:
        for _ in pieces:
            pass
    assert caught.value.code == "results_too_slow"
    assert clock.monotonic() == 305


def test_a_slow_line_still_collects_256_mb() -> None:
    clock = ManualClock(datetime(2026, 11, 22, tzinfo=UTC))
    limits, piece = CallLimits(), b"x" * (1 << 18)
    arriving = slowly(repeat(piece, 1000), clock, len(piece) / 10_000)
    assert sum(map(len, paced(arriving, limits, clock.monotonic))) == 1000 * len(piece)
    assert clock.monotonic() > 7 * 3600


def test_a_slow_line_still_sends_256_mb() -> None:
    assert 256e6 / CallLimits().create_s(256_000_000) < 32_768


def test_a_response_of_gigabytes_is_not_read_to_its_end() -> None:
    given = 0

    def endless() -> Generator[bytes, None, None]:
        nonlocal given
        for given in range(1 << 20):  # noqa: B007 - counted outside
            yield b"[" * (1 << 16)

    for status in (200, 500):
        api = an_api(lambda _, status=status: httpx2.Response(status, content=endless()))
        with pytest.raises(ApiError) as caught:
            api.list_page()
        assert caught.value.code == "response_too_large"
        assert given < 5000


def test_up_to_a_size_everything_passes() -> None:
    assert list(up_to([b"ab", b"c"], 3)) == [b"ab", b"c"]
    with pytest.raises(NoResponse):
        list(up_to([b"ab", b"c"], 2))
    assert most_result_bytes(100_000) > 100_000 * 2_000_000


@pytest.mark.parametrize("sizes", [[10], [4, 6], [1] * 10, [9, 0, 1]])
def test_a_line_beyond_the_longest_is_cut_and_the_next_ones_are_whole(sizes: list[int]) -> None:
    pieces = [b"one\n", *(b"x" * size for size in sizes), b"\ntwo\nthree"]
    lines = list(split_lines(pieces, longest=9))
    assert lines == [b"one", b"x" * 10, b"two", b"three"]
    assert [isinstance(line, LongLine) for line in lines] == [False, True, False, False]
    assert not any(isinstance(line, LongLine) for line in split_lines(pieces, longest=10))


def test_a_line_of_gigabytes_takes_no_memory() -> None:
    pieces = repeat(b"y" * (1 << 16), 4000)
    (line,) = split_lines(pieces, longest=1 << 20)
    assert isinstance(line, LongLine)
    assert len(line) == 4096


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 5 << 20])
@pytest.mark.parametrize("cut", [1 << 16, 7])
def test_a_gzip_bomb_is_unpacked_in_small_pieces(size: int, cut: int) -> None:
    packed = gzip.compress(b"z" * size)
    pieces = [packed[at : at + cut] for at in range(0, len(packed), cut)]
    made = list(decompress([*pieces, *pieces], "gzip"))
    assert sum(map(len, made)) == 2 * size
    assert max(map(len, made), default=0) <= 1 << 20


def test_a_gzip_stream_that_ends_early_is_told_apart() -> None:
    packed = gzip.compress(b"z" * (3 << 20))
    with pytest.raises(NoResponse, match="truncated"):
        list(decompress([packed[:-4]], "gzip"))
