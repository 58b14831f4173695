"""What a caller of the helper may get wrong, and what a shell does to our output."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.builders import a_request
from support.error_codes import code_is
from support.processes.terminal import Terminal

import titan_batch


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"tag": 5}, "tag_missing"),
        ({"workflow": 5}, "workflow_invalid"),
        ({"workflow": "evil\x1b[31m"}, "workflow_invalid"),
        ({"model": None}, "model_invalid"),
        ({"deadline": "2026-05-02T06:00"}, "deadline_invalid"),
        (
            {"deadline": datetime(2026, 5, 2, 6, tzinfo=UTC).replace(tzinfo=None)},
            "deadline_invalid",
        ),
        ({"betas": [5]}, "beta_invalid"),
        ({"requests": None}, "requests_not_list"),
        ({"requests": "text"}, "requests_not_list"),
        ({"requests": {"custom_id": "a"}}, "requests_not_list"),
    ],
)
def test_a_wrong_argument_is_named_and_nothing_is_kept(
    tmp_path: Path, arguments: dict[str, Any], code: str
) -> None:
    given: dict[str, Any] = {"requests": [a_request()], "tag": "t"} | arguments
    with pytest.raises(titan_batch.PayloadError, check=code_is(code)):
        titan_batch.submit(given.pop("requests"), **given)
    assert not (tmp_path / "home" / "fallback").exists()


def test_one_beta_may_be_given_as_text() -> None:
    key = titan_batch.submit([a_request()], tag="t", betas="output-300k-2026-03-24")
    assert titan_batch.reconcile("t")["submissions"] == [key]


def test_a_reader_that_has_seen_enough_is_no_failure(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path / "home")
    terminal.run("--poll")
    command = f"{sys.executable} -m titan_console doctor; echo code $? >&2"
    done = subprocess.run(
        ["bash", "-c", f"({command}) | head -c 1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "code 0" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("shell", "said"),
    [
        ("submit - --tag s <&-", "Standard input is closed"),
        ("doctor > /dev/full", "Cannot write"),
        ("sandbox --port 99999", "0<=x<=65535"),
    ],
)
def test_a_broken_environment_is_reported_in_one_line(
    tmp_path: Path, shell: str, said: str
) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    terminal = Terminal(tmp_path / "home")
    terminal.run("--poll")
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m titan_console {shell}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (2, 3)
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_doctor_says_where_no_ledger_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = Terminal(tmp_path / "file" / "home").run("doctor", "--json")
    assert done.code == 1
    assert any(f["health"] == "bad" and f["what"] == "ledger" for f in done.json()["findings"])
