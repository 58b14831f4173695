"""The file that keeps a submission while the ledger cannot be used.

Lines of JSON: first what the job ordered, then its requests as the spool holds them, then, where
the job wanted its answers at once, the answers as the API's results hold them, between a word that
a process begins to ask and one that it has all.
"""

import hashlib
import os
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from io import BufferedRandom
from itertools import zip_longest
from pathlib import Path

import msgspec
from msgspec import Struct

from state.files.folder import Folder, make_private, open_private, replace
from state.model.errors import LedgerUnusable

_PIECE = 1 << 18


class Header(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the job ordered."""

    tag: str
    workflow: str
    model: str
    work_date: str
    on_failure: str
    created_by: str
    created_ts: str
    job: str | None = None
    deadline_ts: str | None = None
    betas: str = ""
    error: str = ""
    requests: int = 0


class _Line(msgspec.Struct, frozen=True):
    custom_id: str = ""
    asking: bool | msgspec.UnsetType = msgspec.UNSET
    params: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    result: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


# Around the answers of one process.
_ASKING, _ASKED = b'{"asking":true}', b'{"asking":false}'
_decoder = msgspec.json.Decoder(_Line)


class RescueFile(Struct, frozen=True):
    """One such file; its name is the key of the submission."""

    path: Path

    @property
    def key(self) -> str:
        """The key that `submit` returned."""
        return self.path.stem

    def header(self) -> Header:
        """What was ordered. Raises LedgerUnusable for a file that is none of ours."""
        try:
            with self.path.open("rb") as file:
                return msgspec.json.decode(file.readline(), type=Header)
        except (OSError, msgspec.DecodeError) as error:
            raise LedgerUnusable(f"The rescue file {self.path} cannot be read: {error}.") from error

    def requests(self) -> Iterator[tuple[str, bytes]]:
        """Each request's custom_id and line."""
        for found, line in self._lines():
            if found.params is not msgspec.UNSET:
                yield found.custom_id, line

    def answers(self) -> Iterator[tuple[str, bytes]]:
        """Each answer's custom_id and line, once; one that a kill has cut short is none."""
        seen: set[str] = set()
        for found, line in self._lines():
            if found.result is not msgspec.UNSET and found.custom_id not in seen:
                seen.add(found.custom_id)
                yield found.custom_id, line

    def deaths(self) -> int:
        """How many processes died amid its answers: each may have paid for some not here."""
        marks = [found.asking for found, _ in self._lines() if found.asking is not msgspec.UNSET]
        return sum(begun and ended is not False for begun, ended in zip_longest(marks, marks[1:]))

    def _lines(self) -> Iterator[tuple[_Line, bytes]]:
        """Every line that is whole, also where its end was all that a kill has cut off."""
        with self.path.open("rb") as file:
            file.readline()
            for line in file:
                try:
                    yield _decoder.decode(line), line.removesuffix(b"\n")
                except msgspec.DecodeError:
                    continue

    def add_answers(self, answers: Iterable[list[bytes]]) -> None:
        """Append answers; some are on disk before the next are waited for."""
        with self.path.open("ab+") as file:
            if not _ends_a_line(file):
                # A kill has cut the last one short, and this one is not to be lost with it.
                file.write(b"\n")
            _write_down(file, [_ASKING])
            for lines in answers:
                _write_down(file, lines)
            _write_down(file, [_ASKED])

    @contextmanager
    def held(self) -> Generator[bool, None, None]:
        """Whether nobody else works on this file; while inside, nobody else does."""
        from filelock import FileLock, Timeout  # noqa: PLC0415 - only where there is a rescue

        lock = FileLock(self.path.with_suffix(".lock"))
        try:
            lock.acquire(blocking=False)
        except (Timeout, OSError):
            yield False
            return
        try:
            yield True
        finally:
            lock.release()
            if not self.path.exists():
                self.path.with_suffix(".lock").unlink(missing_ok=True)


def write(place: Path, header: Header, lines: Iterable[bytes]) -> tuple[RescueFile, bool]:
    """Write a file, whole or not at all; false when the same requests lie there already.

    Its name comes from what is in it, so that a job that is started again finds it. Raises OSError.
    """
    make_private(place)
    part = place / f"{os.getpid()}-{id(header):x}.part"
    digest = hashlib.sha256(f"{header.tag}\0{header.betas}\0".encode())
    try:
        with open_private(part) as file:
            file.write(msgspec.json.encode(header) + b"\n")
            for line in lines:
                digest.update(hashlib.sha256(line).digest())
                file.write(line + b"\n")
            file.flush()
            os.fsync(file.fileno())
        made = RescueFile(place / f"{_key(digest.digest())}.jsonl")
        if made.path.exists():
            return made, False
        replace(part, made.path)
        return made, True
    finally:
        part.unlink(missing_ok=True)


def _key(digest: bytes) -> str:
    """`tb_` and 50 bits of the digest, as long as any key."""
    alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
    number = int.from_bytes(digest[:8], "big")
    return "tb_" + "".join(alphabet[number >> (5 * at) & 31] for at in range(10))


def places(folder: Folder) -> list[Path]:
    """Where such files may lie: beside the ledger, else in this user's cache, else in temp."""
    from platformdirs import user_cache_path  # noqa: PLC0415 - 30 ms, only for a rescue

    digest = hashlib.sha256(str(folder.root.absolute()).encode()).hexdigest()[:12]
    user = str(os.getuid()) if hasattr(os, "getuid") else "user"
    temporary = Path(_temporary()) / f"titan-console-{user}"
    cache = user_cache_path("titan-console", appauthor=False)
    return [folder.rescue, cache / f"rescue-{digest}", temporary / f"rescue-{digest}"]


def _temporary() -> str:
    import tempfile  # noqa: PLC0415 - only for a rescue

    return tempfile.gettempdir()


def is_ours(place: Path) -> bool:
    """Whether the folder belongs to this user alone; temp is open to all."""
    if os.name == "nt":
        return place.is_dir()
    try:
        found = place.lstat()
    except OSError:
        return False
    return place.is_dir() and found.st_uid == os.getuid() and not found.st_mode & 0o077


def waiting(folder: Folder) -> list[RescueFile]:
    """Every rescue file of this ledger, in every place."""
    return [
        RescueFile(path)
        for place in places(folder)
        if is_ours(place)
        for path in sorted(place.glob("tb_*.jsonl"))
    ]


def _write_down(file: BufferedRandom, lines: Iterable[bytes]) -> None:
    file.writelines(line + b"\n" for line in lines)
    file.flush()
    os.fsync(file.fileno())


def _ends_a_line(file: BufferedRandom) -> bool:
    file.seek(-1, os.SEEK_END)
    return file.read() == b"\n"


def find(folder: Folder, key: str) -> RescueFile | None:
    """The rescue file with that key."""
    return next((file for file in waiting(folder) if file.key == key), None)
