"""Reads the batches of a ledger from the files beside it: mirror lines, spool and results.

Results that no mirror line names are recovered too: their name has the submission's key, and their
lines have the requests.
"""

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec import UNSET, Struct, UnsetType

from core.api.result_schema import BadLineError, decode
from core.batches.synchronous.parallel_calls import unwritten_calls
from core.requests.supported_schema import schema_of_line
from core.text import unreadable_lines
from state.batches import request_ranges
from state.batches.edits import Bodies, EditedBody
from state.files import archive, fallback_file
from state.files.fallback_file import FallbackFile
from state.files.folder import Folder
from state.model.errors import LedgerError
from state.model.records import BatchKind, BatchStatus
from state.model.timestamps import to_text
from state.recovery import recovered_batches, results_on_disk
from state.recovery.recovered_batches import RecoveredBatch, submission_key

# What helps where a spool file lacks requests that were sent.
RESTORE_SPOOL = (
    "Restore that file from a backup, move titan.db to another folder and run"
    " `titan-console rebuild --yes` again. If the job submits these requests first, they are"
    " charged a second time."
)
_EDIT_FILE = re.compile(r"edit_[0-9a-z]+\.jsonl")


class RecoveredFiles(Struct, frozen=True):
    """The batches by submission key; those without a mirror line come last.

    `names_all_sent`: the mirror was read completely, so that a batch it does not name was not sent.
    """

    batches: dict[str, list[RecoveredBatch]]
    warnings: list[str]
    names_all_sent: bool = False


def read(folder: Folder) -> RecoveredFiles:
    """Every batch that the mirror or a results file names."""
    mirror = recovered_batches.mirror(folder)
    is_damaged = bool(mirror.unreadable or mirror.partly_read or folder.incomplete_mirror.exists())
    is_complete = bool(mirror.batches) and not is_damaged
    found = RecoveredFiles({}, [], is_complete)
    for batch in mirror.batches.values():
        found.batches.setdefault(batch.submission_key, []).append(batch)
    if mirror.unreadable:
        found.warnings.append(
            f"{folder.jobs_mirror.name}: {unreadable_lines(mirror.unreadable)}. Results on"
            " disk are used without it; a batch that is at the API only is listed by"
            " `titan-console orphans` after a poll, and `titan-console adopt` imports it."
        )
    if mirror.partly_read:
        found.warnings.append(
            f"{folder.jobs_mirror.name}: {unreadable_lines(mirror.partly_read)} in part:"
            " which requests a batch has. The results on disk are used instead; for a batch that is"
            " still at the API, the requests are guessed until its results are downloaded."
        )
    if folder.incomplete_mirror.exists():
        found.warnings.append(
            f"{folder.jobs_mirror.name} could not be written for a while, and may lack batches that"
            " were sent. Requests in no known batch are missing, and are not sent again unless you"
            " replay them; a batch that is at the API only is listed by `titan-console orphans`"
            " after a poll, and `titan-console adopt` imports it."
        )
    for key in results_on_disk.batch_keys(folder):
        if key not in mirror.batches:
            found.batches.setdefault(submission_key(key), []).append(_unnamed(folder, key))
    return found


def edits_of(folder: Folder, batch: RecoveredBatch) -> list[tuple[str, Bodies]] | None:
    """The edited bodies of the batch by file, without files that are missing; None: not known."""
    if batch.edits is None:
        return None
    return [
        (name, _edited_bodies(folder.spool / name, range(first, last + 1), batch.betas))
        for name, first, last in batch.edits
        if _EDIT_FILE.fullmatch(name) and archive.exists(folder.spool / name)
    ]


def edits_named(batches: Iterable[RecoveredBatch]) -> dict[str, set[int]]:
    """The files with edited bodies that the lines of these batches name, with offsets in each."""
    found: dict[str, set[int]] = {}
    for batch in batches:
        for name, first, last in batch.edits or ():
            if _EDIT_FILE.fullmatch(name):
                found.setdefault(name, set()).update((first, last))
    return found


def incomplete_edits(folder: Folder, named: Mapping[str, Collection[int]]) -> set[str]:
    """Those of the files that have no body at one of these offsets, or an unreadable line."""
    found = set[str]()
    for name, offsets in named.items():
        if archive.exists(folder.spool / name):
            unreadable: list[int] = []
            bodies = recovered_batches.bodies(folder.spool / name, unreadable)
            if not {at for _, _, at, _ in bodies}.issuperset(offsets) or unreadable:
                found.add(name)
    return found


