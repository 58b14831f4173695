from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.console.console_builders import CENT, NOW, Failure, LedgerBuilder

from core.clock import ManualClock
from state.model.filter_terms import BoundTerm, Field, Relation, Term, ValuesTerm
from state.model.records import Outcome
from state.queries import filter_sql, request_list
from state.queries.filter_sql import known_values
from state.queries.request_list import STATES, Query, SortOrder
from titan_console.text.filters import Vocabulary, parse

ALL = Vocabulary(request_list.FIELDS, STATES)


def a_mixed_ledger(home: Path) -> LedgerBuilder:
    """Ids 1-2 errored and 3 succeeded; 4 expired; 5-6 in flight; 7 queued; 8 cut off."""
    made = LedgerBuilder(home, ManualClock(NOW - timedelta(hours=5)))
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
    return made


@pytest.fixture
def made(tmp_path: Path) -> LedgerBuilder:
    return a_mixed_ledger(tmp_path)


def found(
    made: LedgerBuilder, line: str, order: SortOrder = SortOrder.NEWEST, **how: bool
) -> list[int]:
    asked = parse(line, ALL)
    assert not asked.mistakes
    query = Query(asked.terms, order, **how)
    return list(request_list.ids(made.ledger, query, made.clock.now()))


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
    made: LedgerBuilder, line: str, ids: list[int]
) -> None:
    assert found(made, line) == ids


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
    made: LedgerBuilder, order: SortOrder, ids: list[int]
) -> None:
    cost_of_what_has_none = {7, 6, 5}
    forwards = found(made, "", order)
    if order == SortOrder.COST:
        assert forwards[:2] == [8, 3]
        assert cost_of_what_has_none <= set(forwards[2:])
    else:
        assert forwards == ids
    assert found(made, "", order, is_inverted=True) == forwards[::-1]


def test_attempts_and_tokens_sort_too(made: LedgerBuilder) -> None:
    assert found(made, "", SortOrder.TOKENS)[:2] == [8, 3]
    assert len(found(made, "", SortOrder.ATTEMPTS)) == 8


@pytest.mark.parametrize(
    ("line", "index"),
    [
        ("state:failed", "requests_to_do"),
        ("state:queued", "requests_to_do"),
        ("state:in_flight", "one_active_attempt"),
        ("state:review", "attempts_for_review"),
        ("wf:feed state:errored", "requests_to_do"),
    ],
)
def test_a_state_is_found_by_its_index(made: LedgerBuilder, line: str, index: str) -> None:
    where = request_list.condition(parse(line, ALL).terms, NOW)
    plan = made.ledger.rows(
        f"EXPLAIN QUERY PLAN SELECT r.id FROM requests r WHERE {where.sql} ORDER BY r.id DESC",  # noqa: S608
        *where.parameters,
    )
    assert any(index in row["detail"] for row in plan)


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
    made: LedgerBuilder, term: Term, order: SortOrder
) -> None:
    turned = (
        ValuesTerm(term.field, term.values, not term.is_not)
        if isinstance(term, ValuesTerm)
        else BoundTerm(term.field, term.relation, term.amount, not term.is_not)
    )
    both = [
        list(request_list.ids(made.ledger, Query((one,), order), NOW)) for one in (term, turned)
    ]
    assert sorted(both[0] + both[1]) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_many_ids_come_whole() -> None:
    text = ",".join(map(str, range(1, 300_000)))
    assert list(filter_sql.parse_ids(text)) == list(range(1, 300_000))
    assert list(filter_sql.parse_ids(None)) == []


def test_the_values_that_a_filter_may_name_are_those_of_the_ledger(made: LedgerBuilder) -> None:
    found = known_values(made.ledger)
    assert set(found[Field.ERROR]) == {"expired", "invalid_request_error", "overloaded_error"}
    assert set(found[Field.WORKFLOW]) >= {"news", "back"}
    assert "batch.collected" in found[Field.KIND]
