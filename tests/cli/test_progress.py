"""Long work draws a bar on stderr where that is a terminal, and nothing elsewhere."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.builders import some_requests
from support.processes import pseudo_terminal
from support.processes.terminal import NOWHERE, Terminal

from core.config.settings import Settings, child_environment

pty = pytest.importorskip("pty", reason="needs a pseudo-terminal")


def test_a_person_sees_the_requests_being_checked(tmp_path: Path) -> None:
    source = tmp_path / "feed.jsonl"
    source.write_text("".join(json.dumps(request) + "\n" for request in some_requests(2000)))
    ours, theirs = pty.openpty()
    settings = Settings(home=tmp_path / "home", base_url=NOWHERE)
    done = subprocess.run(
        [sys.executable, "-m", "titan_console", "submit", str(source)],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=child_environment(settings) | {"TERM": "xterm-256color", "COLUMNS": "100"},
        check=False,
    )
    os.close(theirs)
    seen = pseudo_terminal.read_all(ours)
    os.close(ours)
    assert done.stdout.startswith(b"tb_")
    assert b"checking" in seen
    assert b"Stored 2,000 requests." in seen


def test_a_pipe_sees_none_of_it(tmp_path: Path) -> None:
    lines = "".join(json.dumps(request) + "\n" for request in some_requests(2000))
    done = Terminal(tmp_path / "home", api_key=None).run("submit", "-", "--tag", "t", stdin=lines)
    assert "checking" not in done.err
    assert done.err.count("\n") == 1
