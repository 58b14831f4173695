"""Alerts over the ledger: raised once, cleared once, told at least once."""

import json
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from support.api.slow_server import a_trickling_server
from support.builders import Bench, a_bench, a_request
from support.processes.terminal import Terminal

from core.commands import planner
from core.commands.planner import CommandRequest
from core.errors import problems_of
from core.intake.recorded_calls import record_sync
from core.poll import poll_steps
from core.reporting import notifier, status_report, webhook
from core.reporting.notifier import SIGNATURE, STAMP, signature
from state.model.crash_points import no_crash_point
from state.model.errors import LedgerUnusable
from state.operations import alerts
from state.operations.commands import Action
from state.operations.selection import Filter
from state.queries import event_list, ledger_status
from titan_console.sandbox.faults.profile import Faults

WRITER = """
import pathlib, sys
with pathlib.Path(sys.argv[1]).open("ab") as file:
    file.write(sys.stdin.buffer.read() + b"\\n")
"""


def settle(home: Path, text: str) -> None:
    home.mkdir(exist_ok=True)
    (home / "titan.toml").write_text(f"[alerts]\nkpis = false\n{text}\n", "utf-8")


def six_errors(home: Path) -> Bench:
    bench = Bench(home, faults=Faults.parse(["row:overloaded:p=1"]))
    bench.submit(6)
    return bench


def kinds(bench: Bench) -> list[str]:
    events = event_list.events(bench.engine.context.ledger)
    return [event.kind for event in reversed(events) if event.kind.startswith("alert.")]


def test_an_alert_is_raised_once_shown_and_cleared_once(tmp_path: Path) -> None:
    settle(tmp_path / "home", "poller_silent_min = 0")
    bench = six_errors(tmp_path / "home")
    for _ in range(3):
        bench.poll_after(600)
    ledger = bench.engine.context.ledger
    (alert,) = alerts.raised(ledger)
    assert (alert.rule, alert.subject) == ("errors", "day")
    status = status_report.status(ledger, now_ts=ledger.now_text())
    assert status.alerts[0].message.startswith("6 requests errored in the last 24 hours")
    assert kinds(bench) == ["alert.raised"]
    bench.poll_after(90_000)
    bench.poll_after(600)
    assert alerts.raised(ledger) == []
    assert kinds(bench) == ["alert.raised", "alert.cleared"]
    bench.close()


def test_a_successful_poll_after_a_gap_raises_no_alert_about_the_poller(tmp_path: Path) -> None:
    settle(tmp_path / "home", "")
    with a_bench(tmp_path / "home") as bench:
        for seconds in (0, 900, 7200):
            bench.poll_after(seconds)
        assert alerts.raised(bench.engine.context.ledger) == []
        assert kinds(bench) == []


def test_failed_polls_for_long_raise_the_silent_poller_and_a_success_clears_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(tmp_path / "home", "poll_failed = false")
    with a_bench(tmp_path / "home") as bench:
        bench.poll_after(0)
        with monkeypatch.context() as patched:
            patched.setattr(poll_steps, "STEPS", (_fail, *poll_steps.STEPS))
            bench.poll_after(900)
            assert kinds(bench) == []
            bench.poll_after(7200)
            assert [a.rule for a in alerts.raised(bench.engine.context.ledger)] == ["poller"]
        bench.poll_after(7200)
        assert kinds(bench) == ["alert.raised", "alert.cleared"]


def _fail(*_: object) -> None:
    raise ZeroDivisionError


def test_an_unpriced_model_is_named(tmp_path: Path) -> None:
    settle(tmp_path / "home", "poller_silent_min = 0")
    with a_bench(tmp_path / "home") as bench:
        usage = {"input_tokens": 1, "output_tokens": 1}
        record_sync(bench.engine.context, tag="t", model="claude-next-9", usage=usage)
        bench.poll_after(600)
        found = alerts.raised(bench.engine.context.ledger)
    assert [(a.rule, a.subject) for a in found] == [("unpriced", "claude-next-9")]


def test_a_command_gets_each_alert_once_as_json(tmp_path: Path) -> None:
    told = tmp_path / "told"
    command = json.dumps([sys.executable, "-c", WRITER, str(told)])
    settle(tmp_path / "home", f"poller_silent_min = 0\ncommand = {command}")
    bench = six_errors(tmp_path / "home")
    for seconds in (600, 600, 90_000, 600):
        bench.poll_after(seconds)
    bench.close()
    lines = [json.loads(line) for line in told.read_text("utf-8").splitlines()]
    assert [(line["state"], line["rule"]) for line in lines] == [
        ("raised", "errors"),
        ("cleared", "errors"),
    ]


