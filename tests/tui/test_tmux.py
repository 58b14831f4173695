"""The console in a real terminal, while other processes write the ledger."""

import json
from pathlib import Path

from support.builders import some_requests
from support.processes.terminal import Terminal, a_server
from support.processes.tmux import Pane, settings

from titan_console.sandbox.model.timing import Plan


def test_a_batch_appears_and_ends_on_the_screen_as_others_write(pane: Pane, tmp_path: Path) -> None:
    source = tmp_path / "morning-feed.jsonl"
    source.write_text("".join(json.dumps(request) + "\n" for request in some_requests(4)))
    with a_server(Plan.manual()) as (sandbox, address):
        terminal = Terminal(tmp_path / "home", address)
        pane.start(settings(terminal.home))
        pane.until("No ledger yet")

        terminal.run("submit", str(source))
        screen = pane.until("morning-feed", "in progress")
        assert "Open batches 1" in screen

        sandbox.end(sandbox.billing_log().batches[0].batch_id)
        terminal.run("--poll")
        pane.until("collected", "No open batches", "LIVE")
        pane.press("q")
        assert pane.is_over()
