"""Whoever submitted, sent and polled is shown with its host."""

from datetime import timedelta
from pathlib import Path

from support.console.console_builders import NOW, LedgerBuilder

from core.clock import ManualClock
from core.reporting.poller_health import assess
from state.batches import leases, sending
from state.db.ledger import Ledger
from state.queries import batch_detail, ledger_status, poll_history
from titan_console.text import batch_documents
from titan_console.tui.screens.poller_rows import PollerView, poller_rows


def a_ledger_of(path: Path, actor: str, clock: ManualClock) -> Ledger:
    return Ledger(path, now=clock.now, actor=actor)


def test_a_batch_names_the_hosts_that_submitted_and_sent_it(tmp_path: Path) -> None:
    clock = ManualClock(NOW)
    with a_ledger_of(tmp_path / "titan.db", "titan_batch@build-7:11", clock) as ledger:
        made = LedgerBuilder(ledger, clock)
        batch = made.submit("feed")
        sending.mark_sending(
            ledger, batch, watermark_id="", watermark_ts=None, owner="poller@cron-1:22/k3x9"
        )
        batch = made.batch(batch.key)
        by = ledger.rows("UPDATE submissions SET created_by = ? RETURNING created_by", ledger.actor)
        assert by[0][0] == batch_detail.submitted_by(ledger, batch)
        shown = batch_documents.overview(
            batch, NOW, {}, submitted_by=batch_detail.submitted_by(ledger, batch)
        ).text()
    queued, sent = (next(line for line in shown.splitlines() if word in line) for word in
                    ("Queued ", "Sent "))  # fmt: skip
    assert queued.endswith("by titan_batch@build-7:11")
    assert sent.endswith("by poller@cron-1:22")


def test_the_poller_screen_lists_the_hosts_where_several_poll(tmp_path: Path) -> None:
    clock = ManualClock(NOW)

    def hosts() -> list[str]:
        with a_ledger_of(tmp_path / "titan.db", "console", clock) as ledger:
            view = PollerView(
                health=assess(ledger_status.poller(ledger), clock.now()),
                polls=poll_history.latest(ledger, limit=30),
                interval=timedelta(minutes=15),
                has_open=False,
            )
        rows = poller_rows(view, None, clock.now())
        return [str(row.cells["detail"].text) for row in rows if row.key == "hosts"]

    for host, shown in (
        ("cron-1", []),
        ("cron-1", []),
        ("cron-2", ["cron-2 1m ago  ·  cron-1 2m ago"]),
    ):
        with a_ledger_of(tmp_path / "titan.db", f"poller@{host}:7", clock) as ledger:
            leases.end_poll(ledger, leases.begin_poll(ledger), {})
        clock.advance(60)
        assert hosts() == shown
