"""What an old list says does not take back what a younger look has brought."""

from pathlib import Path

from support.builders import a_bench

from state.batches import remote_status
from state.model.records import BatchStatus
from state.queries import batch_list
from titan_console.sandbox.model.timing import Plan


def test_a_list_from_before_a_cancel_does_not_take_it_back(tmp_path: Path) -> None:
    with a_bench(tmp_path, plan=Plan.manual(cancel=600)) as bench:
        bench.submit(3)
        ledger = bench.engine.context.ledger
        (batch,) = batch_list.open_batches(ledger)
        old = bench.api().retrieve(batch.remote_id or "")
        other = remote_status.record_status(
            ledger, batch, bench.api().cancel(batch.remote_id or "")
        )
        assert other.status == BatchStatus.CANCELING
        # Another process still holds the row, and the list, of before.
        stale = remote_status.record_status(ledger, other, old)
        assert stale.status == BatchStatus.CANCELING
        assert stale.cancel_ts == other.cancel_ts
