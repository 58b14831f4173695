"""The process that holds the key for the console: it makes polls, and dies with the console."""

import json
import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from queue import Queue

import pytest
from support.builders import START, some_requests
from support.console.command_pilot import to_errors
from support.console.console_pilot import until, until_seen, until_shown
from support.processes.terminal import NOWHERE, Terminal, a_server

from core.bootstrap import open_engine
from core.clock import ManualClock, SystemClock
from core.config.settings import Settings
from core.intake.options import SubmitOptions
from state.db.ledger import Ledger
from state.operations import commands
from state.operations.commands import CommandState
from titan_console.session.poll_helper import PollHelper, PollResult, parse_result
from titan_console.tui.app import TitanApp

KEY = "sk-ant-only-for-the-helper"
GIVE_AWAY = """
import json, os, sys
from pathlib import Path
from queue import Queue
from titan_console.cli.commands import console
home, helper, _access = console._hand_over(read_only=False)
ends = Queue()
helper.start(ends.put)
end = ends.get(timeout=120)
from titan_console.tui.app import TitanApp
print(json.dumps({
    "code": end.code, "ran": end.ran, "problems": end.problems,
    "environ": [name for name, value in os.environ.items() if sys.argv[1][::-1] in value],
    "kept": Path(f"/proc/{helper.pid}/environ").read_bytes().decode()
        if sys.platform == "linux" else "",
    "child": __import__("subprocess").run(
        [sys.executable, "-c", "import os; print('ANTHROPIC_API_KEY' in os.environ)"],
        capture_output=True, text=True, check=True).stdout.strip(),
    "sdk": "anthropic" in sys.modules,
}))
helper.close()
"""


@contextmanager
def a_helper(settings: Settings) -> Generator[PollHelper, None, None]:
    helper = PollHelper(settings)
    try:
        yield helper
    finally:
        helper.close()


def a_poll(helper: PollHelper) -> PollResult:
    ends: Queue[PollResult] = Queue()
    helper.start(ends.put)
    return ends.get(timeout=120)


def failed_requests(home: Path, address: str) -> None:
    """Two of them, in a ledger whose batch has been collected."""
    settings = Settings(home=home, base_url=address, api_key="x")
    with open_engine(settings, actor="test") as engine:
        engine.submit(some_requests(2), SubmitOptions(tag="daily-feed"))
        engine.poll()


def test_the_key_goes_to_the_keeper_and_is_not_in_the_console(tmp_path: Path) -> None:
    with a_server() as (_, address):
        failed_requests(tmp_path / "home", address)
        terminal = Terminal(tmp_path / "home", address, KEY)
        told = terminal.python("-c", GIVE_AWAY, KEY[::-1])
    assert told.code == 0, told.err
    seen = told.json()
    assert (seen["code"], seen["ran"], seen["problems"]) == (0, True, [])
    assert (seen["environ"], seen["child"], seen["sdk"]) == ([], "False", False)
    if sys.platform == "linux":
        assert f"ANTHROPIC_API_KEY={KEY}" in seen["kept"]


def test_a_poll_without_a_key_says_what_to_do(tmp_path: Path) -> None:
    with a_helper(Settings(home=tmp_path / "home")) as helper:
        with Ledger(tmp_path / "home" / "titan.db", now=SystemClock().now, actor="test"):
            pass
        assert a_poll(helper) == PollResult(code=0)
        settings = Settings(home=tmp_path / "home", base_url=NOWHERE, api_key="x")
        with open_engine(settings, actor="test") as engine:
            engine.submit(some_requests(1), SubmitOptions(tag="daily-feed"))
        end = a_poll(helper)
    assert end.code == 3
    assert end.problems[0].startswith("No API key. Set ANTHROPIC_API_KEY")


def test_a_killed_poll_helper_is_reported_in_one_line(tmp_path: Path) -> None:
    with a_helper(Settings(home=tmp_path)) as helper:
        helper._process.kill()
        helper._process.wait()
        end = a_poll(helper)
    assert "has ended; restart the console, or run `titan-console --poll`" in end.problems[0]


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_the_keeper_ends_when_the_console_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom core.config.settings import Settings\n"
        "from titan_console.session.poll_helper import PollHelper\n"
        "helper = PollHelper(Settings(home=Path(sys.argv[1])))\nprint(helper.pid, flush=True)\n"
        "sys.stdin.read()"
    )
    console = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert console.stdin is not None
    assert console.stdout is not None
    helper = int(console.stdout.readline())
    console.kill()
    console.wait()
    console.stdout.close()
    console.stdin.close()
    for _ in range(500):
        if not is_alive(helper):
            return
        SystemClock().sleep(0.02)
    raise AssertionError("the helper outlived its console")


def is_alive(pid: int) -> bool:
    """Whether that process runs; one that is dead and not yet buried does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize(
    ("answer", "end"),
    [
        pytest.param(
            {"code": 0, "out": '{"ran": true, "problems": []}', "err": ""},
            PollResult(code=0),
            id="well",
        ),
        pytest.param(
            {"code": 0, "out": '{"ran": false, "problems": []}', "err": ""},
            PollResult(code=0, ran=False),
            id="another",
        ),
        pytest.param(
            {"code": 1, "out": '{"ran": true, "problems": ["a", "a", "b"]}', "err": ""},
            PollResult(code=1, problems=("a", "b")),
            id="problems",
        ),
        pytest.param(
            {"code": 3, "out": "", "err": '{"error": {"code": "x", "message": "Damaged."}}\n'},
            PollResult(code=3, problems=("Damaged.",)),
            id="error as JSON",
        ),
        pytest.param(
            {"code": 3, "out": "", "err": "titan-console: The ledger is damaged.\n"},
            PollResult(code=3, problems=("The ledger is damaged.",)),
            id="unusable",
        ),
        pytest.param(
            {"code": -9, "out": "", "err": ""},
            PollResult(code=-9, problems=("The poll ended with exit code -9 and no output.",)),
            id="killed",
        ),
    ],
)
def test_what_a_poll_came_to(answer: dict[str, object], end: PollResult) -> None:
    assert parse_result(json.dumps(answer).encode()) == end


async def test_an_order_that_the_poll_cannot_send_says_why_on_every_page(tmp_path: Path) -> None:
    # The console's clock is behind, so that what is due there is long due for the poll.
    with a_server(None, "row:overloaded:p=1") as (_, address):
        failed_requests(tmp_path, address)
    with a_helper(Settings(home=tmp_path, base_url=NOWHERE)) as helper:
        clock = ManualClock(SystemClock().now() - timedelta(hours=1))
        async with TitanApp(tmp_path, clock, poll_runner=helper).run_test(size=(120, 40)) as pilot:
            await until_seen(pilot)
            await until_shown(pilot, "Latest errors 2")
            await to_errors(pilot)
            await pilot.press("space", "space", "R")
            await until_shown(pilot, "Replay 2 requests")
            await pilot.press("y")
            await until_shown(pilot, "in 8s")
            clock.advance(9)
            await until_shown(pilot, "running in a poll")
            await until_shown(pilot, "! The poll failed: No API key. Set ANTHROPIC_API_KEY")
            await pilot.press("2")
            replayed = "2 requests queued for replay"
            await until_shown(pilot, f"! {replayed}, not sent")
            await until(pilot, lambda: bool(pilot.app.screen))
    with Ledger(tmp_path / "titan.db", now=lambda: START, actor="test") as ledger:
        (command,) = commands.latest(ledger, limit=2)
    assert command.state == CommandState.DONE
