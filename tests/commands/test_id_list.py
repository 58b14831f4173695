"""Ids of many requests: as one parameter of SQL, in order, and by what decides eligibility."""

from datetime import timedelta
from pathlib import Path

from support.console.console_builders import NOW, Failure, LedgerBuilder

from core.clock import ManualClock
from core.commands.eligibility import check_eligibility
from state.db.dialect import as_list
from state.model.id_list import IdList
from state.operations import selection
from state.operations.commands import Action
from state.operations.selection import Filter


def test_it_is_ordered_and_has_each_id_once() -> None:
    ids = IdList.of([5, 3, 3, 12])
    assert (ids.json, len(ids), list(ids)) == ("[3,5,12]", 3, [3, 5, 12])
    assert 12 in ids
    assert 1 not in ids
    assert ids == IdList.of((12, 5, 3))
    assert ids != IdList.of((5, 3))
    assert IdList.of(ids) is ids
    assert (IdList.of(()).json, list(IdList.of(())), bool(IdList.of(()))) == ("[]", [], False)


def test_requests_of_several_errors_are_eligible_together_in_their_order(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path, ManualClock(NOW - timedelta(hours=5)))
    kinds = ("overloaded_error", "api_error", "invalid_request_error")
    failures = [Failure(kinds[number % 3], "busy") for number in range(30)]
    made.collected("feed-1", [f"c{number:02}" for number in range(30)], failures)
    groups = selection.groups(made.ledger, Filter(names=("feed-1",)), max_bytes=1000)
    assert [(group.error_type, len(group.ids)) for group in groups] == [(k, 10) for k in kinds]
    found = check_eligibility(made.ledger, Action.REPLAY, groups)
    assert list(found.ids) == [number for number in range(1, 31) if number % 3]
    assert [*found.skipped.values()] == [10]
    chosen = selection.groups(
        made.ledger, Filter(names=("feed-1",)), max_bytes=1000, custom_ids=["c04", "zz"]
    )
    assert [list(group.ids) for group in chosen] == [[5]]
    frozen = selection.requests(made.ledger, Filter(request_ids=found.ids))
    assert as_list(one.request_id for one in frozen) == as_list(list(found.ids))


def test_its_parts_are_the_same_ids() -> None:
    ids = IdList.of(range(7, 45_007))
    parts = list(ids.parts())
    assert [len(part) for part in parts] == [20_000, 20_000, 5_000]
    assert [one for part in parts for one in part] == list(ids)
    assert list(IdList.of(()).parts()) == []
