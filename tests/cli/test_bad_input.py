"""Bad input: one clear line, the right exit code, nothing sent and nothing lost."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from support.builders import a_request
from support.processes.terminal import Terminal

from titan_console.cli.main import COMMANDS


def _lines(*requests: object) -> str:
    return "".join(json.dumps(request) + "\n" for request in requests)


BAD = [
    (_lines(a_request("no spaces")), "custom_id_invalid"),
    (_lines(a_request("x" * 65)), "custom_id_invalid"),
    (_lines(a_request("a"), a_request("a")), "duplicate_custom_id"),
    ("", "no_requests"),
    ('{"custom_id": "a"', "not_json"),
    ("[1, 2]\n", "request_not_object"),
    (_lines(a_request("a", messages=None)), "messages_missing"),
    (_lines(a_request("a", messages=[])), "messages_invalid"),
    (_lines(a_request("a", max_tokens=None)), "max_tokens_missing"),
    (_lines(a_request("a", max_tokens=0)), "max_tokens_invalid"),
    (_lines(a_request("a", max_tokens=300_001)), "max_tokens_too_large"),
    (_lines(a_request("a", stream=True)), "unsupported_param"),
    (_lines(a_request("a", speed="fast")), "unsupported_param"),
    (_lines(a_request("a", temperature=0)), "unsupported_param"),
    (_lines(a_request("a", cache_control={"type": "ephemeral"})), "cache_ttl_too_short"),
    (_lines(a_request("a", tag="x")), "misplaced_key"),
]


@pytest.mark.parametrize(("text", "code"), BAD)
def test_it_is_refused_before_anything_is_sent(tmp_path: Path, text: str, code: str) -> None:
    terminal = Terminal(tmp_path / "home")
    done = terminal.run("submit", "-", "--tag", "t", "--json", stdin=text)
    assert (done.code, done.out, done.error_code()) == (2, "", code)
    assert terminal.run("status", "--json").json()["totals"]["requests"] == 0
    assert not list((tmp_path / "home" / "spool").glob("*"))


def test_a_bad_request_is_named_in_one_line(tmp_path: Path) -> None:
    lines = _lines(a_request("a"), a_request("no spaces"))
    done = Terminal(tmp_path / "home").run("submit", "-", "--tag", "t", stdin=lines)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "'no spaces'" in done.err


def test_another_body_under_a_known_id_names_it(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path / "home", api_key=None)
    terminal.run("submit", "-", "--tag", "t", stdin=_lines(a_request("a")))
    lines = _lines(a_request("a", max_tokens=9))
    done = terminal.run("submit", "-", "--tag", "t", "--json", stdin=lines)
    assert (done.code, done.error_code()) == (2, "already_submitted")
    assert "'a'" in done.err
    assert terminal.run("status", "--json").json()["totals"]["requests"] == 1


def test_a_folder_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = Terminal(tmp_path / "file" / "home").python(
        "-m", "titan_console", "submit", "-", "--tag", "t", stdin=_lines(a_request())
    )
    assert done.code == 3
    assert "TITAN_HOME" in done.err
    assert done.err.count("\n") == 1


def test_a_key_would_not_go_over_the_wire_in_the_clear(tmp_path: Path) -> None:
    done = Terminal(tmp_path / "home", "http://example.test").run("--poll")
    assert done.code == 3
    assert "https" in done.err


@pytest.mark.parametrize(
    "command", [["show", "tb_nothing"], ["results", "nothing"], ["nonsense"], ["--json"]]
)
def test_what_is_not_known_is_a_usage_error(tmp_path: Path, command: list[str]) -> None:
    terminal = Terminal(tmp_path / "home")
    terminal.run("--poll")
    done = terminal.run(*command)
    assert done.code == 2
    assert "Traceback" not in done.err


def test_reading_without_a_ledger_is_reported(tmp_path: Path) -> None:
    done = Terminal(tmp_path / "home").run("status")
    assert done.code == 3
    assert "There is no ledger" in done.err


# These create a ledger, or run until they are stopped.
CREATING = ("submit", "poll", "sandbox", "demo", "serve")
OTHERS: dict[str, tuple[str, ...]] = {
    **{name: (name,) for name in COMMANDS if name not in CREATING},
    **{name: (name, "x", "--yes") for name in ("replay", "cancel", "sync", "acknowledge")},
    **{name: (name, "x", "--yes") for name in ("pause", "resume", "restore")},
    **{name: (name, "x") for name in ("show", "results", "export", "withdraw", "wait")},
    "adopt": ("adopt", "msgbatch_1"),
    "query": ("query", "SELECT 1"),
    "rebuild": ("rebuild", "--yes"),
    "completion": ("completion", "bash"),
    "ledger": ("ledger", "copy", "FOLDER/home", "postgresql://127.0.0.1:1/x", "--yes"),
    "resume --holds": ("resume", "--holds", "--yes"),
    "savings --recompute": ("savings", "--recompute", "--apply"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_command_that_submits_nothing_creates_no_ledger(tmp_path: Path, name: str) -> None:
    done = Terminal(tmp_path / "home").run(*OTHERS[name])
    assert "Traceback" not in done.err
    assert not (tmp_path / "home" / "titan.db").exists()


# These read no ledger; `doctor` reports it among its findings, `mcp` in each answer, and `restore`
# replaces it.
WITHOUT_LEDGER = (
    *("keys", "schedule", "skill", "completion", "doctor", "restore", "verify-api", "mcp"),
)
ON_A_LEDGER = {
    **{name: command for name, command in OTHERS.items() if name not in WITHOUT_LEDGER},
    "--poll": ("--poll",),
    "poll": ("poll",),
    "metrics": ("metrics", "--textfile", "FOLDER/titan.prom"),
    "submit": ("submit", "-", "--tag", "t"),
    "run": ("run", "FOLDER/words.csv", "--prompt", "FOLDER/prompt.txt", "--yes"),
}


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    folder = tmp_path_factory.mktemp("newer")
    terminal = Terminal(folder / "home")
    assert terminal.run("--poll").code == 0
    with closing(sqlite3.connect(terminal.home / "titan.db")) as ledger:
        ledger.execute("PRAGMA user_version=99")
    (folder / "words.csv").write_text("word\nbread\n")
    (folder / "prompt.txt").write_text("Translate: {word}")
    return terminal


@pytest.mark.parametrize("name", ON_A_LEDGER)
def test_each_command_refuses_a_ledger_of_a_later_version_in_one_line(
    newer: Terminal, name: str
) -> None:
    before = (newer.home / "titan.db").read_bytes()
    command = [word.replace("FOLDER", str(newer.home.parent)) for word in ON_A_LEDGER[name]]
    done = newer.run(*command, stdin=_lines(a_request()))
    assert (done.code, done.out, done.err.count("\n")) == (3, "", 1), done
    assert "version 99" in done.err
    assert (newer.home / "titan.db").read_bytes() == before
    assert not list((newer.home / "spool").glob("*"))


@pytest.mark.parametrize("name", ["doctor", "restore"])
def test_what_helps_with_a_later_version_works(newer: Terminal, name: str) -> None:
    done = newer.run(name)
    assert "Traceback" not in done.err
    assert ("version 99" if name == "doctor" else "titan-2") in done.out


@pytest.mark.parametrize("name", ["replay", "cancel", "sync", "acknowledge", "pause", "resume"])
def test_an_action_without_a_ledger_is_reported(tmp_path: Path, name: str) -> None:
    done = Terminal(tmp_path / "home").run(name, "x", "--yes", "--json")
    assert (done.code, done.error_code()) == (3, "ledger_missing")


def test_hostile_text_reaches_the_terminal_only_as_pictures(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path / "home")
    done = terminal.run("results", "\x1b]52;c;aGk=\x07[/]")
    assert "\x1b" not in done.err
    assert "\x07" not in done.err
