from datetime import timedelta
from pathlib import Path

import pytest
from support.console.console_builders import NOW, Failure, LedgerBuilder

from core.clock import ManualClock
from core.reporting import error_groups
from core.reporting.error_groups import ErrorGroup, NextStep
from state.model.filter_terms import Field, ValuesTerm
from state.model.records import Outcome
from state.queries import error_list


def said(number: int) -> str:
    return f"rate limit of {number} requests reached, ask 'help-{number}'"


@pytest.fixture
def made(tmp_path: Path) -> LedgerBuilder:
    """Two workflows: of feed, ids 1-3 and 5 with like messages, 4 invalid; of news, 8 expired."""
    made = LedgerBuilder(tmp_path, ManualClock(NOW - timedelta(hours=10)))
    limits = [Failure("rate_limit_error", said(n)) for n in (50, 60, 70)]
    made.collected("feed-1", 4, [*limits, Failure("invalid_request_error", "max_tokens: 0")])
    made.clock.advance(3600)
    made.collected("feed-2", 3, [limits[0]])
    late = made.accept(made.submit("news-1", 1, workflow="news"))
    made.collect(late, [Failure("expired", "too late", Outcome.EXPIRED)])
    cut = made.accept(made.submit("news-2", 2, workflow="news"))
    made.collect(cut, stop_reason="max_tokens")
    return made


def groups(made: LedgerBuilder) -> list[ErrorGroup]:
    return error_groups.group(error_list.grouped(made.ledger, (), NOW).groups)


def test_failures_are_grouped_by_workflow_kind_and_what_they_say(made: LedgerBuilder) -> None:
    limits, invalid, late, cut = groups(made)
    assert (limits.key.workflow, limits.key.kind) == ("feed", "rate_limit_error")
    assert limits.key.fingerprint == "rate limit of # requests reached, ask …"
    assert (limits.count, limits.tags) == (4, ("feed-2", "feed-1"))
    assert limits.sample == said(50)
    assert limits.first_ts < limits.last_ts
    assert (invalid.key.kind, invalid.next_step) == ("invalid_request_error", NextStep.EDIT)
    assert (late.outcome, late.next_step) == (Outcome.EXPIRED, NextStep.REPLAY)
    assert (cut.key.kind, cut.count, cut.next_step) == ("max_tokens", 2, NextStep.LOOK)
    assert [one.key.is_review for one in (limits, invalid, late, cut)] == [False] * 3 + [True]


def test_a_group_knows_exactly_its_requests(made: LedgerBuilder) -> None:
    found = [list(error_groups.ids_of(made.ledger, one.key, (), NOW)) for one in groups(made)]
    assert found == [[1, 2, 3, 5], [4], [8], [9, 10]]
    of_one_tag = (ValuesTerm(Field.TAG, ("feed-2",)),)
    assert list(error_groups.ids_of(made.ledger, groups(made)[0].key, of_one_tag, NOW)) == [5]


def test_what_is_settled_is_in_no_group(made: LedgerBuilder) -> None:
    made.ledger.execute("UPDATE requests SET status = 'dismissed' WHERE id < 5")
    assert [one.count for one in groups(made)] == [1, 1, 2]


def test_only_the_newest_are_looked_at_and_all_are_counted(made: LedgerBuilder) -> None:
    troubles = error_list.grouped(made.ledger, (), NOW, most=2)
    assert (troubles.failed, troubles.to_review) == (6, 2)
    assert sum(one.count for one in troubles.groups if not one.is_review) == 2
    assert {one.tag for one in troubles.groups} == {"news-1", "feed-2", "news-2"}


def test_a_filter_holds_for_groups_too(made: LedgerBuilder) -> None:
    news = (ValuesTerm(Field.WORKFLOW, ("news",)),)
    troubles = error_list.grouped(made.ledger, news, NOW)
    assert (troubles.failed, troubles.to_review) == (1, 2)
    assert {one.workflow for one in troubles.groups} == {"news"}
