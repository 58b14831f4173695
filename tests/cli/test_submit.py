"""`titan-console submit` as it is typed: what a job says, what is shown, what is warned of."""

import json
import re
import socket
from collections.abc import Generator
from pathlib import Path

import pytest
from support.builders import some_requests
from support.processes.terminal import Terminal, a_server

from core.intake import submit
from titan_console.cli.main import main
from titan_console.sandbox.api import Sandbox
from titan_console.sandbox.model.timing import Plan

LINES = "".join(json.dumps(request) + "\n" for request in some_requests(2))
TOML = """
[workloads.t]
[jobs.nightly]
workload = "t"
schedule = "nightly"
model = "claude-hiaku-5-5"
deadline_h = 2
"""


@pytest.fixture
def shell(tmp_path: Path) -> Generator[tuple[Terminal, Sandbox], None, None]:
    home = tmp_path / "home"
    home.mkdir()
    (home / "titan.toml").write_text(TOML, "utf-8")
    with a_server(Plan.instant()) as (sandbox, address):
        yield Terminal(home, address), sandbox


def test_what_the_job_says_holds_and_is_shown(shell: tuple[Terminal, Sandbox]) -> None:
    terminal, sandbox = shell
    planned = terminal.run(
        "submit", "-", "--tag", "t", "--job", "nightly", "--dry-run", stdin=LINES
    )
    assert planned.code == 0
    assert "claude-hiaku-5-5" in planned.out
    assert "here)" in planned.out
    planned = terminal.run(
        *("submit", "-", "--tag", "t", "--job", "nightly", "--dry-run", "--json"), stdin=LINES
    )
    assert planned.json()["job"] == "nightly"
    assert planned.json()["deadline_ts"].endswith("Z")
    assert sum("Did you mean" in warning for warning in planned.json()["warnings"]) == 1

    done = terminal.run("submit", "-", "--tag", "t", "--workflow", "nightly", stdin=LINES)
    assert done.code == 0
    said = done.err.splitlines()
    assert "Did you mean claude-haiku-5-5?" in said[0]
    assert "no result at the next poll run synchronously" in said[1]
    assert said[2].startswith("Deadline: 20")
    assert said[2].endswith("(job nightly).")
    assert sandbox.billing_log().creates == 1


def test_options_of_the_call_win_and_json_has_all(shell: tuple[Terminal, Sandbox]) -> None:
    terminal, _ = shell
    done = terminal.run(
        *("submit", "-", "--tag", "t", "--job", "nightly", "--model", "claude-sonnet-4-6"),
        *("--deadline", "2099-05-02T06:00+02:00", "--on-failure", "sync", "--json"),
        stdin=LINES,
    )
    report = done.json()
    assert (report["job"], report["model"]) == ("nightly", "claude-sonnet-4-6")
    assert report["deadline_ts"] == "2099-05-02T04:00:00.000Z"
    assert (report["on_failure"], report["warnings"]) == ("sync", [])


def test_a_job_that_is_not_there_is_a_usage_error(shell: tuple[Terminal, Sandbox]) -> None:
    terminal, sandbox = shell
    for extra in ([], ["--dry-run"]):
        done = terminal.run("submit", "-", "--tag", "t", "--job", "nightli", *extra, stdin=LINES)
        assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
        assert "did you mean nightly?" in done.err
    assert not sandbox.billing_log().batches


def test_a_ledger_that_cannot_be_used_sends_nothing_and_keeps_nothing(
    shell: tuple[Terminal, Sandbox],
) -> None:
    terminal, sandbox = shell
    (terminal.home / "titan.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    done = terminal.run("submit", "-", "--tag", "t", "--on-failure", "sync", stdin=LINES)
    assert (done.code, done.out, done.err.count("\n")) == (3, "", 1)
    assert "Nothing was sent" in done.err
    assert not (terminal.home / "fallback").exists()
    assert (sandbox.billing_log().creates, sandbox.billing_log().messages) == (0, ())


def test_a_synchronous_run_is_not_reported_as_a_batch(
    shell: tuple[Terminal, Sandbox],
) -> None:
    terminal, sandbox = shell
    sandbox.faults.add("create:spend-cap")
    done = terminal.run("submit", "-", "--tag", "t", "--on-failure", "sync", stdin=LINES)
    said = "Ran 2 requests synchronously at full price: the API accepted no batch.\n"
    assert (done.code, done.err) == (0, said)
    assert not sandbox.billing_log().batches


def test_a_refused_connection_is_reported_in_whole_sentences(tmp_path: Path) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{bound.getsockname()[1]}"
        done = Terminal(tmp_path / "home", address).run("submit", "-", "--tag", "t", stdin=LINES)
    assert done.code == 1
    assert re.fullmatch(r"Stored 2 requests\. Cannot connect to the API: .*\w\.\n", done.err)


def test_what_another_process_sends_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A poll may take the batch between its store and its send."""

    def taken(*_: object) -> None:
        pass

    monkeypatch.setattr(submit, "send_queued", taken)
    monkeypatch.setenv("TITAN_HOME", str(tmp_path / "home"))
    file = tmp_path / "f.jsonl"
    file.write_text(LINES, "utf-8")
    with pytest.raises(SystemExit) as ended:
        main(["submit", str(file)])
    assert ended.value.code == 0
    assert "another process" in capsys.readouterr().err


def test_a_deadline_needs_a_time_zone(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path / "home")
    given = ("--tag", "t", "--deadline", "2099-05-02T06:00")
    done = terminal.run("submit", "-", *given, stdin=LINES)
    assert (done.code, "has no time zone" in done.err) == (2, True)
    assert not (tmp_path / "home" / "titan.db").exists()


def test_a_lost_response_says_what_is_not_known_and_what_not_to_do(
    shell: tuple[Terminal, Sandbox],
) -> None:
    terminal, sandbox = shell
    sandbox.faults.add("create:drop")
    done = terminal.run("submit", "-", "--tag", "t", stdin=LINES)
    assert done.err.startswith("Stored 2 requests. The connection to the API failed:")
    assert done.err.endswith(
        f". t ({done.out.strip()}) is unconfirmed: the API may have accepted it, and the next poll"
        " looks for it there. Do not submit its requests again.\n"
    )
    assert done.code == 1


def test_a_batch_that_was_sent_is_reported_beside_what_went_wrong(
    shell: tuple[Terminal, Sandbox], tmp_path: Path
) -> None:
    terminal, sandbox = shell
    (tmp_path / "home" / "batch-jobs.jsonl").mkdir(parents=True)
    done = terminal.run("submit", "-", "--tag", "t", stdin=LINES)
    assert done.err.startswith("Sent 2 requests in 1 batch.\nCannot update batch-jobs.jsonl: ")
    assert (done.code, sandbox.billing_log().creates) == (1, 1)
