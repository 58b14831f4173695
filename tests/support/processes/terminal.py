"""Runs the command line as a user does: its own process, its own folder, a real server."""

import json
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from support.builders import some_requests
from support.processes import forked_command
from support.processes.forked_command import Streams

from core.bootstrap import open_engine
from core.clock import SystemClock
from core.config.settings import Settings, child_environment
from core.intake.options import SubmitOptions
from state.model.ledger_url import LedgerUrl
from titan_console.sandbox.api import Sandbox
from titan_console.sandbox.faults.profile import Faults
from titan_console.sandbox.http.server import running
from titan_console.sandbox.model.timing import Plan

NOWHERE = "http://127.0.0.1:9"


@dataclass(frozen=True)
class Ended:
    """What a finished command left."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Its output as one JSON object."""
        return json.loads(self.out)

    def error_code(self) -> str:
        """The code of the error that it printed with --json."""
        code: str = json.loads(self.err)["error"]["code"]
        return code

    def lines(self) -> list[Any]:
        """Its output as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass(frozen=True)
class Terminal:
    """A shell with its environment set."""

    home: Path
    base_url: str = NOWHERE
    api_key: str | None = "sk-ant-test"
    ledger_url: str = ""

    def run_over(self, streams: Streams, *arguments: str) -> tuple[int, bytes, bytes]:
        """Run it over other streams: the exit code, and the bytes of both outputs."""
        with TemporaryDirectory() as folder:
            files = Path(folder)
            for name in ("stdin", "stdout", "stderr"):
                (files / name).touch()
            code = forked_command.run(arguments, self._environment(), self._cwd(), files, streams)
            return code, (files / "stdout").read_bytes(), (files / "stderr").read_bytes()

    def run(self, *arguments: str, stdin: str = "") -> Ended:
        """Run `titan-console` with these arguments."""
        if not forked_command.IS_POSSIBLE:
            return self.python("-m", "titan_console", *arguments, stdin=stdin)
        return self._forked(arguments, stdin)

    def submit_and_poll(self, count: int = 3, *, tag: str) -> str:
        """Do in this process what `submit` and `--poll` do; the key of the submission."""
        with open_engine(self._settings(), actor="test") as engine:
            key = engine.submit(some_requests(count), SubmitOptions(tag=tag)).submission.key
            engine.poll()
        return key

    def program(self, path: Path, *arguments: str) -> Ended:
        """Run that program of the repository, without the start of an interpreter if possible."""
        if not forked_command.IS_POSSIBLE:
            return self.python(str(path), *arguments)
        return self._forked((str(path), *arguments), "")

    def _forked(self, arguments: tuple[str, ...], stdin: str) -> Ended:
        with TemporaryDirectory() as folder:
            files = Path(folder)
            for name, text in (("stdin", stdin), ("stdout", ""), ("stderr", "")):
                (files / name).write_text(text, "utf-8")
            code = forked_command.run(arguments, self._environment(), self._cwd(), files)
            out, err = ((files / name).read_text("utf-8") for name in ("stdout", "stderr"))
            return Ended(code, out, err)

    def python(self, *arguments: str, stdin: str = "") -> Ended:
        """Run the interpreter with these arguments, in a process of its own from its start."""
        done = subprocess.run(
            [sys.executable, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            encoding="utf-8",
            env=self._environment(),
            cwd=self._cwd(),
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def _environment(self) -> dict[str, str]:
        return child_environment(self._settings()) | {"PYTHONUTF8": "1", "COLUMNS": "100"}

    def _settings(self) -> Settings:
        return Settings(
            home=self.home,
            base_url=self.base_url,
            api_key=self.api_key,
            ledger_url=LedgerUrl(self.ledger_url) if self.ledger_url else None,
        )

    def _cwd(self) -> Path:
        return next(folder for folder in self.home.parents if folder.is_dir())


@contextmanager
def a_server(plan: Plan | None = None, *faults: str) -> Generator[tuple[Sandbox, str], None, None]:
    """A sandbox on loopback, and its address."""
    sandbox = Sandbox(SystemClock(), plan=plan or Plan.instant(), faults=Faults.parse(faults))
    with running(sandbox) as address:
        yield sandbox, address
