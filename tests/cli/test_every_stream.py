"""Every command without each standard stream, and in code pages that lack what it prints.

Services, pythonw and the Windows Task Scheduler start programs without streams; output that is
redirected on Windows is in the machine's code page.
"""

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.builders import some_requests
from support.made_home import MadeHome
from support.processes import forked_command
from support.processes.forked_command import Streams
from support.processes.terminal import Terminal, a_server

from core.config.settings import Settings, child_environment
from titan_console.cli.main import COMMANDS
from titan_console.sandbox.model.timing import Plan

pytestmark = pytest.mark.skipif(not forked_command.IS_POSSIBLE, reason="needs fork")
ALL = ("stdin", "stdout", "stderr")
# No code page of Windows has all of these.
TAG, ASIDE = "корабль-港", "ausgeschlossen-é"


def _commands(files: Path, port: int) -> dict[str, list[list[str]]]:
    """Each command with arguments, so that it does something; `--json` is added by the test."""
    rows = str(files / "rows.jsonl")
    table = str(files / "table.csv")
    return {
        "run": [
            ["run", table, "--prompt", "Say {word}", "-o", str(files / "out.csv"), "--dry-run"]
        ],
        "submit": [
            ["submit", rows, "--tag", f"{TAG}-2"],
            ["submit", rows, "--tag", "x", "--dry-run"],
        ],
        "poll": [["--poll"], ["poll"]],
        "status": [["status"]],
        "show": [["show", TAG], ["show", f"{TAG}/{_ID}"]],
        "wait": [["wait", TAG, "--timeout", "1s"]],
        "results": [["results", TAG]],
        "errors": [["errors"], ["errors", "--groups"]],
        "export": [["export", TAG], ["export", "--all", "--format", "csv"]],
        "query": [["query", "SELECT tag, custom_id FROM v_requests"]],
        "savings": [["savings", "--by", "tag"], ["savings", "--month"]],
        "digest": [["digest"]],
        "kpis": [["kpis"]],
        "metrics": [["metrics"], ["metrics", "--textfile", str(files / "titan.prom")]],
        "forecast": [["forecast"]],
        "jobs": [["jobs"], ["jobs", "check"]],
        "scan": [["scan", str(files / "fleet")], ["scan", str(files / "fleet"), "--write"]],
        "orphans": [["orphans"]],
        "adopt": [["adopt", "msgbatch_unknown"]],
        "schedule": [["schedule", "cron"], ["schedule", "--install", "skill", "--dry-run"]],
        "replay": [["replay", TAG, "--dry-run"], ["replay", TAG, "--yes"], ["replay", TAG]],
        "cancel": [["cancel", TAG, "--yes"]],
        "sync": [["sync", f"{TAG}-2", "--yes"]],
        "acknowledge": [["acknowledge", TAG, "--yes"]],
        "pause": [["pause", ASIDE, "--yes"]],
        "resume": [["resume", ASIDE, "--yes"]],
        "alerts": [["alerts"], ["alerts", "acknowledge", "errors"]],
        "withdraw": [["withdraw", "cmd_unknown"]],
        "commands": [["commands"]],
        "events": [["events"]],
        "prune": [["prune", "--dry-run"]],
        "restore": [["restore"], ["restore", "titan-unknown.bak"]],
        "rebuild": [["rebuild"]],
        "ledger": [["ledger", "copy", str(files / "used"), "postgresql://127.0.0.1:1/x", "--yes"]],
        "keys": [["keys"]],
        "doctor": [["doctor"]],
        "verify-api": [["verify-api", "--dry-run"], ["verify-api"]],
        "sandbox": [["sandbox", "--port", str(port)]],
        "mcp": [["mcp"]],
        "skill": [["skill"]],
        "serve": [["serve", "--port", str(port)]],
        "demo": [["demo", "--home", str(files / "used")]],
        "completion": [["completion", "bash"]],
        "": [[], ["--help"], ["--version"], ["no-such-command"]],
    }


_ID = "feed-classify-2026-11-22-00001"
_WITH_JSON = (
    *("submit", "poll", "status", "show", "results", "errors", "export", "query", "savings"),
    *("digest", "kpis", "forecast", "jobs", "scan", "orphans", "schedule", "commands", "events"),
    *("prune", "restore", "keys", "doctor", "replay", "rebuild", "adopt", "verify-api", "alerts"),
)


@contextmanager
def _a_taken_port() -> Generator[int, None, None]:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        yield taken.getsockname()[1]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[Terminal, Path], None, None]:
    """A home with an answered and an errored request, under names that no code page has."""
    root = tmp_path_factory.mktemp("streams")
    lines = "".join(json.dumps(request, ensure_ascii=False) + "\n" for request in some_requests(3))
    (root / "rows.jsonl").write_text(lines, "utf-8")
    MadeHome(root / "fleet").task(TAG, f"Nightly report: {TAG}")
    (root / "table.csv").write_text("word\nharbour\nship\n", "utf-8")
    (root / "used").mkdir()
    (root / "used" / "titan.db").touch()
    with a_server(Plan.instant(), "row:overloaded:id=*-00002*") as (_, address):
        terminal = Terminal(root / "home", address)
        assert terminal.run("submit", str(root / "rows.jsonl"), "--tag", TAG).code == 0
        terminal.run("--poll")
        terminal.run("--poll")
        yield terminal, root


