"""What a terminal gets is clean, whatever an answer holds; a file gets each byte."""

import os
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest
from support.console.console_builders import Failure, LedgerBuilder
from support.hostile_text import EVIL
from support.processes import pseudo_terminal
from support.processes.terminal import Terminal

from core.config.settings import Settings, child_environment
from state.operations import pauses

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a pseudo-terminal")
COMMANDS = [
    ("export", "--all", "--format", "csv"),
    ("export", "--all"),
    ("export", "--all", "--format", "csv", "-o", "/dev/tty"),
    ("results", EVIL),
    ("results", EVIL, "--json"),
    ("errors",),
    ("errors", "--json"),
    ("events",),
    ("show", EVIL),
    ("status",),
    ("digest",),
    ("doctor",),
    ("jobs",),
    ("savings",),
    ("demo", "--home", "./\x1b[2J\x1b]52;c;UFdORUQ=\x07", "--input", "/nowhere"),
]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger in which each text would drive a terminal."""
    home = tmp_path_factory.mktemp("hostile")
    made = LedgerBuilder(home)
    made.collected(EVIL, [EVIL], [Failure(EVIL, EVIL)])
    made.submit(f"{EVIL}2", [f"{EVIL}2"], workflow=EVIL)
    made.hold(EVIL)
    pauses.pause(made.ledger, [EVIL], who=EVIL, reason=EVIL)
    made.close()
    return home


def on_a_terminal(home: Path, arguments: tuple[str, ...]) -> bytes:
    """What the command writes to a terminal that is its own."""
    import pty  # noqa: PLC0415 - no such module on Windows

    outer, inner = pty.openpty()
    got: list[bytes] = []
    reader = Thread(target=lambda: got.append(pseudo_terminal.read_all(outer)))
    reader.start()
    run = "import os,sys;os.setsid();os.open(os.ttyname(1),os.O_RDWR);"
    run += "from titan_console.cli.main import main;main(sys.argv[1:])"
    subprocess.run(
        [sys.executable, "-c", run, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=inner,
        stderr=inner,
        env=child_environment(Settings(home=home, api_key="sk-ant-test")),
        cwd=home,
        check=False,
    )
    os.close(inner)
    reader.join()
    os.close(outer)
    return b"".join(got)


@pytest.mark.parametrize("arguments", COMMANDS, ids=range(len(COMMANDS)))
def test_a_terminal_gets_no_control_character(hostile: Path, arguments: tuple[str, ...]) -> None:
    written = on_a_terminal(hostile, arguments)
    assert written
    text = written.decode()
    bad = [c for c in text if (ord(c) < 32 or 0x7F <= ord(c) < 0xA0) and c not in "\t\r\n"]
    assert not bad, text


def test_a_file_gets_each_byte(hostile: Path) -> None:
    ended = Terminal(hostile).run("export", "--all", "--format", "csv")
    assert "\x1b]52;c;UFdORUQ=\x07" in ended.out


def test_only_the_shared_writer_writes_to_standard_output() -> None:
    import titan_console.cli  # noqa: PLC0415 - only its place

    found = [
        f"{path.name}: {line.strip()}"
        for path in Path(next(iter(titan_console.cli.__path__))).rglob("*.py")
        for line in path.read_text("utf-8").splitlines()
        if "sys.stdout.write" in line
        or ("click.echo(" in line and "err=True" not in line)
        or " print(" in line
    ]
    assert not found
