"""The list of all batches that are not open: their ids in a sort order, and the rows to show."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from state.db.dialect import LISTED, array_of, as_list
from state.db.reader import Source
from state.db.rows import to_batch
from state.db.sql_conditions import LISTED_AS_ENDED, is_open
from state.model.filter_terms import Term
from state.model.records import Batch
from state.queries import batch_list, batch_models
from state.queries.batch_replays import replays_in
from state.queries.filter_sql import parse_ids


class BatchOrder(StrEnum):
    """Sort order of ended batches."""

    ENDED = "ended"
    WORKFLOW = "workflow"
    RUN = "run"
    STATUS = "status"
    MODE = "mode"
    MODEL = "model"
    REQUESTS = "requests"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    COST = "cost"
    SAVED = "saved"


# Columns, each with whether its largest values come first (when not inverted).
_ORDERS: Mapping[BatchOrder, Sequence[tuple[str, bool]]] = {
    BatchOrder.ENDED: (("ended_ts", True),),
    BatchOrder.WORKFLOW: (("workflow", False), ("tag", False)),
    BatchOrder.RUN: (("tag", False),),
    BatchOrder.STATUS: (("status", False), ("collection", False)),
    BatchOrder.MODE: (("kind", True),),
    BatchOrder.MODEL: (("model", False),),
    BatchOrder.REQUESTS: (("request_count", True),),
    BatchOrder.SUCCEEDED: (("succeeded", True),),
    BatchOrder.FAILED: (("request_count - succeeded - canceled", True),),
    BatchOrder.CANCELED: (("canceled", True),),
    BatchOrder.COST: (("cost_nano", True),),
    BatchOrder.SAVED: (("sync_cost_nano - cost_nano", True),),
}


class EndedBatch(Struct, frozen=True):
    """A batch and the models of its answers; those of its requests where it has no answers.

    `is_replay`: its requests have ended in an earlier batch.
    """

    batch: Batch
    models: tuple[str, ...] = ()
    is_replay: bool = False


def ids(
    source: Source,
    terms: Sequence[Term],
    now: datetime,
    order: BatchOrder = BatchOrder.ENDED,
    *,
    is_inverted: bool = False,
) -> Sequence[int]:
    """Of all batches that `batch_list.closed_batches` lists; with terms, of all not open."""
    where = batch_list.condition(terms, now)
    listed = f"NOT {is_open()}" if terms else LISTED_AS_ENDED
    by = ", ".join(
        f"{column} {'DESC NULLS LAST' if falls != is_inverted else 'NULLS FIRST'}"
        for column, falls in (*_ORDERS[order], ("id", True))
    )
    rows = source.rows(
        f"SELECT {array_of('id')} FROM (SELECT id FROM batches WHERE {listed} AND {where.sql}"  # noqa: S608 - our own words
        f" ORDER BY {by}) found",
        *where.parameters,
    )
    return parse_ids(rows[0][0])


def rows(source: Source, wanted: Iterable[int]) -> dict[int, EndedBatch]:
    """The batches with these ids."""
    ids = list(wanted)
    listed = as_list(ids)
    models, replays = batch_models.answered(source, listed), replays_in(source, ids)
    found = source.rows(f"SELECT * FROM batches WHERE id IN {LISTED}", listed)  # noqa: S608 - our own words
    return {
        row["id"]: EndedBatch(to_batch(row), models.get(row["id"], ()), row["id"] in replays)
        for row in found
    }
