"""The command to type for Titan Console."""

import shutil
import sys
from pathlib import Path

_NAME = "titan-console"


def program() -> str:
    """The name if it is on PATH, else the full path."""
    return _NAME if shutil.which(_NAME) else str(Path(sys.executable).parent / _NAME)
