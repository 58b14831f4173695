"""Closed standard streams, a terminal that is gone, completion, and output that is cut."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from support.builders import some_requests
from support.ledgers.ledger_builders import a_ledger
from support.processes.terminal import NOWHERE, Terminal, a_server

from core.clock import SystemClock
from core.config.settings import Settings, child_environment
from state.operations import commands
from state.operations.commands import Action, NewCommand
from titan_console.sandbox.model.timing import Plan

pty = pytest.importorskip("pty", reason="needs a pseudo-terminal")
PROGRAM = f"{sys.executable} -m titan_console"


def _shell(home: Path, line: str, address: str = NOWHERE) -> subprocess.CompletedProcess[str]:
    settings = Settings(home=home, base_url=address, api_key="sk-ant-test")
    environment = child_environment(settings) | {"TERM": "xterm-256color"}
    return subprocess.run(
        ["bash", "-c", line], env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("closed", ["2>&-", ">&-", "<&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("command", ["--poll", "submit FILE", "status"])
def test_a_program_without_standard_streams_works(
    tmp_path: Path, command: str, closed: str
) -> None:
    file = tmp_path / "feed.jsonl"
    file.write_text("".join(json.dumps(request) + "\n" for request in some_requests(2)))
    with a_server(Plan.instant()) as (sandbox, address):
        terminal = Terminal(tmp_path / "home", address)
        assert terminal.run("submit", str(file), "--tag", "first").code == 0
        done = _shell(
            terminal.home, f"{PROGRAM} {command.replace('FILE', str(file))} {closed}", address
        )
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
        if command == "--poll":
            assert terminal.run("results", "first").code == 0
    assert sandbox.billing_log().creates == (2 if "submit" in command else 1)


@pytest.mark.parametrize("stdin", ["</dev/null", "<&-", "< <(echo q)"])
def test_the_console_takes_its_keys_from_a_terminal_only(tmp_path: Path, stdin: str) -> None:
    line = f"script -qec 'bash -c \"{PROGRAM} {stdin}\"' /dev/null"
    if shutil.which("script") is None:
        pytest.skip("needs script(1)")
    done = _shell(tmp_path / "home", line)
    assert done.returncode == 2
    assert done.stdout.strip() == (
        "titan-console: The console needs a terminal; use `titan-console status` instead."
    )


def test_the_console_ends_with_its_terminal(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    settings = Settings(home=tmp_path / "home", base_url=NOWHERE)
    console = subprocess.Popen(
        [sys.executable, "-m", "titan_console"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=child_environment(settings) | {"TERM": "xterm-256color", "COLUMNS": "100"},
        # Not its controlling terminal: no hang-up signal comes, as under nohup.
        start_new_session=True,
    )
    os.close(theirs)
    while b"\x1b[?1049h" not in os.read(ours, 1 << 16):
        pass
    os.close(ours)
    try:
        assert console.wait(30) == 128 + signal.SIGHUP
    finally:
        console.kill()


@pytest.mark.parametrize("name", ["titan-console", "titan"])
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_both_names_of_the_program(tmp_path: Path, shell: str, name: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"needs {shell}")
    for made in (tmp_path / "titan", tmp_path / "titan-console"):
        made.write_text(f'#!/bin/sh\nexec {PROGRAM} "$@"\n')
        made.chmod(made.stat().st_mode | stat.S_IXUSR)
    script = tmp_path / "script"
    script.write_text(Terminal(tmp_path / "home").run("completion", shell).out)
    line = {
        "bash": f"source {script}; COMP_WORDS=({name} sta); COMP_CWORD=1; set -- $(complete -p"
        f' {name}); while [ "$1" != -F ]; do shift; done; $2 {name}; echo "${{COMPREPLY[@]}}"',
        "zsh": f"autoload -U compinit; compinit -u; source {script}; echo $_comps[{name}]",
        "fish": f"source {script}; complete -C '{name} sta'",
    }[shell]
    done = subprocess.run(
        [shell, "-c", line],
        env=child_environment(Settings(home=tmp_path / "home"))
        | {"PATH": f"{tmp_path}:{os.defpath}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    # fish prints the description after a tab.
    assert done.stdout.partition("\t")[0].strip() in ("status", "_titan_console_completion")


@pytest.mark.parametrize(("name", "default"), [("events", 50), ("commands", 20), ("errors", 50)])
def test_no_output_is_cut_silently(tmp_path: Path, name: str, default: int) -> None:
    total = _many(tmp_path / "home")[name]
    terminal = Terminal(tmp_path / "home")
    everything = terminal.run(name, "--json")
    assert (len(everything.lines()), everything.err) == (total, "")
    cut = terminal.run(name)
    assert f"{default} of {total:,} {name} shown; --limit 0 shows all." in cut.err
    assert cut.out.count("\n") == default + 1
    assert terminal.run(name, "--limit", "0").out.count("\n") == total + 1
    few = terminal.run(name, "--limit", "3", "--json")
    assert (len(few.lines()), f"3 of {total:,} {name} shown" in few.err) == (3, True)
    assert terminal.run(name, "--limit", "-1").code == 2


def _many(home: Path) -> dict[str, int]:
    """A ledger with more events, commands and errors than are shown without being asked."""
    lines = "".join(json.dumps(request) + "\n" for request in some_requests(60))
    with a_server(Plan.instant(), "row:overloaded") as (_, address):
        terminal = Terminal(home, address)
        terminal.run("submit", "-", "--tag", "feed", stdin=lines)
        terminal.run("--poll")
    with a_ledger(home) as ledger:
        for number in range(60):
            with ledger.transaction("test") as written:
                ledger.event(written, "note", subject=str(number))
        for number in range(30):
            commands.enqueue(ledger, _pause(f"w{number}"))
        events, given = ledger.rows("SELECT (SELECT max(id) FROM events), count(*) FROM commands")[
            0
        ]
    return {"events": int(events), "commands": int(given), "errors": 60}


def _pause(workflow: str) -> NewCommand:
    now = SystemClock().now()
    return NewCommand(action=Action.PAUSE, workflows=(workflow,), reason="test", not_before=now)
