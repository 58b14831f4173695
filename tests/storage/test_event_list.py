"""Events are never changed; their lists stay stable while others are added."""

from collections.abc import Sequence

import pytest
from support.console.console_builders import CENT, LedgerBuilder
from support.ledgers.storage import Storage

from state.model.filter_terms import BoundTerm, Field, Relation, Term, ValuesTerm
from state.operations import commands, pauses
from state.operations.commands import Action, NewCommand
from state.queries import event_list
from state.queries.filter_values import known_values


@pytest.fixture(autouse=True)
def events(storage: Storage, made: LedgerBuilder) -> None:
    made.collected("one", 1)
    made.clock.advance(3600)
    pauses.pause(storage.open("op:kim"), ["news"], who="op:kim", reason='100 % "é"')
    made.submit("two", 1, workflow="news")


def kinds(made: LedgerBuilder, *terms: Term, oldest_first: bool = False) -> list[str]:
    found = event_list.ids(made.ledger, terms, made.clock.now(), oldest_first=oldest_first)
    lines = event_list.lines(made.ledger, found)
    return [lines[number].event.kind for number in found]


def test_all_events_are_listed_newest_first(made: LedgerBuilder) -> None:
    every = kinds(made)
    assert every[0] == "batch.queued"
    assert every[-1] == "submission.created"
    assert kinds(made, oldest_first=True) == every[::-1]
    assert [event.kind for event in event_list.events(made.ledger)] == every
    assert event_list.count(made.ledger) == len(every)
    assert event_list.count(made.ledger, since_ts="2026-11-22T07:00:00.000Z") == 3


@pytest.mark.parametrize(
    ("term", "found"),
    [
        (ValuesTerm(Field.KIND, ("batch.coll",)), ["batch.collected"]),
        (ValuesTerm(Field.KIND, ("workflow paused",)), ["workflow.paused"]),
        (ValuesTerm(Field.WHO, ("KIM",)), ["workflow.paused"]),
        (ValuesTerm(Field.WORKFLOW, ("news",)), ["batch.queued", "submission.created"]),
        (ValuesTerm(Field.TAG, ("two",)), ["batch.queued", "submission.created"]),
        (ValuesTerm(Field.BATCH, ("msgbatch_01tb-0001",), is_not=True), None),
        (ValuesTerm(Field.TEXT, ('% "é"',)), ["workflow.paused"]),
        (ValuesTerm(Field.TEXT, ("100_%",)), []),
        (BoundTerm(Field.AGE, Relation.OVER, 60), None),
        (BoundTerm(Field.COST, Relation.EQUAL, CENT), ["batch.collected"]),
    ],
)
def test_a_filter_finds_exactly_what_it_says(
    made: LedgerBuilder, term: Term, found: Sequence[str] | None
) -> None:
    listed = kinds(made, term)
    turned = (
        ValuesTerm(term.field, term.values, not term.is_not)
        if isinstance(term, ValuesTerm)
        else BoundTerm(term.field, term.relation, term.amount, not term.is_not)
    )
    if found is not None:
        assert listed == found
    assert sorted(listed + kinds(made, turned)) == sorted(kinds(made))


def test_a_line_has_the_tag_and_the_cost_of_its_batch(made: LedgerBuilder) -> None:
    lines = list(event_list.latest(made.ledger, limit=99))
    (collected,) = [line for line in lines if line.event.kind == "batch.collected"]
    assert (collected.tag, collected.cost_nano, collected.unpriced) == ("one", CENT, 0)
    assert {line.cost_nano for line in lines if line is not collected} == {None}
    assert [line.event.kind for line in event_list.latest(made.ledger, limit=2)] == kinds(made)[:2]
    assert event_list.lines(made.ledger, []) == {}


def test_events_are_read_in_pages_while_others_are_added(made: LedgerBuilder) -> None:
    for number in range(1_200):
        with made.ledger.transaction("x") as tx:
            made.ledger.event(tx, "test.event", number=number)
    page = event_list.events_from(made.ledger, after_id=0, limit=1_000)
    made.submit("three", 1)
    rest = event_list.events_from(made.ledger, after_id=page[-1].id, limit=1_000)
    numbers = [e.detail["number"] for e in (*page, *rest) if e.kind == "test.event"]
    assert numbers == list(range(1_200))
    assert len(page) + len(rest) == event_list.count(made.ledger)
    latest = [line.event.id for line in event_list.latest(made.ledger, limit=1_100)]
    assert latest == [e.id for e in event_list.events(made.ledger, limit=1_100)]


def test_the_events_of_a_batch_are_its_own(made: LedgerBuilder) -> None:
    one = made.submit("three", 1)
    assert [event.kind for event in event_list.events(made.ledger, batch=one)] == ["batch.queued"]
    assert event_list.events(made.ledger, batch=one, limit=0) == []


def test_an_event_of_a_command_names_it(made: LedgerBuilder) -> None:
    new = NewCommand(action=Action.CANCEL, items=[1], reason="é", not_before=made.clock.now())
    command, _ = commands.enqueue(made.ledger, new)
    (event,) = event_list.events(made.ledger, limit=1)
    assert (event.kind, event.subject, event.detail["reason"]) == (
        "command.cancel",
        command.key,
        "é",
    )
    values = known_values(made.ledger)
    assert values[Field.WHO] == ["test", "op:kim"]
    assert "command.cancel" in values[Field.KIND]
