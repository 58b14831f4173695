"""A command of the user: over when it exits or is late, whatever its children do."""

import os
import sys
from pathlib import Path

import pytest

from core.clock import SystemClock
from core.config.titan_tables import parse
from core.delivery import run_command
from core.delivery.run_command import CommandEnd

CHILD = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', {!r}]); {}"
SLEEPER = "import time; time.sleep(99)"


def run(folder: Path, program: str, *, timeout_s: float = 30, stdin: bytes = b"") -> CommandEnd:
    return run_command.run(
        [sys.executable, "-c", program],
        folder=folder,
        environment=dict(os.environ),  # noqa: TID251 - a child needs its paths
        timeout_s=timeout_s,
        stdin=stdin,
    )


def test_a_child_that_keeps_the_output_open_is_not_waited_for(tmp_path: Path) -> None:
    said = CHILD.format(SLEEPER, "sys.exit('no disk')")
    assert run(tmp_path, said) == CommandEnd(1, "exit code 1: no disk")


@pytest.mark.skipif(os.name == "nt", reason="process groups")
def test_at_its_timeout_its_children_end_with_it(tmp_path: Path) -> None:
    program = ["/bin/sh", "-c", "sleep 99 & echo $! > pid; wait"]
    ended = run_command.run(program, folder=tmp_path, environment={}, timeout_s=0.5)
    assert ended.problem == "killed after 0.5 s"
    pid = int((tmp_path / "pid").read_text())
    clock, tries = SystemClock(), 2000
    # The signal is sent, and the system ends the process a moment later.
    while is_running(pid) and (tries := tries - 1):
        clock.sleep(0.005)
    assert not is_running(pid)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


FLOOD = """
import os
size = 0
while (now := os.fstat(2).st_size) >= size:
    size = now
    os.write(2, b"x" * 4096)
os.write(2, b"\\nthe end")
raise SystemExit(3)
"""


def test_a_flood_of_output_does_not_fill_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_command, "_CUT_S", 0.01)
    ended = run(tmp_path, FLOOD, timeout_s=10)
    assert ended.exit_code == 3
    assert ended.problem
    assert ended.problem.endswith("the end")


def test_it_reads_its_input(tmp_path: Path) -> None:
    assert run(tmp_path, "import sys; sys.exit(sys.stdin.read())", stdin=b"x").problem == (
        "exit code 1: x"
    )
    assert run(tmp_path, "import sys; sys.exit(len(sys.stdin.read()))").exit_code == 0


def test_a_command_that_cannot_start_is_a_line(tmp_path: Path) -> None:
    for command in (["no\0thing"], ["no-such-program-at-all"], [sys.executable, "a\0b"]):
        ended = run_command.run(command, folder=tmp_path, environment={}, timeout_s=1)
        assert ended.exit_code is None
        assert ended.problem
        assert ended.problem.startswith("cannot start")
        assert "\0" not in ended.problem


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('[workloads.t]\n[jobs.a]\nworkload = "t"\nschedule = "daily"\non_delivery = {}', 4),
        ('[workloads.t]\n[jobs.a]\nworkload = "t"\nschedule = "daily"\non_settled = {}', 4),
        ("[alerts]\ncommand = {}", 1),
    ],
)
@pytest.mark.parametrize("command", [r'["a\u0000b"]', r'["a", "b\u0000"]', r'["\u0000"]'])
def test_nul_in_a_command_is_a_mistake_of_titan_toml(text: str, path: int, command: str) -> None:
    (problem,) = parse(text.format(command)).problems
    assert (problem.code, problem.line) == ("invalid_value", path + 1)
    assert "no NUL" in problem.message
    assert parse(text.format('["a", "b\\nc"]')).problems == ()
