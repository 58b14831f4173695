"""Schedulers that only record what they were asked, as programs on PATH."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from support.processes.terminal import Terminal

_PROGRAM = """#!{python}
import json, os, pathlib, sys
name, folder = pathlib.Path(sys.argv[0]).name, pathlib.Path({folder!r})
asked = sys.argv[1:]
stdin = sys.stdin.read() if asked[-1:] == ["-"] else ""
files = {{a: pathlib.Path(a).read_bytes().hex() for a in asked if os.path.isfile(a)}}
with open(folder / "calls.jsonl", "a") as calls:
    calls.write(json.dumps({{"name": name, "asked": asked, "files": files}}) + "\\n")
failure = folder / (name + ".fails")
if failure.exists():
    sys.exit(failure.read_text())
table = folder / "table"
if name == "crontab" and asked == ["-l"]:
    if not table.exists():
        sys.exit("no crontab for user")
    sys.stdout.write(table.read_text("utf-8"))
if name == "crontab" and asked == ["-"]:
    if stdin and not stdin.endswith("\\n"):
        sys.exit("new crontab file is missing newline before EOF, can't install.")
    table.write_text(stdin, "utf-8")
"""


class Machine:
    """A user's account with schedulers of our own."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch, *programs: str) -> None:
        self.folder = root / "programs"
        self.folder.mkdir(parents=True)
        self.user = root / "user"
        for name in programs:
            program = self.folder / name
            program.write_text(_PROGRAM.format(python=sys.executable, folder=str(self.folder)))
            program.chmod(0o755)
        monkeypatch.setenv("PATH", str(self.folder))
        monkeypatch.setenv("HOME", str(self.user))
        monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
        self.home = root / "titan home, 100%"
        self.terminal = Terminal(self.home)

    @property
    def table(self) -> Path:
        """The user's crontab."""
        return self.folder / "table"

    @property
    def units(self) -> Path:
        """Where the user's units lie."""
        return self.user / ".config" / "systemd" / "user"

    def calls(self) -> list[dict[str, Any]]:
        """What the programs were asked, in order."""
        log = self.folder / "calls.jsonl"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    def asked(self) -> list[str]:
        """The same as command lines."""
        return [" ".join([call["name"], *call["asked"]]) for call in self.calls()]

    def fails(self, name: str, words: str) -> None:
        """Have a program fail from now on."""
        (self.folder / f"{name}.fails").write_text(words)
