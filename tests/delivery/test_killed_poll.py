"""A poll that is killed while its delivery hook runs: never two at once, no success repeated."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support.builders import JOB_WITH_HOOK, some_requests
from support.processes.terminal import Terminal, a_server

from core.config.settings import Settings, child_environment
from state.db.connection import connect, sqlite3
from state.files.folder import Folder

pytestmark = pytest.mark.skipif(os.name == "nt", reason="named pipes")

# Says that it began, and waits to be told with which code to end, if it is to be held.
_HOOK = """\
import pathlib, sys
folder = pathlib.Path(sys.argv[1])
with (folder / "log").open("a") as log:
    log.write("began\\n")
if (folder / "hold").exists():
    with (folder / "says").open("w") as says:
        print("began", file=says, flush=True)
        sys.exit(int((folder / "told").read_text()))
"""


@dataclass
class KilledPolls:
    """A home whose hook can be held, in polls that are processes of their own."""

    terminal: Terminal
    folder: Folder
    beside: Path
    polls: list["subprocess.Popen[bytes]"] = field(default_factory=list["subprocess.Popen[bytes]"])

    def submit(self, tag: str, requests: list[dict[str, Any]]) -> None:
        lines = "".join(json.dumps(request) + "\n" for request in requests)
        assert self.terminal.run("submit", "-", "--tag", tag, stdin=lines).code == 0

    def stop_poll_in_hook(self, how: signal.Signals) -> int:
        """Stop a poll while its hook runs; a descriptor that ends when the hook has ended."""
        (self.beside / "hold").touch()
        settings = Settings(
            home=self.folder.root, base_url=self.terminal.base_url, api_key=self.terminal.api_key
        )
        poll = subprocess.Popen(
            [sys.executable, "-m", "titan_console", "--poll"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=child_environment(settings),
        )
        says = os.open(self.beside / "says", os.O_RDONLY)
        assert os.read(says, 100) == b"began\n"
        poll.send_signal(how)
        poll.wait()
        (self.beside / "hold").unlink()
        return says

    def let_hook_end(self, code: int) -> None:
        """Tell the hook to end, and wait until its process gives the lock back."""
        (self.beside / "told").write_text(str(code))
        lock = self.folder.hook_lock("feed-classify")
        with closing(sqlite3.connect(lock, timeout=60, isolation_level=None)) as waiting:
            waiting.execute("BEGIN IMMEDIATE")

    def runs(self) -> int:
        return len((self.beside / "log").read_text().splitlines())

    def state(self) -> tuple[str, int]:
        with closing(connect(self.folder.ledger)) as ledger:
            (row,) = ledger.execute("SELECT state, tries FROM hook_runs").fetchall()
            return row["state"], row["tries"]

    def events(self) -> list[str]:
        lines = self.terminal.run("events", "--json").lines()
        return [line["kind"] for line in lines if line["kind"].startswith("hook.")]


@pytest.fixture
def killed(tmp_path: Path) -> Generator[KilledPolls, None, None]:
    with a_server() as (_, address):
        home = tmp_path / "home"
        made = KilledPolls(Terminal(home, address), Folder(home), tmp_path)
        home.mkdir(mode=0o700)
        program = tmp_path / "hook.py"
        program.write_text(_HOOK)
        command = json.dumps([sys.executable, str(program), str(tmp_path), "{file}"])
        (home / "titan.toml").write_text(JOB_WITH_HOOK.format(command=command))
        for pipe in ("says", "told"):
            os.mkfifo(tmp_path / pipe)
        made.submit("one", some_requests(1))
        yield made


@pytest.mark.parametrize(
    ("code", "state", "runs", "event"),
    [
        pytest.param(0, ("done", 1), 1, "hook.known", id="it succeeds"),
        pytest.param(7, ("done", 2), 2, "hook.interrupted", id="it fails"),
    ],
)
def test_the_next_poll_waits_for_it_and_repeats_only_a_failure(
    killed: KilledPolls, code: int, state: tuple[str, int], runs: int, event: str
) -> None:
    os.close(killed.stop_poll_in_hook(signal.SIGKILL))
    assert killed.terminal.run("--poll").code == 0
    assert (killed.state(), killed.runs()) == (("running", 1), 1)
    killed.let_hook_end(code)
    assert killed.terminal.run("--poll").code == 0
    assert (killed.state(), killed.runs()) == (state, runs)
    assert event in killed.events()


def test_a_new_delivery_of_the_file_waits_for_it(killed: KilledPolls) -> None:
    os.close(killed.stop_poll_in_hook(signal.SIGKILL))
    killed.submit("two", some_requests(3)[1:])
    assert killed.terminal.run("--poll").code == 0
    assert (killed.state(), killed.runs()) == (("due", 0), 1)
    killed.let_hook_end(0)
    assert killed.terminal.run("--poll").code == 0
    assert (killed.state(), killed.runs()) == (("done", 1), 2)


def test_ctrl_c_ends_the_hook_with_its_poll(killed: KilledPolls) -> None:
    says = killed.stop_poll_in_hook(signal.SIGINT)
    assert os.read(says, 100) == b"", "it ended, without having been told to"
    os.close(says)
    assert killed.terminal.run("--poll").code == 0
    assert (killed.state(), killed.runs()) == (("done", 2), 2)
