"""A real terminal for tests: tmux, with one command in it."""

import shlex
import subprocess
import sys
from pathlib import Path

from core.clock import SystemClock
from core.config.settings import Settings, child_environment

_TRIES = 300
_BETWEEN_TRIES_S = 0.1


class Pane:
    """A tmux of its own, running one command."""

    def __init__(self, name: str) -> None:
        self._name = name

    def start(self, settings: Settings, *, width: int = 100, height: int = 30) -> None:
        """Open the console under these settings."""
        names = ("TITAN_HOME", "ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY")
        values = child_environment(settings)
        given = " ".join(f"{n}={shlex.quote(values[n])}" for n in names if n in values)
        # Python sets these to the size of the terminal that it began in.
        command = f"env -u COLUMNS -u LINES {given} {sys.executable} -m titan_console"
        self._tmux("new-session", "-d", "-x", str(width), "-y", str(height), command)

    def resize(self, width: int, height: int) -> None:
        """Another size of the window."""
        self._tmux("resize-window", "-x", str(width), "-y", str(height))

    def until(self, *words: str, without: str = "\0") -> str:
        """What the screen shows once all the words are on it."""
        screen = ""
        for _ in range(_TRIES):
            screen = self._tmux("capture-pane", "-p")
            if all(word in screen for word in words) and without not in screen:
                return screen
            SystemClock().sleep(_BETWEEN_TRIES_S)
        raise AssertionError(f"{words} did not appear on:\n{screen}")

    def press(self, *keys: str) -> None:
        """Type these keys."""
        self._tmux("send-keys", *keys)

    def is_over(self) -> bool:
        """Whether the console has ended, and tmux with it."""
        for _ in range(_TRIES):
            if self._run("has-session").returncode:
                return True
            SystemClock().sleep(_BETWEEN_TRIES_S)
        return False

    def close(self) -> None:
        """End whatever still runs."""
        self._run("kill-server")

    def _tmux(self, *arguments: str) -> str:
        done = self._run(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["tmux", "-L", self._name, *arguments], capture_output=True, text=True, check=False
        )


def settings(home: Path, base_url: str | None = None) -> Settings:
    """The environment of a console on that folder; without an address it reaches no server."""
    return Settings(home=home, base_url=base_url or "http://127.0.0.1:9", api_key="sk-ant-test")
