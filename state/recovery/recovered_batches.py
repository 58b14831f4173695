"""Recovers batches and bodies from the files beside a lost ledger."""

import re
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import msgspec

from state.db.connection import connect_read_only
from state.db.sqlite_errors import UNREADABLE
from state.files import archive
from state.files.folder import Folder
from state.files.lost_ledger import backup_files
from state.model.errors import LedgerError
from state.model.records import BatchKind, BatchStatus

_SUBMISSION_KEY = re.compile(r"tb_[0-9a-z]{10}")


class RecoveredBatch(msgspec.Struct, frozen=True, kw_only=True):
    """A batch as its last line in `batch-jobs.jsonl` describes it."""

    batch_id: str
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

    @property
    def submission_key(self) -> str:
        """The key of its submission."""
        return submission_key(self.batch_id)


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


def _decode(line: bytes) -> RecoveredBatch:
    fields = msgspec.json.decode(line, type=dict[str, object])
    status = str(fields.get("status"))
    fields["status"] = _FORMER_STATUSES.get(status, status)
    return msgspec.convert(fields, RecoveredBatch)


class Mirror(msgspec.Struct, frozen=True):
    """The batches of `batch-jobs.jsonl` by key, in order, and the numbers of unreadable lines."""

    batches: dict[str, RecoveredBatch]
    unreadable: list[int]


def mirror(folder: Folder) -> Mirror:
    """Read the mirror; empty where there is none."""
    found = Mirror({}, [])
    if folder.jobs_mirror.exists():
        for number, line in enumerate(folder.jobs_mirror.read_bytes().splitlines(), 1):
            try:
                batch = _decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                found.unreadable.append(number)
            else:
                found.batches[batch.batch_id] = batch
    return found


def tags(folder: Folder) -> dict[str, str]:
    """The tag of each submission in other files: the mirror of errors, and the backups."""
    found: dict[str, str] = {}
    for path in reversed(backup_files(folder)):
        with suppress(LedgerError, OSError, *UNREADABLE), closing(connect_read_only(path)) as copy:
            found |= dict(copy.execute("SELECT key, tag FROM submissions").fetchall())
    if folder.errors_mirror.is_file():
        for line in folder.errors_mirror.read_bytes().splitlines():
            with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                error = msgspec.json.decode(line, type=_Tagged)
                found[submission_key(error.batch_id)] = error.tag
    return found


class _Tagged(msgspec.Struct, frozen=True):
    batch_id: str
    tag: str


def spools(folder: Folder) -> list[Path]:
    """The spool file of each submission, oldest first; some may be compressed."""
    found: dict[Path, float] = {}
    for path in [*folder.spool.glob("tb_*.jsonl.zst"), *folder.spool.glob("tb_*.jsonl")]:
        plain = path.with_name(path.name.removesuffix(archive.SUFFIX))
        if _SUBMISSION_KEY.fullmatch(plain.stem):
            found[plain] = path.stat().st_mtime
    return sorted(found, key=lambda path: (found[path], path.name))


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
            if unreadable is not None:
                unreadable.append(number)
            continue
        model = (found.params or {}).get("model")
        named = msgspec.json.decode(model, type=str) if model else None
        yield found.custom_id, line.rstrip(b"\n"), offset, named
        offset += len(line)
