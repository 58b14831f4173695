"""A create rejected for its size or one invalid request does not affect the other requests."""

from pathlib import Path

import pytest
from support.api.api_wrapper import ApiWrapper
from support.builders import Bench, a_bench
from support.lifecycle import batches, check_once, poll_until_done, requests, results, statuses

from core.api.protocol import BatchApi, Body, Created
from core.errors import ApiError, Rejected
from state.model.records import RequestStatus


class _Picky(ApiWrapper):
    """The real client, except that it refuses each of these positions once, by name."""

    def __init__(self, api: BatchApi, positions: list[int]) -> None:
        super().__init__(api)
        self._positions = positions

    def create(self, body: Body) -> Created:
        if not self._positions:
            return self.api.create(body)
        position = self._positions.pop(0)
        raise Rejected(
            f"The API returned 400: requests.{position}.params.model: bad",
            status=400,
            error_type="invalid_request_error",
        )


def _submit(bench: Bench, count: int, positions: list[int]) -> None:
    picky = _Picky(bench.api(), positions)
    bench.engine = bench.new_engine("picky", api=lambda: picky)
    bench.submit(count)


def test_only_the_request_that_the_api_names_is_errored(bench: Bench) -> None:
    _submit(bench, 4, [2])
    assert statuses(bench) == ["rejected", "in_progress"]
    poll_until_done(bench)
    rows = results(bench, "daily-feed")
    assert [row["outcome"] for row in rows] == ["succeeded", "succeeded", "errored", "succeeded"]
    assert rows[2]["error"]["type"] == "invalid_request_error"
    assert len(list(bench.sandbox.billing_log().billed())) == 3


def test_several_bad_requests_are_taken_out_one_by_one(bench: Bench) -> None:
    _submit(bench, 4, [0, 0])
    poll_until_done(bench)
    assert requests(bench) == {RequestStatus.ERRORED: 2, RequestStatus.SUCCEEDED: 2}


def test_a_batch_of_nothing_but_bad_requests_ends_errored(bench: Bench) -> None:
    _submit(bench, 2, [0, 0])
    poll_until_done(bench)
    assert requests(bench) == {RequestStatus.ERRORED: 2}
    assert bench.sandbox.billing_log().creates == 0


def test_a_position_that_is_none_refuses_the_whole_batch(bench: Bench) -> None:
    _submit(bench, 2, [7])
    assert requests(bench) == {RequestStatus.ERRORED: 2}


def test_many_bad_requests_do_not_keep_one_call_busy_for_ever(bench: Bench) -> None:
    _submit(bench, 60, [0] * 50)
    assert requests(bench)[RequestStatus.ERRORED] == 33
    poll_until_done(bench)
    assert requests(bench) == {RequestStatus.ERRORED: 50, RequestStatus.SUCCEEDED: 10}


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_body_that_is_too_large_is_halved_until_it_fits(bench: Bench, times: int) -> None:
    bench.faults.add(f"create:413:times={times}")
    submitted = bench.submit(8)
    assert submitted.problem is None
    assert statuses(bench).count("not_sent") == times
    assert statuses(bench).count("in_progress") == times + 1
    poll_until_done(bench)
    check_once(bench, 8)
    assert len(results(bench, submitted.submission.key)) == 8


def test_one_request_that_is_too_large_alone_is_errored(tmp_path: Path) -> None:
    with a_bench(tmp_path / "t") as bench:
        bench.faults.add("create:413")
        bench.submit(3)
        poll_until_done(bench)
        assert requests(bench) == {RequestStatus.ERRORED: 3}
        assert {batch.request_count for batch in batches(bench)} == {1, 2, 3}


def test_a_kill_after_the_halving_sends_the_halves_later(bench: Bench) -> None:
    class _KilledError(BaseException):
        pass

    def die(name: str) -> None:
        if name == "halve:done":
            raise _KilledError

    bench.faults.add("create:413:times=1")
    bench.engine.context.ledger.crash_point = die
    with pytest.raises(_KilledError):
        bench.submit(4)
    bench.engine = bench.new_engine("next")
    poll_until_done(bench)
    check_once(bench, 4)


def test_the_problem_is_reported(bench: Bench) -> None:
    picky = _Picky(bench.api(), [1])
    bench.engine = bench.new_engine("picky", api=lambda: picky)
    assert "requests.1.params.model" in (bench.submit(3).problem or "")
    assert issubclass(Rejected, ApiError)
