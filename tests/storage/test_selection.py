"""Requests and batches by their names and by filters, however many there are."""

import pytest
from support.console.console_builders import Failure, LedgerBuilder
from support.ledgers.ledger_builders import spooled, submit
from support.ledgers.ledger_views import ids

from state.db.ledger import Ledger
from state.model.errors import UnknownId
from state.model.records import Batch, Outcome, RequestStatus
from state.operations import selection
from state.operations.selection import Filter
from state.queries import find_by_id
from state.queries.find_by_id import Match, MatchKind


def chosen(ledger: Ledger, **wanted: object) -> list[str]:
    found = selection.requests(ledger, Filter(**wanted))  # pyright: ignore[reportArgumentType]
    return [one.custom_id for one in found]


@pytest.fixture
def rows(made: LedgerBuilder) -> tuple[Batch, Batch]:
    one = made.collected("one", ["a", "b", "c"], [Failure(), Failure("api_error")])
    made.clock.advance(3600)
    sent = made.accept(made.submit("t/wo", ["a", "x"], workflow="news"))
    return one, made.collect(sent, stop_reason="max_tokens")


def test_a_name_is_a_key_an_id_of_the_api_a_tag_or_a_custom_id(
    made: LedgerBuilder, rows: tuple[Batch, Batch]
) -> None:
    one, two = rows
    for name in ("one", one.key, one.remote_id):
        assert chosen(made.ledger, names=(name,)) == ["a", "b", "c"]
    assert chosen(made.ledger, names=("a",)) == ["a", "a"]
    assert chosen(made.ledger, names=("one/a", "t/wo/x")) == ["a", "x"]
    assert chosen(made.ledger, names=("b", two.key, "t/wo")) == ["b", "a", "x"]


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("name", ["none", "one/none", "none/a", "/", "one/", "/a", "A", "ONE", "%"])
def test_a_name_that_is_unknown_is_an_error(made: LedgerBuilder, name: str) -> None:
    with pytest.raises(UnknownId):
        chosen(made.ledger, names=("one", name))


def test_the_parts_of_a_filter_must_all_match(
    made: LedgerBuilder, rows: tuple[Batch, Batch]
) -> None:
    ledger = made.ledger
    assert chosen(ledger) == []
    assert chosen(ledger, workflow="feed") == ["a", "b", "c"]
    assert chosen(ledger, workflow="feed", outcome=Outcome.ERRORED) == ["a", "b"]
    assert chosen(ledger, error_type="api_error") == ["b"]
    assert chosen(ledger, stop_reason="max_tokens", names=("a",)) == ["a"]
    assert chosen(ledger, since_ts="2026-11-22T07:00:00.000Z") == ["a", "x"]
    assert chosen(ledger, since_ts="2026-11-22T07:00:00.001Z") == []
    assert chosen(ledger, batch_ids=(rows[0].id,), outcome=Outcome.SUCCEEDED) == ["c"]
    assert chosen(ledger, request_ids=(ids(ledger, "b")["b"], 2**40)) == ["b"]


@pytest.mark.usefixtures("rows")
def test_a_group_of_requests_says_what_decides_about_it(made: LedgerBuilder) -> None:
    first, *_, last = selection.groups(made.ledger, Filter(names=("one", "t/wo")), max_bytes=1000)
    assert (first.status, first.error_type) == (RequestStatus.ERRORED, "overloaded_error")
    assert (first.has_body, first.betas, first.reviewed) == (True, (), False)
    assert (last.stop_reason, last.status) == ("max_tokens", RequestStatus.SUCCEEDED)
    submit(made.ledger, [spooled("null", length=len('{"custom_id":"null","params":null}'))])
    (adopted,) = selection.groups(made.ledger, Filter(names=("null",)), max_bytes=1000)
    assert not adopted.has_body


def test_open_batches_of_a_selection_can_be_canceled(
    made: LedgerBuilder, rows: tuple[Batch, Batch]
) -> None:
    queued = made.submit("three", ["a"])
    sent = made.accept(made.submit("four", ["a"]))
    lost = made.lose_the_answer(made.submit("five", ["e"]))
    wanted = Filter(names=("a", "five"))
    assert selection.cancelable_batches(made.ledger, wanted) == [queued.id, sent.id, lost.id]
    frozen = Filter(batch_ids=(sent.id, rows[0].id))
    assert selection.cancelable_batches(made.ledger, frozen) == [sent.id]
    assert selection.workflows(made.ledger, Filter(batch_ids=(rows[1].id, sent.id))) == (
        "feed",
        "news",
    )


def test_a_search_finds_names_exactly_or_by_their_beginning(
    made: LedgerBuilder, rows: tuple[Batch, Batch]
) -> None:
    one, two = rows
    assert find_by_id.exact(made.ledger, "t/wo")[0] == Match(
        MatchKind.TAG, "t/wo", "t/wo", "2 requests"
    )
    assert [m.name for m in find_by_id.exact(made.ledger, one.remote_id or "")] == [one.key]
    assert [m.tag for m in find_by_id.exact(made.ledger, "a")] == ["t/wo", "one"]
    assert {m.name for m in find_by_id.prefixed(made.ledger, one.key[:3])} == {one.key, two.key}
    for unknown in ("TB", "%", "_", "*", "[a-z]", "?"):
        assert find_by_id.prefixed(made.ledger, unknown) == []
    made.submit("*[", ["?x", "*y"])
    assert [m.name for m in find_by_id.prefixed(made.ledger, "*")] == ["*[", "*y"]
    assert find_by_id.tags_of(made.ledger, "a") == ["one", "t/wo"]
