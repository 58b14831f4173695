"""Commands of the operator from the command line: previews, confirmations, outcomes, exit codes."""

import json
from collections.abc import Generator
from datetime import timedelta
from pathlib import Path

import pytest
from support.builders import Bench, some_requests
from support.processes.terminal import Terminal, a_server

from core.clock import SystemClock
from core.engine import Engine
from core.intake import fallback_files
from core.intake.options import SubmitOptions
from core.poll.poll_run import POLL_LEASE
from state.batches import leases
from state.db import liveness_lock
from state.files.folder import Folder
from state.model.errors import LedgerUnusable
from titan_console.cli.command_flow import poll_once
from titan_console.sandbox.api import Sandbox
from titan_console.sandbox.model.timing import Plan

Shell = tuple[Terminal, Sandbox, str]


@pytest.fixture
def failed(tmp_path: Path) -> Generator[Shell, None, None]:
    """Three requests that failed, and a sandbox that is well again."""
    with a_server(Plan.instant(), "row:overloaded:p=1") as (sandbox, address):
        terminal = Terminal(tmp_path / "home", address)
        key = terminal.submit_and_poll(tag="feed")
        sandbox.faults.clear()
        yield terminal, sandbox, key


def test_a_dry_run_prints_the_preview_and_changes_nothing(failed: Shell) -> None:
    terminal, sandbox, key = failed
    preview = terminal.run("replay", key, "--dry-run", "--json").json()
    assert (preview["count"], len(preview["samples"])) == (3, 3)
    assert preview["sync_cost_usd"] > preview["batch_cost_usd"] > 0
    assert "--delay=600" in terminal.run("replay", key, "--dry-run", "--delay", "600").out
    edited = terminal.run("replay", key, "--dry-run", "--set", "max_tokens=99")
    assert "3 requests" in edited.out
    assert [path.name for path in (terminal.home / "spool").iterdir()] == [f"{key}.jsonl"]
    assert terminal.run("commands", "--json").out == ""
    assert sandbox.billing_log().creates == 1


def test_what_spends_asks_and_yes_answers(failed: Shell) -> None:
    terminal, sandbox, _ = failed
    asked = terminal.run("replay", "feed")
    assert asked.code == 2
    assert "--yes" in asked.err
    assert sandbox.billing_log().creates == 1

    done = terminal.run("replay", "feed", "--yes", "--reason", "outage over", "--json")
    assert done.code == 0
    assert done.json()["outcome"] == "3 requests queued for replay"
    assert " feed (replay) " in terminal.run("status").out
    assert terminal.run("--poll").code == 0
    assert terminal.run("errors", "--json").out == ""
    (command,) = terminal.run("commands", "--json").lines()
    assert (command["state"], command["reason"]) == ("done", "outage over")


def test_a_delayed_command_is_withdrawn(failed: Shell) -> None:
    terminal, sandbox, key = failed
    given = terminal.run("sync", key, "--yes", "--delay", "600")
    assert "withdraw" in given.err
    command = given.out.strip()
    assert terminal.run("withdraw", command).code == 0
    terminal.run("--poll")
    assert list(sandbox.billing_log().billed()) == []
    again = terminal.run("withdraw", command)
    assert again.code == 2
    assert "already withdrawn" in again.err


@pytest.mark.parametrize("seconds", [10**12, 10**20])
def test_a_delay_is_at_most_a_year(failed: Shell, seconds: int) -> None:
    terminal, _, key = failed
    done = terminal.run("replay", key, "--yes", "--json", "--delay", str(seconds))
    assert (done.code, done.error_code(), done.out) == (2, "usage", "")
    assert terminal.run("commands", "--json").out == ""


def test_sync_answers_what_failed_at_the_full_price(failed: Shell) -> None:
    terminal, sandbox, key = failed
    assert terminal.run("sync", key, "--yes").code == 0
    results = terminal.run("results", key, "--json").lines()
    assert [result["outcome"] for result in results] == ["succeeded"] * 3
    assert len(sandbox.billing_log().messages) == 3
    assert terminal.run("status", "--json").json()["savings_usd"] == 0


