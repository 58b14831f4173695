"""[backup] of titan.toml: the daily copies of the ledger."""

from typing import Annotated

from msgspec import Meta

from core.config.toml_reader import Record

_Megabytes = Annotated[int, Meta(ge=0, le=10_000_000)]


class BackupSettings(Record, frozen=True, kw_only=True):
    """[backup]: how many daily backups are kept, of what total size; 0 days: none are made.

    The same bounds hold, apart, for the copies that restores, rebuilds and migrations keep.
    No backup is made that would leave less than `min_free_mb` on the disk.
    """

    keep_days: Annotated[int, Meta(ge=0, le=365)] = 7
    max_mb: Annotated[int, Meta(ge=1, le=10_000_000)] = 5_000
    min_free_mb: _Megabytes = 500
