"""The model of each request, from intake on: stored, shown, filtered, and in the sums by model."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from support.builders import Bench, a_bench, a_request

from core.commands import planner
from core.commands.command_request import CommandRequest
from core.intake.options import SubmitOptions
from state.model.filter_terms import Field, ValuesTerm
from state.operations import command_effects
from state.operations.commands import Action
from state.operations.selection import Filter
from state.queries import (
    batch_detail,
    batch_list,
    error_list,
    filter_values,
    request_detail,
    request_list,
    spending,
)
from titan_console.sandbox.faults.profile import Faults

OPUS, SONNET = "claude-opus-5", "claude-sonnet-4-6"


@pytest.fixture
def mixed(tmp_path: Path) -> Iterator[Bench]:
    """Two requests of the submission's model and one of another, all of which fail."""
    (tmp_path / "home").mkdir()
    with a_bench(tmp_path / "home", faults=Faults.parse(["row:overloaded:p=1"])) as bench:
        requests = [a_request("a"), a_request("b", model=OPUS), a_request("c")]
        bench.engine.submit(requests, SubmitOptions(tag="t", model=SONNET, workflow="w"))
        yield bench


def in_list(bench: Bench, model: str) -> set[str]:
    source, now = bench.engine.context.ledger, bench.clock.now()
    terms = (ValuesTerm(Field.MODEL, (model,)),)
    ids = request_list.ids(source, request_list.Query(terms), now)
    return {row.custom_id for row in request_list.rows(source, ids).values()}


def test_a_request_has_its_own_model_before_and_after_it_failed(mixed: Bench) -> None:
    source = mixed.engine.context.ledger
    for _ in range(2):
        assert in_list(mixed, "opus") == {"b"}
        assert in_list(mixed, "sonnet") == {"a", "c"}
        found = request_detail.request(source, "t", "b")
        assert found
        assert (found.model, found.attempts[0].requested_model) == (OPUS, OPUS)
        mixed.poll_after(600)
    models = {row.custom_id: row.model for row in error_list.errors(source)}
    assert models == {"a": SONNET, "b": OPUS, "c": SONNET}
    by_model = {
        row.name: row.errored
        for row in spending.by_day_column(source, "model", since_day="2026-01-01")
    }
    assert by_model == {SONNET: 2, OPUS: 1}
    assert OPUS in filter_values.known_values(source)[Field.MODEL]


def test_a_batch_and_a_submission_count_their_models(mixed: Bench) -> None:
    source, now = mixed.engine.context.ledger, mixed.clock.now()
    (submission,), (batch,) = batch_list.find(source, "t")
    assert batch_detail.models_of(source, batch.key) == {SONNET: 2, OPUS: 1}
    assert batch_list.models_of(source, submission) == {SONNET: 2, OPUS: 1}
    for model, number in (("opus", 1), ("haiku", 0)):
        terms = (ValuesTerm(Field.MODEL, (model,)),)
        assert batch_list.matching(source, terms, now).open_count == number


def test_only_a_model_other_than_the_submissions_is_stored(mixed: Bench) -> None:
    rows = mixed.engine.context.ledger.rows("SELECT custom_id, model FROM requests ORDER BY 1")
    assert [tuple(row) for row in rows] == [("a", None), ("b", OPUS), ("c", None)]


def test_an_edit_gives_a_request_another_model(mixed: Bench) -> None:
    mixed.poll_after(600)
    context = mixed.engine.context
    planned = planner.plan(
        context,
        CommandRequest(
            action=Action.REPLAY,
            wanted=Filter(names=("a",)),
            changes={"model": "claude-haiku-4-5"},
        ),
    )
    planner.submit(context, planned, delay=timedelta())
    mixed.poll_after(60)
    (row,) = context.ledger.rows("SELECT id FROM requests WHERE custom_id = 'a'")
    assert command_effects.model_of(context.ledger, row["id"]) == "claude-haiku-4-5"
    found = request_detail.request(context.ledger, "t", "a")
    assert found
    requested = [attempt.requested_model for attempt in found.attempts]
    assert (found.model, requested) == ("claude-haiku-4-5", [SONNET, "claude-haiku-4-5"])


def test_a_replay_is_quoted_at_the_model_of_each_request(mixed: Bench) -> None:
    mixed.poll_after(600)
    quoted = {
        name: planner.plan(
            mixed.engine.context,
            CommandRequest(action=Action.REPLAY, wanted=Filter(names=(name,)), force=True),
        ).preview.batch_cost_nano
        for name in ("a", "b", "t")
    }
    assert quoted["a"]
    assert quoted["b"]
    assert quoted["b"] > 1.5 * quoted["a"]
    assert quoted["t"] == 2 * quoted["a"] + quoted["b"]
