"""From launch to a replayed error, in a real terminal with real polls: the console's whole way."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.builders import some_requests
from support.processes.terminal import a_server
from support.processes.tmux import Pane, settings

from core.bootstrap import open_engine
from core.clock import SystemClock
from core.config.settings import Settings, child_environment
from core.intake.options import SubmitOptions
from state.db.ledger import Ledger
from titan_console.sandbox.model.timing import Plan


def errored_batch(under: Settings) -> None:
    """A ledger with one batch, whose two requests failed."""
    under.home.mkdir()
    (under.home / "titan.toml").write_text("[console]\ncountdown_s = 4\n")
    with open_engine(under, actor="test") as engine:
        engine.submit(some_requests(2), SubmitOptions(tag="morning-feed"))
        engine.poll()


def a_poll(under: Settings) -> subprocess.Popen[bytes]:
    """The scheduler's poller, as its own process."""
    return subprocess.Popen(
        [sys.executable, "-m", "titan_console", "--poll"],
        env=child_environment(under),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@pytest.mark.slow
def test_from_launch_to_a_replayed_error(pane: Pane, tmp_path: Path) -> None:
    with a_server(Plan.instant(), "row:overloaded:p=1") as (sandbox, address):
        under = settings(tmp_path / "home", address)
        errored_batch(under)
        sandbox.faults.clear()

        pane.start(under, width=80, height=24)
        pane.until("Latest errors 2", "R Replay")
        pane.press("3")
        pane.until("1 group", "Message")
        pane.press("R")
        preview = pane.until("Replay 2 requests", "Replay  y")
        for text in (
            "in a batch at most $0.0",
            "synchronously at most $0.0",
            "titan-console replay --yes",
            "reason",
        ):
            assert text in preview

        pane.press("y")
        pane.until("Replay 2 requests in ", "z to withdraw")
        pane.press("z")
        pane.until("Replay 2 requests: withdrawn")
        assert sandbox.billing_log().creates == 1

        pane.press("R", "y")
        pane.until("Replay 2 requests in ")
        pane.resize(60, 16)
        pane.until("R Replay", "Replay 2 requests")
        pane.until("✓ 2 requests queued for replay")
        pane.resize(120, 36)
        pane.until("R Replay", "P Pause")
        pane.press("1")
        pane.until("in progress", without="poll running")
        assert a_poll(under).wait() == 0
        pane.until("No open batches.", "No errors.", "Ended 2")
        assert sandbox.billing_log().creates == 2
        pane.press("q")
        assert pane.is_over()


def test_a_poller_that_is_killed_is_called_dead(pane: Pane, tmp_path: Path) -> None:
    with a_server(Plan.manual()) as (sandbox, address):
        under = settings(tmp_path / "home", address)
        errored_batch(under)
        pane.start(under, width=80, height=24)
        pane.until("in progress")
        sandbox.faults.add("any:slow:seconds=20")
        poller = a_poll(under)
        pane.until("poll running")
        poller.send_signal(signal.SIGKILL)
        poller.wait()
        run_out_the_lease(under.home)
        pane.until("poll interrupted")


def run_out_the_lease(home: Path) -> None:
    """As the quarter of an hour does in which a dead poller still holds it."""
    past = "2026-01-01T00:00:00.000Z"
    ledger = Ledger(home / "titan.db", now=SystemClock().now, actor="test")
    with ledger, ledger.transaction("test"):
        ledger.execute("UPDATE leases SET expires_ts = ?, expires_at = 0", past)
