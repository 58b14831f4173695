"""What the API would reject a day later is said by `submit` and its dry run, or refused."""

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from support.builders import a_request
from support.processes.terminal import Terminal, a_server

import titan_batch
from titan_console.sandbox.api import Sandbox
from titan_console.sandbox.model.timing import Plan

HINT = "Extra inputs are not permitted. It is an argument of the SDK's call, not a parameter of a"
WRONG: list[dict[str, Any]] = [
    {"extra_headers": {"anthropic-beta": "x"}},
    {"extra_body": {"output_config": {"effort": "high"}}},
    {"timeout": 600},
    {"timeout": 900},
    {"response_format": {"type": "json_object"}},
    {"max_token": 5},
]
LINES = "\n".join(json.dumps(a_request(f"row-{n}", **one)) for n, one in enumerate(WRONG))


@pytest.fixture
def shell(tmp_path: Path) -> Generator[tuple[Terminal, Sandbox], None, None]:
    with a_server(Plan.instant()) as (sandbox, address):
        yield Terminal(tmp_path / "home", address), sandbox


def test_a_warning_has_the_number_of_requests_and_the_first(
    shell: tuple[Terminal, Sandbox],
) -> None:
    terminal, _ = shell
    planned = terminal.run("submit", "-", "--tag", "t", "--dry-run", "--json", stdin=LINES).json()
    expected = [
        f"The API would reject 'row-0': extra_headers: {HINT} request.",
        f"The API would reject 'row-1': extra_body: {HINT} request.",
        f"The API would reject 2 requests, the first 'row-2': timeout: {HINT} request.",
        (
            "The API would reject 'row-4': response_format: Extra inputs are not permitted."
            " Did you mean output_config.format?"
        ),
        (
            "The API would reject 'row-5': max_token: Extra inputs are not permitted."
            " Did you mean max_tokens?"
        ),
    ]
    assert [line for line in planned["warnings"] if "reject" in line] == expected
    done = terminal.run("submit", "-", "--tag", "t", stdin=LINES)
    assert done.code == 0
    assert done.err.splitlines()[:5] == [f"titan-console: {line}" for line in expected]


def test_the_sandbox_rejects_what_was_warned_of(shell: tuple[Terminal, Sandbox]) -> None:
    terminal, _ = shell
    terminal.run("submit", "-", "--tag", "t", stdin=LINES)
    terminal.run("--poll")
    answers = terminal.run("results", "t", "--json").lines()
    assert [answer["error"]["type"] for answer in answers] == ["invalid_request_error"] * 6


def test_strict_refuses_before_anything_is_stored(shell: tuple[Terminal, Sandbox]) -> None:
    terminal, sandbox = shell
    good = json.dumps(a_request("good"))
    strict = ("submit", "-", "--tag", "t", "--strict")
    for extra in ([], ["--dry-run"]):
        done = terminal.run(*strict, *extra, stdin=f"{good}\n\n{LINES}")
        assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
        assert (
            f"line 3: Request 'row-0': the API would reject it: extra_headers: {HINT}" in done.err
        )
    assert terminal.run(*strict, "--json", stdin=LINES).error_code() == "would_be_rejected"
    assert not list((terminal.home / "spool").glob("*"))
    assert not sandbox.billing_log().posts
    assert terminal.run(*strict, stdin=good).err == "Sent 1 request in 1 batch.\n"


def test_a_beta_of_the_call_lifts_the_warning(shell: tuple[Terminal, Sandbox]) -> None:
    terminal, _ = shell
    line = json.dumps(a_request("a", context_management={"edits": []}))
    strict = ("submit", "-", "--tag", "t", "--strict", "--dry-run")
    assert "beta header: context-management-" in terminal.run(*strict, stdin=line).err
    beta = ("--beta", "context-management-2025-06-27")
    assert terminal.run(*strict, *beta, stdin=line).code == 0


def test_many_kinds_are_not_many_lines(shell: tuple[Terminal, Sandbox]) -> None:
    terminal, _ = shell
    lines = "\n".join(json.dumps(a_request(f"a-{n}", **{f"x{n}": n})) for n in range(1500))
    planned = terminal.run("submit", "-", "--tag", "t", "--dry-run", "--json", stdin=lines).json()
    said = [line for line in planned["warnings"] if "reject" in line]
    assert len(said) == 11
    assert said[-1] == "The API would reject requests for more reasons, such as those of 'a-10'."


def test_a_job_can_be_strict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TITAN_HOME", str(tmp_path))
    with pytest.raises(titan_batch.PayloadError, match="Did you mean max_tokens") as caught:
        titan_batch.submit([a_request("a", max_token=5)], tag="t", strict=True)
    assert caught.value.code == "would_be_rejected"
    assert not (tmp_path / "titan.db").exists() or not list((tmp_path / "spool").glob("*"))
