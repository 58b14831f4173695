"""Whose a suspect is: the nonce tells, also where its results hold a stranger's line."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

from support.builders import a_bench

from core.api.protocol import BatchApi
from state.queries import batch_list
from titan_console.sandbox.model.timing import Plan

_STRANGER = b'{"custom_id":"someone-else","result":{"type":"expired"}}\n'


class _StrangerFirst:
    """A client whose results begin with a line that is not theirs."""

    def __init__(self, api: BatchApi) -> None:
        self._api = api

    def __getattr__(self, name: str) -> object:
        return getattr(self._api, name)

    @contextmanager
    def results(self, remote_id: str) -> Generator[Iterator[bytes], None, None]:
        """A stranger's line, then what the API sends."""
        with self._api.results(remote_id) as pieces:
            yield iter([_STRANGER, *pieces])


def test_a_strangers_line_in_front_does_not_hide_a_batch_of_ours(tmp_path: Path) -> None:
    with a_bench(tmp_path, plan=Plan.instant()) as bench:
        bench.faults.add("create:drop:times=1")
        bench.submit(4)
        api = _StrangerFirst(bench.api())
        poller = bench.new_engine("poller", api=lambda: api)  # pyright: ignore[reportArgumentType, reportReturnType] - it passes the rest on
        bench.clock.advance(60)
        poller.poll()
        (batch,) = batch_list.closed_batches(bench.engine.context.ledger, limit=9)
        assert (batch.identified_by, batch.counts.succeeded) == ("nonce", 4)
        assert bench.sandbox.billing_log().creates == 1
