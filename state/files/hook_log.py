"""Which delivery hooks succeeded, and for which content: a file beside the ledger.

A ledger that was restored or rebuilt has not recorded them and delivers the same file again.
"""

import hashlib
import os
from contextlib import suppress
from pathlib import Path

import msgspec

from state.files.folder import Folder, make_private, new_file, open_private, replace
from state.files.regular_file import open_regular, read_regular

# Longer logs lose their older half.
_LIMIT = 1 << 20


class HookSuccess(msgspec.Struct, frozen=True, kw_only=True):
    """A command that exited with 0 after a file with that content was delivered."""

    file: str
    sha256: str
    command: str


def digest(path: Path) -> str | None:
    """The SHA-256 of a file; None where it cannot be read."""
    with suppress(OSError), open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
    return None


def append(folder: Folder, success: HookSuccess) -> None:
    """Record a success durably. Raises OSError."""
    make_private(folder.root)
    path = folder.hook_log
    if path.exists() and path.stat().st_size > _LIMIT:
        _shorten(path)
    with open_private(path, append=True) as file:
        # A line that was torn by a crash ends here.
        file.write((b"\n" if _is_torn(path) else b"") + msgspec.json.encode(success) + b"\n")
        file.flush()
        os.fsync(file.fileno())


def last(folder: Folder, name: str) -> HookSuccess | None:
    """The last success of that delivered file."""
    with suppress(OSError):
        for line in reversed(read_regular(folder.hook_log).splitlines()):
            with suppress(msgspec.MsgspecError, UnicodeDecodeError):
                found = msgspec.json.decode(line, type=HookSuccess)
                if found.file == name:
                    return found
    return None


def _is_torn(path: Path) -> bool:
    content = read_regular(path)
    return bool(content) and not content.endswith(b"\n")


def _shorten(path: Path) -> None:
    lines = read_regular(path).splitlines(keepends=True)
    part = path.with_name(f"{path.name}.part")
    with new_file(part) as file:
        file.writelines(lines[len(lines) // 2 :])
        file.flush()
        os.fsync(file.fileno())
    replace(part, path)
