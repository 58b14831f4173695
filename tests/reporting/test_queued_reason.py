"""Every queued request is in `status`, in an open batch or beside them, with why it waits."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from support.builders import Bench
from support.lifecycle import batches
from support.processes.terminal import Terminal

from core.api.protocol import BatchApi
from core.commands import planner
from core.commands.command_request import CommandRequest
from core.errors import SettingsError
from core.reporting import status_report
from core.reporting.status_report import StatusReport
from state.db.reader import Reader
from state.model.records import BatchStatus
from state.operations.commands import Action
from state.operations.selection import Filter
from state.queries import console_snapshot
from titan_console.session import reasons
from titan_console.session.batch_outlook import Outlook
from titan_console.text import ledger_messages
from titan_console.tui.screens import batch_rows


def _status(bench: Bench) -> StatusReport:
    ledger = bench.engine.context.ledger
    return status_report.status(ledger, now_ts=ledger.now_text())


def _poll(bench: Bench, seconds: float = 900) -> None:
    try:
        bench.poll_after(seconds)
    except SettingsError:
        return


def _give(bench: Bench, action: Action, name: str) -> None:
    wanted = CommandRequest(action=action, wanted=Filter(names=(name,)))
    planned = planner.plan(bench.engine.context, wanted)
    planner.submit(bench.engine.context, planned, delay=timedelta())


def _rejected_key(bench: Bench) -> None:
    bench.faults.add("create:401")
    assert bench.submit(3).problem


def _rejected_key_of_polls(bench: Bench) -> None:
    _rejected_key(bench)
    bench.faults.clear()
    bench.faults.add("any:401")
    _poll(bench)


def _unreachable(bench: Bench) -> None:
    bench.faults.add("create:connect")
    bench.submit(3)


def _no_list(bench: Bench) -> None:
    bench.faults.add("list:500")
    for tag, count in (("a", 1), ("b", 2)):
        assert bench.submit(count, tag=tag).problem


def _no_key(bench: Bench) -> None:
    def missing() -> BatchApi:
        raise SettingsError("No API key.", code="api_key_missing")

    bench.engine = bench.new_engine("keyless", api=missing)
    assert bench.submit(3).problem


def _account(bench: Bench) -> None:
    bench.faults.add("any:credit")
    bench.submit(3)


def _spend_cap(bench: Bench) -> None:
    bench.faults.add("create:spend-cap")
    bench.submit(3)
    _poll(bench)


def _paused(bench: Bench) -> None:
    _unreachable(bench)
    bench.faults.clear()
    _give(bench, Action.PAUSE, "feed-classify")
    _poll(bench)


def _budget(bench: Bench) -> None:
    _unreachable(bench)
    bench.faults.clear()
    text = "[budgets]\nday_usd = 0.0000001\n"
    (bench.folder.root / "titan.toml").write_text(text, "utf-8")
    _poll(bench)


def _sync(bench: Bench) -> None:
    _unreachable(bench)
    bench.faults.add("messages:429:retry=3600")
    _give(bench, Action.SYNC, "daily-feed")
    bench.poll_after(60)


_CASES: dict[str, tuple[Callable[[Bench], None], str]] = {
    "rejected key": (_rejected_key, "401"),
    "rejected key of polls": (_rejected_key_of_polls, "401"),
    "unreachable": (_unreachable, "the next poll tries again"),
    "no list": (_no_list, "500"),
    "no key": (_no_key, "No API key"),
    "account": (_account, "credit balance"),
    "spend cap": (_spend_cap, "on hold until"),
    "pause": (_paused, "titan-console resume feed-classify"),
    "budget": (_budget, "budget"),
    "sync": (_sync, "synchronous run"),
}


@pytest.mark.parametrize(("happens", "said"), _CASES.values(), ids=_CASES)
def test_every_queued_request_is_listed_with_why_it_waits(
    bench: Bench, happens: Callable[[Bench], None], said: str
) -> None:
    happens(bench)
    report = _status(bench)
    queued = [batch for batch in report.open if batch.status == BatchStatus.QUEUED]
    counted = sum(b.request_count for b in queued) + sum(q.requests for q in report.queued)
    assert counted == report.totals.queued == 3
    for reason in [row.queued_because for row in (*queued, *report.queued)]:
        assert said in (reason or "")


@pytest.mark.parametrize("happens", [happens for happens, _ in _CASES.values()], ids=_CASES)
def test_the_console_says_the_same_reasons(bench: Bench, happens: Callable[[Bench], None]) -> None:
    happens(bench)
    report = _status(bench)
    with Reader(bench.folder.ledger) as reader:
        seen = console_snapshot.take(reader, bench.clock.now(), reasons.of)
    rows = batch_rows.open_rows(seen, bench.clock.now(), Outlook())
    reasons_told = [row.queued_because for row in (*report.open, *report.queued)]
    assert all(reasons_told)
    assert {row.cells["problem"].text for row in rows} == {
        ledger_messages.in_list(reason or "", bench.clock.now()) for reason in reasons_told
    }


def test_a_batch_that_was_sent_is_not_queued(bench: Bench) -> None:
    bench.submit(3)
    report = _status(bench)
    assert [batch.queued_because for batch in report.open] == [None]
    assert report.queued == []
    assert len(batches(bench)) == 1


def test_show_says_it_too(bench: Bench) -> None:
    _paused(bench)
    bench.submit(1, tag="later")
    (batch,) = [batch for batch in batches(bench) if batch.status == BatchStatus.QUEUED]
    shown = Terminal(bench.folder.root).run("show", batch.key)
    assert "titan-console resume feed-classify" in shown.out
