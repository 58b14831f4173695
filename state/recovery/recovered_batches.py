"""Recovers batches and bodies from the files beside a lost ledger."""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from state.files import archive
from state.files.folder import Folder
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
        found = _SUBMISSION_KEY.match(self.batch_id)
        return found[0] if found else self.batch_id


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


def batches(folder: Folder) -> dict[str, list[RecoveredBatch]]:
    """Every batch in the mirror, by submission key, in order."""
    last: dict[str, RecoveredBatch] = {}
    if folder.jobs_mirror.exists():
        for line in folder.jobs_mirror.read_bytes().splitlines():
            try:
                found = _decode(line)
            except msgspec.DecodeError:
                continue
            last[found.batch_id] = found
    by_submission: dict[str, list[RecoveredBatch]] = {}
    for found in last.values():
        by_submission.setdefault(found.submission_key, []).append(found)
    return by_submission


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


def bodies(spool: Path) -> Iterator[tuple[str, bytes, int, str | None]]:
    """Each request of a spool file: custom_id, line, byte offset and model."""
    decoder = msgspec.json.Decoder(_Body)
    offset = 0
    for line in archive.lines(spool):
        try:
            found = decoder.decode(line)
        except msgspec.DecodeError:
            offset += len(line)
            continue
        model = (found.params or {}).get("model")
        named = msgspec.json.decode(model, type=str) if model else None
        yield found.custom_id, line.rstrip(b"\n"), offset, named
        offset += len(line)
