"""Steps of an installation: decided first, then shown or carried out."""

import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from core.errors import SettingsError
from state.folder import open_private, replace

_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Write:
    """A file that is to hold this."""

    path: Path
    content: bytes

    def __str__(self) -> str:
        """As a person reads it."""
        return f"write {self.path}"


@dataclass(frozen=True, slots=True)
class Remove:
    """A file that is to go."""

    path: Path

    def __str__(self) -> str:
        """As a person reads it."""
        return f"remove {self.path}"


@dataclass(frozen=True, slots=True)
class Run:
    """A program of the system that is to run."""

    command: tuple[str, ...]
    stdin: str = ""

    def __str__(self) -> str:
        """As a person reads it."""
        return f"run {' '.join(self.command)}"


Step = Write | Remove | Run


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done, and what is left to the person; `is_whole` when nothing is."""

    steps: list[Step] = field(default_factory=list[Step])
    hints: list[str] = field(default_factory=list[str])
    is_whole: bool = True


def carry_out(plan: Plan) -> None:
    """Do every step in order. Raises SettingsError at the first that fails."""
    for step in plan.steps:
        try:
            _do(step)
        except OSError as error:
            raise SettingsError(f"Could not {step}: {error.strerror or error}.") from error


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
                raise SettingsError(f"`{' '.join(command)}` failed with {code}: {said}")


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
