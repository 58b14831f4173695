"""The creates that the emulator received and the rows that it bills."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

from titan_console.sandbox.answers.prices import bill
from titan_console.sandbox.answers.results import usage
from titan_console.sandbox.answers.texts import compose
from titan_console.sandbox.model.lifecycle import Batch, outcome


@dataclass(frozen=True, kw_only=True)
class Post:
    """One create that reached the API, with any response."""

    workspace: str
    status: int
    batch_id: str | None
    custom_ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class BilledRow:
    """One billed answer; batch_id is None for a synchronous call."""

    workspace: str
    batch_id: str | None
    custom_id: str
    model: str
    usage: Mapping[str, object]

    @property
    def usd(self) -> Fraction:
        """What it costs."""
        return bill(self.model, self.usage)


@dataclass(frozen=True, kw_only=True)
class BilledBatch:
    """One batch in the log; deleted batches stay in it."""

    batch_id: str
    workspace: str
    foreign: bool
    ended: bool
    request_count: int
    counts: Mapping[str, int]
    custom_ids: tuple[str, ...]
    billed: tuple[BilledRow, ...]


@dataclass(frozen=True, kw_only=True)
class BillingLog:
    """The creates that were received and the rows that are billed."""

    posts: tuple[Post, ...]
    batches: tuple[BilledBatch, ...]
    messages: tuple[BilledRow, ...]

    @property
    def creates(self) -> int:
        """How many creates the API received."""
        return len(self.posts)

    def billed(self, workspace: str | None = None) -> Iterator[BilledRow]:
        """Every billed row, of one workspace or of all."""
        rows = (row for batch in self.batches for row in batch.billed)
        every_row = (*rows, *self.messages)
        return (row for row in every_row if workspace in {None, row.workspace})


def billed_batch(batch: Batch) -> BilledBatch:
    """The entry of one batch; its rows are billed once it has ended."""
    rows = tuple(_billed(batch)) if batch.ended_at else ()
    return BilledBatch(
        batch_id=batch.id,
        workspace=batch.workspace,
        foreign=batch.foreign,
        ended=batch.ended_at is not None,
        request_count=len(batch.rows),
        counts=dict(batch.counts),
        custom_ids=tuple(row.custom_id for row in batch.rows),
        billed=rows,
    )


def _billed(batch: Batch) -> Iterator[BilledRow]:
    for row in batch.rows:
        if outcome(batch, row) == "succeeded":
            yield BilledRow(
                workspace=batch.workspace,
                batch_id=batch.id,
                custom_id=row.custom_id,
                model=row.model,
                usage=usage(row, compose(row), "batch"),
            )
