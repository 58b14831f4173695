"""An answer that no decoder likes is billed like any other, so it is kept, priced and delivered."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager

import pytest
from support.builders import BASE_URL, KEY, Bench
from support.lifecycle import (
    batches,
    check_billing,
    check_once,
    poll_until_done,
    requests,
    results,
    staged,
)

from core.api.client import AnthropicApi
from core.api.protocol import BatchApi
from state.model.records import Collection, RequestStatus
from titan_console.sandbox.http.transport import client


class RewritingApi(AnthropicApi):
    """Puts something else in the place of one text of every result."""

    old = b'"stop_sequence":null'
    instead = b""

    @contextmanager
    def results(self, remote_id: str) -> Generator[Iterator[bytes], None, None]:
        with super().results(remote_id) as pieces:
            raw = b"".join(pieces)
        yield iter([raw.replace(self.old, self.instead)])


class WholeApi(AnthropicApi):
    """Puts something else in the place of every answer with results."""

    def __init__(self, bench: Bench, instead: bytes) -> None:
        super().__init__(api_key=KEY, base_url=BASE_URL, http_client=client(bench.sandbox))
        self._instead = instead

    @contextmanager
    def results(self, remote_id: str) -> Generator[Iterator[bytes], None, None]:
        with super().results(remote_id):
            yield iter([self._instead])


@pytest.mark.parametrize(
    "instead",
    [
        pytest.param(b'"stop_sequence":"half \\ud83d"', id="half a surrogate pair"),
        pytest.param(b'"stop_sequence":"\\u0000"', id="NUL"),
        pytest.param(b'"stop_sequence":"\xff\xfe"', id="no UTF-8"),
        pytest.param(b'"stop_sequence":1e999', id="a number out of range"),
        pytest.param(b'"stop_sequence":' + b"[" * 200 + b"]" * 200, id="deep"),
        pytest.param('"stop_sequence":"\u2028\u2029\x85"'.encode(), id="other line ends"),
        pytest.param(b'"stop_sequence":"' + b"x" * 5_000_000 + b'"', id="five megabytes"),
    ],
)
def test_an_odd_answer_is_an_answer(bench: Bench, instead: bytes) -> None:
    api = RewritingApi(api_key=KEY, base_url=BASE_URL, http_client=client(bench.sandbox))
    api.instead = instead

    def make_api() -> BatchApi:
        return api

    bench.engine = bench.new_engine("odd", api=make_api)
    bench.submit(2)
    poll_until_done(bench)
    check_once(bench, 2)
    assert [bool(row["text"]) for row in results(bench, "daily-feed")] == [True, True]
    assert len(staged(bench)) == 2


def test_tokens_beyond_reason_are_no_answer_and_break_no_sum(bench: Bench) -> None:
    api = RewritingApi(api_key=KEY, base_url=BASE_URL, http_client=client(bench.sandbox))
    api.old = b'"input_tokens":'
    api.instead = api.old + b"90071992547"

    def make_api() -> BatchApi:
        return api

    bench.engine = bench.new_engine("odd", api=make_api)
    bench.submit(2)
    assert any("2 results are missing" in trouble for trouble in bench.poll_after(60).problems)
    api.instead = api.old
    poll_until_done(bench)
    assert requests(bench) == {RequestStatus.SUCCEEDED: 2}
    check_billing(bench)


@pytest.mark.parametrize(
    "instead",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"<html>\n<h1>Bad Gateway</h1>\n</html>\n", id="a page"),
        pytest.param(b"\n".join([b"<p>Log in</p>"] * 9), id="a long page"),
        pytest.param(b" \n" * 4, id="blank"),
        pytest.param(b'{\n"type":\n"error",\n"error":{}\n}\n', id="an error in lines"),
        pytest.param(b'{"custom_id":"a-k3x9q2ab","result":{"type":"expired"}}\n', id="another's"),
        pytest.param(
            b'{"custom_id":"a-k3x9q2ab","result":{"type":"expired"}}\n' * 4, id="another's whole"
        ),
    ],
)
def test_an_answer_without_a_result_of_the_batch_gives_nothing_up(
    bench: Bench, instead: bytes
) -> None:
    bench.submit(4)
    bench.engine = bench.new_engine("odd", api=lambda: WholeApi(bench, instead))
    bench.poll_after(60)
    for _ in range(10):
        assert any("not available yet" in problem for problem in bench.poll_after(7200).problems)
    assert requests(bench) == {RequestStatus.IN_FLIGHT: 4}
    assert "has no result of this batch" in (batches(bench)[0].last_error or "")
    bench.engine = bench.new_engine()
    poll_until_done(bench)
    check_once(bench, 4)


def test_a_page_between_answers_does_not_count_as_one(bench: Bench) -> None:
    bench.faults.add("results:missing")
    bench.submit(4)
    bench.poll_after(60)
    assert batches(bench)[0].collect_tries == 1
    bench.engine = bench.new_engine("odd", api=lambda: WholeApi(bench, b"<p>Log in</p>\n" * 9))
    for _ in range(10):
        bench.poll_after(7200)
    assert batches(bench)[0].collect_tries == 1
    assert requests(bench) == {RequestStatus.SUCCEEDED: 3, RequestStatus.IN_FLIGHT: 1}


def test_a_line_of_the_batch_that_stays_unreadable_is_given_up_after_five_tries(
    bench: Bench,
) -> None:
    api = RewritingApi(api_key=KEY, base_url=BASE_URL, http_client=client(bench.sandbox))
    api.old, api.instead = b'"input_tokens":', b'"input_tokens":-'
    bench.engine = bench.new_engine("odd", api=lambda: api)
    bench.submit(1)
    poll_until_done(bench, polls=60)
    assert batches(bench)[0].collect_tries == 5
    assert requests(bench) == {RequestStatus.MISSING: 1}


def test_an_answer_that_stays_without_a_result_is_given_up_with_the_results(bench: Bench) -> None:
    bench.submit(4)
    bench.engine = bench.new_engine("odd", api=lambda: WholeApi(bench, b""))
    bench.poll_after(60)
    bench.poll_after(28 * 86_400)
    assert requests(bench) == {RequestStatus.IN_FLIGHT: 4}
    bench.poll_after(2 * 86_400)
    assert requests(bench) == {RequestStatus.MISSING: 4}
    assert batches(bench)[0].collection == Collection.RESULTS_EXPIRED
