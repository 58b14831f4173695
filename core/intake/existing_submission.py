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
from state.db.reader import Reader
from state.files import spool
from state.files.folder import Folder
from state.model.errors import AlreadySubmitted, LedgerError
from state.model.records import SpooledRequest


class ExistingSubmission(Struct, frozen=True):
    """The key of the submission; None without one, and then `is_new` says if that is certain."""

    key: str | None
    is_new: bool


def find(
    folder: Folder, requests: Iterable[object], options: SubmitOptions, *, clock: Clock
) -> ExistingSubmission:
    """Look for the same call in the ledger, else in the spool.

    Raises PayloadError and AlreadySubmitted as `submit` does.
    """
    rules = replace(titan_file.read(folder), problems=())
    resolved, requests = resolve_options(options, requests, rules, now=clock.now())
    lines = list(checked_lines(requests, resolved, rules.limits.limits()))
    try:
        with Reader(folder.ledger) as reader:
            earlier = submissions.read_existing(reader, map(staged, lines), resolved.tag)
    except AlreadySubmitted:
        raise
    except LedgerError:
        may_be_known = spool.may_begin_with(folder.spool, lines[0].body)
        return ExistingSubmission(None, not may_be_known)
    return ExistingSubmission(earlier and earlier.key, earlier is None)


def staged(line: Line) -> SpooledRequest:
    """The request as `submissions.read_existing` compares it."""
    betas = ",".join(line.betas) if line.betas else ""
    return SpooledRequest(line.custom_id, 0, len(line.body), line.digest, 0, betas)