@pytest.mark.parametrize(
    "command", [["no-such-program-at-all"], [sys.executable, "-c", "raise SystemExit(3)"]]
)
def test_a_failed_notification_is_reported_and_retried(tmp_path: Path, command: list[str]) -> None:
    settle(tmp_path / "home", f"poller_silent_min = 0\ncommand = {json.dumps(command)}")
    bench = six_errors(tmp_path / "home")
    for _ in range(2):
        problems = bench.poll_after(600).problems
        assert any("was not sent; it is sent again after" in line for line in problems)
    assert len(alerts.unnotified(bench.engine.context.ledger, now_ts="9", latest_ts="9")) == 1
    bench.close()


_HANGS = "import sys, time; open(sys.argv[1], 'a').write('tried '); time.sleep(99)"
# It exits at once; its child holds its output open for long.
_LEAVES_A_CHILD = (
    "import subprocess, sys; open(sys.argv[1], 'a').write('tried ');"
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(99)'])"
)


def test_a_command_that_hangs_is_not_repeated_at_every_poll(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifier, "_TIMEOUT_S", 0.15)
    command = json.dumps([sys.executable, "-S", "-c", _HANGS, str(tmp_path / "told")])
    settle(tmp_path / "home", f"poller_silent_min = 0\ncommand = {command}")
    bench = six_errors(tmp_path / "home")
    first = bench.poll_after(600).problems
    assert ["killed after" in line for line in first if line.startswith("Alert")] == [True]
    told = [bool(bench.poll_after(300).problems) for _ in range(12)]
    bench.close()
    assert [number for number, is_told in enumerate(told) if is_told] == [1, 5]


def test_a_poll_without_a_key_reports_what_else_went_wrong(tmp_path: Path) -> None:
    settle(tmp_path / "home", 'command = ["no-such-program-at-all"]')
    terminal = Terminal(tmp_path / "home", api_key=None)
    line = json.dumps(a_request()) + "\n"
    assert terminal.run("submit", "-", "--tag", "t", stdin=line).code != 2
    first = terminal.run("--poll", "--json")
    assert (first.code, first.error_code()) == (3, "api_key_missing")
    (problem,) = json.loads(first.err)["error"]["problems"]
    assert problem.startswith("Alert poller was not sent")
    assert terminal.run("--poll").err.count("\n") == 1


def test_a_poll_that_stops_reports_that_its_alert_was_not_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(tmp_path / "home", 'command = ["no-such-program-at-all"]')
    with a_bench(tmp_path / "home") as bench:

        def stop(*_: object) -> None:
            raise LedgerUnusable("the disk is gone")

        monkeypatch.setattr(poll_steps, "STEPS", (stop,))
        with pytest.raises(LedgerUnusable) as caught:
            bench.engine.poll()
        problems = problems_of(caught.value)
        assert [line[:26] for line in problems[1:]] == ["Alert poller was not sent;"]
        stored = ledger_status.poller(bench.engine.context.ledger).last_summary
        assert problems[1] in str(stored["problems"])


def test_a_poll_that_dies_in_a_notification_does_not_repeat_it_at_once(tmp_path: Path) -> None:
    command = json.dumps([sys.executable, "-c", WRITER, str(tmp_path / "told")])
    settle(tmp_path / "home", f"poller_silent_min = 0\ncommand = {command}")
    bench = six_errors(tmp_path / "home")
    ledger = bench.engine.context.ledger

    def die(name: str) -> None:
        if name == "alert:sent":
            raise KeyboardInterrupt

    ledger.crash_point = die
    with pytest.raises(KeyboardInterrupt):
        bench.poll_after(600)
    ledger.crash_point = no_crash_point
    bench.poll_after(60)
    assert len((tmp_path / "told").read_text("utf-8").splitlines()) == 1
    bench.poll_after(600)
    bench.close()
    assert len((tmp_path / "told").read_text("utf-8").splitlines()) == 2