def _edited_bodies(spool: Path, offsets: range, betas: str) -> Bodies:
    return {
        custom_id: EditedBody(
            offset=offset,
            length=len(line),
            sha256=hashlib.sha256(line).digest(),
            betas=betas,
            model=model,
            schema=schema_of_line(line),
        )
        for custom_id, line, offset, model in recovered_batches.bodies(spool)
        if offset in offsets
    }


def betas_at(batches: Iterable[RecoveredBatch], offset: int) -> str:
    """The betas of the request whose body is there: those of the first batch that had it.

    Later batches may have another body. Where none names its requests, all have the same betas.
    """
    ours = [found for found in batches if found.tag]
    for found in ours:
        if found.requests is not None and request_ranges.has(found.requests, offset):
            return found.betas
    betas = {found.betas for found in ours}
    return betas.pop() if len(betas) == 1 else ""


def fallback_imports(
    folder: Folder, batches: Iterable[RecoveredBatch], warnings: list[str]
) -> dict[str, int]:
    """The keys of the fallback files that were imported into the submission of the batches.

    Also a file that is still there and whose answers a synchronous run has: where the mirror is
    lost, only they show that a poll had begun to import it. With each key, how many calls may have
    been paid for without an answer; 0 where lines of the mirror name the key, which tell it too.
    `warnings` gets what could not be read.
    """
    batches = list(batches)
    named = {key for found in batches for key in found.fallback_imports}
    imported = dict.fromkeys(sorted(named), 0)
    pending = [file for file in fallback_file.pending(folder) if file.key not in named]
    if pending:
        runs = [results_of(folder, found) for found in batches if not found.remote_id]
        copied = {_digest(archive.lines(run)) for run in runs if run is not None}
        imported |= {f.key: unwritten(f, warnings) for f in pending if _answers(f) in copied}
    return imported


def unwritten(file: FallbackFile, warnings: list[str]) -> int:
    """How many calls may have been paid for without an answer in it; 0 where it is unreadable."""
    try:
        return unwritten_calls(file)
    except LedgerError as error:
        warnings.append(f"{error} Calls of its interrupted runs may have been paid for.")
        return 0


def _answers(file: FallbackFile) -> bytes | None:
    """A digest of the answers in it; None where it has none, or cannot be read: a poll names it."""
    try:
        found = _digest(line for _, line in file.answers())
    except (OSError, LedgerError):
        return None
    return found if found != _digest(()) else None


def _digest(lines: Iterable[bytes]) -> bytes:
    found = hashlib.sha256()
    for line in lines:
        found.update(line.rstrip(b"\n") + b"\n")
    return found.digest()


def results_of(folder: Folder, batch: RecoveredBatch) -> Path | None:
    """The file with the results of that batch."""
    return results_on_disk.find(folder, batch.key, is_at_the_api=bool(batch.remote_id))


def custom_ids(results: Path) -> set[str]:
    """The requests of a results file."""
    found: set[str] = set()
    for line in archive.lines(results):
        try:
            found.add(decode(line.rstrip(b"\n")).custom_id)
        except BadLineError:
            continue
    return found


def _unnamed(folder: Folder, key: str) -> RecoveredBatch:
    """A batch of which only the results are left; tag and workflow are those of its submission."""
    path = results_on_disk.find(folder, key, is_at_the_api=False)
    ended = path.stat().st_mtime if path and path.exists() else 0.0
    return RecoveredBatch(
        key=key,
        tag="",
        workflow="",
        submitted_ts="",
        request_count=1,
        status=BatchStatus.ENDED,
        kind=_kind(archive.lines(path)) if path else BatchKind.BATCH,
        completed_ts=to_text(datetime.fromtimestamp(ended, UTC)) if ended else None,
    )


class _Usage(Struct):
    service_tier: str | None = None


class _Message(Struct):
    usage: _Usage


class _Error(Struct):
    request_id: str | UnsetType | None = UNSET


class _Result(Struct):
    type: str
    message: _Message | None = None
    error: _Error | None = None


class _Line(Struct):
    result: _Result


def _kind(lines: Iterable[bytes]) -> BatchKind:
    """Whether the answers are of a batch: the API names the tier of each, and of errors the call.

    The errors of a synchronous run were written by us, without a `request_id`.
    """
    found = BatchKind.BATCH
    for line in lines:
        try:
            result = msgspec.json.decode(line, type=_Line).result
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            continue
        if result.message and (tier := result.message.usage.service_tier):
            return BatchKind.BATCH if tier == "batch" else BatchKind.SYNC
        if result.error and result.error.request_id is UNSET:
            found = BatchKind.SYNC
    return found
