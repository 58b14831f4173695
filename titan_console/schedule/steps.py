"""Steps of an installation: planned first, then printed or executed."""

import subprocess
from pathlib import Path

from msgspec import Struct, field

from core.errors import SettingsError
from core.text import sentence
from state.files.folder import open_private, replace
from titan_console.schedule.poller_variables import Variable

_TIMEOUT_S = 60.0


class Write(Struct, frozen=True):
    """Write a file."""

    path: Path
    content: bytes

    def __str__(self) -> str:
        """The step as shown to the user."""
        return f"write {self.path}"


class Remove(Struct, frozen=True):
    """Delete a file."""

    path: Path

    def __str__(self) -> str:
        """The step as shown to the user."""
        return f"remove {self.path}"


class Run(Struct, frozen=True):
    """Run a system command; with `may_fail`, a failure does not stop the other steps.

    `advice` says what to do where it fails.
    """

    command: tuple[str, ...]
    stdin: str = ""
    may_fail: bool = False
    advice: str = ""

    def __str__(self) -> str:
        """The step as shown to the user."""
        return f"run {' '.join(self.command)}"


Step = Write | Remove | Run


class Plan(Struct, frozen=True):
    """The steps, and hints on what the user must do; `reached_end` if the steps suffice.

    `variables`: what was found in the environment, and what becomes of it.
    """

    steps: list[Step] = field(default_factory=list[Step])
    hints: list[str] = field(default_factory=list[str])
    reached_end: bool = True
    variables: tuple[Variable, ...] = ()


def carry_out(plan: Plan) -> list[str]:
    """Execute the steps in order; returns messages for failed steps that may fail.

    Raises SettingsError at the first other failure. Files are then restored, and commands that
    cannot be undone are named.
    """
    failed: list[str] = []
    done: list[tuple[Step, bytes | None]] = []
    for step in plan.steps:
        before = None if isinstance(step, Run) else _content(step.path)
        try:
            _do(step)
        except (OSError, SettingsError) as error:
            message = f"Could not {step}: {_text(error)}"
            if not (isinstance(step, Run) and step.may_fail):
                raise SettingsError(f"{message} {_rolled_back(done)}".rstrip()) from error
            failed.append(message)
        else:
            done.append((step, before))
    return failed


def _text(error: Exception) -> str:
    text = str((isinstance(error, OSError) and error.strerror) or error)
    return text if text.endswith(".") else f"{text}."


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def _rolled_back(done: list[tuple[Step, bytes | None]]) -> str:
    """Restore the files, latest first; a message that names what could not be undone."""
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
        return f"Not rolled back: {'; '.join(reversed(left))}."
    return "Earlier steps were rolled back." if done else ""


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
        case Run(command, stdin, _, advice):
            code, _, said = run(command, stdin)
            if code:
                raise SettingsError(f"exit code {code}: {sentence(said)} {advice}".rstrip())


def run(command: tuple[str, ...], stdin: str = "") -> tuple[int, str, str]:
    """Run a system command: its exit code, its output, its last line on stderr."""
    try:
        done = subprocess.run(  # noqa: S603 - fixed programs, no shell
            command,
            input=stdin.encode("utf-8", "surrogateescape"),
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise SettingsError(f"`{' '.join(command)}` timed out after {_TIMEOUT_S:.0f} s.") from error
    said = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return done.returncode, done.stdout.decode("utf-8", "surrogateescape"), "".join(said[-1:])
