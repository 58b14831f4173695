"""The facade: what jobs, commands and the console ask of the engine."""

from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self

from core import answers, poll
from core.answers import Result
from core.context import Context
from core.errors import TitanError
from core.poll import PassSummary
from core.submit import Order, Submitted, submit
from state import mirrors, views
from state.records import Batch, RequestStatus, Submission


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
        """Close the ledger."""
        self.context.ledger.close()

    def submit(self, requests: Iterable[object], order: Order) -> Submitted:
        """Take requests in and send them. See `core.submit.submit`."""
        submitted = submit(self.context, requests, order)
        mirrors.update(self.context.ledger, self.context.folder)
        return submitted

    def poll(self) -> PassSummary:
        """One pass. See `core.poll.run_pass`."""
        return poll.run_pass(self.context)

    def find(self, name: str) -> tuple[list[Submission], list[Batch]]:
        """What a key, a remote id or a tag means. Raises UnknownId."""
        return views.find(self.context.ledger, name)

    def is_finished(self, submission: Submission) -> bool:
        """Whether none of its requests waits or is in flight."""
        statuses = views.statuses_of(self.context.ledger, submission)
        return not {RequestStatus.WAITING, RequestStatus.LIVE}.intersection(statuses)

    def results(self, submission: Submission) -> Iterator[Result]:
        """Every request of the submission in input order. See `core.answers.results`."""
        return answers.results(self.context, submission)

    def poll_quietly(self) -> str | None:
        """A pass for a caller who wants results, not reasons; in words, what went wrong."""
        try:
            summary = self.poll()
        except TitanError as error:
            return str(error)
        return "; ".join(summary.troubles) or None
