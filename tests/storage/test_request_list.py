"""Lists of requests: each filter finds exactly what it says, each order is complete and stable."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.console.console_builders import CENT, Failure, LedgerBuilder
from support.ledgers.storage import Storage

from state.model.filter_terms import BoundTerm, Field, Relation, Term, ValuesTerm
from state.model.records import Outcome
from state.queries import request_list
from state.queries.filter_values import known_values
from state.queries.request_list import STATES, Query, SortOrder
from titan_console.text.filters import Vocabulary, parse

ALL = Vocabulary(request_list.FIELDS, STATES)


@pytest.fixture(params=[False, True], ids=["dense", "with gaps"])
def mixed(request: pytest.FixtureRequest, storage: Storage, made: LedgerBuilder) -> LedgerBuilder:
    """Requests 1-2 errored and 3 succeeded; 4 expired; 5-6 in flight; 7 queued; 8 cut off."""
    made.collected(
        "feed-1",
        ["a", "b", "100%_sure"],
        [Failure(), Failure("invalid_request_error", "max_tokens: 0")],
    )
    made.clock.advance(3 * 3600)
    late = made.accept(made.submit("news-1", ["d"], workflow="news"))
    made.collect(late, [Failure("expired", "too late", Outcome.EXPIRED)])
    made.clock.advance(3600)
    made.accept(made.submit("feed-2", ["e", "f"]))
    made.release(made.submit("back\\log", ["g"], workflow="back"))
    cut = made.accept(made.submit("cut-off", ["h"], workflow="back"))
    made.collect(cut, cost_nano=30 * CENT, stop_reason="max_tokens")
    made.clock.advance(3600)
    if request.param:
        storage.spread_ids(made.ledger)
    return made


def listed(made: LedgerBuilder, query: Query) -> list[int]:
    """The requests in this order, by their number from 1 on in the order of submission."""
    every = list(request_list.ids(made.ledger, Query((), SortOrder.AGE), made.clock.now()))
    assert every == sorted(every)
    found = request_list.ids(made.ledger, query, made.clock.now())
    return [every.index(number) + 1 for number in found]


def found(
    made: LedgerBuilder, line: str, order: SortOrder = SortOrder.NEWEST, **how: bool
) -> list[int]:
    asked = parse(line, ALL)
    assert not asked.mistakes
    return listed(made, Query(asked.terms, order, **how))


@pytest.mark.parametrize(
    ("line", "ids"),
    [
        ("", [8, 7, 6, 5, 4, 3, 2, 1]),
        ("state:errored", [2, 1]),
        ("state:failed", [4, 2, 1]),
        ("!state:failed", [8, 7, 6, 5, 3]),
        ("state:in_flight,queued", [7, 6, 5]),
        ("state:succeeded", [8, 3]),
        ("state:review", [8]),
        ("state:review,expired", [8, 4]),
        ("wf:FEED", [6, 5, 3, 2, 1]),
        ("!wf:feed,news", [8, 7]),
        ("err:overloaded", [1]),
        ("err:max_tok", [8]),
        ("err:expired", [4]),
        ("!err:er", [8, 7, 6, 5, 4, 3]),
        ("model:haiku", [8, 7, 6, 5, 4, 3, 2, 1]),
        ("model:opus", []),
        ("tag:feed-2", [6, 5]),
        (r'tag:"back\\log"', [7]),
        ("id:%_", [3]),
        ("batch:tb-0002", [4]),
        ("batch:msgbatch_01tb-0001", [3, 2, 1]),
        ("age>3h", [3, 2, 1]),
        ("age<1h", []),
        ("age<=1h", [8, 7, 6, 5]),
        ("cost>0.1", [8]),
        ("cost=0.01", [3]),
        ("tries>0 wf:back", [8, 7]),
        ("tries>1", []),
        ("attempts>1", []),
        ("sure", [3]),
        ('"max_tokens: 0"', [2]),
        ("state:failed wf:feed !max_tokens", [1]),
    ],
)
def test_a_filter_finds_exactly_what_it_says(
    mixed: LedgerBuilder, line: str, ids: list[int]
) -> None:
    assert found(mixed, line) == ids


@pytest.mark.parametrize(
    ("order", "ids"),
    [
        (SortOrder.NEWEST, [8, 7, 6, 5, 4, 3, 2, 1]),
        (SortOrder.AGE, [1, 2, 3, 4, 5, 6, 7, 8]),
        (SortOrder.TAG, [7, 8, 3, 1, 2, 5, 6, 4]),
        (SortOrder.STATUS, [2, 1, 4, 6, 5, 7, 8, 3]),
        (SortOrder.COST, [8, 3, 4, 2, 1, 7, 6, 5]),
    ],
)
def test_a_sort_puts_all_in_order_and_its_inversion_the_other_way_round(
    mixed: LedgerBuilder, order: SortOrder, ids: list[int]
) -> None:
    cost_of_what_has_none = {7, 6, 5}
    forwards = found(mixed, "", order)
    if order == SortOrder.COST:
        assert forwards[:2] == [8, 3]
        assert cost_of_what_has_none <= set(forwards[2:])
    else:
        assert forwards == ids
    assert found(mixed, "", order, is_inverted=True) == forwards[::-1]


def test_attempts_and_tokens_sort_too(mixed: LedgerBuilder) -> None:
    assert found(mixed, "", SortOrder.TOKENS)[:2] == [8, 3]
    assert len(found(mixed, "", SortOrder.ATTEMPTS)) == 8


WORDS = st.sampled_from([Field.WORKFLOW, Field.ERROR, Field.MODEL, Field.TAG, Field.BATCH])
TERMS = st.builds(
    ValuesTerm, WORDS | st.just(Field.TEXT) | st.just(Field.ID), st.tuples(st.text()), st.booleans()
) | st.builds(
    BoundTerm,
    st.sampled_from([Field.AGE, Field.COST, Field.ATTEMPTS]),
    st.sampled_from(Relation),
    st.integers(0, 3_000_000_000),
    st.booleans(),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(term=TERMS, order=st.sampled_from(SortOrder))
def test_a_term_and_its_negation_share_out_the_ledger(
    mixed: LedgerBuilder, term: Term, order: SortOrder
) -> None:
    turned = (
        ValuesTerm(term.field, term.values, not term.is_not)
        if isinstance(term, ValuesTerm)
        else BoundTerm(term.field, term.relation, term.amount, not term.is_not)
    )
    both = [listed(mixed, Query((one,), order)) for one in (term, turned)]
    assert sorted(both[0] + both[1]) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_the_values_that_a_filter_may_name_are_those_of_the_ledger(mixed: LedgerBuilder) -> None:
    found = known_values(mixed.ledger)
    assert set(found[Field.ERROR]) == {"expired", "invalid_request_error", "overloaded_error"}
    assert set(found[Field.WORKFLOW]) >= {"news", "back"}
    assert "batch.collected" in found[Field.KIND]


def test_a_page_that_was_read_stays_while_requests_are_added(mixed: LedgerBuilder) -> None:
    before = request_list.newest_first(mixed.ledger)
    rows = request_list.rows(mixed.ledger, before[:3])
    mixed.submit("later", 3)
    after = request_list.newest_first(mixed.ledger)
    assert list(after[3:]) == list(before)
    assert request_list.rows(mixed.ledger, before[:3]) == rows
    assert request_list.rows(mixed.ledger, []) == {}
    assert request_list.rows(mixed.ledger, [2**40]) == {}


def test_a_row_of_the_list_has_the_attempt_that_counts(mixed: LedgerBuilder) -> None:
    numbers = request_list.newest_first(mixed.ledger)
    first, second = (request_list.rows(mixed.ledger, numbers)[n] for n in numbers[-2:][::-1])
    assert (first.custom_id, first.outcome, first.cost_nano) == ("a", Outcome.ERRORED, 0)
    assert (second.error_type, second.error_message) == (
        "invalid_request_error",
        "max_tokens: 0",
    )
    queued = request_list.rows(mixed.ledger, numbers)[numbers[1]]
    assert (queued.batch_key is None, queued.is_in_batch) == (False, False)
    assert (queued.outcome, queued.cost_nano, queued.input_tokens) == (None, None, 0)
