"""Distinguishes an error of one file from a full disk, which stops every write."""

import errno

from state.model.errors import FileUnusable, LedgerUnusable

_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}


def is_disk_full(error: OSError) -> bool:
    """Whether there is no space left, on the disk or in the user's quota."""
    return error.errno in _FULL


def file_error(error: OSError, message: str, *, code: str) -> LedgerUnusable:
    """FileUnusable; LedgerUnusable where the disk is full."""
    kind = LedgerUnusable if is_disk_full(error) else FileUnusable
    return kind(message, code=code)
