"""What to tell a caller of a submission that is taken in all the same."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from msgspec import Struct, field

from core.batches.deadline_policy import guard_before_the_end
from core.intake.options import ResolvedOptions
from core.requests import models
from core.requests.payload import Line
from state.model.timestamps import to_text


class RequestStats(Struct, kw_only=True):
    """What is remembered of the requests as they go by."""

    requests: int = 0
    models: set[str] = field(default_factory=set[str])
    batch_only: int = 0

    def add(self, line: Line) -> None:
        """One more request."""
        self.requests += 1
        self.models.add(line.model)
        self.batch_only += models.needs_batch(line.betas)


def warnings_for(
    stats: RequestStats,
    resolved: ResolvedOptions,
    *,
    now: datetime,
    usual: timedelta | None,
    priced: Iterable[str] = (),
) -> tuple[str, ...]:
    """One line each: models that nobody knows, and a deadline that a batch will hardly meet.

    `usual` is what nine of ten of the workflow's batches took at most, None without a history.
    `priced` are models that titan.toml has a price for.
    """
    return (
        *models.unknown(stats.models, priced),
        *_on_the_deadline(stats, resolved, now=now, usual=usual),
    )


def _on_the_deadline(
    stats: RequestStats, resolved: ResolvedOptions, *, now: datetime, usual: timedelta | None
) -> Iterator[str]:
    if resolved.deadline is None:
        return
    guard = guard_before_the_end(now, deadline=resolved.deadline, usual=usual)
    if guard is not None:
        when = "at the next poll" if guard <= now else f"at {to_text(guard)}"
        yield (
            f"The deadline {to_text(resolved.deadline)} is too close for a batch"
            f" ({_why(resolved.workflow, usual)}): what is missing {when} runs synchronously,"
            " at the full price."
        )
    if stats.batch_only:
        yield (
            f"{stats.batch_only:,} of the requests ask for more tokens than a synchronous call may:"
            " only their batch answers them, whatever the deadline."
        )


def _why(workflow: str, usual: timedelta | None) -> str:
    if usual is None:
        return "one may take an hour and more"
    minutes = -(-usual // timedelta(minutes=1))
    return f"nine of ten of {workflow} took up to {minutes:,} minutes"
