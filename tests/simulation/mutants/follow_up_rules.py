"""Deliberate bugs in structured output and in what polls ask for again."""

from collections.abc import Callable
from typing import Any

import pytest
from batches import test_structured_output
from commands import test_follow_ups
from delivery import test_instances
from simulation.mutants.patching import Rule, never, nothing
from support.builders import Bench, a_bench
from support.processes.terminal import a_server

from core.commands import follow_up_policy, follow_ups
from core.delivery import result_writer
from core.engine import Engine
from core.requests.answer_validation import Validator
from state.batches import collection
from state.operations import follow_ups as incomplete_answers
from state.queries.result_rows import DeliveredRow
from titan_console.sandbox.model.timing import Plan

_delivered = result_writer._delivered
_HAS_ANSWER = "s.outcome = 'succeeded' AND r.status = 'succeeded'"


def _always(_answer: object) -> bool:
    return True


def _as_valid(row: DeliveredRow, *message: Any) -> object:
    return _delivered(row._replace(invalid=None), *message)


def _instant(test: Callable[..., None], *arguments: object) -> Callable[[Bench], None]:
    """With batches that end at once."""

    def named(bench: Bench) -> None:
        with a_bench(bench.folder.root / "instant", plan=Plan.instant()) as made:
            test(made, *arguments)

    return named


def _over_budget(bench: Bench) -> None:
    with a_bench(bench.folder.root / "instant", plan=Plan.instant()) as made:
        test_follow_ups.test_over_budget_nothing_is_asked_and_no_body_stays(made, made.folder.root)


def _late(bench: Bench) -> None:
    test_follow_ups.test_a_late_answer_to_the_earlier_body_is_a_duplicate(
        bench.folder.root / "late"
    )


def _unasked(bench: Bench) -> None:
    with pytest.MonkeyPatch.context() as patch, a_server(Plan.instant()) as (sandbox, address):
        patch.setenv("TITAN_HOME", str(bench.folder.root / "unasked"))
        patch.setenv("ANTHROPIC_BASE_URL", address)
        patch.setenv("ANTHROPIC_API_KEY", "sk-ant-test")
        test_instances.test_an_answer_that_a_killed_poll_did_not_ask_for_again_is_not_the_result(
            sandbox
        )


_BOUNDED = test_follow_ups.test_it_is_bounded_and_the_answer_then_needs_review
RULES: dict[str, Rule] = {
    "answers are checked against their schema": (
        *(Validator, "problem", nothing),
        _instant(test_structured_output.test_answers_that_match_are_valid_and_the_others_say_why),
    ),
    "an answer is asked for again a bounded number of times": (
        *(follow_up_policy, "is_due", _always),
        _instant(_BOUNDED, "wrong-output", {"reask": 2}, 3),
    ),
    "an answer is asked for again as often as it is wanted": (
        *(follow_up_policy, "is_due", never),
        _instant(_BOUNDED, "wrong-output", {"reask": 2}, 3),
    ),
    "every attempt since the first answer is a try": (
        *(incomplete_answers, "_TRIES", "0"),
        _instant(_BOUNDED, "pause-turn", {}, 4),
    ),
    "an accepted answer is not asked for again": (
        *(incomplete_answers, "TO_REVIEW", "1"),
        _instant(test_follow_ups.test_an_accepted_answer_is_not_asked_for_again),
    ),
    "what is asked again is within the budget": (follow_ups, "_admit", nothing, _over_budget),
    "an answer with an open command is not asked for again": (
        *(incomplete_answers, "_OPEN", "0"),
        _instant(test_follow_ups.test_an_answer_with_an_open_command_is_not_asked_for_again),
    ),
    "a delivered answer says that it is invalid": (
        *(result_writer, "_delivered", _as_valid),
        _instant(test_structured_output.test_a_delivered_answer_says_that_it_is_invalid),
    ),
    "an answer that will be asked for again is not the result": (
        *(Engine, "has_follow_ups", never),
        _unasked,
    ),
    "a late answer to the body before a follow-up is a duplicate": (
        *(collection, "_IS_DUPLICATE", _HAS_ANSWER),
        _late,
    ),
}
