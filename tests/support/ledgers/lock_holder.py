"""Another process that holds a lock until it is killed."""

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def killed_holder(program: str, path: Path, *, says: str) -> Generator[None, None, None]:
    """Run a program that takes the lock at `path` and prints `says`; kill it after the block."""
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == f"{says}\n"
        yield
        holder.kill()
