"""What an error of the system means, and about which file or folder."""

import errno
import os
import shutil
from pathlib import Path
from typing import NamedTuple, cast

from state.files import windows_calls
from state.files.regular_file import NOT_REGULAR


class Cause(NamedTuple):
    """A stable code, and a clause for a message."""

    code: str
    text: str


# Less than what SQLite needs beside the ledger to write it.
_LEAST_SPACE = 256 << 10
_DENIED = (errno.EACCES, errno.EPERM)
_FULL = (errno.ENOSPC, errno.EDQUOT)
_NO_FOLDER = (errno.EEXIST, errno.ENOTDIR)


def cause(error: OSError, path: Path) -> Cause:
    """Why the path could not be used; `error` may name another one."""
    path = _named(error) or path
    if error.errno in _DENIED and not is_read_only(path):
        return denied(path)
    if error.errno in _FULL:
        return Cause(
            code="disk_full", text=f"no space is left on the disk of {path.parent}; free some space"
        )
    if error.errno in (errno.EROFS, *_DENIED):
        return Cause(code="read_only", text=f"the file system of {path.parent} is read-only")
    if error.errno == errno.ENAMETOOLONG:
        return Cause(code="name_too_long", text="the path is too long for this file system")
    if error.errno == errno.EIO:
        return Cause(
            code="disk_error", text=f"the disk of {path.parent} reports an error; check the disk"
        )
    return Cause(code="system_error", text=_other_text(error, path))


def _other_text(error: OSError, path: Path) -> str:
    if error.errno == errno.EISDIR:
        return f"{path} is a folder, not a file; move it away"
    if error.errno == NOT_REGULAR:
        return f"{path} is a pipe, a socket or a device, not a file; move it away"
    if error.errno == errno.ENOENT and is_broken_link(path):
        return obstacle_text(path)
    if error.errno in _NO_FOLDER and (file := file_in_the_way(path)):
        return obstacle_text(file)
    return error.strerror or str(error)


def full_disk(path: Path) -> str | None:
    """Why the file cannot be written, where its disk is full; None where it is not."""
    try:
        is_full = shutil.disk_usage(path.parent).free < _LEAST_SPACE
    except OSError:
        return None
    return cause(OSError(errno.ENOSPC, ""), path).text if is_full else None


def file_in_the_way(path: Path) -> Path | None:
    """The path, or the first one on the way to it, that is there and no folder."""
    on_the_way = (*reversed(path.parents), path)
    return next((p for p in on_the_way if os.path.lexists(p) and not p.is_dir()), None)


def obstacle_text(path: Path) -> str:
    """What the path is that should be a file or a folder."""
    if is_broken_link(path):
        return f"{path} is a link to {path.readlink()}, which does not exist; restore that"
    return f"{path} is a file, not a folder; move it away"


def is_broken_link(path: Path) -> bool:
    """Whether the path is a symbolic link to nothing, such as a disk that is not mounted."""
    return path.is_symlink() and not path.exists()


def users_of(path: Path) -> str:
    """How to find the programs that have the file open."""
    if windows_calls.is_windows():
        return f"Resource Monitor lists those that have {path.name} open"
    return f"`lsof {path}` lists those that have it open"


def is_read_only(path: Path) -> bool:
    """Whether the file system of the path is mounted without writing."""
    try:
        return hasattr(os, "statvfs") and bool(os.statvfs(path.parent).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def _named(error: OSError) -> Path | None:
    """The file that the error is about: of a rename onto a folder, that folder."""
    is_target = error.errno == errno.EISDIR and error.filename2 is not None
    name: object = error.filename2 if is_target else error.filename
    if not isinstance(name, str | bytes | os.PathLike):
        return None
    return Path(os.fsdecode(cast("str | bytes | os.PathLike[str]", name)))


def denied(path: Path) -> Cause:
    """Which file or folder on the way to the path keeps this user out, and whose it is."""
    blocking = _blocking(path.absolute())
    owner = _owner(blocking)
    if owner is None:
        return Cause(code="permission_denied", text=f"this user has no permission for {blocking}")
    if owner == _user():
        return Cause(
            code="permission_denied", text=f"the permissions of {blocking} forbid it; change them"
        )
    said = f"{blocking} belongs to {owner}, and {_user()} has no permission; run as {owner}"
    return Cause(code="permission_denied", text=said)


def _blocking(path: Path) -> Path:
    """The first folder that this user may not enter, else the file, else its folder."""
    for folder in reversed(path.parents):
        if folder.exists() and not os.access(folder, os.X_OK):
            return folder
    return path if os.path.lexists(path) else path.parent


def _owner(path: Path) -> str | None:
    """Its owner's name, or number where the user has none; None on Windows."""
    try:
        return _name(path.stat().st_uid)
    except OSError:
        return None


def _user() -> str:
    return _name(os.geteuid()) or ""


def _name(number: int) -> str | None:
    if windows_calls.is_windows():
        return None
    import pwd  # noqa: PLC0415 - not on Windows

    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"