def test_a_child_of_a_command_that_keeps_its_output_open_is_not_waited_for(tmp_path: Path) -> None:
    command = json.dumps([sys.executable, "-c", _LEAVES_A_CHILD, str(tmp_path / "told")])
    settle(tmp_path / "home", f"poller_silent_min = 0\ncommand = {command}")
    bench = six_errors(tmp_path / "home")
    assert not [line for line in bench.poll_after(600).problems if "Alert" in line]
    bench.close()


def test_a_notification_to_a_receiver_that_answers_byte_by_byte_fails_in_time() -> None:
    with a_trickling_server(b"HTTP/1.1 2") as address:
        problem = webhook.post(address, b"{}", {}, timeout_s=0.1)
    assert problem == "no complete response within 0.1 s"


def test_the_error_of_a_receiver_is_one_short_line() -> None:
    reason = b"HTTP/1.1 500 \xff\x1b[2J" + b"z" * 5000 + b"\r\nContent-Length: 0\r\n\r\n"
    with a_trickling_server(reason) as address:
        problem = webhook.post(address, b"{}", {}, timeout_s=10)
    assert problem
    assert problem.startswith("HTTP Error 500")
    assert problem.isprintable()
    assert len(problem) <= 300


@pytest.mark.parametrize(
    ("url", "secret"), [("http://example.com/x", "hush"), ("http://127.0.0.1:1/x", ""), ("x", "y")]
)
def test_nothing_is_posted_to_a_url_that_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, secret: str
) -> None:
    posted: list[str] = []

    def post(url: str, *_: object, **__: object) -> None:
        posted.append(url)

    monkeypatch.setattr(webhook, "post", post)
    secret_line = f'secret = "{secret}"' if secret else ""
    settle(tmp_path / "home", f'poller_silent_min = 0\nurl = "{url}"\n{secret_line}')
    bench = six_errors(tmp_path / "home")
    problems = bench.poll_after(600).problems
    bench.close()
    assert posted == []
    assert any("alerts.url" in line for line in problems)


@contextmanager
def a_receiver(
    answers: list[int],
) -> Generator[tuple[str, list[tuple[str, str, bytes]]], None, None]:
    """A server that answers with these statuses in turn, and keeps what it got."""
    got: list[tuple[str, str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.headers[STAMP], self.headers[SIGNATURE], body))
            self.send_response(answers.pop(0))
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
            del format, args

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/alerts", got
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_signed_post_is_repeated_until_it_is_accepted(tmp_path: Path) -> None:
    with a_receiver([503, 200]) as (url, got):
        settle(tmp_path / "home", f'poller_silent_min = 0\nurl = "{url}"\nsecret = "hush"')
        bench = six_errors(tmp_path / "home")
        assert "503" in str(bench.poll_after(600).problems)
        for _ in range(2):
            assert not [t for t in bench.poll_after(600).problems if "told" in t]
        bench.close()
    assert len(got) == 2
    for stamp, signed, body in got:
        assert signed == signature("hush", stamp, body)
        assert json.loads(body)["state"] == "raised"
    assert signature("hush", "t", b"x") != signature("other", "t", b"x")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_gets_no_signature(tmp_path: Path, status: int) -> None:
    with a_receiver([status, 200]) as (url, got):
        settle(tmp_path / "home", f'poller_silent_min = 0\nurl = "{url}"\nsecret = "hush"')
        bench = six_errors(tmp_path / "home")
        assert str(status) in str(bench.poll_after(600).problems)
        bench.close()
    assert len(got) == 1


def test_a_request_that_fails_twice_counts_once_and_the_message_is_updated(
    tmp_path: Path,
) -> None:
    settle(tmp_path / "home", "poller_silent_min = 0")
    bench = six_errors(tmp_path / "home")
    bench.poll_after(600)
    bench.poll_after(600)
    context = bench.engine.context
    (alert,) = alerts.raised(context.ledger)
    planned = planner.plan(
        context, CommandRequest(action=Action.REPLAY, wanted=Filter(workflow="feed-classify"))
    )
    planner.submit(context, planned, delay=timedelta())
    for _ in range(3):
        bench.poll_after(600)
    (again,) = alerts.raised(context.ledger)
    assert again.message == alert.message
    bench.submit(2, tag="more")
    for _ in range(3):
        bench.poll_after(600)
    (later,) = alerts.raised(context.ledger)
    assert (later.id, later.message[:18]) == (alert.id, "8 requests errored")
    assert kinds(bench) == ["alert.raised"]
    bench.close()
