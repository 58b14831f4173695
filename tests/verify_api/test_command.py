"""The command asks before it spends, refuses what it cannot do, and reports on a recording."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from support.api.verify_run import VerifyRun
from support.processes.terminal import Terminal, a_server

from titan_console.sandbox.model.timing import Plan
from titan_console.verify_api.session import StillRunningError


def an_unfinished_run(home: Path) -> VerifyRun:
    (home / "verify-api").mkdir(parents=True)
    run = VerifyRun(home / "verify-api" / "2026-11-28.jsonl")
    with pytest.raises(StillRunningError):
        run.script(wait=timedelta(minutes=2)).finish()
    return run


def test_nothing_is_sent_before_the_cost_is_confirmed(tmp_path: Path) -> None:
    with a_server(Plan.manual()) as (sandbox, address):
        terminal = Terminal(tmp_path / "home", address)
        done = terminal.run("verify-api")
        assert (done.code, "at most $0.0" in done.err) == (2, True)
        done = terminal.run("verify-api", "--limit", "0.01", "--yes", "--json")
        assert (done.code, done.error_code()) == (2, "over_budget")
        assert not sandbox.batches()
        assert not list((tmp_path / "home" / "verify-api").glob("*.jsonl"))


def test_a_run_is_stopped_resumed_and_abandoned(tmp_path: Path) -> None:
    with a_server(Plan.manual(cancel=60)) as (sandbox, address):
        terminal = Terminal(tmp_path / "home", address)
        done = terminal.run("verify-api", "--yes", "--timeout", "1s", "--json")
        assert done.code == 4, done.err
        left = {one["name"]: one["remote_id"] for one in done.json()["open_batches"]}
        assert all(batch in done.err for batch in left.values())
        done = terminal.run("verify-api", "--yes", "--json")
        assert done.error_code() == "run_unfinished"
        done = terminal.run("verify-api", "--abandon")
        assert done.code == 0, done.err
        assert terminal.run("verify-api", "--resume", "--json").error_code() == "nothing_to_resume"
        assert len(sandbox.batches()) in (6, 7)
        canceling = {str(b["id"]) for b in sandbox.batches() if b["cancel_initiated_at"]}
        # The create that was cut has no answer: its batch is only supposed to be of this run.
        assert canceling == {batch for name, batch in left.items() if name != "cut"}


def test_a_lane_is_checked_and_named_in_the_recording(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    with a_server(Plan.manual()) as (sandbox, address):
        (home / "titan.toml").write_text(f"[lanes.b]\nbase_url = '{address}'\n")
        terminal = Terminal(home, "http://127.0.0.1:9")
        shown = terminal.run("verify-api", "--dry-run", "--lane", "b").out
        assert f"lane       b\nserver     {address.removeprefix('http://')}\n" in shown
        done = terminal.run("verify-api", "--dry-run", "--lane", "c", "--json")
        assert (done.code, done.error_code()) == (3, "lane_missing")
        done = terminal.run("verify-api", "--yes", "--lane", "b", "--timeout", "1s")
        assert (done.code, bool(sandbox.batches())) == (4, True), done.err
        assert "leave it out" in terminal.run("verify-api", "--resume", "--lane", "b").err
        done = terminal.run("verify-api", "--abandon")
        assert done.code == 0, done.err
        assert any(batch["cancel_initiated_at"] for batch in sandbox.batches())


def test_a_report_names_what_did_not_hold_and_what_the_engine_does(tmp_path: Path) -> None:
    run = VerifyRun(tmp_path / "run.jsonl", "results:other-tier")
    run.finish()
    done = Terminal(tmp_path / "home").run("verify-api", "--report", str(run.path))
    assert done.code == 1
    lines = done.out.splitlines()
    at = next(at for at, line in enumerate(lines) if line.startswith("DID NOT HOLD"))
    assert "usage_tier" in lines[at]
    assert "engine: The answer is kept" in lines[at + 2]
    assert "1 did not hold" in lines[-1]


def test_without_an_answer_to_the_first_call_no_recording_is_left(tmp_path: Path) -> None:
    home = tmp_path / "home"
    done = Terminal(home, "http://127.0.0.1:9").run("verify-api", "--yes", "--json")
    assert (done.code, done.error_code()) == (1, "api_no_response")
    assert not list((home / "verify-api").glob("*.jsonl"))


@pytest.mark.parametrize("content", ["", "{}\n", "no json\n", '{"line":"end","at":"x"}\n'])
def test_another_file_is_no_recording(tmp_path: Path, content: str) -> None:
    (tmp_path / "file").write_text(content)
    for line in (["verify-api", "--report"], ["sandbox", "--replay"]):
        done = Terminal(tmp_path / "home").run(*line, str(tmp_path / "file"), "--json")
        assert (done.code, done.error_code()) == (2, "not_a_recording")


def test_a_torn_recording_is_continued(tmp_path: Path) -> None:
    run = an_unfinished_run(tmp_path / "home")
    with run.path.open("ab") as file:
        file.write(b'{"line":"exchange"')
    done = Terminal(tmp_path / "home").run("verify-api", "--json")
    assert done.error_code() == "run_unfinished"
    assert json.loads(run.path.read_bytes().splitlines()[-1])["line"] == "exchange"
