"""Lists of more than 100,000 ids and names, which no database takes as that many parameters."""

from collections.abc import Sequence

import pytest
from support.console.console_builders import Failure, LedgerBuilder
from support.ledgers.ledger_views import ids

from state.batches import budget_reservations, repricing
from state.model.errors import UnknownId
from state.model.records import Batch, RequestStatus
from state.operations import (
    affected_batches,
    command_effects,
    failures,
    pauses,
    previews,
    reviews,
    selection,
)
from state.operations.selection import Filter
from state.queries import cache_usage, request_list, result_rows

COUNT = 1_500
NAMES = [f"n{number:06d}" for number in range(COUNT)]


@pytest.fixture
def failed(made: LedgerBuilder) -> Batch:
    """A batch of 1,500 requests, the last of which succeeded."""
    sent = made.accept(made.submit("many", NAMES, at_most_batch_nano=3))
    return made.collect(sent, [Failure()] * (COUNT - 1), stop_reason="refusal")


@pytest.fixture
def every(made: LedgerBuilder, failed: Batch) -> Sequence[int]:
    """Their ids, and 100,000 that no request has, in one list."""
    known = ids(made.ledger, failed.key).values()
    unknown = range(max(known) + 1, max(known) + 100_001)
    return [*unknown[:50_000], *known, *unknown[50_000:]]


def test_requests_are_found_by_their_names(made: LedgerBuilder, failed: Batch) -> None:
    assert list(ids(made.ledger, *NAMES[1:])) == NAMES[1:]
    tagged = [f"many/{name}" for name in NAMES[:-1]]
    assert list(ids(made.ledger, *tagged)) == NAMES[:-1]
    assert failed.request_count == COUNT


@pytest.mark.usefixtures("failed")
def test_unknown_names_are_counted(made: LedgerBuilder) -> None:
    unknown = [f"unknown/{number}" for number in range(100_001)]
    with pytest.raises(UnknownId, match="'unknown/0' and 100,000 more of the names not found"):
        ids(made.ledger, *NAMES, *unknown)


def test_a_frozen_filter_selects_its_ids(made: LedgerBuilder, every: Sequence[int]) -> None:
    frozen = Filter(request_ids=tuple(every))
    assert [one.custom_id for one in selection.requests(made.ledger, frozen)] == NAMES
    assert selection.workflows(made.ledger, frozen) == ("feed",)
    assert selection.cancelable_batches(made.ledger, Filter(batch_ids=tuple(every))) == []


def test_figures_are_of_those_that_exist(made: LedgerBuilder, every: Sequence[int]) -> None:
    (sums,) = budget_reservations.at_most(made.ledger, every)
    assert (sums.batch_nano, sums.unknown) == (3 * COUNT, 0)
    assert budget_reservations.not_estimated(made.ledger, every) == []
    assert len(budget_reservations.names_of(made.ledger, every)) == COUNT
    (group,) = previews.by_model(made.ledger, every)
    assert (group.requests, group.batch_nano, group.unknown) == (COUNT, 3 * COUNT, 0)
    assert previews.deadlines(made.ledger, every) == []
    assert affected_batches.affected_batches(made.ledger, every) == []
    assert command_effects.count_maybe_charged(made.ledger, every) == 0
    assert len(command_effects.statuses(made.ledger, every)) == COUNT
    assert len(command_effects.failed_in_batches(made.ledger, every)) == COUNT - 1


def test_a_page_of_rows_is_read_in_its_order(
    made: LedgerBuilder, failed: Batch, every: Sequence[int]
) -> None:
    page = every[50_000 : 50_000 + COUNT]
    rows = request_list.rows(made.ledger, page)
    assert [rows[number].custom_id for number in page] == NAMES
    assert [row.custom_id for row in result_rows.export_rows(made.ledger, every)] == NAMES
    assert len(repricing.answers(made.ledger, failed, every)) == 1
    assert cache_usage.of_batches(made.ledger, map(str, every)) == []


def test_requests_are_changed_by_their_ids(made: LedgerBuilder, every: Sequence[int]) -> None:
    assert reviews.accept(made.ledger, list(every)) == 1
    assert command_effects.acknowledge(made.ledger, every) == COUNT - 1
    assert command_effects.requeue(made.ledger, 0, every) == COUNT - 1
    (again,) = made.plan()
    made.accept(again)
    assert command_effects.detach(made.ledger, again, every, "run now") == COUNT - 1
    affected_batches.reattach(made.ledger, every)
    found = command_effects.statuses(made.ledger, every).values()
    assert set(found) == {RequestStatus.IN_FLIGHT, RequestStatus.SUCCEEDED}
    assert failures.replayable(made.ledger, since_ts="2026") == []


def test_workflows_are_named_in_a_list(made: LedgerBuilder) -> None:
    made.submit("tag", ["a"])
    workflows = [f"w{number}" for number in range(100_001)]
    assert pauses.unsent(made.ledger, workflows) == []
    assert pauses.unsent(made.ledger, [*workflows, "feed"]) == list(ids(made.ledger, "a").values())
    assert pauses.count_at_api(made.ledger, [*workflows, "feed"]) == 0
