"""Two processes collect one batch at once: the answers on disk are whole, and counted once."""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.api.api_wrapper import ApiWrapper
from support.builders import a_bench

from core.api.protocol import BatchApi
from core.batches.collect import collect
from state.batches import remote_status
from state.queries import batch_list
from titan_console.sandbox.model.timing import Plan


class _Frozen(ApiWrapper):
    """A client that blocks while it reads a response."""

    def __init__(self, api: BatchApi, meanwhile: Callable[[], object]) -> None:
        super().__init__(api)
        self._meanwhile = meanwhile

    @contextmanager
    def results(self, remote_id: str) -> Generator[Iterator[bytes], None, None]:
        """Half of the bytes, what others do meanwhile, the other half."""
        with self.api.results(remote_id) as pieces:
            whole = b"".join(pieces)
        half = len(whole) // 2

        def halves() -> Iterator[bytes]:
            yield whole[:half]
            self._meanwhile()
            yield whole[half:]

        yield halves()


@pytest.mark.parametrize("fault", [None, "results:short:times=1", "results:missing:times=1"])
def test_a_try_that_was_overtaken_leaves_the_others_answers_alone(
    tmp_path: Path, fault: str | None
) -> None:
    with a_bench(tmp_path, plan=Plan.instant()) as bench:
        key = bench.submit(7).submission.key
        bench.clock.advance(60)
        other = bench.new_engine("other")
        ledger = bench.engine.context.ledger
        (batch,) = batch_list.open_batches(ledger)
        remote = bench.api().retrieve(batch.remote_id or "")
        batch = remote_status.record_status(ledger, batch, remote)
        if fault:
            bench.faults.add(fault)
        api = _Frozen(bench.api(), lambda: collect(other.context, batch))
        frozen = bench.new_engine("frozen", api=lambda: api)
        collect(frozen.context, batch)
        bench.faults.clear()
        bench.poll_after(7200)
        results = list(bench.engine.results(key))
        assert [result["outcome"] for result in results] == ["succeeded"] * 7
        assert len({result["message"]["id"] for result in results}) == 7
        assert [path.name for path in bench.folder.results.iterdir()] == [f"{key}.jsonl"]
        assert len((bench.folder.results / f"{key}.jsonl").read_bytes().splitlines()) == 7
