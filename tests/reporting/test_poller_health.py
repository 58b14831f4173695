"""One judgement of the poller, for every view and alert; a failed poll is recorded as failed."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from support.broken_code import breaks
from support.builders import START, Bench, a_bench
from support.console.console_builders import LedgerBuilder
from support.ledgers.lock_holder import killed_holder
from support.processes.terminal import Terminal

from core.batches import refresh
from core.clock import SystemClock
from core.errors import SettingsError
from core.poll import poll_steps
from core.poll.poll_summary import PollSummary
from core.reporting import email_digest as digests
from core.reporting import status_report
from core.reporting.poller_health import PollerState, assess
from state.batches import leases
from state.db import liveness_lock
from state.db.reader import Reader
from state.files.folder import Folder
from state.model.errors import LedgerUnusable
from state.model.timestamps import to_text
from state.operations import alerts
from state.queries import console_snapshot, event_list, ledger_status
from state.queries.ledger_status import Poller
from titan_console.doctor.ledger_checks import findings as ledger_findings
from titan_console.text.format import poller_line

QUARTER = 900.0
NOW = START
_M = timedelta(minutes=1)


def _poller(
    started: int | None = None,
    finished: int | None = None,
    success: int | None = None,
    error: str | None = None,
    lease: int | None = None,
    restored: int | None = None,
) -> Poller:
    """Times in minutes ago; of the lease, minutes to go."""

    def ago(minutes: int | None) -> str | None:
        return None if minutes is None else to_text(NOW - minutes * _M)

    return Poller(
        last_started_ts=ago(started),
        last_finished_ts=ago(finished),
        last_success_ts=ago(success),
        last_error=error,
        last_summary={},
        lease_holder="x" if lease is not None else None,
        lease_expires_ts=None if lease is None else to_text(NOW + lease * _M),
        restored_ts=ago(restored),
    )


CASES = {
    "no poll": (_poller(), PollerState.NEVER_RAN, 0),
    "running": (_poller(5, lease=1), PollerState.RUNNING, 0),
    "running after failures": (_poller(1, 20, 90, "bad", lease=1), PollerState.RUNNING, 0),
    "good": (_poller(4, 3, 3), PollerState.OK, 3),
    "good after a failure": (_poller(4, 3, 3), PollerState.OK, 3),
    "failed": (_poller(4, 3, 18, "bad"), PollerState.FAILED, 3),
    "the first failed": (_poller(4, 3, None, "bad"), PollerState.FAILED, 3),
    "failed for long": (_poller(4, 3, 41, "bad"), PollerState.SILENT, 41),
    "killed": (_poller(4, 18, 18, lease=-1), PollerState.INTERRUPTED, 4),
    "killed for long": (_poller(4, 50, 50), PollerState.SILENT, 50),
    "the first was killed": (_poller(4), PollerState.INTERRUPTED, 4),
    "the last in time": (_poller(41, 40, 40), PollerState.OK, 40),
    "overdue": (_poller(42, 41, 41), PollerState.SILENT, 41),
    "restored": (_poller(1201, 1200, 1200, restored=2), PollerState.RESTORED, 2),
    "rebuilt": (_poller(restored=2), PollerState.RESTORED, 2),
    "killed before a restore": (_poller(1201, restored=2), PollerState.RESTORED, 2),
    "running after a restore": (_poller(1, lease=1, restored=2), PollerState.RUNNING, 0),
    "overdue after a restore": (_poller(1201, 1200, 1200, restored=41), PollerState.SILENT, 41),
    "good after a restore": (_poller(4, 3, 3, restored=90), PollerState.OK, 3),
    "failed after a restore": (*(_poller(4, 3, 1200, "bad", restored=9), PollerState.FAILED, 3),),
    "failed for long after a restore": (
        *(_poller(4, 3, 1200, "bad", restored=41), PollerState.SILENT, 41),
    ),
}


@pytest.mark.parametrize(("poller", "state", "minutes"), CASES.values(), ids=CASES)
def test_the_state_of_the_poller(poller: Poller, state: PollerState, minutes: int) -> None:
    health = assess(poller, NOW, 40 * _M)
    assert (health.state, health.age) == (state, minutes * _M)


def _fail(_context: object, _summary: PollSummary) -> None:
    raise ZeroDivisionError("secret prompt")


def _no_key(_context: object, _summary: PollSummary) -> None:
    raise SettingsError("The API rejected the key.")


def _no_ledger(_context: object, _summary: PollSummary) -> None:
    raise LedgerUnusable("The ledger is damaged.")


def _polls(bench: Bench, count: int) -> None:
    for _ in range(count):
        bench.clock.advance(QUARTER)
        try:
            bench.engine.poll()
        except (SettingsError, LedgerUnusable):
            continue


def _alert_kinds(bench: Bench) -> list[str]:
    events = event_list.events(bench.engine.context.ledger)
    return [event.kind for event in reversed(events) if event.kind.startswith("alert.")]


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (_fail, "ZeroDivisionError"),
        (_no_key, "The API rejected the key."),
        (_no_ledger, "The ledger is damaged."),
    ],
)
def test_a_failed_poll_is_shown_by_every_view_and_is_one_alert(
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    step: Callable[[object, PollSummary], None],
    reason: str,
) -> None:
    _polls(bench, 1)
    ledger = bench.engine.context.ledger
    with monkeypatch.context() as patched:
        patched.setattr(poll_steps, "STEPS", (step, *poll_steps.STEPS))
        _polls(bench, 1)
        status = status_report.status(ledger, now_ts=ledger.now_text()).poller
        assert status.state == PollerState.FAILED
        assert reason in (status.error or "")
        assert "secret" not in (status.error or "")
        found = digests.digest(ledger, since=START, now=bench.clock.now())
        assert [line for line in digests.lines(found) if "ALERT. Poller" in line and reason in line]
        findings = {one.what: one for one in ledger_findings(ledger, bench.clock.now())}
        assert reason in findings["poller"].detail
        assert findings["poller"].health == "warn"
        (alert,) = alerts.raised(ledger)
        assert alert.rule == "poller"
        assert reason in alert.message
        _polls(bench, 5)
        assert _alert_kinds(bench) == ["alert.raised"]
        health = assess(ledger_status.poller(ledger), bench.clock.now())
        assert (health.state, health.age) == (PollerState.SILENT, timedelta(minutes=90))
    _polls(bench, 2)
    assert _alert_kinds(bench) == ["alert.raised", "alert.cleared"]
    assert assess(ledger_status.poller(ledger), bench.clock.now()).state == PollerState.OK


@pytest.mark.parametrize("polls", [0, 2])
def test_a_full_disk_is_shown_by_every_view_since_no_poll_can_be_recorded(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, polls: int
) -> None:
    bench.faults.add("create:connect")
    bench.submit(2)
    _polls(bench, polls)
    ledger, now = bench.engine.context.ledger, bench.clock.now()
    monkeypatch.setattr("state.files.system_errors._LEAST_SPACE", 1 << 60)
    status = status_report.status(ledger, now_ts=to_text(now))
    assert status.poller.state == PollerState.BLOCKED
    found = digests.digest(ledger, since=START, now=now)
    assert found.has_poller_alert
    findings = {one.what: one for one in ledger_findings(ledger, now)}
    shown = poller_line(assess(ledger_status.poller(ledger), now))
    reasons = [row.queued_because or "" for row in (*status.open, *status.queued)]
    for said in (
        *(status.poller.error or "", "; ".join(digests.lines(found)), findings["poller"].detail),
        *(shown, *reasons),
    ):
        assert "no space is left" in said
    assert findings["poller"].health == "warn"
    # It may be that a poll can just be recorded.
    _polls(bench, 1)
    assert alerts.raised(ledger) == []


def test_a_poll_with_problems_that_ran_through_did_not_fail(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.submit(2)
    monkeypatch.setattr(refresh, "_refresh_one", breaks(ValueError())(refresh._refresh_one))
    summary = bench.poll_after(QUARTER)
    assert summary.problems
    assert summary.error is None
    poller = ledger_status.poller(bench.engine.context.ledger)
    assert assess(poller, bench.clock.now()).state == PollerState.OK


def test_status_and_its_json_say_that_and_why_the_poll_failed(tmp_path: Path) -> None:
    with a_bench(tmp_path / "home") as bench:
        bench.submit(1)
    terminal = Terminal(tmp_path / "home", api_key=None)
    assert terminal.run("--poll").code == 3
    said = terminal.run("status").out
    assert "poll failed" in said
    assert "ANTHROPIC_API_KEY" in said
    poller = json.loads(terminal.run("status", "--json").out)["poller"]
    assert (poller["state"], poller["last_success"]) == ("failed", None)
    assert "ANTHROPIC_API_KEY" in poller["error"]


_POLL = """
import sys
from datetime import timedelta
from pathlib import Path
from core.bootstrap import open_engine
from core.config.settings import Settings
from core.poll.poll_run import POLL_LEASE
from state.batches import leases
from state.db import liveness_lock
home = Path(sys.argv[1])
with (
    open_engine(Settings(home=home), actor="poller") as engine,
    liveness_lock.try_lock(engine.context.folder.poll_lock),
):
    ledger = engine.context.ledger
    until = engine.context.clock.now() + timedelta(minutes=15)
    name = engine.context.folder.poll_lock.name
    leases.acquire(ledger, POLL_LEASE, "poller", until=until, lock_id=name)
    leases.begin_poll(ledger)
    print("polling", flush=True)
    sys.stdin.read()
