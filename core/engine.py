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
from state.model.records import DEFAULT_LANE, Batch, Submission
from state.queries import batch_list

if TYPE_CHECKING:
    from core.batches.adopt import Adopted
    from core.delivery.results import Result
    from core.intake.options import SubmitOptions
    from core.intake.request_statuses import RequestStatuses
    from core.intake.submit import SubmitResult


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
            if self.context.ledger.is_shared:
                from core.reporting import host_report

                problems += host_report.note(self.context)
        except LedgerError as error:
            # The requests are recorded; the next poll writes the mirrors.
            problems = [str(error)]
        return replace(submitted, problem=submitted.problem or next(iter(problems), None))

    def poll(self) -> PollSummary:
        """One poll. See `core.poll.poll_run.poll_once`."""
        return poll_run.poll_once(self.context)

    def adopt(
        self, remote_id: str, *, tag: str | None = None, lane: str = DEFAULT_LANE
    ) -> "Adopted":
        """Import a batch that the ledger does not have. See `core.batches.adopt.adopt`."""
        from core.batches.adopt import adopt
        from core.config import titan_file
        from core.intake.options import check_lane

        check_lane(lane, titan_file.read(self.context.folder))
        adopted = adopt(self.context, remote_id, tag=tag, lane=lane)
        problems = update_mirrors(self.context)
        return replace(adopted, problem=adopted.problem or next(iter(problems), None))

    def find(self, name: str) -> tuple[list[Submission], list[Batch]]:
        """The submissions and batches of a key, an API batch id or a tag. Raises UnknownId."""
        return batch_list.find(self.context.ledger, name)

    def statuses(self, name: str) -> "RequestStatuses":
        """The requests that the name stands for, by status. Raises UnknownId.

        Those of fallback files are left out; `core.intake.request_statuses.of_name` has them.
        """
        from core.intake import request_statuses

        return request_statuses.in_ledger(self.context.ledger, name, self.context.clock.now())

    def is_finished(self, name: str) -> bool:
        """Whether none of the requests that the name stands for is queued or in flight."""
        return not self.statuses(name).at_work

    def has_follow_ups(self, name: str) -> bool:
        """Whether the next poll asks again for an answer that the name stands for."""
        return self.statuses(name).follow_ups > 0

    def results(self, name: str) -> "Iterator[Result]":
        """The results that the name stands for, in input order. See `core.delivery.results`."""
        from core.delivery import results as delivery

        return delivery.results(self.context.ledger, self.context.folder, name)
