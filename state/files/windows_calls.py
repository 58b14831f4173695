"""What the program asks of Windows, in one place: tests replace these functions elsewhere."""

import os
import subprocess
from typing import Any, TypedDict

_DRIVE_REMOTE = 4


class Detached(TypedDict, total=False):
    """Arguments of Popen."""

    start_new_session: bool
    creationflags: int


def is_windows() -> bool:
    """Whether this is Windows."""
    return os.name == "nt"


def is_network_drive(root: str) -> bool:
    r"""Whether the drive with that root, such as `Z:\`, is a mapped network folder."""
    import ctypes  # noqa: PLC0415 - on Windows only

    windll: Any = vars(ctypes)["windll"]
    return windll.kernel32.GetDriveTypeW(root) == _DRIVE_REMOTE


def detached() -> Detached:
    """For a child without a window, which a Ctrl-C here does not reach."""
    if is_windows():
        return {"creationflags": getattr(subprocess, "CREATE_NO_WINDOW", 0)}
    return {"start_new_session": True}
