"""Fallback files: one submission each, kept while the ledger cannot be used.

JSONL: first the resolved options, then the requests as the spool holds them. For a job with
`on_failure="sync"` the answers follow in the API's result format, each process's between
`{"asking":true}` and `{"asking":false}`, so that a process that died between the two is visible;
before them, `{"reserved_nano":1}` is what the run may cost at most, for the budgets.
"""

import hashlib
import os
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedRandom
from itertools import zip_longest
from pathlib import Path

import msgspec
from msgspec import Struct

from state.files import windows_calls
from state.files.folder import Folder, make_private, open_private, replace
from state.files.regular_file import open_regular
from state.files.system_errors import cause
from state.model.errors import FileUnusable
from state.model.records import DEFAULT_LANE

_PIECE = 1 << 18


class Header(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The resolved options of the submission, and the error that kept it out of the ledger."""

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
    reask: int = 0
    continue_turns: int = 0
    on_max_tokens: str = "review"
    lane: str = DEFAULT_LANE


class _Line(msgspec.Struct, frozen=True):
    custom_id: str = ""
    asking: bool | msgspec.UnsetType = msgspec.UNSET
    reserved_nano: int = 0
    params: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    result: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


# Around the answers of one process.
_ASKING, _ASKED = b'{"asking":true}', b'{"asking":false}'
_decoder = msgspec.json.Decoder(_Line)


class FallbackFile(Struct, frozen=True):
    """One fallback file; its name is the key of the submission."""

    path: Path

    @property
    def key(self) -> str:
        """The key that `submit` returned."""
        return self.path.stem

    @property
    def is_there(self) -> bool:
        """Whether no poll has removed it; a link to a missing file is there, and unreadable."""
        return os.path.lexists(self.path)

    def header(self) -> Header:
        """The first line. Raises FileUnusable where it cannot be parsed."""
        try:
            with open_regular(self.path) as file:
                return msgspec.json.decode(file.readline(), type=Header)
        except OSError as error:
            why = cause(error, self.path).text
            raise self._unreadable(f"cannot be read: {why}.") from error
        except msgspec.DecodeError as error:
            raise self._unreadable(
                f"is damaged ({error}); move it away, and submit its requests again."
            ) from error

    def _unreadable(self, why: str) -> FileUnusable:
        return FileUnusable(f"The fallback file {self.path} {why}", code="fallback_unreadable")

    def requests(self) -> Iterator[tuple[str, bytes]]:
        """Each request's custom_id and line."""
        for found, line in self._lines():
            if found.params is not msgspec.UNSET:
                yield found.custom_id, line

    def answers(self) -> Iterator[tuple[str, bytes]]:
        """The first answer of each custom_id, and its line; lines cut by a kill are skipped."""
        seen: set[str] = set()
        for found, line in self._lines():
            if found.result is not msgspec.UNSET and found.custom_id not in seen:
                seen.add(found.custom_id)
                yield found.custom_id, line

    def interrupted_runs(self) -> int:
        """How many processes died while answering: each may have paid for answers not here."""
        marks = [found.asking for found, _ in self._lines() if found.asking is not msgspec.UNSET]
        return sum(begun and ended is not False for begun, ended in zip_longest(marks, marks[1:]))

    def reserved_nano(self) -> int:
        """What its synchronous run may cost at most; 0 before one was admitted."""
        return max((found.reserved_nano for found, _ in self._lines()), default=0)

    def reserve(self, nano: int) -> None:
        """Record what its synchronous run may cost at most."""
        with self.path.open("ab+") as file:
            _end_the_last_line(file)
            _append(file, [msgspec.json.encode({"reserved_nano": nano})])

    def _lines(self) -> Iterator[tuple[_Line, bytes]]:
        """Every line that parses; a complete last line counts without its newline too."""
        with open_regular(self.path) as file:
            file.readline()
            for line in file:
                try:
                    yield _decoder.decode(line), line.removesuffix(b"\n")
                except msgspec.DecodeError:
                    continue

    def add_answers(self, answers: Iterable[list[bytes]]) -> None:
        """Append answers; each list is on disk before the next is awaited."""
        with self.path.open("ab+") as file:
            _end_the_last_line(file)
            _append(file, [_ASKING])
            for lines in answers:
                _append(file, lines)
            _append(file, [_ASKED])

    @contextmanager
    def budget_lock(self) -> Generator[None, None, None]:
        """Lock the reservations of all files of the directory, from reading them to writing one."""
        from filelock import FileLock  # noqa: PLC0415 - only where there is a file

        with FileLock(self.path.with_name("budget.lock")):
            yield

    @contextmanager
    def try_lock(self) -> Generator[bool, None, None]:
        """Lock the file against other processes; False where one of them has it."""
        from filelock import FileLock, Timeout  # noqa: PLC0415 - only where there is a file

        lock = FileLock(self.path.with_suffix(".lock"))
        try:
            lock.acquire(blocking=False)
        except (Timeout, OSError):
            yield False
            return
        try:
            yield True
        finally:
            # Removed while it is held: another process could have it by then, and would lose it.
            if not self.path.exists():
                with suppress(PermissionError):  # Windows removes no open file
                    self.path.with_suffix(".lock").unlink(missing_ok=True)
            lock.release()


def write(
    directory: Path, header: Header, lines: Iterable[bytes], *, home: str = ""
) -> tuple[FallbackFile, bool]:
    """Write a file atomically; False where the same requests are there already.

    The name is derived from the content, so that a restarted job finds its file; and from `home`
    where another one may have a file of the same call, with paid answers of its own. Raises
    OSError.
    """
    make_private(directory)
    part = directory / f"{os.getpid()}-{id(header):x}.part"
    digest = hashlib.sha256(f"{header.tag}\0{header.betas}\0{home}".encode(errors="replace"))
    try:
        with open_private(part) as file:
            file.write(msgspec.json.encode(header) + b"\n")
            for line in lines:
                digest.update(hashlib.sha256(line).digest())
                file.write(line + b"\n")
            file.flush()
            os.fsync(file.fileno())
        made = FallbackFile(directory / f"{_key(digest.digest())}.jsonl")
        if made.path.exists():
            return made, False
        replace(part, made.path)
        return made, True
    finally:
        part.unlink(missing_ok=True)


def _key(digest: bytes) -> str:
    """`tb_` and 50 bits of the digest, as long as every submission key."""
    alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
    number = int.from_bytes(digest[:8], "big")
    return "tb_" + "".join(alphabet[number >> (5 * at) & 31] for at in range(10))


def directories(folder: Folder) -> list[Path]:
    """Where fallback files are written: the first of these that can be.

    Beside the ledger, in the user's cache, in `/var/tmp`, which a reboot keeps, and in a temporary
    folder. `/tmp` is among them whatever TMPDIR says, which the poller may not have.
    """
    return [
        folder.fallback,
        *(directory / f"fallback-{_digest(folder)}" for directory in _directories_elsewhere()),
    ]


def _old_directories(folder: Folder) -> list[Path]:
    """Where earlier versions wrote them; read for one release."""
    return [
        folder.root / "rescue",
        *(p / f"rescue-{_digest(folder)}" for p in _directories_elsewhere()),
    ]


def _digest(folder: Folder) -> str:
    return hashlib.sha256(str(folder.root.absolute()).encode()).hexdigest()[:12]


def _directories_elsewhere() -> list[Path]:
    from platformdirs import user_cache_path  # noqa: PLC0415 - 30 ms, only for a fallback file

    user = str(os.getuid()) if hasattr(os, "getuid") else "user"
    own = _temporary_directory()
    shared = own if windows_calls.is_windows() else ["/var/tmp", *own, "/tmp"]  # noqa: S108 - the folders in them are private
    return [
        user_cache_path("titan-console", appauthor=False),
        *(Path(f) / f"titan-console-{user}" for f in dict.fromkeys(shared)),
    ]


def _temporary_directory() -> list[str]:
    """The user's own, which Python finds by writing into it; none where all disks are full."""
    import tempfile  # noqa: PLC0415 - only for a fallback file

    try:
        return [tempfile.gettempdir()]
    except OSError:
        return []


def is_private(directory: Path) -> bool:
    """Whether the folder belongs to this user alone; the temp folder is open to all."""
    if windows_calls.is_windows():
        return directory.is_dir()
    try:
        found = directory.lstat()
    except OSError:
        return False
    return directory.is_dir() and found.st_uid == os.getuid() and not found.st_mode & 0o077


def pending(folder: Folder) -> list[FallbackFile]:
    """Every fallback file of this ledger, in every directory."""
    return [
        FallbackFile(path)
        for directory in (*directories(folder), *_old_directories(folder))
        if is_private(directory)
        for path in sorted(directory.glob("tb_*.jsonl"))
    ]


def find(folder: Folder, key: str) -> FallbackFile | None:
    """The fallback file with that key."""
    return next((file for file in pending(folder) if file.key == key), None)


def _append(file: BufferedRandom, lines: Iterable[bytes]) -> None:
    file.writelines(line + b"\n" for line in lines)
    file.flush()
    os.fsync(file.fileno())


def _end_the_last_line(file: BufferedRandom) -> None:
    """A kill may have cut it short; the next one must not be joined to it."""
    if not _ends_a_line(file):
        file.write(b"\n")


def _ends_a_line(file: BufferedRandom) -> bool:
    file.seek(-1, os.SEEK_END)
    return file.read() == b"\n"
