"""The facade of the engine for jobs, commands and the console.

Operations are imported when they are called, since most polls find nothing to do.
"""

from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Self

from msgspec.structs import replace

from core.batches.engine_context import Context
from core.batches.error_isolation import update_mirrors
from core.poll import poll_run
from core.poll.poll_summary import PollSummary
from state.model.errors import LedgerError
from state.model.records import Batch, RequestStatus, Submission
from state.queries import batch_list, result_rows

if TYPE_CHECKING:
    from core.batches.adopt import Adopted
    from core.delivery.results import Result
    from core.intake.options import SubmitOptions
    from core.intake.submit import SubmitResult

_UNFINISHED = (RequestStatus.QUEUED, RequestStatus.IN_FLIGHT)


class Engine:
    """One engine on one ledger, for one thread. Use it as a context manager."""

    def __init__(self, context: Context) -> None:
        """`bootstrap.open_engine` makes one from the settings."""
        self.context = context

    def __enter__(self) -> Self:
        """Return the engine."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the ledger and the connections to the API."""
        self.context.close()
        self.context.ledger.close()

    def submit(self, requests: Iterable[object], options: "SubmitOptions") -> "SubmitResult":
        """Record requests and send them. See `core.intake.submit.submit`."""
        from core.intake.submit import submit

        submitted = submit(self.context, requests, options)
        try:
            problems = update_mirrors(self.context)
        except LedgerError as error:
            # The requests are recorded; the next poll writes the mirrors.
            problems = [str(error)]
        return replace(submitted, problem=submitted.problem or next(iter(problems), None))

    def poll(self) -> PollSummary:
        """One poll. See `core.poll.poll_run.poll_once`."""
        return poll_run.poll_once(self.context)

    def adopt(self, remote_id: str, *, tag: str | None = None) -> "Adopted":
        """Import a batch that the ledger does not have. See `core.batches.adopt.adopt`."""
        from core.batches.adopt import adopt

        adopted = adopt(self.context, remote_id, tag=tag)
        problems = update_mirrors(self.context)
        return replace(adopted, problem=adopted.problem or next(iter(problems), None))

    def find(self, name: str) -> tuple[list[Submission], list[Batch]]:
        """The submissions and batches of a key, an API batch id or a tag. Raises UnknownId."""
        return batch_list.find(self.context.ledger, name)

    def is_finished(self, name: str) -> bool:
        """Whether none of the requests that the name stands for is queued or in flight."""
        from core.delivery import results as delivery

        return not any(
            row.status in _UNFINISHED
            for submission, batch in delivery.named(self.context.ledger, name)
            for row in result_rows.results(self.context.ledger, submission, batch=batch)
        )

    def has_follow_ups(self, name: str) -> bool:
        """Whether the next poll asks again for an answer that the name stands for."""
        from core.commands import follow_ups
        from core.delivery import results as delivery

        source, now = self.context.ledger, self.context.clock.now()
        named = delivery.named(source, name)
        return any(follow_ups.due(source, now, submission.id) for submission, _ in named)

    def results(self, name: str) -> "Iterator[Result]":
        """The results that the name stands for, in input order. See `core.delivery.results`."""
        from core.delivery import results as delivery

        return delivery.results(self.context.ledger, self.context.folder, name)
