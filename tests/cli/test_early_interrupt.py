"""Ctrl-C while the program is still being imported."""

import subprocess
import sys
from pathlib import Path

import pytest

from core.config.settings import Settings, child_environment

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
# Runs `python -m titan_console status`, and presses Ctrl-C when a module is looked for.
_PRESS = """
import os, runpy, signal, sys

class Press:
    def find_spec(self, name, *_):
        if name == wanted:
            os.kill(os.getpid(), signal.SIGINT)

wanted = sys.argv[1]
sys.meta_path.insert(0, Press())
{before}
sys.argv[:] = ["titan-console", "status"]
runpy.run_module("titan_console", run_name="__main__")
"""


def _pressed(home: Path, module: str, before: str = "") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", _PRESS.format(before=before), module],
        env=child_environment(Settings(home=home)),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "module",
    [
        *("titan_console.cli.early_interrupt", "titan_console.cli.main", "click", "msgspec"),
        "titan_console.cli.commands.status",
    ],
)
def test_ctrl_c_during_an_import_ends_without_a_traceback(home: Path, module: str) -> None:
    done = _pressed(home, module)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "titan-console: Stopped.\n")


def test_ctrl_c_that_is_ignored_stays_ignored(home: Path) -> None:
    done = _pressed(home, "click", "signal.signal(signal.SIGINT, signal.SIG_IGN)")
    assert done.returncode == 3
    assert "There is no ledger" in done.stderr
