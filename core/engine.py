"""The facade: what jobs, commands and the console ask of the engine.

Each verb is loaded when it is asked for: most polls find nothing to do.
"""

from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Self

from msgspec.structs import replace

from core import poll
from core.batches.context import Context
from core.poll import PollSummary
from state.model.errors import LedgerError
from state.model.records import Batch, RequestStatus, Submission
from state.queries import batch_list, mirrors, result_rows

if TYPE_CHECKING:
    from core.batches.adopt import Adopted
    from core.delivery.results import Result
    from core.intake.options import SubmitOptions
    from core.intake.submit import SubmitResult

_UNFINISHED = (RequestStatus.QUEUED, RequestStatus.IN_FLIGHT)


class Engine:
    """One engine on one ledger, for the thread that made it. Close it when done."""

    def __init__(self, context: Context) -> None:
        """`bootstrap.open_engine` makes the usual one."""
        self.context = context

    def __enter__(self) -> Self:
        """Use as `with open_engine(...) as engine`."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the ledger, and the connections to the API."""
        self.context.close()
        self.context.ledger.close()

    def submit(self, requests: Iterable[object], options: "SubmitOptions") -> "SubmitResult":
        """Take requests in and send them. See `core.intake.submit.submit`."""
        from core.intake.submit import submit

        submitted = submit(self.context, requests, options)
        try:
            mirrors.update(self.context.ledger, self.context.folder)
        except LedgerError as error:
            # What was taken in is taken in; the next poll writes the mirrors.
            return replace(submitted, problem=submitted.problem or str(error))
        return submitted

    def poll(self) -> PollSummary:
        """One poll. See `core.poll.poll_once`."""
        return poll.poll_once(self.context)

    def adopt(self, remote_id: str, *, tag: str | None = None) -> "Adopted":
        """Take a batch in that the ledger does not know. See `core.batches.adopt.adopt`."""
        from core.batches.adopt import adopt

        adopted = adopt(self.context, remote_id, tag=tag)
        mirrors.update(self.context.ledger, self.context.folder)
        return adopted

    def find(self, name: str) -> tuple[list[Submission], list[Batch]]:
        """What a key, a remote id or a tag means. Raises UnknownId."""
        return batch_list.find(self.context.ledger, name)

    def is_finished(self, name: str) -> bool:
        """Whether nothing of what the name means waits or is in flight."""
        return not any(
            row.status in _UNFINISHED
            for submission, batch in self._meant(name)
            for row in result_rows.results(self.context.ledger, submission, batch=batch)
        )

    def results(self, name: str) -> "Iterator[Result]":
        """The requests that the name means, in input order. See `core.delivery.results.results`."""
        from core.delivery import results as answers

        for submission, batch in self._meant(name):
            yield from answers.results(self.context, submission, batch=batch)

    def _meant(self, name: str) -> list[tuple[Submission, Batch | None]]:
        """Submissions as a whole; or, for the key or remote id of one batch, that batch alone."""
        submissions, batches = self.find(name)
        alone = batches[0] if len(batches) == 1 and name not in _names(submissions) else None
        return [(submission, alone) for submission in submissions]


def _names(submissions: list[Submission]) -> set[str]:
    return {name for submission in submissions for name in (submission.key, submission.tag)}
