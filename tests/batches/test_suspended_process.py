"""Processes that stand still at the worst moment, and two that do the same at once."""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.api.api_wrapper import ApiWrapper
from support.builders import Bench, a_bench
from support.lifecycle import batches, check_billing, check_once, poll_until_done, requests

from core.api.protocol import BatchApi, Body, Created
from core.poll import poll_run
from core.poll.poll_summary import PollSummary
from state.model.records import RequestStatus

HOUR = 3600.0


class _Slow(ApiWrapper):
    """The real client; while a call is under way, something else happens."""

    def __init__(self, api: BatchApi, during: str, happens: Callable[[], object]) -> None:
        super().__init__(api)
        self._during = during
        self._happens = happens

    def create(self, body: Body) -> Created:
        created = self.api.create(body)
        self._strike("create")
        return created

    @contextmanager
    def results(self, remote_id: str) -> Generator[Iterator[bytes], None, None]:
        with self.api.results(remote_id) as pieces:
            self._strike("results")
            yield pieces

    def _strike(self, call: str) -> None:
        if call == self._during:
            self._during = ""
            self._happens()


def test_a_process_frozen_during_its_post_for_an_hour_finds_the_batch_handled(bench: Bench) -> None:
    """Fault 20: others adopt the batch meanwhile; the late answer changes nothing."""
    other = bench.new_engine("other")

    def others_work() -> None:
        for _ in range(4):
            bench.clock.advance(HOUR / 4)
            other.poll()

    slow = _Slow(bench.api(), "create", others_work)
    bench.engine = bench.new_engine("frozen", api=lambda: slow)
    bench.submit(3)
    poll_until_done(bench)
    check_once(bench, 3)
    assert [batch.identified_by for batch in batches(bench)] == ["nonce"]
    assert bench.sandbox.billing_log().creates == 1


@pytest.mark.parametrize("asleep", [0.0, 2 * HOUR])
def test_two_polls_that_collect_the_same_batch_leave_one_set_of_rows(
    tmp_path: Path, asleep: float
) -> None:
    """Faults 52 and 53: the second has no lease, or the first has slept through its own."""
    with a_bench(tmp_path / "t") as bench:
        bench.submit(5)
        other = bench.new_engine("other")

        def other_collects() -> None:
            bench.clock.advance(asleep)
            poll_run.run_steps(other.context, PollSummary())

        slow = _Slow(bench.api(), "results", other_collects)
        bench.engine = bench.new_engine("slow", api=lambda: slow)
        bench.poll_after(120)
        poll_until_done(bench)
        check_once(bench, 5)


def test_a_cancel_of_what_has_ended_changes_nothing(bench: Bench) -> None:
    """Fault 57."""
    bench.submit(2)
    bench.clock.advance(120)
    remote_id = batches(bench)[0].remote_id or ""
    assert bench.api().cancel(remote_id).status == "ended"
    poll_until_done(bench)
    assert requests(bench) == {RequestStatus.SUCCEEDED: 2}
    check_billing(bench)
