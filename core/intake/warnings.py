"""Warnings about a submission that is accepted all the same."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from msgspec import Struct, field

from core.commands.deadline_policy import expected_guard_time
from core.intake.options import ResolvedOptions
from core.requests import model_limits, retirements
from core.requests.payload import Line
from state.model.timestamps import to_text


class RequestStats(Struct, kw_only=True):
    """Counts over the requests. `batch_only` ones are too long to run synchronously."""

    requests: int = 0
    models: set[str] = field(default_factory=set[str])
    batch_only: int = 0

    def add(self, line: Line) -> None:
        """Count one request."""
        self.requests += 1
        self.models.add(line.model)
        self.batch_only += model_limits.needs_batch(line.betas)


def warnings_for(
    stats: RequestStats,
    resolved: ResolvedOptions,
    *,
    now: datetime,
    usual: timedelta | None,
    priced: Iterable[str] = (),
) -> tuple[str, ...]:
    """One line for each unknown or retiring model, and for a deadline too close for a batch.

    `usual` is the 90th percentile of how long the workflow's batches took, None without history.
    Models in `priced` have a price in titan.toml and are known.
    """
    return (
        *model_limits.warnings_for(stats.models, priced),
        *retirements.warnings_for(stats.models, now=now, deadline=resolved.deadline),
        *_on_the_deadline(stats, resolved, now=now, usual=usual),
    )


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
            f"{stats.batch_only:,} of the requests have a max_tokens too large for a synchronous"
            " call: they run only as a batch, even after the deadline."
        )


def _why(workflow: str, usual: timedelta | None) -> str:
    if usual is None:
        return "a batch may take more than an hour"
    minutes = -(-usual // timedelta(minutes=1))
    return f"90 % of the batches of {workflow} took up to {minutes:,} minutes"
