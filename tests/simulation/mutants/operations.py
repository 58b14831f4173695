"""Deliberate bugs in commands, synchronous runs, fallback files and account problems."""

from collections.abc import Generator
from datetime import datetime

from msgspec.structs import replace as changed
from simulation.mutants.patching import never, nothing, patched

import core.batches.budget_admission
import core.batches.send
import core.batches.synchronous.parallel_calls
import core.batches.unresolved.stuck_policy
import core.batches.unresolved.unconfirmed_creates
import core.commands.executor
import core.intake.existing_submission
import core.intake.fallback_files
import core.recovery.recovered_files
import state.batches.stuck_batches
import state.batches.sync_runs
from core.batches.create_error_policy import AfterCreate, CreateAction, Recovery
from core.batches.unresolved.stuck_policy import Decision, Evidence
from core.errors import ApiError, Blocked
from core.intake.existing_submission import ExistingSubmission
from state.model.records import Batch


def _always(*_args: object, **_options: object) -> bool:
    return True


def _zero(*_args: object, **_options: object) -> int:
    return 0


def _none(*_args: object, **_options: object) -> list[Batch]:
    return []


def _unknown(*_args: object, **_options: object) -> ExistingSubmission:
    return ExistingSubmission(None, is_new=True)


def _no_answers(_file: object) -> dict[str, object]:
    return {}


def blocked_is_rejected() -> Generator[None, None, None]:
    """A problem of the account marks the requests of the batch as errored."""
    real = core.batches.send.after_create

    def after_create(error: ApiError, recovery: Recovery, *, body_bytes: int) -> AfterCreate:
        found = real(error, recovery, body_bytes=body_bytes)
        return changed(found, action=CreateAction.REJECT) if isinstance(error, Blocked) else found

    with patched(core.batches.send, "after_create", after_create):
        yield


def unwarned_sync_calls() -> Generator[None, None, None]:
    """Calls of an interrupted run that may be paid for are not recorded."""
    with (
        patched(state.batches.sync_runs, "_record_unwritten", nothing),
        patched(core.intake.fallback_files, "unwritten_calls", _zero),
        patched(core.recovery.recovered_files, "unwritten_calls", _zero),
    ):
        yield


def unanswered_call_is_repeated() -> Generator[None, None, None]:
    """A synchronous call without a response counts as not run, and is made again."""
    with patched(core.batches.synchronous.parallel_calls, "is_not_run", _always):
        yield


def fallback_answers_dropped() -> Generator[None, None, None]:
    """The import of a fallback file drops the answers in it."""
    with patched(core.intake.fallback_files, "decoded_answers", _no_answers):
        yield


def command_without_end() -> Generator[None, None, None]:
    """A command goes on although nothing is left to do."""
    with patched(core.commands.executor.commands, "finish", nothing):
        yield


def one_404_is_gone() -> Generator[None, None, None]:
    """The first 404 writes a batch off, and it is never looked for again."""
    gone = core.batches.unresolved.stuck_policy.Decision.WRITE_OFF

    def decide(batch: Batch, evidence: Evidence, _now: datetime) -> Decision:
        return (
            gone
            if evidence in (Evidence.ABSENT, Evidence.NOT_FOUND)
            else real(batch, evidence, _now)
        )

    real = core.batches.unresolved.stuck_policy.decide
    with (
        patched(core.batches.unresolved.stuck_policy, "decide", decide),
        patched(state.batches.stuck_batches, "written_off", _none),
    ):
        yield


def waited_for_without_end() -> Generator[None, None, None]:
    """A batch that vanished or does not end is waited for."""

    def decide(*_args: object) -> Decision:
        return Decision.KEEP

    with patched(core.batches.unresolved.stuck_policy, "decide", decide):
        yield


def candidate_without_end() -> Generator[None, None, None]:
    """A batch that may be ours and never ends keeps its create unconfirmed."""
    with patched(core.batches.unresolved.unconfirmed_creates, "is_never_ending", never):
        yield


def fallback_without_reading() -> Generator[None, None, None]:
    """A job whose ledger cannot be written does not look whether its call is known."""
    with (
        patched(core.intake.existing_submission, "find", _unknown),
        patched(core.intake.fallback_files, "_was_imported", never),
    ):
        yield


def limit_is_ignored() -> Generator[None, None, None]:
    """A batch is sent whatever the budgets say."""
    with patched(core.batches.budget_admission, "admit_batch", nothing):
        yield


MUTANTS = (
    limit_is_ignored,
    one_404_is_gone,
    waited_for_without_end,
    candidate_without_end,
    fallback_without_reading,
    blocked_is_rejected,
    unwarned_sync_calls,
    unanswered_call_is_repeated,
    fallback_answers_dropped,
    command_without_end,
)
