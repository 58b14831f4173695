"""Deliberate bugs in collecting and in files."""

from collections.abc import Callable, Generator, Iterator
from typing import Any

from simulation.mutants.patching import patched

import core.batches.collect
import state.batches.collection
import state.batches.sending
import state.batches.totals
import state.files.spool
from state.files.folder import replace
from state.model.records import Batch, Collected, CollectionStatus

Mutant = Callable[[], Iterator[None]]


def collected_before_rows() -> Generator[None, None, None]:
    """The batch is marked as collected before its rows are written."""
    real = state.batches.collection.commit

    def commit(ledger: Any, batch: Batch, staged: Any, **options: Any) -> Collected:
        rows = ledger.rows(f"SELECT count(*) FROM {staged}")[0][0]  # noqa: S608 - a table of ours
        if rows < batch.request_count:
            return real(ledger, batch, staged, **options)
        with ledger.transaction("mark") as written:
            ledger.execute(
                "UPDATE batches SET collection = 'collected', collected_ts = ?, results_bytes = ?"
                " WHERE id = ? AND collection = 'pending'",
                written.at,
                options["results_bytes"],
                batch.id,
            )
            options["replace_part"]()
        with ledger.transaction("collect") as written:
            new = state.batches.collection._end_attempts(ledger, staged, batch)
            state.batches.collection._settle_requests(ledger, batch)
            state.batches.collection._store_sums(
                ledger,
                written,
                batch,
                collection=CollectionStatus.COLLECTED,
                results_bytes=options["results_bytes"],
                problem=None,
            )
            ledger.event(written, "batch.collected", batch_id=batch.id)
            state.batches.totals.add(ledger, written, batch)
            state.batches.sending.finish_submission(ledger, written, batch.submission_id)
        return Collected(new=new, missing=0, complete=True)

    with patched(state.batches.collection, "commit", commit):
        yield


def no_line_count() -> Generator[None, None, None]:
    """Results that the first response lacks count as missing."""
    with patched(core.batches.collect, "end_of_collection", _at_once):
        yield


def cost_is_a_counter() -> Generator[None, None, None]:
    """Each attempt to collect adds the batch to the totals."""
    real = state.batches.collection._store_sums

    def store_sums(ledger: Any, written: Any, batch: Batch, **options: Any) -> None:
        real(ledger, written, batch, **options)
        if options["collection"] == CollectionStatus.PENDING:
            state.batches.totals.add(ledger, written, batch)

    with patched(state.batches.collection, "_store_sums", store_sums):
        yield


def unsynced_spool() -> Generator[None, None, None]:
    """The ledger refers to bodies that were not synced."""

    def finish(self: Any) -> None:
        self._file.close()
        self._crash_point("spool:rename")
        replace(self._part, self.path)

    with patched(state.files.spool.SpoolWriter, "finish", finish):
        yield


def _at_once(_batch: Batch) -> CollectionStatus:
    return CollectionStatus.COLLECTED
