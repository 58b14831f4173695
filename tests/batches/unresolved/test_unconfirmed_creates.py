"""The list of the API decides what became of a create without a response; no other batch does."""

from collections.abc import Callable
from pathlib import Path

import pytest
from support.builders import BASE_URL, KEY, Bench, a_bench
from support.lifecycle import (
    QUARTER,
    batches,
    check_billing,
    check_once,
    poll_until_done,
    requests,
    statuses,
)

from core.api.client import AnthropicApi
from core.api.protocol import BatchApi, Page
from state.model.records import RequestStatus
from titan_console.sandbox.http.transport import client
from titan_console.sandbox.model.timing import Plan


def test_a_batch_accepted_late_is_found_within_the_recovery_wait(bench: Bench) -> None:
    bench.faults.add("create:late:seconds=1500:times=1")
    bench.submit(3)
    poll_until_done(bench)
    assert bench.sandbox.billing_log().creates == 1
    check_once(bench, 3)


def test_foreign_batches_of_the_same_size_are_never_touched(bench: Bench) -> None:
    ids = ("a", "b", "c")
    early = bench.sandbox.add_foreign(ids)
    bench.faults.add("create:drop:times=1")
    bench.submit(3)
    later = [bench.sandbox.add_foreign(ids) for _ in range(3)]
    poll_until_done(bench)
    ours = {batch.remote_id for batch in batches(bench)}
    assert not ours.intersection({early, *later})
    assert bench.sandbox.billing_log().creates == 1
    assert requests(bench) == {RequestStatus.SUCCEEDED: 3}
    check_billing(bench)


def test_foreign_batches_that_never_end_only_delay_the_second_try(tmp_path: Path) -> None:
    with a_bench(tmp_path / "t", plan=Plan.seconds(7200, 7200)) as bench:
        bench.faults.add("create:drop-before:times=1")
        bench.submit(3)
        bench.sandbox.add_foreign(("a", "b", "c"))
        for _ in range(4):
            bench.poll_after(QUARTER)
        assert statuses(bench) == ["unconfirmed"]
        poll_until_done(bench)
        assert requests(bench) == {RequestStatus.SUCCEEDED: 3}
        check_billing(bench)


def test_two_unconfirmed_batches_of_one_size_are_both_identified(bench: Bench) -> None:
    bench.faults.add("create:drop:times=2")
    bench.submit(3, tag="one")
    bench.submit(3, tag="two")
    poll_until_done(bench)
    assert bench.sandbox.billing_log().creates == 2
    assert requests(bench) == {RequestStatus.SUCCEEDED: 6}
    assert {batch.identified_by for batch in batches(bench)} == {"nonce"}
    check_billing(bench)


def test_an_error_on_the_second_page_of_the_list_proves_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.batches.unresolved.listing._PAGE", 2)
    bench.faults.add("create:drop:times=1")
    bench.submit(3)
    for _ in range(5):
        bench.sandbox.add_foreign(("x", "y"))
    bench.clock.advance(1900)
    bench.faults.add("list:503:every=2")
    for _ in range(3):
        bench.engine.poll()
        bench.clock.advance(60)
    assert bench.sandbox.billing_log().creates == 1
    bench.faults.clear()
    poll_until_done(bench)
    assert bench.sandbox.billing_log().creates == 1
    check_once(bench, 3)


def test_a_batch_that_is_not_listed_yet_is_not_taken_for_absent(bench: Bench) -> None:
    bench.faults.add("create:drop:times=1")
    bench.faults.add("list:lag:seconds=1700")
    bench.submit(3)
    poll_until_done(bench)
    assert bench.sandbox.billing_log().creates == 1
    check_once(bench, 3)


class InterruptedApi(AnthropicApi):
    """Lets something happen just before a page of the list is read."""

    before_list: Callable[[], object] | None = None

    def list_page(self, *, after_id: str | None = None, limit: int = 1000) -> Page:
        happens, self.before_list = self.before_list, None
        if happens is not None and limit > 1:
            happens()
        return super().list_page(after_id=after_id, limit=limit)


def test_a_batch_sent_while_another_process_reads_the_list_is_not_taken_for_foreign(
    bench: Bench,
) -> None:
    api = InterruptedApi(api_key=KEY, base_url=BASE_URL, http_client=client(bench.sandbox))

    def make_api() -> BatchApi:
        return api

    poller = bench.new_engine("poller", api=make_api)
    bench.submit(1, tag="something-open")
    bench.faults.add("create:drop:times=1")
    api.before_list = lambda: bench.submit(3, tag="meanwhile")
    poller.poll()
    poll_until_done(bench, poller)
    assert bench.sandbox.billing_log().creates == 2
    assert requests(bench) == {RequestStatus.SUCCEEDED: 4}
    check_billing(bench)
