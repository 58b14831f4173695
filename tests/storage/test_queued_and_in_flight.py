"""A request is in flight once its batch was sent; until then it is queued, everywhere."""

import pytest
from support.console.console_builders import LedgerBuilder
from support.ledgers.ledger_views import ids
from support.ledgers.storage import Storage

from state.model.filter_terms import Field, ValuesTerm
from state.model.records import RequestStatus
from state.operations import command_effects, pauses, selection
from state.operations.selection import Filter
from state.queries import (
    batch_detail,
    filter_values,
    find_by_id,
    ledger_status,
    request_detail,
    request_list,
    result_rows,
)
from state.queries.request_list import Query, SortOrder

QUEUED, IN_FLIGHT = RequestStatus.QUEUED, RequestStatus.IN_FLIGHT


@pytest.fixture(autouse=True, params=[False, True], ids=["dense", "with gaps"])
def requests(request: pytest.FixtureRequest, storage: Storage, made: LedgerBuilder) -> None:
    """Requests 1-2 in a batch that was sent, 3-5 in one that was not, 6 waits for a batch."""
    made.accept(made.submit("sent", 2))
    made.submit("unsent", 3)
    made.release(made.submit("back", 1))
    if request.param:
        storage.spread_ids(made.ledger)


def numbers(made: LedgerBuilder) -> list[int]:
    return list(ids(made.ledger, "sent", "unsent", "back").values())


def found(made: LedgerBuilder, *states: str, is_not: bool = False) -> list[int]:
    query = Query((ValuesTerm(Field.STATUS, states, is_not=is_not),), SortOrder.AGE)
    every = numbers(made)
    return [every.index(n) + 1 for n in request_list.ids(made.ledger, query, made.clock.now())]


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
    every = numbers(made)
    rows = request_list.rows(made.ledger, every)
    assert [rows[i].status for i in every] == [IN_FLIGHT] * 2 + [QUEUED] * 4
    assert [rows[i].is_in_batch for i in every] == [True] * 5 + [False]
    key = rows[every[2]].batch_key
    assert key is not None
    assert batch_detail.rows_in(made.ledger, key, every[2:3])[every[2]].status == QUEUED
    for tag, status in (("sent", IN_FLIGHT), ("unsent", QUEUED), ("back", QUEUED)):
        one = request_detail.request(made.ledger, tag, f"{tag}-000")
        assert one is not None
        assert one.status == status
        assert find_by_id.exact(made.ledger, f"{tag}-000")[0].detail == status
        assert {
            row.status
            for row in result_rows.export_rows(made.ledger, ids(made.ledger, tag).values())
        } == {status}
        chosen = selection.requests(made.ledger, Filter(names=(tag,)))
        assert {row.status for row in chosen} == {status}
    assert command_effects.statuses(made.ledger, every) == {n: rows[n].status for n in rows}


def test_a_sort_by_status_puts_them_apart(made: LedgerBuilder) -> None:
    query, every = Query((), SortOrder.STATUS), numbers(made)
    found = request_list.ids(made.ledger, query, made.clock.now())
    assert [every.index(number) + 1 for number in found] == [2, 1, 6, 5, 4, 3]


def test_a_paused_workflow_shows_its_batches_as_queued(made: LedgerBuilder) -> None:
    pauses.pause(made.ledger, ["feed"], who="", reason="")
    assert ledger_status.totals(made.ledger).queued_requests == 4


def test_known_errors_can_be_listed(made: LedgerBuilder) -> None:
    made.refuse(made.submit("bad", 1))
    assert filter_values.known_values(made.ledger)[Field.ERROR] == ["invalid_request_error"]
