"""Answers that were collected, to be priced again: read in pages, stored in small transactions."""

from array import array
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from state.batches import mirror_positions, totals
from state.db.dialect import LISTED, as_list, is_same
from state.db.ledger import Ledger
from state.db.reader import Source
from state.db.rows import to_batch
from state.files.folder import COST_LOG
from state.model.records import Batch
from state.model.usage import USAGE_COLUMNS, Usage, usage_in

_PRICED = (*USAGE_COLUMNS, "cost_nano", "sync_cost_nano", "fee_nano", "unpriced")


class CollectedAnswer(Struct, frozen=True, kw_only=True):
    """One answer as it is stored. Money in nano-dollars."""

    request_id: int
    #: None: the answer names none.
    model: str | None
    usage: Usage
    cost_nano: int | None
    sync_cost_nano: int | None
    fee_nano: int
    unpriced: str | None
    is_duplicate: bool
    #: Where its line is in the results file. None: it has none.
    result_offset: int | None
    result_length: int | None


def batches(source: Source) -> Iterator[Batch]:
    """Each batch with answers, oldest first."""
    last = 0
    while rows := source.rows(
        "SELECT * FROM batches WHERE id > ? AND cost_nano IS NOT NULL ORDER BY id LIMIT 100", last
    ):
        yield from map(to_batch, rows)
        last = rows[-1]["id"]


def answer_ids(source: Source, batch: Batch) -> "array[int]":
    """The requests that the batch answered, in the order of the results file."""
    rows = source.rows(
        "SELECT request_id FROM attempts WHERE batch_id = ? AND outcome = 'succeeded'"
        " ORDER BY result_offset",
        batch.id,
    )
    return array("q", (row[0] for row in rows))


def answers(source: Source, batch: Batch, ids: Sequence[int]) -> list[CollectedAnswer]:
    """The answers to these requests, in the order of the results file."""
    rows = source.rows(
        f"SELECT request_id, model, {', '.join(_PRICED)}, duplicate,"  # noqa: S608 - our own words
        " result_offset, result_length FROM attempts WHERE batch_id = ? AND outcome = 'succeeded'"
        f" AND request_id IN {LISTED} ORDER BY result_offset",
        batch.id,
        as_list(ids),
    )
    return [
        CollectedAnswer(
            request_id=row["request_id"],
            model=row["model"],
            usage=usage_in(row, row["unpriced"]),
            cost_nano=row["cost_nano"],
            sync_cost_nano=row["sync_cost_nano"],
            fee_nano=row["fee_nano"],
            unpriced=row["unpriced"],
            is_duplicate=bool(row["duplicate"]),
            result_offset=row["result_offset"],
            result_length=row["result_length"],
        )
        for row in rows
    ]


def store(ledger: Ledger, batch: Batch, repriced: Sequence[CollectedAnswer]) -> None:
    """Store new usage and cost of these answers in one transaction; its sums follow.

    After: the sums of the batch and of its day are those of its attempts, as before, and the cost
    log is written again by the next poll. Nothing changes if the batch was collected or reopened
    since it was read.
    """
    ids = [answer.request_id for answer in repriced]
    with ledger.transaction("recompute") as tx:
        if not ledger.row(
            "SELECT 1 FROM batches WHERE id = ?"  # noqa: S608 - our own words
            f" AND {is_same('collected_ts')} AND collect_tries = ?",
            *(batch.id, batch.collected_ts, batch.collect_tries),
        ):
            return
        totals.change(ledger, batch, ids, "-")
        ledger.executemany(
            f"UPDATE attempts SET {', '.join(f'{name} = ?' for name in _PRICED)}"  # noqa: S608 - our own words
            " WHERE batch_id = ? AND request_id = ? AND outcome = 'succeeded'",
            (
                (
                    *answer.usage.values(),
                    *(answer.cost_nano, answer.sync_cost_nano, answer.fee_nano, answer.unpriced),
                    *(batch.id, answer.request_id),
                )
                for answer in repriced
            ),
        )
        totals.change(ledger, batch, ids, "+")
        mirror_positions.forget(ledger, COST_LOG)
        ledger.event(tx, "batch.repriced", batch_id=batch.id, answers=len(ids))


class UnnamedRequest(Struct, frozen=True, kw_only=True):
    """A request that counts for the model of its submission, and where its body is."""

    request_id: int
    model: str
    file: str
    offset: int
    length: int


def unnamed_requests(source: Source) -> list[UnnamedRequest]:
    """Those that have not succeeded: an answer names its model.

    Version 2 did not store the model of a request; since then it is stored where it differs.
    """
    rows = source.rows(
        "SELECT r.id, s.model, r.spool_file, r.body_offset, r.body_length FROM requests r"
        " JOIN submissions s ON s.id = r.submission_id WHERE r.model IS NULL"
        " AND r.status NOT IN ('assigned', 'succeeded') AND r.body_length > 0 ORDER BY r.id"
    )
    return [
        UnnamedRequest(request_id=number, model=model, file=file, offset=offset, length=length)
        for number, model, file, offset, length in rows
    ]


def store_models(ledger: Ledger, models: Mapping[int, str]) -> None:
    """Store the models of these requests in one transaction; the sums of each day follow."""
    ids = list(models)
    with ledger.transaction("request_models") as tx:
        concerned = [
            to_batch(row)
            for row in ledger.rows(
                "SELECT * FROM batches WHERE collected_ts IS NOT NULL AND id IN"  # noqa: S608 - our own words
                f" (SELECT batch_id FROM attempts WHERE request_id IN {LISTED})",
                as_list(ids),
            )
        ]
        for batch in concerned:
            totals.change(ledger, batch, ids, "-")
        ledger.executemany(
            "UPDATE requests SET model = ? WHERE id = ? AND model IS NULL",
            ((model, number) for number, model in models.items()),
        )
        for batch in concerned:
            totals.change(ledger, batch, ids, "+")
        ledger.event(tx, "requests.models_stored", requests=len(ids))