def _copied(made: tuple[Terminal, Path], root: Path) -> tuple[Terminal, Path]:
    """A copy of that home, since commands change it."""
    terminal, files = made
    shutil.copytree(terminal.home, root / "home")
    return replace(terminal, home=root / "home"), files


@pytest.fixture
def ran(made: tuple[Terminal, Path], tmp_path: Path) -> tuple[Terminal, Path]:
    return _copied(made, tmp_path)


@pytest.fixture(scope="module")
def codes(made: tuple[Terminal, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """The exit code of each command line over the usual streams."""
    usual = _copied(made, tmp_path_factory.mktemp("usual"))
    return {line: code for line, code, _, _ in _outcomes(usual, Streams())}


def _outcomes(
    ran: tuple[Terminal, Path], streams: Streams
) -> Iterator[tuple[str, int, bytes, bytes]]:
    """What each command line returns over these streams, in one order."""
    terminal, files = ran
    with _a_taken_port() as port:
        for lines in _commands(files, port).values():
            for line in lines:
                yield " ".join(line).replace(str(port), "PORT"), *terminal.run_over(streams, *line)


def test_every_command_is_tried(tmp_path: Path) -> None:
    assert _commands(tmp_path, 1).keys() - {""} == COMMANDS.keys()


def test_the_commands_do_something(codes: dict[str, int]) -> None:
    assert {*codes.values()} <= {0, 1, 2, 3}
    assert sum(code == 0 for code in codes.values()) > 30


def _slow_but(first: str, values: Iterable[Any]) -> list[Any]:
    """One value is tried in each run of the tests, the others with the slow ones."""
    return [
        pytest.param(value, marks=[] if value == first else [pytest.mark.slow]) for value in values
    ]


@pytest.mark.parametrize("missing", _slow_but(",".join(ALL), (*ALL, ",".join(ALL))))
def test_every_command_works_without_streams(
    ran: tuple[Terminal, Path], codes: dict[str, int], missing: str
) -> None:
    for line, code, out, err in _outcomes(ran, Streams(missing=tuple(missing.split(",")))):
        assert code == codes[line], (line, err)
        assert b"Traceback" not in out + err, line


@pytest.mark.parametrize("encoding", _slow_but("cp1252", ("cp1252", "cp437", "utf-16")))
def test_every_command_works_in_a_code_page(
    ran: tuple[Terminal, Path], codes: dict[str, int], encoding: str
) -> None:
    shown = ""
    for line, code, out, err in _outcomes(ran, Streams(encoding=encoding)):
        assert code == codes[line], (line, err)
        # Files of data are UTF-8 for any terminal.
        is_data = line.startswith(("export", "metrics"))
        text = out.decode("utf-8" if is_data else encoding)
        assert "Traceback" not in text + err.decode(encoding), line
        shown += "" if is_data else text
    assert (TAG in shown) is (encoding == "utf-16")
    assert ("????" in shown) is (encoding != "utf-16")


def test_json_is_utf8_in_every_code_page(ran: tuple[Terminal, Path]) -> None:
    terminal, files = ran
    found = 0
    for name in _WITH_JSON:
        for line in _commands(files, 0)[name]:
            option = [] if name == "export" else ["--json"]
            _, out, err = terminal.run_over(Streams(encoding="utf-16"), *line, *option)
            is_csv = "csv" in line
            objects = [] if is_csv else [json.loads(text) for text in out.decode().splitlines()]
            found += len(objects)
            for text in err.decode().splitlines():
                assert not text.startswith("{") or json.loads(text)["error"]
            if is_csv:
                assert TAG in out.decode()
    assert found > 40


@pytest.mark.parametrize("line", [["submit", "-", "--tag", "x"], ["query", "-"]])
def test_input_that_is_missing_is_said_to_be(ran: tuple[Terminal, Path], line: list[str]) -> None:
    code, _, err = ran[0].run_over(Streams(missing=("stdin",)), *line)
    assert (code, err.decode()) == (2, "titan-console: Standard input is closed.\n")


@pytest.mark.parametrize("command", ["sandbox", "serve"])
def test_a_server_starts_without_streams(tmp_path: Path, command: str) -> None:
    with _a_taken_port() as port:
        pass
    environment = child_environment(Settings(home=tmp_path / "home"))
    line = f"exec {sys.executable} -m titan_console {command} --port {port} <&- >&- 2>&-"
    with subprocess.Popen(["sh", "-c", line], env=environment) as server:
        try:
            for _ in range(600):
                with socket.socket() as client:
                    if client.connect_ex(("127.0.0.1", port)) == 0:
                        break
                assert server.poll() is None
                time.sleep(0.05)  # noqa: TID251 - another process starts
            else:
                pytest.fail("it never listened")
        finally:
            server.send_signal(signal.SIGTERM)
