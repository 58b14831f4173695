"""Commands that run in the process of a test."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support.builders import some_requests
from support.processes.terminal import Ended

from titan_console.cli.main import main

Run = Callable[..., Ended]


def runner(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line, and returns what it has written."""

    def run(*arguments: str) -> Ended:
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        written = capsys.readouterr()
        return Ended(int(ended.value.code or 0), written.out, written.err)

    return run


def request_file(path: Path, count: int) -> str:
    """A file with that many requests."""
    path.write_text("".join(json.dumps(request) + "\n" for request in some_requests(count)))
    return str(path)
