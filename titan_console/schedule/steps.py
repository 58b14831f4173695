"""Steps of an installation: decided first, then shown or carried out."""

import subprocess
from pathlib import Path

from msgspec import Struct, field

from core.errors import SettingsError
from state.files.folder import open_private, replace

_TIMEOUT_S = 60.0


class Write(Struct, frozen=True):
    """A file that is to hold this."""

    path: Path
    content: bytes

    def __str__(self) -> str:
        """As a person reads it."""
        return f"write {self.path}"


class Remove(Struct, frozen=True):
    """A file that is to go."""

    path: Path

    def __str__(self) -> str:
        """As a person reads it."""
        return f"remove {self.path}"


class Run(Struct, frozen=True):
    """A program of the system that is to run; where it `may_fail`, the other steps go on."""

    command: tuple[str, ...]
    stdin: str = ""
    may_fail: bool = False

    def __str__(self) -> str:
        """As a person reads it."""
        return f"run {' '.join(self.command)}"


Step = Write | Remove | Run


class Plan(Struct, frozen=True):
    """What is to be done, and what is left to the person; `is_whole` when nothing is."""

    steps: list[Step] = field(default_factory=list[Step])
    hints: list[str] = field(default_factory=list[str])
    is_whole: bool = True


def carry_out(plan: Plan) -> list[str]:
    """Do every step in order; in words, what could not be done and need not be.

    Raises SettingsError at the first other one that fails. Files are then as they were before, and
    what cannot be taken back is named.
    """
    failed: list[str] = []
    done: list[tuple[Step, bytes | None]] = []
    for step in plan.steps:
        before = None if isinstance(step, Run) else _content(step.path)
        try:
            _do(step)
        except (OSError, SettingsError) as error:
            said = f"Could not {step}: {_words(error)}"
            if not (isinstance(step, Run) and step.may_fail):
                raise SettingsError(f"{said} {_taken_back(done)}".rstrip()) from error
            failed.append(said)
        else:
            done.append((step, before))
    return failed


def _words(error: Exception) -> str:
    words = str((isinstance(error, OSError) and error.strerror) or error)
    return words if words.endswith(".") else f"{words}."


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def _taken_back(done: list[tuple[Step, bytes | None]]) -> str:
    """Put the files back, the latest first; in words, what is left of the rest."""
    left: list[str] = []
    for step, before in reversed(done):
        try:
            if isinstance(step, Run):
                left.append(str(step))
            else:
                _do(Remove(step.path) if before is None else Write(step.path, before))
        except OSError:
            left.append(str(step))
    if left:
        return f"This was done before, and is left: {'; '.join(reversed(left))}."
    return "What was written before is taken back." if done else ""


def _do(step: Step) -> None:
    match step:
        case Write(path, content):
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f"{path.name}.part")
            with open_private(part) as file:
                file.write(content)
            replace(part, path)
        case Remove(path):
            path.unlink(missing_ok=True)
        case Run(command, stdin):
            code, _, said = run(command, stdin)
            if code:
                raise SettingsError(f"it ended with {code}: {said}")


def run(command: tuple[str, ...], stdin: str = "") -> tuple[int, str, str]:
    """Run a program of the system: its exit code, its output, its last line on stderr."""
    try:
        done = subprocess.run(  # noqa: S603 - fixed programs, no shell
            command,
            input=stdin.encode("utf-8", "surrogateescape"),
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise SettingsError(f"`{' '.join(command)}` did not end.") from error
    said = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return done.returncode, done.stdout.decode("utf-8", "surrogateescape"), "".join(said[-1:])
