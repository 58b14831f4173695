"""Once a batch is collected, its counts are those of the results, whatever the API had said."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

from support.api.api_wrapper import ApiWrapper
from support.builders import a_bench

from state.queries import batch_list
from titan_console.sandbox.model.timing import Plan


class _AllErrored(ApiWrapper):
    """A client whose results contradict the counts: each succeeded line comes as an error."""

    @contextmanager
    def results(self, remote_id: str) -> Generator[Iterator[bytes], None, None]:
        """The ids as they are, with errors for answers."""
        with self.api.results(remote_id) as pieces:
            lines = b"".join(pieces).splitlines()
            error = b'{"type":"errored","error":{"error":{"type":"api_error","message":"no"}}}'
            yield iter(
                [line.split(b',"result"')[0] + b',"result":' + error + b"}\n" for line in lines]
            )


def test_the_results_outweigh_the_counts_of_the_api(tmp_path: Path) -> None:
    with a_bench(tmp_path, plan=Plan.instant()) as bench:
        bench.submit(3)
        api = _AllErrored(bench.api())
        bench.new_engine("poller", api=lambda: api).poll()
        (batch,) = batch_list.closed_batches(bench.engine.context.ledger, limit=9)
        assert (batch.counts.succeeded, batch.counts.errored) == (0, 3)
