"""Warnings about a submission that is accepted all the same."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from msgspec import Struct, field

from core.commands.deadline_policy import expected_guard_time
from core.errors import PayloadError
from core.intake.options import ResolvedOptions
from core.requests import model_limits, retirements
from core.requests.payload import Line
from core.requests.rule_parts import Problem
from core.text import pluralize, printable, sentence
from state.model.timestamps import to_text

# A file may have as many unknown fields as it has requests.
_MOST_KINDS = 1000
_SHOWN_KINDS = 10


class Rejected(Struct, kw_only=True):
    """A problem for which the API would reject requests: of how many, and of which first."""

    problem: Problem
    first: str
    requests: int = 0


class RequestStats(Struct, kw_only=True):
    """Counts over the requests. `batch_only` ones are too large to run synchronously.

    `rejected` are those that the API would reject, by the kind of their problem.
    """

    requests: int = 0
    models: set[str] = field(default_factory=set[str])
    batch_only: int = 0
    rejected: dict[str, Rejected] = field(default_factory=dict[str, Rejected])

    def add(self, line: Line) -> None:
        """Count one request."""
        self.requests += 1
        self.models.add(line.model)
        self.batch_only += model_limits.needs_batch(line.betas, len(line.body))

    def add_problems(self, custom_id: str, problems: Sequence[Problem]) -> None:
        """Count a request once for each kind of problem that it has."""
        for kind, problem in {problem.kind: problem for problem in reversed(problems)}.items():
            known = self.rejected.get(kind)
            if known is None and len(self.rejected) < _MOST_KINDS:
                known = self.rejected[kind] = Rejected(problem=problem, first=custom_id)
            if known is not None:
                known.requests += 1


def warnings_for(
    stats: RequestStats,
    resolved: ResolvedOptions,
    *,
    now: datetime,
    usual: timedelta | None,
    priced: Iterable[str] = (),
) -> tuple[str, ...]:
    """One line for each kind of problem, unknown or retiring model, and for a close deadline.

    `usual` is the 90th percentile of how long the workflow's batches took, None without history.
    Models in `priced` have a price in titan.toml and are known.
    """
    return (
        *_on_rejected(list(stats.rejected.values())),
        *model_limits.warnings_for(stats.models, priced),
        *retirements.warnings_for(stats.models, now=now, deadline=resolved.deadline),
        *_on_the_deadline(stats, resolved, now=now, usual=usual),
    )


def refusal(custom_id: str, problem: Problem) -> PayloadError:
    """The error for a request that the API would reject."""
    message = f"Request '{custom_id}': the API would reject it: {_said(problem)}"
    return PayloadError(message, code="would_be_rejected")


def _said(problem: Problem) -> str:
    """The API's message, and what to do."""
    text = printable(sentence(problem.message))
    return f"{text} {problem.hint}" if problem.hint else text


def _on_rejected(rejected: Sequence[Rejected]) -> Iterator[str]:
    for found in rejected[:_SHOWN_KINDS]:
        many = pluralize(found.requests, "request")
        which = f"{many}, the first '{found.first}'" if found.requests > 1 else f"'{found.first}'"
        yield f"The API would reject {which}: {_said(found.problem)}"
    if len(rejected) > _SHOWN_KINDS:
        first = rejected[_SHOWN_KINDS].first
        yield f"The API would reject requests for more reasons, such as those of '{first}'."


def _on_the_deadline(
    stats: RequestStats, resolved: ResolvedOptions, *, now: datetime, usual: timedelta | None
) -> Iterator[str]:
    if resolved.deadline is None:
        return
    guard = expected_guard_time(now, deadline=resolved.deadline, usual=usual)
    if guard is not None:
        when = "at the next poll" if guard <= now else f"at {to_text(guard)}"
        yield (
            f"The deadline {to_text(resolved.deadline)} is too close for a batch"
            f" ({_why(resolved.workflow, usual)}): requests that have no result {when}"
            " run synchronously at full price."
        )
    if stats.batch_only:
        yield (
            f"{stats.batch_only:,} of the requests have a body or a max_tokens too large for a"
            " synchronous call: they run only as a batch, even after the deadline."
        )


def _why(workflow: str, usual: timedelta | None) -> str:
    if usual is None:
        return "a batch may take more than an hour"
    minutes = -(-usual // timedelta(minutes=1))
    return f"90 % of the batches of {workflow} took up to {minutes:,} minutes"
