"""Finds a submission that was made before, while the ledger cannot be written.

A writer never blocks the readers of the ledger. What was submitted before is not run again; nor is
what may have been, where the ledger cannot be read either.
"""

from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from core.clock import Clock
from core.config import titan_file
from core.intake.options import SubmitOptions, resolve_options
from core.intake.submit import checked_lines
from core.requests.payload import Line
from state.batches import submissions
from state.db.opening import open_reader
from state.files import spool
from state.files.folder import Folder
from state.model.errors import COMMIT_UNKNOWN, AlreadySubmitted, LedgerBusy, LedgerError
from state.model.records import SpooledRequest


class ExistingSubmission(Struct, frozen=True):
    """The key of the submission; None without one, and then `is_new` says if that is certain."""

    key: str | None
    is_new: bool


def find(
    folder: Folder,
    requests: Iterable[object],
    options: SubmitOptions,
    *,
    clock: Clock,
    error: LedgerError,
) -> ExistingSubmission:
    """Look for the same call in the ledger, else in the spool.

    `error` is why it could not be stored. Raises PayloadError and AlreadySubmitted as `submit`
    does.
    """
    rules = replace(titan_file.read(folder), problems=())
    resolved, requests = resolve_options(options, requests, rules, now=clock.now())
    lines = list(checked_lines(requests, resolved, rules.limits.limits()))
    try:
        with open_reader(folder) as reader:
            earlier = submissions.read_existing(reader, map(staged, lines), resolved.tag)
    except AlreadySubmitted:
        raise
    except LedgerError:
        may_be_known = spool.may_begin_with(folder.spool, lines[0].body)
        # Another host may have submitted it.
        return ExistingSubmission(None, folder.ledger_url is None and not may_be_known)
    if earlier is not None:
        return ExistingSubmission(earlier.key, is_new=False)
    return ExistingSubmission(None, is_new=not _may_be_stored_yet(folder, error))


def _may_be_stored_yet(folder: Folder, error: LedgerError) -> bool:
    """Whether a transaction that is not over may store it: of this process, or of another host."""
    is_busy = folder.ledger_url is not None and isinstance(error, LedgerBusy)
    return is_busy or error.code == COMMIT_UNKNOWN


def staged(line: Line) -> SpooledRequest:
    """The request as `submissions.read_existing` compares it."""
    betas = ",".join(line.betas) if line.betas else ""
    return SpooledRequest(line.custom_id, 0, len(line.body), line.digest, 0, betas)
