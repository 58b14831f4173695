"""Scheduled jobs of a history: each calls `submit`, and repeats the call after a failure."""

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from msgspec.structs import replace
from support.builders import some_requests

from core.engine import Engine
from core.errors import ApiError
from core.intake import fallback_files, known_submission
from core.intake.options import SubmitOptions
from core.requests.cache_control import CachePolicy
from state.model.errors import AlreadySubmitted, LedgerError, LedgerUnusable
from state.model.records import OnFailure

MODEL = "claude-haiku-4-5"
# Its cache takes prefixes from 512 tokens on.
_PRIMED_MODEL = "claude-haiku-5-5"
_PREFIX = "A rule that every request repeats. " * 60


class Disk(Protocol):
    """Where a job learns whether the ledger can be used at this moment."""

    def ledger_is_unusable(self) -> bool:
        """Whether the ledger cannot be written, so that the call ends in a fallback file."""
        ...


@dataclass(kw_only=True)
class Submission:
    """One job: its requests, and the keys that its calls returned."""

    number: int
    count: int
    on_failure: OnFailure = OnFailure.QUEUE
    disk: Disk | None = None
    primed: bool = False
    keys: set[str] = field(default_factory=set[str])

    @property
    def tag(self) -> str:
        """The tag of the job."""
        return f"job-{self.number}"

    def __call__(self, engine: Engine) -> str:
        """Submit as `titan_batch.submit` does: with a fallback file where the ledger fails."""
        requests = some_requests(self.count, f"work-{self.tag}")
        options = SubmitOptions(tag=self.tag, model=MODEL, on_failure=self.on_failure)
        if self.primed:
            requests = [{**request, "system": _PREFIX} for request in requests]
            options = replace(options, model=_PRIMED_MODEL, cache=CachePolicy.PRIME)
        try:
            key = self._submit(engine, requests, options)
        except AlreadySubmitted:
            raise
        except LedgerError as error:
            if self.disk is None:
                raise
            key = self._fall_back(engine, requests, options, error)
        except ValueError as error:
            # A defect, as `titan_batch` handles it.
            key = self._fall_back(engine, requests, options, LedgerUnusable(repr(error)))
        self.keys.add(key)
        return key

    def _submit(
        self, engine: Engine, requests: list[dict[str, object]], options: SubmitOptions
    ) -> str:
        if self.disk is not None and self.disk.ledger_is_unusable():
            raise LedgerError("The disk is full.")
        return engine.submit(requests, options).submission.key

    def _fall_back(
        self,
        engine: Engine,
        requests: list[dict[str, object]],
        options: SubmitOptions,
        error: LedgerError,
    ) -> str:
        context = engine.context
        known = known_submission.find(context.folder, requests, options, clock=context.clock)
        context.ledger.crash_point("fallback:known")
        if known.key is not None:
            return known.key
        file = fallback_files.save(
            context.folder, requests, options, clock=context.clock, actor="job", error=error
        )
        context.ledger.crash_point("fallback:saved")
        if self.on_failure == OnFailure.SYNC and known.is_new:
            with suppress(ApiError, OSError):
                fallback_files.run_sync(context.folder, file, context.api(), context.clock)
        return file.key
