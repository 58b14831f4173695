"""The batches of all workspaces, the queue limit and the rate limit."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random

from titan_console.sandbox.model.http_messages import ErrorResponse
from titan_console.sandbox.model.ids import make_id
from titan_console.sandbox.model.lifecycle import Batch, as_of, end_now, is_hidden
from titan_console.sandbox.model.rows import Rows
from titan_console.sandbox.model.timing import Plan

_MINUTE = 60.0
_UNLIMITED_RPM = 4_000  # what the headers name where no limit is enforced


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits of an organization; rpm None enforces no rate limit."""

    queue: int = 200_000
    rpm: int | None = None

    def check_queue(self, waiting: int, new: int) -> None:
        """Refuse a create that would overfill the queue."""
        if waiting + new > self.queue:
            raise ErrorResponse(
                429,
                f"Your organization has {waiting} batch requests in the processing queue and this"
                f" batch has {new}, which would exceed the limit of {self.queue}. Please try again"
                " later.",
                headers={"retry-after": "60"},
            )


class RateLimiter:
    """A token bucket over all batch calls."""

    def __init__(self, limits: Limits, now: datetime) -> None:
        """Start with a full bucket."""
        self._size = limits.rpm or _UNLIMITED_RPM
        self._enforced = limits.rpm is not None
        self._left = float(self._size)
        self._at = now

    def take(self, now: datetime) -> None:
        """Count one call, or refuse it."""
        rate = self._size / _MINUTE
        passed = max((now - self._at).total_seconds(), 0.0)
        self._left = min(self._left + passed * rate, float(self._size))
        self._at = now
        if self._left >= 1:
            self._left -= 1
        elif self._enforced:
            wait = math.ceil((1 - self._left) / rate)
            raise ErrorResponse(
                429,
                f"This request would exceed your organization's rate limit of {self._size}"
                " requests per minute for the Message Batches API.",
                headers={"retry-after": str(wait)},
            )

    def headers(self) -> dict[str, str]:
        """The rate limit headers of a response."""
        missing = (self._size - self._left) * _MINUTE / self._size
        reset = self._at + timedelta(seconds=missing)
        return {
            "anthropic-ratelimit-requests-limit": str(self._size),
            "anthropic-ratelimit-requests-remaining": str(int(self._left)),
            "anthropic-ratelimit-requests-reset": reset.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }


class Provider:
    """The one place where batches change; time comes in as an argument."""

    def __init__(self, seed: int, limits: Limits) -> None:
        """Start with no batches."""
        self._seed = seed
        self._limits = limits
        self._rng = Random(seed)  # noqa: S311 - reproducible durations, no secrets
        self._batches: dict[str, Batch] = {}
        self._deleted: set[str] = set()

    def create(
        self,
        rows: Rows,
        workspace: str,
        plan: Plan,
        at: datetime,
        *,
        now: datetime,
        foreign: bool = False,
    ) -> Batch:
        """Accept a batch; `at` is in the future if a lost call takes effect later."""
        self._limits.check_queue(self.waiting(now), len(rows))
        number = len(self._batches)
        batch = Batch(
            id=make_id("msgbatch", self._seed, number),
            number=number,
            workspace=workspace,
            rows=rows,
            created_at=at,
            duration=plan.duration(self._rng),
            plan=plan,
            foreign=foreign,
        )
        self._batches[batch.id] = batch
        return batch

    def get(self, workspace: str, batch_id: str, now: datetime, *, lag: float = 0.0) -> Batch:
        """The current batch; unknown, foreign and too new ones are all a 404."""
        batch = self._batches.get(batch_id)
        if batch is None or not self._visible(batch, workspace, now, lag):
            raise ErrorResponse(404, f"Message Batch {batch_id} not found.")
        return self._store(as_of(batch, now))

    def list_batches(self, workspace: str, now: datetime, *, lag: float = 0.0) -> Sequence[Batch]:
        """Every batch of a workspace that a list shows."""
        seen = [b for b in self._batches.values() if self._visible(b, workspace, now, lag)]
        seen.sort(key=lambda batch: (batch.created_at, batch.number), reverse=True)
        return [self._store(as_of(batch, now)) for batch in seen]

    def cancel(self, workspace: str, batch_id: str, now: datetime) -> Batch:
        """Start to cancel; a batch that is ending or has ended is unchanged."""
        batch = self.get(workspace, batch_id, now)
        if batch.ended_at or batch.cancel_at:
            return batch
        return self._store(replace(batch, cancel_at=now))

    def delete(self, workspace: str, batch_id: str, now: datetime) -> None:
        """Delete a batch that has ended."""
        if self.get(workspace, batch_id, now).ended_at is None:
            message = "In progress batches cannot be deleted. Consider canceling the batch instead."
            raise ErrorResponse(400, message)
        self._deleted.add(batch_id)

    def vanish(self, batch_id: str, at: datetime, *, back_at: datetime | None = None) -> None:
        """Hide a batch from then on in any state; rows that ran stay billed."""
        batch = self._batches[batch_id]
        self._store(replace(batch, vanish_at=at, back_at=back_at))

    def make_endless(self, batch_id: str) -> None:
        """Let only `end` end the batch."""
        self._store(replace(self._batches[batch_id], endless=True))

    def end(self, batch_id: str, now: datetime, forced_outcomes: Mapping[str, str]) -> Batch:
        """End a batch now; one that has ended is unchanged."""
        batch = (
            as_of(self._batches[batch_id], now) if not forced_outcomes else self._batches[batch_id]
        )
        return self._store(batch if batch.ended_at else end_now(batch, now, forced_outcomes))

    def all_batches(self, now: datetime) -> Sequence[Batch]:
        """All batches of all workspaces, also deleted ones, oldest first."""
        return [
            self._store(as_of(batch, now))
            for batch in list(self._batches.values())
            if batch.created_at <= now
        ]

    def waiting(self, now: datetime) -> int:
        """How many rows are in the queue."""
        return sum(len(batch.rows) for batch in self.all_batches(now) if not batch.ended_at)

    def _visible(self, batch: Batch, workspace: str, now: datetime, lag: float) -> bool:
        shown = batch.created_at if not lag else batch.created_at + timedelta(seconds=lag)
        if batch.id in self._deleted or is_hidden(batch, now):
            return False
        return batch.workspace == workspace and shown <= now

    def _store(self, batch: Batch) -> Batch:
        self._batches[batch.id] = batch
        return batch
