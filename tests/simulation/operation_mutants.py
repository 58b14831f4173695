"""Deliberate bugs in commands, synchronous runs, fallback files and account problems."""

from collections.abc import Generator

from msgspec.structs import replace as changed
from simulation.patching import patched

import core.batches.send
import core.batches.sync_runner
import core.commands.executor
import core.intake.fallback
import state.batches.sync_runs
from core.batches.create_error_policy import AfterCreate, CreateAction, Recovery
from core.errors import ApiError, Blocked


def _nothing(*_args: object, **_options: object) -> None:
    """Does not do it."""


def _always(_error: ApiError) -> bool:
    return True


def _no_answers(_file: object) -> dict[str, object]:
    return {}


def blocked_is_rejected() -> Generator[None, None, None]:
    """A problem of the account marks the requests of the batch as errored."""
    real = core.batches.send.after_create

    def after_create(error: ApiError, recovery: Recovery) -> AfterCreate:
        found = real(error, recovery)
        return changed(found, action=CreateAction.REJECT) if isinstance(error, Blocked) else found

    with patched(core.batches.send, "after_create", after_create):
        yield


def unwarned_sync_calls() -> Generator[None, None, None]:
    """Calls of an interrupted run that may be paid for are not recorded."""
    with patched(state.batches.sync_runs, "_record_unwritten", _nothing):
        yield


def unanswered_call_is_repeated() -> Generator[None, None, None]:
    """A synchronous call without a response counts as not run, and is made again."""
    with patched(core.batches.sync_runner, "is_not_run", _always):
        yield


def fallback_answers_dropped() -> Generator[None, None, None]:
    """The import of a fallback file drops the answers in it."""
    with patched(core.intake.fallback, "decoded_answers", _no_answers):
        yield


def command_without_end() -> Generator[None, None, None]:
    """A command goes on although nothing is left to do."""
    with patched(core.commands.executor.commands, "finish", _nothing):
        yield


MUTANTS = (
    blocked_is_rejected,
    unwarned_sync_calls,
    unanswered_call_is_repeated,
    fallback_answers_dropped,
    command_without_end,
)
