"""Scheduled jobs of a history: each calls `submit`, and repeats the call after a failure."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from msgspec.structs import replace
from support.builders import some_requests

from core.api.protocol import BatchApi
from core.clock import Clock
from core.config.job import CONTINUE_TURNS
from core.engine import Engine
from core.errors import ApiError
from core.intake import existing_submission, fallback_files
from core.intake.options import SubmitOptions
from core.requests.cache_control import CachePolicy
from state.files.folder import Folder
from state.model.errors import AlreadySubmitted, LedgerError, LedgerUnusable
from state.model.records import OnFailure

MODEL = "claude-haiku-4-5"
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 0}}}
REASK = 2
# Its cache takes prefixes from 512 tokens on.
_PRIMED_MODEL = "claude-haiku-5-5"
_PREFIX = "A rule that every request repeats. " * 60


def follow_ups_of(*, is_structured: bool) -> int:
    """How often a request of such a job may be asked again."""
    return CONTINUE_TURNS + (REASK if is_structured else 0)


class Disk(Protocol):
    """Where a job learns whether the ledger can be used at this moment."""

    def ledger_is_unusable(self) -> bool:
        """Whether the ledger cannot be written, so that the call ends in a fallback file."""
        ...


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What a process has without a ledger."""

    folder: Folder
    clock: Clock
    api: BatchApi
    crash_point: Callable[[str], None]


@runtime_checkable
class Stubborn(Protocol):
    """Work that goes on where the ledger cannot be opened."""

    def without_ledger(self, at: Surroundings, error: LedgerError) -> object:
        """Do what can be done without it."""
        ...


@dataclass(kw_only=True)
class Submission:
    """One job: its requests, and the keys that its calls returned."""

    number: int
    count: int
    on_failure: OnFailure = OnFailure.QUEUE
    disk: Disk | None = None
    primed: bool = False
    structured: bool = False
    keys: set[str] = field(default_factory=set[str])
    # Whether a fallback file may have given it a second key.
    fell_back: bool = False

    @property
    def tag(self) -> str:
        """The tag of the job."""
        return f"job-{self.number}"

    @property
    def most_follow_ups(self) -> int:
        """How often one of its requests may be asked again."""
        return follow_ups_of(is_structured=self.structured)

    def __call__(self, engine: Engine) -> str:
        """Submit as `titan_batch.submit` does: with a fallback file where the ledger fails."""
        requests, options = self._request()
        context = engine.context
        at = Surroundings(
            folder=context.folder,
            clock=context.clock,
            api=context.api(),
            crash_point=context.ledger.crash_point,
        )
        try:
            key = self._submit(engine, requests, options)
        except AlreadySubmitted:
            raise
        except LedgerError as error:
            if self.disk is None:
                raise
            key = self._fall_back(at, error)
        except ValueError as error:
            # A defect, as `titan_batch` handles it.
            key = self._fall_back(at, LedgerUnusable(repr(error)))
        self.keys.add(key)
        return key

    def without_ledger(self, at: Surroundings, error: LedgerError) -> str:
        """Keep the requests while the ledger is lost, or another process replaces it."""
        key = self._fall_back(at, error)
        self.keys.add(key)
        return key

    def _request(self) -> tuple[list[dict[str, object]], SubmitOptions]:
        requests = some_requests(self.count, f"work-{self.tag}")
        options = SubmitOptions(tag=self.tag, model=MODEL, on_failure=self.on_failure)
        if self.primed:
            requests = [{**request, "system": _PREFIX} for request in requests]
            options = replace(options, model=_PRIMED_MODEL, cache=CachePolicy.PRIME)
        if self.structured:
            options = replace(options, output=SCHEMA, reask=REASK)
        return requests, options

    def _submit(
        self, engine: Engine, requests: list[dict[str, object]], options: SubmitOptions
    ) -> str:
        if self.disk is not None and self.disk.ledger_is_unusable():
            raise LedgerError("The disk is full.")
        return engine.submit(requests, options).submission.key

    def _fall_back(self, at: Surroundings, error: LedgerError) -> str:
        requests, options = self._request()
        known = existing_submission.find(at.folder, requests, options, clock=at.clock, error=error)
        at.crash_point("fallback:known")
        if known.key is not None:
            return known.key
        self.fell_back = True
        file = fallback_files.save(
            at.folder, requests, options, clock=at.clock, actor="job", error=error
        )
        at.crash_point("fallback:saved")
        if self.on_failure == OnFailure.SYNC and known.is_new:
            with suppress(ApiError, OSError):
                fallback_files.run_sync(at.folder, file, at.api, at.clock)
        return file.key