def test_an_edited_file_asks_only_what_it_holds(failed: Shell, tmp_path: Path) -> None:
    terminal, _, key = failed
    edited = some_requests(3)[1] | {"max_tokens": 99}
    path = tmp_path / "edits.jsonl"
    path.write_text(json.dumps(edited))
    done = terminal.run("replay", key, "--edits", str(path), "--yes", "--json")
    assert done.json()["items"] == 1
    terminal.run("--poll")
    outcomes = [line["outcome"] for line in terminal.run("results", key, "--json").lines()]
    assert outcomes == ["errored", "succeeded", "errored"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["replay", "nothing", "--yes"], "not_found"),
        (["replay", "--yes"], "no_selection"),
        (["replay", "feed", "--outcome", "expired", "--yes"], "nothing_to_do"),
        (["replay", "feed", "--set", "max_tokens", "--yes"], "invalid_edit"),
        (["replay", "feed", "--set", "max_tokens=0", "--yes"], "max_tokens_invalid"),
        (["replay", "feed", "--set", "max_token=9", "--yes"], "unknown_parameter"),
        (["replay", "feed", "--model", "", "--yes"], "invalid_input"),
        (["replay", "feed", "--model", " ", "--yes"], "invalid_input"),
        (["replay", "feed", "--since", "soon", "--yes"], "invalid_time"),
        (["replay", "feed"], "usage"),
        (["cancel", "feed", "--yes"], "nothing_to_do"),
    ],
)
def test_bad_input_is_one_line_and_changes_nothing(
    failed: Shell, arguments: list[str], code: str
) -> None:
    terminal, sandbox, _ = failed
    done = terminal.run(*arguments, "--json")
    assert (done.code, done.error_code()) == (2, code)
    assert sandbox.billing_log().creates == 1


def test_a_mistyped_parameter_is_answered_with_the_one_near_it(failed: Shell) -> None:
    done = failed[0].run("replay", "feed", "--set", "max_token=9", "--yes")
    assert done.code == 2
    assert "max_tokens" in done.err.replace("max_token=9", "")


def test_a_command_that_is_not_known_is_not_withdrawn(failed: Shell) -> None:
    done = failed[0].run("withdraw", "cmd_nothing")
    assert (done.code, done.err.count("\n"), "'cmd_nothing'" in done.err) == (2, 1, True)


def test_a_workflow_is_paused_shown_and_resumed(failed: Shell) -> None:
    terminal, sandbox, _ = failed
    preview = terminal.run("pause", "feed-classify", "--dry-run", "--json").json()
    assert preview["cli"] == "titan-console pause --yes feed-classify"
    done = terminal.run("pause", "feed-classify", "--yes", "--reason", "new prompt")
    assert (done.code, done.err.strip()) == (
        0,
        "feed-classify is paused; batches are not sent until `titan-console resume`",
    )
    again = terminal.run("pause", "feed-classify", "--yes", "--json")
    assert (again.code, again.error_code()) == (2, "nothing_to_do")
    (paused,) = terminal.run("status", "--json").json()["paused"]
    assert (paused["workflow"], paused["reason"]) == ("feed-classify", "new prompt")
    assert "new prompt" in terminal.run("status").out
    assert "feed-classify: paused since" in terminal.run("jobs").out
    lines = "".join(json.dumps(request) + "\n" for request in some_requests(2))
    assert terminal.run("submit", "-", "--tag", "more", stdin=lines).code == 1
    assert sandbox.billing_log().creates == 1
    assert terminal.run("resume", "feed-classify", "--yes").code == 0
    assert sandbox.billing_log().creates == 2


def test_show_lists_every_attempt_of_a_request(failed: Shell) -> None:
    terminal, _, key = failed
    replayed = ("replay", "feed", "--yes", "--set", "max_tokens=99", "--reason", "more room")
    command = terminal.run(*replayed).out.strip()
    terminal.run("--poll")
    name = some_requests(1)[0]["custom_id"]
    shown = terminal.run("show", f"feed/{name}", "--json").json()
    assert shown == terminal.run("show", str(name), "--json").json()
    (request,) = shown["requests"]
    first, second = request["attempts"]
    assert (request["status"], request["submission"]) == ("succeeded", key)
    assert (first["batch_id"], first["outcome"], first["edit"]) == (key, "errored", None)
    assert (second["batch_id"], second["settled"], second["cost_usd"] > 0) == (
        f"{key}-2",
        True,
        True,
    )
    assert (second["edit"]["command"], second["edit"]["reason"]) == (command, "more room")
    for attempt, tokens in ((first, 64), (second, 99)):
        body = attempt["body"]
        text = Path(body["file"]).read_bytes()[body["offset"] :][: body["length"]]
        assert json.loads(text)["params"]["max_tokens"] == tokens
    answer = second["result"]
    line = Path(answer["file"]).read_bytes()[answer["offset"] :][: answer["length"]]
    assert json.loads(line)["custom_id"] == name
    table = terminal.run("show", str(name)).out
    assert "errored (overloaded_error)" in table
    modes = [line.split()[:2] for line in table.splitlines() if line.startswith(key)]
    assert modes == [[key, "batch"], [f"{key}-2", "replay"]]
    assert "mode          replay" in terminal.run("show", f"{key}-2").out
    unknown = terminal.run("show", "feed/nothing", "--json")
    assert (unknown.code, unknown.error_code()) == (2, "not_found")


