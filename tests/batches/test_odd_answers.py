"""An answer that no decoder likes is billed like any other, so it is kept, priced and delivered."""

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager

import pytest
from support.builders import BASE_URL, KEY, Bench
from support.lifecycle import (
    batches,
    check_once,
    poll_until_done,
    requests,
    results,
    staged,
)

from core.api.client import AnthropicApi
from core.api.protocol import BatchApi
from core.commands.command_request import CommandRequest
from core.commands.planner import plan
from core.errors import PayloadError
from core.money.explain import explain
from core.money.pricing import PriceBook
from state.model.records import BatchKind, CollectionStatus, RequestStatus
from state.operations.commands import Action
from state.operations.selection import Filter
from state.queries import spending, unpriced, usage_by_day
from titan_console.sandbox.http.transport import client

_TOOLS = b'"server_tool_use":{"web_search_requests":'


class RewritingApi(AnthropicApi):
    """Puts something else in the place of one text of every result."""

    old = b'"stop_sequence":null'
    instead = b""

    @contextmanager
    def results(self, remote_id: str) -> Generator[Iterator[bytes], None, None]:
        with super().results(remote_id) as pieces:
            raw = b"".join(pieces)
        yield iter([raw.replace(self.old, self.instead)])

    def run_one(self, params: Mapping[str, object], *, betas: tuple[str, ...] = ()) -> bytes:
        return super().run_one(params, betas=betas).replace(self.old, self.instead)


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


@pytest.mark.parametrize(
    ("old", "instead"),
    [
        pytest.param(b'"output_tokens":', b'"output_tokens":90071992547', id="beyond reason"),
        pytest.param(b'"output_tokens":', b'"output_tokens":null,"x":', id="null"),
        pytest.param(b'"output_tokens":', b'"output_tokens":true,"x":', id="bool"),
        pytest.param(b'"output_tokens":', b'"output_tokens":50.0,"x":', id="float"),
        pytest.param(b'"output_tokens":', b'"output_tokens":"50","x":', id="text"),
        pytest.param(b'"output_tokens":', _TOOLS + b'-1},"output_tokens":', id="negative searches"),
        pytest.param(b'"output_tokens":', _TOOLS + b'0.5},"output_tokens":', id="half a search"),
        pytest.param(
            b'"output_tokens":', _TOOLS + b'99999},"output_tokens":', id="99,999 searches"
        ),
        pytest.param(b'"output_tokens":', b'"audio":1,"output_tokens":', id="an unknown field"),
        pytest.param(b'"not_available"', b'"mars"', id="an unknown region"),
        pytest.param(b'"service_tier":"batch"', b'"service_tier":"flex"', id="an unknown tier"),
        pytest.param(b'"usage":', b'"usages":', id="no usage"),
        pytest.param(b'"usage":', b'"usage":NaN,"x":', id="NaN as usage"),
    ],
)
def test_an_answer_with_an_unusable_usage_is_kept_unpriced_and_not_bought_again(
    bench: Bench, old: bytes, instead: bytes
) -> None:
    api = RewritingApi(api_key=KEY, base_url=BASE_URL, http_client=client(bench.sandbox))
    api.old, api.instead = old, instead
    bench.engine = bench.new_engine("odd", api=lambda: api)
    bench.submit(2)
    bench.poll_after(60)
    (batch,) = batches(bench)
    assert (batch.collection, batch.counts.succeeded) == (CollectionStatus.COLLECTED, 2)
    assert (batch.unpriced, batch.cost_nano) == (2, 0)
    ((_, named),) = unpriced.reasons(bench.engine.context.ledger)
    assert named == 2
    assert requests(bench) == {RequestStatus.SUCCEEDED: 2}
    for row in (*staged(bench), *results(bench, "daily-feed")):
        assert row["text"]
        assert (row["outcome"], row["cost_usd"]) == ("succeeded", None)
    request = CommandRequest(action=Action.REPLAY, wanted=Filter(names=("daily-feed",)))
    with pytest.raises(PayloadError, match="2 requests already succeeded"):
        plan(bench.engine.context, request)


