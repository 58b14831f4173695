import fcntl
import os
import pty
import stat
import struct
import subprocess
import sys
import termios
from pathlib import Path

from support.console.console_builders import Failure, LedgerBuilder
from support.processes import pseudo_terminal

from state.operations import pauses

EVIL = "\x1b]0;PWNTITLE\x07\x1b]52;c;UFdORUQ=\x07\x9b31m\u202e\u200b[@click=app.quit]x"
RUN = "import sys; from pathlib import Path; from titan_console.tui.app import run\n"
HEAVY = "anthropic", "sqlite_utils", "genai_prices", "httpx2", "pydantic", "click"


def test_the_console_never_loads_the_sdk() -> None:
    code = "import sys, titan_console.tui.app\nprint(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "textual.app" in loaded
    assert not set(HEAVY) & {name.partition(".")[0] for name in loaded}


def test_cell_texts_need_neither_textual_nor_rich() -> None:
    code = (
        "import sys\nfrom titan_console.text import format, safe_text\n"
        "safe_text.clean('x', 3), format.money(1)\nprint(*sys.modules)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"rich", "textual"} & {name.partition(".")[0] for name in loaded}


def test_in_a_terminal_no_injected_sequence_comes_out_and_q_ends_it(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    made.collected(EVIL, [EVIL], [Failure(EVIL, EVIL)])
    made.submit(f"{EVIL}2", [EVIL], workflow=EVIL)
    made.hold(EVIL)
    pauses.pause(made.ledger, [EVIL], who=EVIL, reason=EVIL)
    made.close()
    code = f"{RUN}sys.exit(run(Path(sys.argv[1])))"
    screens = (
        b"PWNTITLE",
        b"Follow",
        b"1 group",
        b"Saved by day",
        b"batch share by day",
        b"Never batched",
    )
    output, exit_code = in_a_terminal(
        code,
        tmp_path,
        *zip(screens, (b"2", b"3", b"4", b"5", b"6", b"7"), strict=True),
        (b"Event log", b"8"),
        (b"This console", b"2"),
        (b"Follow", b"\r"),
        (b"Overview", b"q"),
    )
    assert exit_code == 0
    assert b"\x1b]0;PWN" not in output
    assert b"\x1b]52;" not in output
    assert "\x9b31m".encode() not in output
    assert "\u202e".encode() not in output
    assert "\u200b".encode() not in output
    assert "␛]0;PWNTITLE".encode() in output


def test_a_crash_is_one_line_and_its_log_holds_no_values(tmp_path: Path) -> None:
    LedgerBuilder(tmp_path).close()
    code = (
        f"{RUN}from titan_console.tui.screens.batches import BatchesScreen\n"
        "def broken(self):\n"
        "    prompt = 'a private ' + 'prompt'\n"
        "    raise RuntimeError('no luck with sk-ant-' + 'api03-abc\\x1b[31m')\n"
        "BatchesScreen.show = broken\n"
        "sys.exit(run(Path(sys.argv[1])))"
    )
    output, exit_code = in_a_terminal(code, tmp_path)
    log = tmp_path / "console-crash.log"
    text = log.read_text()
    assert exit_code == 1
    assert b"The console stopped. RuntimeError: no luck with (key)" in output
    for told in (output, text.encode()):
        assert b"private prompt" not in told
        assert b"api03" not in told
    assert "in broken" not in output.decode(errors="replace")
    assert "broken" in text
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def in_a_terminal(code: str, home: Path, *steps: tuple[bytes, bytes]) -> tuple[bytes, int]:
    """Everything that the program wrote to its terminal, and its exit code.

    Each step: once it has written this since the step before, type that.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 160, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(home)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    output, since, left = b"", 0, list(steps)
    while block := pseudo_terminal.read(ours):
        output += block
        if left and left[0][0] in output[since:]:
            os.write(ours, left.pop(0)[1])
            since = len(output)
    assert not left, left
    os.close(ours)
    return output, process.wait()
