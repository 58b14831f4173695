"""$TITAN_HOME/scan.json: the batchable volume that the last `scan --write` found, for the KPIs."""

from enum import StrEnum

import msgspec
from msgspec import Struct

from core.errors import TitanTomlError
from state.files.folder import Folder, make_private, new_file, replace
from state.files.regular_file import read_regular
from state.files.system_errors import cause

FILE = "scan.json"


class Basis(StrEnum):
    """Where the figures of a month come from."""

    #: Recorded usage of the last 30 days.
    MEASURED = "measured"
    #: The tokens of a run that the task or titan.toml names, times its runs: an estimate.
    STATED = "stated"


class ScannedJob(Struct, frozen=True, kw_only=True):
    """A task that can move to batches. `tokens` is input and output of 30 days, None if unknown."""

    name: str
    tokens: int | None
    basis: Basis | None


class ScanRecord(Struct, frozen=True, kw_only=True):
    """What a scan found, and when."""

    scanned_ts: str | None = None
    jobs: tuple[ScannedJob, ...] = ()


_decoder = msgspec.json.Decoder(ScanRecord)


def read(folder: Folder) -> ScanRecord:
    """The record; an empty one without a file, or with one that cannot be read."""
    try:
        return _decoder.decode(read_regular(folder.root / FILE))
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return ScanRecord()


def write(folder: Folder, record: ScanRecord) -> None:
    """Replace the record. Raises TitanTomlError."""
    path = folder.root / FILE
    try:
        make_private(folder.root)
        part = path.with_suffix(".json.part")
        with new_file(part) as file:
            file.write(msgspec.json.format(msgspec.json.encode(record)))
        replace(part, path)
    except OSError as error:
        message = f"Cannot write {path}: {cause(error, path).text}."
        raise TitanTomlError(message, code="file_unwritable") from error
