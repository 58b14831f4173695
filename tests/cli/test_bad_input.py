"""Bad input: one clear line, the right exit code, nothing sent and nothing lost."""

import json
import sqlite3
from pathlib import Path

import pytest
from support.builders import a_request
from support.terminal import Terminal


def _lines(*requests: object) -> str:
    return "".join(json.dumps(request) + "\n" for request in requests)


BAD = [
    pytest.param(_lines(a_request("no spaces")), "'no spaces'", id="characters"),
    pytest.param(_lines(a_request("x" * 65)), "64", id="length"),
    pytest.param(_lines(a_request("a"), a_request("a")), "Duplicate custom_id 'a'", id="duplicate"),
    pytest.param("", "empty", id="empty"),
    pytest.param('{"custom_id": "a"', "line 1", id="not JSON"),
    pytest.param("[1, 2]\n", "Request 1 must be an object", id="not an object"),
    pytest.param(_lines(a_request("a", messages=None)), "messages is missing", id="no messages"),
    pytest.param(_lines(a_request("a", messages=[])), "at least one", id="no message"),
    pytest.param(_lines(a_request("a", max_tokens=None)), "max_tokens is missing", id="none"),
    pytest.param(_lines(a_request("a", max_tokens=0)), "max_tokens", id="max_tokens 0"),
    pytest.param(
        _lines(a_request("a", max_tokens=300_001)), "300,000", id="max_tokens over the limit"
    ),
    pytest.param(_lines(a_request("a", stream=True)), "stream", id="stream"),
    pytest.param(_lines(a_request("a", speed="fast")), "speed", id="speed"),
    pytest.param(_lines(a_request("a", temperature=0)), "temperature", id="temperature"),
    pytest.param(
        _lines(a_request("a", cache_control={"type": "ephemeral"})), "5-minute", id="cache"
    ),
    pytest.param(_lines(a_request("a", tag="x")), "'tag'", id="a key of submit"),
]


@pytest.mark.parametrize(("text", "said"), BAD)
def test_it_is_refused_in_one_line_before_anything_is_sent(
    tmp_path: Path, text: str, said: str
) -> None:
    terminal = Terminal(tmp_path / "home")
    done = terminal.run("submit", "-", "--tag", "t", stdin=text)
    assert done.code == 2
    assert done.out == ""
    assert said in done.err
    assert done.err.count("\n") == 1
    assert terminal.run("status", "--json").json()["totals"]["requests"] == 0
    assert not list((tmp_path / "home" / "spool").glob("*"))


def test_another_body_under_a_known_id_names_it(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path / "home", api_key=None)
    terminal.run("submit", "-", "--tag", "t", stdin=_lines(a_request("a")))
    done = terminal.run("submit", "-", "--tag", "t", stdin=_lines(a_request("a", max_tokens=9)))
    assert done.code == 2
    assert "'a' is already in tb_" in done.err
    assert terminal.run("status", "--json").json()["totals"]["requests"] == 1


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = Terminal(tmp_path / "file" / "home").python(
        "-m", "titan_console", "submit", "-", "--tag", "t", stdin=_lines(a_request())
    )
    assert done.code == 3
    assert "TITAN_HOME" in done.err
    assert done.err.count("\n") == 1


def test_a_ledger_of_a_later_version_is_refused(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path / "home")
    terminal.run("--poll")
    ledger = sqlite3.connect(tmp_path / "home" / "titan.db")
    ledger.execute("PRAGMA user_version=99")
    ledger.close()
    for command in (["--poll"], ["status"], ["submit", "-", "--tag", "t"]):
        done = terminal.run(*command, stdin=_lines(a_request()))
        assert done.code == 3
        assert "version 99" in done.err
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


def test_reading_before_there_is_a_ledger_says_so(tmp_path: Path) -> None:
    done = Terminal(tmp_path / "home").run("status")
    assert done.code == 3
    assert "There is no ledger" in done.err


def test_hostile_text_reaches_the_terminal_only_as_pictures(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path / "home")
    done = terminal.run("results", "\x1b]52;c;aGk=\x07[/]")
    assert "\x1b" not in done.err
    assert "\x07" not in done.err
