"""What the engine submits without a key is queued, and in flight once it is sent."""

from pathlib import Path

from support.builders import Bench, a_bench

from core.api.client import AnthropicApi
from core.errors import SettingsError
from core.reporting import json_reports
from state.model.records import RequestStatus, Submission
from state.queries import ledger_status, result_rows

QUEUED, IN_FLIGHT = RequestStatus.QUEUED, RequestStatus.IN_FLIGHT


def no_key() -> AnthropicApi:
    raise SettingsError("No API key.", code="key_missing")


def test_what_is_submitted_without_a_key_is_queued(tmp_path: Path) -> None:
    with a_bench(tmp_path) as bench:
        engine = bench.new_engine("keyless", api=no_key)
        bench.engine = engine
        submitted = bench.submit(3)
        ledger = engine.context.ledger
        totals = ledger_status.totals(ledger)
        assert (totals.queued_requests, totals.in_flight_requests) == (3, 0)
        assert ledger_status.statuses_of(ledger, submitted.submission) == {QUEUED: 3}
        report = json_reports.tag_summary(ledger, "daily-feed").by_status
        assert (report["queued"], report["in_flight"]) == (3, 0)
        assert {row.status for row in result_rows.results(ledger, submitted.submission)} == {QUEUED}
        assert not engine.is_finished("daily-feed")


def test_sending_makes_them_in_flight(tmp_path: Path) -> None:
    with a_bench(tmp_path) as bench:
        submitted = _unsent(bench)
        bench.poll_after(0)
        ledger = bench.engine.context.ledger
        totals = ledger_status.totals(ledger)
        assert (totals.queued_requests, totals.in_flight_requests) == (0, 3)
        assert ledger_status.statuses_of(ledger, submitted) == {IN_FLIGHT: 3}


def _unsent(bench: Bench) -> Submission:
    engine, bench.engine = bench.engine, bench.new_engine("keyless", api=no_key)
    submission = bench.submit(3).submission
    bench.engine = engine
    return submission