def test_holds_are_ended_by_hand_and_the_queue_is_sent(tmp_path: Path) -> None:
    line = json.dumps(some_requests(1)[0])
    with a_server(Plan.instant(), "create:credit:times=1") as (sandbox, address):
        terminal = Terminal(tmp_path / "home", address)
        terminal.run("submit", "-", "--tag", "feed", stdin=line)
        shown = terminal.run("status").out + terminal.run("doctor").out
        assert shown.count("to end it now: titan-console resume --holds") == 2
        assert terminal.run("resume", "--holds").code == 2
        assert terminal.run("resume", "--holds", "a-workflow", "--yes").code == 2
        (hold,) = terminal.run("resume", "--holds", "--dry-run", "--json").lines()
        assert hold["name"] == "account"
        assert sandbox.billing_log().creates == 1
        done = terminal.run("resume", "--holds", "--yes", "--reason", "paid")
        assert (done.code, done.out.split(" until ")[0]) == (
            0,
            "on hold  sending (account problem)",
        )
        assert done.err == "Sent 1 batch.\n"
        assert sandbox.billing_log().creates == 2
        (event,) = [
            event
            for event in terminal.run("events", "--json").lines()
            if event["kind"] == "hold.lifted"
        ]
        assert (event["subject"], event["detail"]["reason"]) == ("account", "paid")
        again = terminal.run("resume", "--holds", "--yes")
        assert (again.code, "nothing is on hold" in again.err) == (2, True)


def test_holds_that_are_set_again_say_that_nothing_was_sent(tmp_path: Path) -> None:
    line = json.dumps(some_requests(1)[0])
    with a_server(Plan.instant(), "create:credit") as (_, address):
        terminal = Terminal(tmp_path / "home", address)
        terminal.run("submit", "-", "--tag", "feed", stdin=line)
        done = terminal.run("resume", "--holds", "--yes")
        assert (done.code, done.err.splitlines()[0]) == (1, "Nothing was sent.")
        assert "credit balance" in done.err


def test_a_replay_says_what_its_poll_sent(failed: Shell) -> None:
    terminal, _, _ = failed
    assert terminal.run("replay", "feed", "--yes").err.splitlines()[1:] == ["Sent 1 batch."]


def test_status_json_counts_fallback_files(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path / "home", "http://127.0.0.1:1")
    terminal.run("submit", "-", "--tag", "feed", stdin=json.dumps(some_requests(1)[0]))
    options = SubmitOptions(tag="kept")
    folder, clock = Folder(terminal.home), SystemClock()
    lost = LedgerUnusable("locked")
    fallback_files.save(folder, some_requests(1), options, clock=clock, actor="t", error=lost)
    assert terminal.run("status", "--json").json()["fallback_files"] == 1


def test_a_poll_that_cannot_write_does_not_hide_that_the_command_is_stored(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_engine: Engine) -> None:
        raise LedgerUnusable("no space is left")

    monkeypatch.setattr(Engine, "poll", full)
    assert poll_once(bench.engine).problems == ["no space is left"]


def test_a_command_beside_another_poll_says_that_none_was_run(bench: Bench) -> None:
    until = bench.clock.now() + timedelta(minutes=15)
    with liveness_lock.try_lock(bench.folder.poll_lock):
        leases.acquire(bench.engine.context.ledger, POLL_LEASE, "poller@host:1/x", until=until)
        assert "poller@host:1" in poll_once(bench.engine).note
