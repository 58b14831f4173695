"""A hostile response is bounded and isolated: its batch has a problem, and the others go on."""

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest
from support.builders import BASE_URL, KEY, Bench, a_bench, client, some_requests

from core.api.client import AnthropicApi
from core.api.line_splitter import LONGEST_LINE
from core.intake.options import SubmitOptions
from state.model.records import BatchStatus

MIB = 1 << 20
Change = Callable[[bytes], tuple[Iterator[bytes], dict[str, str]]]


class Hostile(httpx2.BaseTransport):
    """A server that changes the results of the first batch that is collected."""

    def __init__(self, inner: httpx2.Client, change: Change) -> None:
        self._inner = inner
        self._change = change
        self._path = ""

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        answered = self._inner.send(request)
        path = request.url.path
        if not path.endswith("/results"):
            content, more = iter([answered.content]), dict[str, str]()
        else:
            self._path = self._path or path
            is_first = path == self._path
            content, more = self._change(answered.content) if is_first else _same(answered.content)
        kept = {k: v for k, v in answered.headers.items() if "content-" not in k}
        return httpx2.Response(answered.status_code, headers=kept | more, content=content)


def _same(content: bytes) -> tuple[Iterator[bytes], dict[str, str]]:
    return iter([content]), {}


def a_long_line(content: bytes) -> tuple[Iterator[bytes], dict[str, str]]:
    """The first result never ends for a while; the others follow."""
    first, _, rest = content.partition(b"\n")
    head = first[: first.index(b'"result"')]

    def pieces() -> Iterator[bytes]:
        yield head + b'"result":{"type":"succeeded","x":"'
        for _ in range(LONGEST_LINE // MIB + 40):
            yield b"y" * MIB
        yield b'"}}\n' + rest

    return pieces(), {}


def a_padded_line(content: bytes) -> tuple[Iterator[bytes], dict[str, str]]:
    """The first result is followed by spaces without end: its beginning is valid."""
    first, _, rest = content.partition(b"\n")

    def pieces() -> Iterator[bytes]:
        yield first
        for _ in range(LONGEST_LINE // MIB + 1):
            yield b" " * MIB
        yield b"\n" + rest

    return pieces(), {}


def a_bomb(_content: bytes) -> tuple[Iterator[bytes], dict[str, str]]:
    """A hundred kilobytes that stand for a hundred megabytes."""
    packed = gzip.compress(b"y" * (100 * MIB))
    return iter([packed]), {"content-encoding": "gzip"}


def two_jobs(bench: Bench, change: Change) -> None:
    http = httpx2.Client(transport=Hostile(client(bench.sandbox), change))
    bench.engine = bench.new_engine(
        api=lambda: AnthropicApi(api_key=KEY, base_url=BASE_URL, http_client=http)
    )
    bench.engine.submit(some_requests(3), SubmitOptions(tag="hostile"))
    bench.engine.submit(some_requests(2, "other"), SubmitOptions(tag="good"))
    bench.poll_after(900)


@pytest.mark.parametrize(
    ("change", "said", "kept"),
    [
        (a_long_line, "1 line longer than 33,554,432 bytes", 2),
        (a_padded_line, "1 line longer than 33,554,432 bytes", 2),
        (a_bomb, "is longer than", 0),
    ],
)
def test_a_hostile_response_is_a_problem_of_its_batch_alone(
    tmp_path: Path, change: Change, said: str, kept: int
) -> None:
    with a_bench(tmp_path / "titan") as bench:
        two_jobs(bench, change)
        hostile, good = (bench.engine.find(tag)[1][0] for tag in ("hostile", "good"))
        outcomes = [result["outcome"] for result in bench.engine.results("hostile")]
    assert said in (hostile.last_error or "")
    assert outcomes.count("succeeded") == kept
    assert good.collection == "collected"


def test_a_request_whose_line_is_too_long_is_missing_in_the_end(tmp_path: Path) -> None:
    with a_bench(tmp_path / "titan") as bench:
        two_jobs(bench, a_long_line)
        for _ in range(8):
            bench.poll_after(7200)
        outcomes = sorted(str(result["outcome"]) for result in bench.engine.results("hostile"))
    assert outcomes == ["missing", "succeeded", "succeeded"]


@pytest.mark.parametrize(("size", "seconds"), [(1000, 901), (250_000_000, 8550)])
def test_a_create_may_be_running_until_its_upload_must_have_ended(
    tmp_path: Path, size: int, seconds: float
) -> None:
    def die(name: str) -> None:
        if name.startswith("accepted"):
            raise KeyboardInterrupt

    with a_bench(tmp_path / "titan") as bench:
        ledger = bench.engine.context.ledger
        ledger.crash_point = die
        with pytest.raises(KeyboardInterrupt):
            bench.submit(2)
        other = bench.new_engine()
        with other.context.ledger.transaction("test"):
            other.context.ledger.execute("UPDATE batches SET bytes = ?", size)
        bench.engine = other
        status = []
        for more in (seconds - 60, 60):
            bench.clock.advance(more)
            bench.faults.add("list:500")
            bench.engine.poll()
            (batch,) = bench.engine.find("daily-feed")[1]
            status.append(batch.status)
    assert status == [BatchStatus.SENDING, BatchStatus.UNCONFIRMED]
