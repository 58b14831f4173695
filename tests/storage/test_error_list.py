"""The list of errors, page by page, and its groups by message."""

import pytest
from support.console.console_builders import Failure, LedgerBuilder
from support.ledgers.ledger_views import ids
from support.ledgers.storage import Storage

from state.model.filter_terms import Field, ValuesTerm
from state.model.records import Outcome
from state.operations import command_effects
from state.queries import error_list


@pytest.fixture(autouse=True, params=[False, True], ids=["dense", "with gaps"])
def failed(request: pytest.FixtureRequest, storage: Storage, made: LedgerBuilder) -> None:
    busy, late = Failure("overloaded_error", "busy"), Failure("x", "late", Outcome.EXPIRED)
    made.collected("one", ["a", "b", "c", "d"], [busy, busy, late])
    made.clock.advance(60)
    made.refuse(made.submit("two", ["e"], workflow="news"), "max_tokens")
    made.collect(made.accept(made.submit("cut", ["f"])), stop_reason="refusal")
    if request.param:
        storage.spread_ids(made.ledger)


def test_failures_are_listed_newest_first(made: LedgerBuilder) -> None:
    found = error_list.errors(made.ledger)
    assert [row.custom_id for row in found] == ["e", "c", "b", "a"]
    assert [row.outcome for row in found[:2]] == [Outcome.ERRORED, Outcome.EXPIRED]
    first = found[-1]
    assert (first.error_type, first.error_message) == ("overloaded_error", "busy")
    assert (first.workflow, first.attempts, first.remote_id) == (
        "feed",
        1,
        "msgbatch_01tb-0001-k3x9",
    )
    assert found[0].remote_id is None


def test_pages_are_stable_while_failures_are_added(made: LedgerBuilder) -> None:
    page = error_list.errors(made.ledger, limit=2)
    made.collected("new", ["x", "y"], [Failure()] * 2)
    command_effects.acknowledge(made.ledger, [page[0].request_id])
    rest = error_list.errors(made.ledger, before_id=page[-1].request_id, limit=2)
    assert [row.custom_id for row in (*page, *rest)] == ["e", "c", "b", "a"]
    assert error_list.errors(made.ledger, before_id=rest[-1].request_id) == []
    assert [row.custom_id for row in error_list.errors(made.ledger)][:3] == ["y", "x", "c"]


def test_equal_messages_are_one_group(made: LedgerBuilder) -> None:
    found = error_list.grouped(made.ledger, (), made.clock.now())
    assert (found.failed, found.to_review, found.total) == (4, 1, 5)
    groups = {(g.tag, g.kind, g.message, g.is_review): g.count for g in found.groups}
    assert groups == {
        ("one", "overloaded_error", "busy", False): 2,
        ("one", "x", "late", False): 1,
        ("two", "invalid_request_error", "max_tokens", False): 1,
        ("cut", "refusal", "", True): 1,
    }


def test_groups_are_of_what_a_filter_finds_and_of_the_newest(made: LedgerBuilder) -> None:
    news = (ValuesTerm(Field.WORKFLOW, ("news",)),)
    assert error_list.grouped(made.ledger, news, made.clock.now()).total == 1
    newest = error_list.grouped(made.ledger, (), made.clock.now(), most=1)
    assert [group.tag for group in newest.groups] == ["two", "cut"]
    assert newest.total == 5


def test_the_requests_of_a_group_are_named(made: LedgerBuilder) -> None:
    found = error_list.ids_by_message(
        made.ledger,
        (),
        made.clock.now(),
        workflow="feed",
        kind="overloaded_error",
        is_review=False,
    )
    assert [(message, sorted(numbers)) for message, numbers in found] == [
        ("busy", list(ids(made.ledger, "one/a", "one/b").values()))
    ]


def test_groups_of_long_messages_are_those_of_their_beginning(made: LedgerBuilder) -> None:
    beginning = "\u00e9" * 400
    failures = [Failure("long", beginning + end) for end in ("1", "2", "")]
    made.collected("long", 3, failures)
    found = error_list.grouped(made.ledger, (), made.clock.now())
    assert [group.count for group in found.groups if group.kind == "long"] == [3]
