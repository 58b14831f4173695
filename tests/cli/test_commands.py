"""What every command has: help, quickness, JSON; and the smaller commands themselves."""

import ast
import json
from pathlib import Path

import pytest
from support.builders import a_request
from support.processes.json_outputs import a_sandbox
from support.processes.terminal import Terminal, a_server

from titan_console.cli.main import COMMANDS

# What only a send, a migration, a price or the console may load.
HEAVY = ("anthropic", "textual", "sqlite_utils", "genai_prices", "httpx2", "uvicorn")


def _loaded(terminal: Terminal, *arguments: str) -> set[str]:
    code = (
        "import sys\n"
        "from titan_console.cli.main import main\n"
        f"try: main({list(arguments)!r})\n"
        "except SystemExit: pass\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    )
    return set(ast.literal_eval(terminal.python("-c", code).err.splitlines()[-1]))


@pytest.mark.parametrize("command", [["--help"], ["status"], ["--poll"], ["errors"], ["doctor"]])
def test_what_must_be_quick_loads_nothing_heavy(tmp_path: Path, command: list[str]) -> None:
    terminal = Terminal(tmp_path / "home")
    terminal.run("--poll")
    assert _loaded(terminal, *command) == set()


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_explains_itself(tmp_path: Path, name: str) -> None:
    done = Terminal(tmp_path / "home").run(name, "--help")
    assert done.code == 0
    assert done.out.startswith(f"Usage: titan-console {name}")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (("submit", "--bogus"), "No such option '--bogus'. See: titan-console submit --help"),
        (("replay", "--since"), "Option '--since' requires an argument. See: titan-console --help"),
        (("bogus",), "No such command 'bogus'. See: titan-console --help"),
        (("submit",), "Missing argument 'FILE'. See: titan-console submit --help"),
    ],
)
def test_a_mistyped_command_is_one_line(tmp_path: Path, line: tuple[str, ...], said: str) -> None:
    done = Terminal(tmp_path / "home").run(*line)
    assert (done.code, done.err.splitlines()) == (2, [f"titan-console: {said}"])


def test_the_list_of_commands_is_in_the_readme() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    for name in COMMANDS:
        assert f"titan-console {name}" in readme or f"`{name}`" in readme, name


def test_doctor_finds_a_sound_installation_sound(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path / "home")
    terminal.run("--poll")
    report = terminal.run("doctor", "--check", "--json").json()
    assert report["ok"] is True
    assert "sk-ant-test" not in str(report)


def test_doctor_describes_a_damaged_ledger(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path / "home")
    terminal.run("--poll")
    ledger = tmp_path / "home" / "titan.db"
    content = bytearray(ledger.read_bytes())
    content[4096 : 4096 * 6] = b"\xff" * (4096 * 5)
    ledger.write_bytes(content)
    done = terminal.run("doctor", "--json")
    assert done.code == 1
    finding = next(f for f in done.json()["findings"] if f["what"] == "ledger")
    assert finding["health"] == "bad"


def test_a_fault_that_the_sandbox_does_not_know_is_a_usage_error(tmp_path: Path) -> None:
    done = Terminal(tmp_path / "home").run("sandbox", "--fault", "nonsense")
    assert done.code == 2
    assert "Traceback" not in done.err


def test_a_sandbox_that_is_started_again_has_other_ids() -> None:
    """A ledger that knows the first one's batches would refuse the second one's."""
    assert a_sandbox()["seed"] != a_sandbox()["seed"]


def test_the_console_needs_a_terminal_and_says_what_to_do_without(tmp_path: Path) -> None:
    done = Terminal(tmp_path / "home").run()
    assert done.code == 2
    assert "titan-console status" in done.err


def test_doctor_reports_missing_answers(tmp_path: Path) -> None:
    with a_server() as (_, address):
        terminal = Terminal(tmp_path / "home", address)
        lines = json.dumps(a_request())
        key = terminal.run("submit", "-", "--tag", "t", stdin=lines).out.strip()
        terminal.run("--poll")
        assert terminal.run("doctor").code == 0
        (terminal.home / "batch-results" / f"{key}.jsonl").unlink()
        done = terminal.run("doctor")
    assert done.code == 1
    assert f"results of 1 batch are missing from {terminal.home / 'batch-results'}" in done.out
    assert key in done.out