"""


def _shown(home: Path) -> list[str]:
    """The state of the poller in status, metrics, doctor and the console."""
    terminal = Terminal(home)
    metrics = terminal.run("metrics").out
    (state,) = re.findall(r'titan_poller_state\{state="(\w+)"\} 1', metrics)
    with Reader(home / "titan.db") as reader:
        now = SystemClock().now()
        (doctor, *_) = (one for one in ledger_findings(reader, now) if one.what == "poller")
        health = assess(console_snapshot.take(reader, now).poller, now)
    status = terminal.run("status", "--json").json()["poller"]
    return [status["state"], state, health.state.value, doctor.detail.split(":")[0]]


def test_a_poll_whose_process_was_killed_is_interrupted_at_once(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with killed_holder(_POLL, home, says="polling"):
        assert _shown(home) == [*["running"] * 3, "poll running"]
    assert _shown(home)[:3] == ["interrupted"] * 3
    assert _shown(home)[3].startswith("poll interrupted")
    assert Terminal(home).run("status", "--json").json()["poller"]["lease"] is None
    said = Terminal(home).run("status").out
    assert "poll interrupted" in said
    assert "running" not in said


def test_a_lease_of_another_host_counts_until_it_expires(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    until = made.clock.now() + timedelta(minutes=15)
    with liveness_lock.try_lock(Folder(tmp_path).poll_lock):
        pass
    for lock_id in ("1f00", ""):
        assert leases.acquire(made.ledger, "poll", "x", until=until, lock_id=lock_id)
        health = assess(ledger_status.poller(made.ledger), made.clock.now())
        assert health.state == PollerState.RUNNING


def test_a_poll_that_ends_while_its_lease_is_read_is_not_interrupted(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    made.poll()
    lock = Folder(tmp_path).poll_lock
    until = made.clock.now() + timedelta(minutes=15)
    with Reader(made.path) as reader:
        with liveness_lock.try_lock(lock):
            leases.acquire(made.ledger, "poll", "x", until=until, lock_id=lock.name)
            poll = leases.begin_poll(made.ledger)
            reader.rows("BEGIN")
            reader.rows("SELECT * FROM leases")
            leases.end_poll(made.ledger, poll, {})
            leases.release(made.ledger, "poll", "x")
        health = assess(ledger_status.poller(reader), made.clock.now())
    assert health.state == PollerState.RUNNING
