"""From a file to results through a real server, each step in a process of its own."""

import json
from pathlib import Path

from support.builders import a_request, some_requests
from support.processes.terminal import Terminal, a_server

from titan_console.sandbox.model.timing import Plan


def _file(folder: Path, requests: list[dict[str, object]], name: str = "daily-feed.jsonl") -> str:
    path = folder / name
    path.write_text("".join(json.dumps(request) + "\n" for request in requests))
    return str(path)


def test_what_one_process_submits_another_polls_and_a_third_reads(tmp_path: Path) -> None:
    with a_server() as (sandbox, address):
        terminal = Terminal(tmp_path / "home", address)
        submitted = terminal.run("submit", _file(tmp_path, some_requests(5)))
        assert (submitted.code, submitted.err) == (0, "Sent 5 requests in 1 batch.\n")
        key = submitted.out.strip()

        polled = terminal.python("-m", "titan_console", "--poll", "--json")
        assert polled.code == 0
        assert (polled.json()["collected"], polled.json()["results"]) == (1, 5)

        for name in (key, "daily-feed", sandbox.billing_log().batches[0].batch_id):
            results = terminal.run("results", name, "--json")
            assert [line["custom_id"] for line in results.lines()] == [
                request["custom_id"] for request in some_requests(5)
            ]
            assert all(line["batch_id"] == key for line in results.lines())
        status = terminal.run("status", "--json").json()
        assert status["open"] == []
        assert status["savings_usd"] > 0
        assert sandbox.billing_log().creates == 1


def test_the_apis_own_form_is_taken_from_standard_input(tmp_path: Path) -> None:
    request = a_request()
    line = json.dumps({"custom_id": request.pop("custom_id"), "params": request})
    with a_server() as (sandbox, address):
        done = Terminal(tmp_path / "home", address).run("submit", "-", "--tag", "t", stdin=line)
        assert done.code == 0
        assert sandbox.billing_log().creates == 1


def test_the_same_file_again_sends_nothing_and_prints_the_same_key(tmp_path: Path) -> None:
    with a_server() as (sandbox, address):
        terminal = Terminal(tmp_path / "home", address)
        path = _file(tmp_path, some_requests(3))
        first, second = terminal.run("submit", path), terminal.run("submit", path)
        assert first.out == second.out
        assert second.code == 0
        assert "nothing was sent" in second.err
        assert sandbox.billing_log().creates == 1


def test_without_a_key_work_is_kept_and_sent_when_there_is_one(tmp_path: Path) -> None:
    with a_server() as (sandbox, address):
        keyless = Terminal(tmp_path / "home", address, api_key=None)
        queued = keyless.run("submit", _file(tmp_path, some_requests(2)))
        assert queued.code == 1
        assert "ANTHROPIC_API_KEY" in queued.err
        assert keyless.run("--poll").code == 3
        assert sandbox.billing_log().creates == 0

        terminal = Terminal(tmp_path / "home", address)
        assert terminal.run("--poll").code == 0
        assert terminal.run("--poll", "--json").json()["results"] == 2


def test_failures_are_listed_and_end_the_poll_with_1(tmp_path: Path) -> None:
    with a_server(Plan.instant(), "row:overloaded:p=1") as (_, address):
        terminal = Terminal(tmp_path / "home", address)
        terminal.run("submit", _file(tmp_path, some_requests(2)))
        assert terminal.run("--poll").code == 1
        errors = terminal.run("errors", "--json").lines()
        assert {row["error_type"] for row in errors} == {"overloaded_error"}
        assert "overloaded_error" in terminal.run("errors").out


def test_results_of_what_still_runs_end_with_1_and_say_so(tmp_path: Path) -> None:
    with a_server(Plan.manual()) as (_, address):
        terminal = Terminal(tmp_path / "home", address)
        key = terminal.run("submit", _file(tmp_path, some_requests(2))).out.strip()
        assert terminal.run("--poll").code == 0
        results = terminal.run("results", key)
        assert results.code == 1
        assert "2 requests still without a result" in results.err
        shown = terminal.run("show", key)
        assert "in progress" in shown.out
        assert "batch accepted" in shown.out
        events = terminal.run("show", key, "--json").json()["events"]
        assert [event["kind"] for event in events] == [
            "batch.queued",
            "batch.sending",
            "batch.accepted",
        ]


def test_the_helper_does_the_same_from_three_processes(tmp_path: Path) -> None:
    with a_server() as (_, address):
        terminal = Terminal(tmp_path / "home", address)
        job = f"import titan_batch; print(titan_batch.submit({some_requests(3)!r}, tag='t'))"
        key = terminal.python("-c", job).out.strip()
        collect = f"import json, titan_batch as t; print(json.dumps(t.poll_and_collect({key!r})))"
        results = terminal.python("-c", collect).json()
        assert [sorted(result) for result in results] == [
            sorted(
                "custom_id outcome text message error usage cost_usd batch_id invalid".split()  # noqa: SIM905 - read as one
            )
        ] * 3
        summary = "import json, titan_batch as t; print(json.dumps(t.reconcile('t')))"
        assert terminal.python("-c", summary).json()["settled"] is True


def test_the_helper_answers_none_while_the_batch_runs(tmp_path: Path) -> None:
    with a_server(Plan.manual()) as (_, address):
        terminal = Terminal(tmp_path / "home", address)
        job = (
            "import titan_batch as t;"
            f"print(t.poll_and_collect(t.submit({some_requests(1)!r}, tag='t')))"
        )
        assert terminal.python("-c", job).out == "None\n"
