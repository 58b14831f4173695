"""A file of what was read from an installed package, for one that takes long to load."""

from contextlib import suppress
from importlib.util import find_spec
from os import getpid
from pathlib import Path

from state.files.folder import open_private


class PackageCache:
    """One file, whose content counts while the same build of the package is installed."""

    def __init__(self, path: Path, package: str, *, data: str) -> None:
        """The `data` is the file of the package that its content comes from."""
        self._path = path
        self._package = package
        self._data = data

    def read(self) -> bytes:
        """The content; empty where there is none for this build."""
        build = self._build()
        with suppress(OSError):
            head, _, content = self._path.read_bytes().partition(b"\n")
            if build and head == build:
                return content
        return b""

    def write(self, content: bytes) -> None:
        """Replace the content, if its folder is there and it can be written."""
        build = self._build()
        if not build:
            return
        part = self._path.with_name(f"{self._path.name}.{getpid()}")
        with suppress(OSError):
            try:
                with open_private(part) as file:
                    file.write(b"%b\n%b" % (build, content))
                part.replace(self._path)
            finally:
                part.unlink(missing_ok=True)

    def _build(self) -> bytes:
        """Size and time of the data file, found without loading the package."""
        with suppress(OSError, ValueError):
            found = find_spec(self._package)
            if found is not None and found.origin:
                data = Path(found.origin).with_name(self._data).stat()
                return f"{data.st_size} {data.st_mtime_ns}".encode()
        return b""