def test_an_answer_with_an_odd_field_and_a_good_usage_is_priced_and_delivered(
    bench: Bench,
) -> None:
    api = RewritingApi(api_key=KEY, base_url=BASE_URL, http_client=client(bench.sandbox))
    api.old = b'"stop_reason":'
    api.instead = b'"deep":' + b"[" * 3000 + b"]" * 3000 + b',"nan":NaN,"stop_reason":5,"x":'
    bench.engine = bench.new_engine("odd", api=lambda: api)
    bench.submit(2)
    poll_until_done(bench)
    check_once(bench, 2)
    assert [row["message"]["nan"] for row in staged(bench)] == [None, None]
    assert all(row["text"] for row in staged(bench))


def test_a_synchronous_answer_with_an_unusable_usage_is_an_answer_too(bench: Bench) -> None:
    api = RewritingApi(api_key=KEY, base_url=BASE_URL, http_client=client(bench.sandbox))
    api.old, api.instead = b'"output_tokens":', b'"output_tokens":"50","x":'
    bench.engine = bench.new_engine("odd", api=lambda: api)
    bench.faults.add("create:429")
    bench.submit(2, on_failure="sync")
    assert requests(bench) == {RequestStatus.SUCCEEDED: 2}
    (run,) = [batch for batch in batches(bench) if batch.kind == BatchKind.SYNC]
    assert (run.unpriced, run.cost_nano, run.counts.succeeded) == (2, 0, 2)
    assert [bool(row["text"]) for row in results(bench, "daily-feed")] == [True, True]


def test_a_result_of_an_unknown_type_is_an_error_that_names_it(bench: Bench) -> None:
    api = RewritingApi(api_key=KEY, base_url=BASE_URL, http_client=client(bench.sandbox))
    api.old, api.instead = b'{"type":"succeeded","message":', b'{"type":"skipped","m":'
    bench.engine = bench.new_engine("odd", api=lambda: api)
    bench.submit(1)
    bench.poll_after(60)
    (row,) = staged(bench)
    assert row["error"]["type"] == "unknown_result_type"
    assert "'skipped'" in row["error"]["message"]


def test_a_cost_that_is_unknown_is_explained_and_not_counted_as_nothing(bench: Bench) -> None:
    api = RewritingApi(api_key=KEY, base_url=BASE_URL, http_client=client(bench.sandbox))
    api.old, api.instead = b'"usage":', b'"usages":'
    bench.engine = bench.new_engine("odd", api=lambda: api)
    bench.submit(1)
    bench.poll_after(60)
    ledger = bench.engine.context.ledger
    (attempt,) = spending.priced_attempts(ledger, batches(bench)[0].key)
    found = explain(attempt, PriceBook())
    assert found.agrees
    assert (found.cost_nano, found.sync_cost_nano) == (None, None)
    assert "usage" in found.formula
    day = bench.clock.now().date().isoformat()
    assert (
        usage_by_day.without_usage(ledger, first_day=day, last_day=day, kinds=(BatchKind.BATCH,))
        == 1
    )
    (spent,) = spending.spending(ledger, "workflow", since_ts=f"{day}T00:00:00.000Z")
    assert spent.unpriced == 1


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


def test_a_line_that_stays_malformed_is_missing_after_five_tries(
    bench: Bench,
) -> None:
    api = RewritingApi(api_key=KEY, base_url=BASE_URL, http_client=client(bench.sandbox))
    api.old, api.instead = b'"message":', b'"message":null,"x":'
    bench.engine = bench.new_engine("odd", api=lambda: api)
    bench.submit(1)
    poll_until_done(bench, polls=60)
    (batch,) = batches(bench)
    assert batch.collect_tries == 5
    assert requests(bench) == {RequestStatus.MISSING: 1}
    assert f"kept in batch-results/{batch.key}.rejected" in (batch.last_error or "")
    assert (bench.folder.root / f"batch-results/{batch.key}.rejected").stat().st_size


def test_results_without_a_usable_line_expire_with_the_results(bench: Bench) -> None:
    bench.submit(4)
    bench.engine = bench.new_engine("odd", api=lambda: WholeApi(bench, b""))
    bench.poll_after(60)
    bench.poll_after(28 * 86_400)
    assert requests(bench) == {RequestStatus.IN_FLIGHT: 4}
    bench.poll_after(2 * 86_400)
    assert requests(bench) == {RequestStatus.MISSING: 4}
    assert batches(bench)[0].collection == CollectionStatus.RESULTS_EXPIRED
