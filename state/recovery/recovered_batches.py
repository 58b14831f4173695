"""Recovers batches and bodies from the files beside a lost ledger."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import msgspec

from state.db.reader import Reader
from state.files import archive, spool_lane
from state.files.folder import Folder
from state.files.lost_ledger import backup_files
from state.files.regular_file import read_regular
from state.model.errors import LedgerError
from state.model.records import BatchKind, BatchStatus
from state.model.timestamps import from_text, to_text

_Offset = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
_SUBMISSION_KEY = re.compile(r"tb_[0-9a-z]{10}")
# The local clock may have been ahead of the API's by days. Batches that are older than the create
# have ended as a rule, so that their results identify them.
_CLOCK_ERROR = timedelta(days=30)


class RecoveredBatch(msgspec.Struct, frozen=True, kw_only=True):
    """A batch as its last line in `batch-jobs.jsonl` describes it."""

    key: str = msgspec.field(name="batch_id")
    tag: str
    workflow: str
    submitted_ts: str
    request_count: int
    status: BatchStatus
    kind: BatchKind = BatchKind.BATCH
    completed_ts: str | None = None
    remote_id: str | None = None
    nonce: str | None = None
    account: str | None = None
    # None: an old line.
    lane: str | None = None
    # Runs of body offsets in the spool file, in order. None: an old line, or too many runs.
    requests: list[tuple[_Offset, _Offset]] | None = None
    # Files in the spool folder with bodies that replaced those of the submission, oldest first, and
    # the offsets of the first and last one of the batch. None: an old line, or too many files.
    edits: list[tuple[str, _Offset, _Offset]] | None = None
    betas: str = ""
    fallback_imports: list[str] = []
    # How many of its requests may have been charged a second time.
    possible_duplicate_charges: Annotated[int, msgspec.Meta(ge=0, le=2**31)] = 0

    @property
    def is_duplicate(self) -> bool:
        """Whether the API received the POST of another batch twice, and this is the second."""
        return "-duplicate" in self.key

    @property
    def is_lost(self) -> bool:
        """Whether it is no batch, but holds what an earlier rebuild or restore found in none."""
        return "-lost" in self.key

    @property
    def submission_key(self) -> str:
        """The key of its submission."""
        return submission_key(self.key)


def watermark_ts(submitted_ts: str) -> str:
    """The time before which the API had no batch of a create whose watermark is not known."""
    return to_text(from_text(submitted_ts) - _CLOCK_ERROR)


def submission_key(batch_key: str) -> str:
    """The key of the submission of that batch."""
    found = _SUBMISSION_KEY.match(batch_key)
    return found[0] if found else batch_key


# How the mirror spelled statuses before version 2 of the ledger; old lines stay in it.
_FORMER_STATUSES = {
    "intent": BatchStatus.QUEUED,
    "uncertain": BatchStatus.UNCONFIRMED,
    "released": BatchStatus.NOT_SENT,
    "refused": BatchStatus.REJECTED,
}


# A line in which one of these is malformed is used without them.
_OPTIONAL = ("requests", "edits", "betas", "fallback_imports", "possible_duplicate_charges")


def _decode(line: bytes, known: Mapping[str, RecoveredBatch]) -> tuple[RecoveredBatch, bool]:
    """The batch of a line, and whether all of it could be read.

    `known` has the batches of the lines before: what a line of a damaged ledger lacks is in them.
    """
    fields = msgspec.json.decode(line, type=dict[str, object])
    earlier = known.get(str(fields.get("batch_id")))
    if earlier:
        fields = {name: getattr(earlier, name) for name in _OPTIONAL} | fields
    status = str(fields.get("status"))
    fields["status"] = _FORMER_STATUSES.get(status, status)
    try:
        found = msgspec.convert(fields, RecoveredBatch)
    except msgspec.ValidationError:
        rest = {name: value for name, value in fields.items() if name not in _OPTIONAL}
        return msgspec.convert(rest, RecoveredBatch), False
    if _is_in_order(found.requests or ()):
        return found, True
    return msgspec.structs.replace(found, requests=None), False


def _is_same(earlier: RecoveredBatch, later: RecoveredBatch) -> bool:
    """Whether both lines are of one batch: two lost ledgers may have given a key to one each."""
    return None in (earlier.nonce, later.nonce) or earlier.nonce == later.nonce


def _is_in_order(runs: Sequence[tuple[int, int]]) -> bool:
    bounds = [bound for run in runs for bound in run]
    return bounds == sorted(bounds)


class Mirror(msgspec.Struct, frozen=True):
    """The batches of `batch-jobs.jsonl` by key, in order, and the numbers of damaged lines.

    Two with the same key and another nonce are two batches; the earlier one has both as its key.
    Of those in `partly_read` the requests of the batch could not be read.
    """

    batches: dict[str, RecoveredBatch]
    unreadable: list[int]
    partly_read: list[int]


def mirror(folder: Folder) -> Mirror:
    """Read the mirror; empty where there is none."""
    found = Mirror({}, [], [])
    if folder.jobs_mirror.exists():
        for number, line in enumerate(read_regular(folder.jobs_mirror).splitlines(), 1):
            try:
                batch, is_whole = _decode(line, found.batches)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                found.unreadable.append(number)
            else:
                earlier = found.batches.get(batch.key)
                if earlier and not _is_same(earlier, batch):
                    found.batches[f"{earlier.key} {earlier.nonce}"] = earlier
                found.batches.pop(f"{batch.key} {batch.nonce}", None)
                found.batches[batch.key] = batch
                if not is_whole:
                    found.partly_read.append(number)
    return found


def tags(folder: Folder) -> dict[str, str]:
    """The tag of each submission in other files: the mirror of errors, and the backups."""
    found: dict[str, str] = {}
    for path in reversed(backup_files(folder)):
        with suppress(LedgerError, OSError), Reader(path, any_version=True) as copy:
            found |= {
                row["key"]: row["tag"] for row in copy.rows("SELECT key, tag FROM submissions")
            }
    if folder.errors_mirror.is_file():
        for line in read_regular(folder.errors_mirror).splitlines():
            with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                error = msgspec.json.decode(line, type=_Tagged)
                found[submission_key(error.batch_key)] = error.tag
    return found


class _Tagged(msgspec.Struct, frozen=True):
    batch_key: str = msgspec.field(name="batch_id")
    tag: str


def spools(folder: Folder) -> list[Path]:
    """The spool file of each submission, oldest first; some may be compressed."""
    found: dict[Path, float] = {}
    for path in [*folder.spool.glob("tb_*.jsonl.zst"), *folder.spool.glob("tb_*.jsonl")]:
        plain = path.with_name(path.name.removesuffix(archive.SUFFIX))
        if _SUBMISSION_KEY.fullmatch(plain.stem):
            found[plain] = path.stat().st_mtime
    return sorted(found, key=lambda path: (found[path], path.name))


def edit_files(folder: Folder) -> set[str]:
    """The names of the files with the bodies of edited requests."""
    found = folder.spool.glob("edit_*.jsonl*")
    return {path.name.removesuffix(archive.SUFFIX) for path in found if path.suffix != ".part"}


class _Body(msgspec.Struct, frozen=True):
    custom_id: str
    params: dict[str, msgspec.Raw] | None = None


def bodies(
    spool: Path, unreadable: list[int] | None = None
) -> Iterator[tuple[str, bytes, int, str | None]]:
    """Each request of a spool file: custom_id, line, byte offset and model.

    The numbers of lines that cannot be read are added to `unreadable`.
    """
    decoder = msgspec.json.Decoder(_Body)
    offset = 0
    for number, line in enumerate(archive.lines(spool), 1):
        try:
            found = decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            offset += len(line)
            if unreadable is not None and spool_lane.parse_lane(line) is None:
                unreadable.append(number)
            continue
        model = (found.params or {}).get("model")
        named = msgspec.json.decode(model, type=str) if model else None
        yield found.custom_id, line.rstrip(b"\n"), offset, named
        offset += len(line)
