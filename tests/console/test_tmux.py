"""The console in a real terminal, while other processes write the ledger."""

import json
import shutil
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from builders import some_requests
from terminal import Terminal, a_server

from core.clock import SystemClock
from titan_console.sandbox.plan import Plan

_TRIES = 150


class Pane:
    """A tmux of its own, 100 by 30, running one command."""

    def __init__(self, name: str) -> None:
        self._name = name

    def start(self, home: Path) -> None:
        """Open the console on that folder."""
        command = f"TITAN_HOME={home} {sys.executable} -m titan_console"
        self._tmux("new-session", "-d", "-x", "100", "-y", "30", command)

    def until(self, *words: str) -> str:
        """What the screen shows once all the words are on it."""
        screen = ""
        for _ in range(_TRIES):
            screen = self._tmux("capture-pane", "-p")
            if all(word in screen for word in words):
                return screen
            SystemClock().sleep(0.1)
        raise AssertionError(f"{words} did not appear on:\n{screen}")

    def press(self, key: str) -> None:
        """Type one key."""
        self._tmux("send-keys", key)

    def is_over(self) -> bool:
        """Whether the console has ended, and tmux with it."""
        for _ in range(_TRIES):
            if self._run("has-session").returncode:
                return True
            SystemClock().sleep(0.1)
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


@pytest.fixture
def pane(tmp_path: Path) -> Generator[Pane, None, None]:
    """A terminal; the test needs tmux, which .ci/run installs."""
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed here")
    pane = Pane(f"titan-{tmp_path.name}")
    yield pane
    pane.close()


def test_a_batch_appears_and_ends_on_the_screen_as_others_write(pane: Pane, tmp_path: Path) -> None:
    source = tmp_path / "morning-feed.jsonl"
    source.write_text("".join(json.dumps(request) + "\n" for request in some_requests(4)))
    with a_server(Plan.manual()) as (sandbox, address):
        terminal = Terminal(tmp_path / "home", address)
        pane.start(terminal.home)
        pane.until("No ledger yet")

        terminal.run("submit", str(source))
        screen = pane.until("morning-feed", "in progress")
        assert "Open batches 1" in screen

        sandbox.end(sandbox.books().batches[0].batch_id)
        terminal.run("--poll")
        screen = pane.until("collected", "LIVE")
        assert "Nothing is open" in screen
        pane.press("q")
        assert pane.is_over()
