"""From an empty home to an edited error that is replayed and answered, in a real terminal."""

import sys
from pathlib import Path

import pytest
from support.builders import some_requests
from support.processes.terminal import a_server
from support.processes.tmux import Pane, settings

from core.bootstrap import open_engine
from core.config.settings import Settings
from core.intake.options import SubmitOptions
from titan_console.sandbox.model.timing import Plan

# An editor that doubles max_tokens and leaves.
EDITOR = """
import pathlib, re, sys
path = pathlib.Path(sys.argv[1])
text = path.read_text("utf-8")
changed = re.sub(r'"max_tokens": (\\d+)', lambda found: f'"max_tokens": {2 * int(found[1])}', text)
assert changed != text
path.write_text(changed, "utf-8")
"""


def submit_and_poll(under: Settings) -> None:
    """As a job and the scheduler do, beside the console."""
    with open_engine(under, actor="test") as engine:
        engine.submit(some_requests(2), SubmitOptions(tag="morning-feed"))
        engine.poll()


def poll(under: Settings) -> None:
    """As the scheduler does."""
    with open_engine(under, actor="test") as engine:
        engine.poll()


@pytest.mark.slow
def test_from_an_empty_home_to_an_edited_error_that_is_answered(
    pane: Pane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "editor.py"
    script.write_text(EDITOR)
    monkeypatch.setenv("VISUAL", f"{sys.executable} {script}")
    with a_server(Plan.instant(), "row:invalid:p=1") as (sandbox, address):
        under = settings(tmp_path / "home", address)
        under.home.mkdir()
        (under.home / "titan.toml").write_text('[console]\ncountdown_s = 2\nname = "night"\n')
        pane.start(under, width=100, height=30)
        pane.until("No ledger yet")
        submit_and_poll(under)
        sandbox.faults.clear()
        pane.until("Latest errors 2", "night")
        pane.press("3")
        pane.until("1 group", "invalid_request_error")
        pane.press("R")
        pane.until("Nothing to replay. 2 requests with invalid_request_error")
        pane.press("Escape")
        pane.until("1 group", "invalid_request_error", without="Nothing to replay")
        pane.press("E")
        preview = pane.until("Replay 2 requests", "Replay  y", "max_tokens: 64 → 128")
        assert preview.count("max_tokens: 64 → 128") == 2
        pane.press("y")
        pane.until("✓ 2 requests queued for replay")
        pane.press("1")
        pane.until("in progress", without="poll running")
        poll(under)
        pane.until("No errors.", "No open batches.")
        pane.press("2")
        pane.until("✓ succeeded", without="✗ errored")
        assert sandbox.billing_log().creates == 2
        pane.press("q")
        assert pane.is_over()


@pytest.mark.slow
def test_keys_sent_in_one_burst_edit_the_line_that_they_lead_to(
    pane: Pane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.delenv("EDITOR", raising=False)
    with a_server(Plan.instant(), "row:invalid:p=1") as (_, address):
        under = settings(tmp_path / "home", address)
        under.home.mkdir()
        pane.start(under, width=100, height=30)
        pane.until("No ledger yet")
        submit_and_poll(under)
        pane.until("Latest errors 2")
        pane.press("3")
        pane.until("1 group", "invalid_request_error")
        pane.press("E")
        pane.until('7    "max_tokens": 64,', "ctrl+s saves")
        pane.press(*["Down"] * 6, "End", *["BSpace"] * 3, *"600,", "C-s")
        pane.until("Replay 2 requests", "max_tokens: 64 → 600")
