"""Recognises network file systems, on which SQLite's locks and WAL are not reliable."""

import os
import re
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath

from state.files import windows_calls

_MOUNTS = Path("/proc/self/mounts")
_NETWORK = frozenset(
    ("nfs", "nfs4", "cifs", "smb2", "smb3", "smbfs", "afs", "ncpfs", "davfs", "fuse.davfs2")
) | frozenset(("fuse.sshfs", "fuse.rclone", "fuse.s3fs", "fuse.glusterfs", "fuse.gcsfuse"))
# Device, path, type, options; two numbers follow.
_FIELDS = 4
_ESCAPED = re.compile(r"\\([0-7]{3})")


def network_kind(folder: Path) -> str | None:
    """The kind of network file system of the folder; None for a local or unknown one."""
    if windows_calls.is_windows():
        # A junction or a symbolic link may lead to another drive.
        places = (str(folder.absolute()), os.path.realpath(folder))
        return next(filter(None, map(kind_on_windows, places)), None)
    try:
        mounts = _MOUNTS.read_text(errors="replace")
    except OSError:
        return None
    return kind_among(mounts, PurePosixPath(folder.absolute().resolve()))


def kind_on_windows(folder: str) -> str | None:
    """The same from an absolute path of Windows: a share, or a drive that is mapped to one."""
    local = folder.removeprefix("\\\\?\\")
    drive = PureWindowsPath(local).drive
    if folder.startswith("\\\\?\\UNC\\") or drive.startswith("\\\\"):
        return "SMB"
    if drive and windows_calls.is_network_drive(f"{drive}\\"):
        return f"SMB, mapped as {drive}"
    return None


def kind_among(mounts: str, folder: PurePath) -> str | None:
    """The same from a mount table in Linux's format, a line each: device, path, type, options.

    >>> kind_among("host:/a /home nfs4 rw 0 0", PurePosixPath("/home/ann"))
    'nfs4'
    """
    # With strings: a path object for each mount takes a millisecond at every start.
    inside, depth, kind = f"{folder}/", -1, None
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < _FIELDS:
            continue
        mounted = _ESCAPED.sub(lambda code: chr(int(code[1], 8)), fields[1]).rstrip("/")
        # A later mount at the same path covers the earlier one.
        if inside.startswith(f"{mounted}/") and len(mounted) >= depth:
            depth, kind = len(mounted), _network(fields[2], fields[3])
    return kind


def _network(kind: str, options: str) -> str | None:
    if kind == "9p" and "drvfs" in options:
        return "a Windows drive seen from WSL"
    return kind if kind in _NETWORK else None
