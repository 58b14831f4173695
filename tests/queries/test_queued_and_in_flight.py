"""A request is in flight once its batch was sent; until then it is queued, everywhere."""

from pathlib import Path

import pytest
from support.builders import Bench, a_bench
from support.console.console_builders import LedgerBuilder

from core.api.client import AnthropicApi
from core.errors import SettingsError
from core.reporting import json_reports
from state.model.filter_terms import Field, ValuesTerm
from state.model.records import RequestStatus, Submission
from state.operations import command_effects, selection
from state.operations.selection import Filter
from state.queries import (
    batch_detail,
    console_snapshot,
    filter_sql,
    find_by_id,
    ledger_status,
    queued_requests,
    request_detail,
    request_list,
    result_rows,
)
from state.queries.request_list import Query, SortOrder

QUEUED, IN_FLIGHT = RequestStatus.QUEUED, RequestStatus.IN_FLIGHT


def no_key() -> AnthropicApi:
    raise SettingsError("No API key.", code="key_missing")


@pytest.fixture
def made(tmp_path: Path) -> LedgerBuilder:
    """Requests 1-2 in a batch that was sent, 3-5 in one that was not, 6 waits for a batch."""
    made = LedgerBuilder(tmp_path)
    made.accept(made.submit("sent", 2))
    made.submit("unsent", 3)
    made.release(made.submit("back", 1))
    return made


def found(made: LedgerBuilder, *states: str, is_not: bool = False) -> list[int]:
    query = Query((ValuesTerm(Field.STATUS, states, is_not=is_not),), SortOrder.AGE)
    return list(request_list.ids(made.ledger, query, made.clock.now()))


def test_a_batch_canceled_before_it_was_sent_is_not_one_whose_requests_wait(
    tmp_path: Path,
) -> None:
    made = LedgerBuilder(tmp_path)
    batch = made.submit("feed", 2)
    command_effects.cancel_unsent(made.ledger, batch, "no longer needed")
    with made.ledger.transaction("replay"):
        made.ledger.execute("UPDATE requests SET status = 'queued'")
    assert made.batch(batch.key).is_canceled_unsent()
    (waiting,) = queued_requests.without_batch(made.ledger)
    assert (waiting.count, waiting.not_sent) == (2, None)
    assert console_snapshot.not_sent_and_queued(made.ledger) == []


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


def test_totals_count_both(made: LedgerBuilder) -> None:
    totals = ledger_status.totals(made.ledger)
    assert (totals.queued_requests, totals.in_flight_requests) == (4, 2)
    assert totals.succeeded == 0


def test_filters_find_each_request_once(made: LedgerBuilder) -> None:
    assert found(made, "in_flight") == [1, 2]
    assert found(made, "queued") == [3, 4, 5, 6]
    assert found(made, "queued", "in_flight") == [1, 2, 3, 4, 5, 6]
    assert found(made, "queued", is_not=True) == [1, 2]
    assert found(made, "in_flight", is_not=True) == [3, 4, 5, 6]


def test_every_view_says_the_same(made: LedgerBuilder) -> None:
    rows = request_list.rows(made.ledger, range(1, 7))
    assert [rows[i].status for i in range(1, 7)] == [IN_FLIGHT] * 2 + [QUEUED] * 4
    assert [rows[i].is_in_batch for i in range(1, 7)] == [True] * 5 + [False]
    key = request_list.rows(made.ledger, [3])[3].batch_key
    assert key is not None
    assert batch_detail.rows_in(made.ledger, key, [3])[3].status == QUEUED
    for tag, status in (("sent", IN_FLIGHT), ("unsent", QUEUED), ("back", QUEUED)):
        one = request_detail.request(made.ledger, tag, f"{tag}-000")
        assert one is not None
        assert one.status == status
        assert find_by_id.exact(made.ledger, f"{tag}-000")[0].detail == status
        assert {row.status for row in result_rows.export_rows(made.ledger, _ids(made, tag))} == {
            status
        }
        chosen = selection.requests(made.ledger, Filter(names=(tag,)))
        assert {row.status for row in chosen} == {status}
    assert command_effects.statuses(made.ledger, range(1, 7)) == {
        number: rows[number].status for number in rows
    }


def _ids(made: LedgerBuilder, tag: str) -> list[int]:
    return [r.request_id for r in selection.requests(made.ledger, Filter(names=(tag,)))]


def test_a_sort_by_status_puts_them_apart(made: LedgerBuilder) -> None:
    query = Query((), SortOrder.STATUS)
    assert list(request_list.ids(made.ledger, query, made.clock.now())) == [2, 1, 6, 5, 4, 3]


def test_a_paused_workflow_shows_its_batches_as_queued(made: LedgerBuilder) -> None:
    made.ledger.execute("INSERT INTO pauses VALUES ('feed', '', '', '')")
    assert ledger_status.totals(made.ledger).queued_requests == 4


def test_known_errors_can_be_listed(made: LedgerBuilder) -> None:
    made.refuse(made.submit("bad", 1))
    assert filter_sql.known_values(made.ledger)[Field.ERROR] == ["invalid_request_error"]
