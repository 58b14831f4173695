"""Answers are checked against the schema of their request when they are collected."""

import json
from collections.abc import Generator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support.builders import Bench, a_bench, a_request, some_requests
from support.ledgers.rebuilt_ledger import rebuilt

from core.commands import planner
from core.commands.planner import CommandRequest
from core.delivery.results import results
from core.intake.options import SubmitOptions
from core.requests.answer_validation import Validator
from core.requests.supported_schema import prepared
from state.db.ledger import Ledger
from state.model.records import BatchKind, OnFailure
from state.operations import reviews
from state.operations.commands import Action
from state.operations.selection import Filter
from state.queries import batch_list
from titan_console.sandbox.answers.texts import FORMATTED
from titan_console.sandbox.model.timing import Plan

# The sandbox never answers "gone", and refuses the keywords that the API does not take.
SCHEMA = {
    "type": "object",
    "properties": {"n": {"type": "integer", "minimum": 0}, "word": {"type": "string"}},
    "required": ["n", "word"],
}
NEVER = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 10_000}}}


@pytest.fixture
def bench(tmp_path: Path) -> Generator[Bench, None, None]:
    with a_bench(tmp_path, plan=Plan.instant()) as bench:
        yield bench


def invalid_of(ledger: Ledger) -> dict[str, str | None]:
    """The error of the answer that counts, by the end of the custom_id."""
    rows = ledger.rows(
        "SELECT r.custom_id, a.invalid FROM requests r JOIN attempts a"
        " ON a.request_id = r.id AND a.batch_id = r.settled_by ORDER BY r.id"
    )
    return {row["custom_id"][-3:]: row["invalid"] for row in rows}


def test_answers_that_match_are_valid_and_the_others_say_why(bench: Bench) -> None:
    bench.faults.add("row:wrong-output:id=*-00002-*")
    bench.submit(3, output=SCHEMA)
    bench.poll_after(60)
    found = invalid_of(bench.engine.context.ledger)
    assert (found["001"], found["003"]) == (None, None)
    assert (found["002"] or "").startswith("not JSON: ")
    (row,) = reviews.rows(bench.engine.context.ledger, limit=9)
    assert (row.custom_id[-3:], row.review, row.invalid) == ("002", "invalid", found["002"])
    told = list(results(bench.engine.context.ledger, bench.folder, "daily-feed"))
    assert [one["invalid"] for one in told] == [None, found["002"], None]
    assert [one["outcome"] for one in told] == ["succeeded"] * 3


def test_a_delivered_answer_says_that_it_is_invalid(bench: Bench) -> None:
    bench.faults.add("row:wrong-output:id=*-00002-*")
    bench.submit(3, output=SCHEMA)
    bench.poll_after(60)
    (file,) = bench.folder.staging.glob("*.jsonl")
    lines = file.read_bytes().splitlines()
    found = {one["custom_id"][-3:]: one["invalid"] for one in map(json.loads, lines)}
    assert found == invalid_of(bench.engine.context.ledger)
    assert found["002"]


def test_keywords_that_are_not_sent_are_checked(bench: Bench) -> None:
    bench.submit(1, output=NEVER)
    bench.poll_after(60)
    found = invalid_of(bench.engine.context.ledger)["001"]
    assert (found or "").endswith("is less than the minimum of 10000")
    assert (found or "").startswith("/n: ")


def test_requests_with_schemas_of_their_own_are_checked_by_them(bench: Bench) -> None:
    def own(schema: dict[str, Any] | None, number: int) -> dict[str, object]:
        form = {"format": {"type": "json_schema", "schema": schema}} if schema else {}
        return a_request(f"mixed-2026-11-22-{number:03d}", output_config=form)

    requests = [own(SCHEMA, 1), own(NEVER, 2), own(None, 3), own(SCHEMA, 4)]
    bench.engine.submit(requests, SubmitOptions(tag="t"))
    bench.poll_after(60)
    found = invalid_of(bench.engine.context.ledger)
    assert [number for number, why in found.items() if why] == ["002"]
    assert len(bench.engine.context.ledger.rows("SELECT * FROM output_schemas")) == 2


@pytest.mark.parametrize("fault", ["refusal", "max-tokens", "pause-turn"])
def test_an_answer_to_review_anyway_has_no_second_label(bench: Bench, fault: str) -> None:
    bench.faults.add(f"row:{fault}")
    bench.submit(1, output=SCHEMA, continue_turns=0)
    bench.poll_after(60)
    assert invalid_of(bench.engine.context.ledger) == {"001": None}
    assert reviews.count(bench.engine.context.ledger) == 1


def test_an_answer_of_a_synchronous_run_is_checked(bench: Bench) -> None:
    bench.faults.add("create:connect")
    submission = bench.submit(1, output=NEVER, on_failure=OnFailure.SYNC).submission
    bench.poll_after(60)
    kinds = [batch.kind for batch in batch_list.batches_of(bench.engine.context.ledger, submission)]
    assert kinds[-1] == BatchKind.SYNC
    assert invalid_of(bench.engine.context.ledger)["001"]


def test_invalid_answers_are_replayed_with_an_edit_or_acknowledged(bench: Bench) -> None:
    bench.faults.add("row:wrong-output")
    bench.submit(2, output=SCHEMA)
    bench.poll_after(60)
    bench.faults.clear()
    ledger = bench.engine.context.ledger
    for action, name, how in (
        (Action.REPLAY, "feed-classify-2026-11-22-00001", {"changes": {"max_tokens": 99}}),
        (Action.ACKNOWLEDGE, "feed-classify-2026-11-22-00002", {}),
    ):
        wanted = Filter(names=(name,), stop_reason="invalid")
        request = CommandRequest(action=action, wanted=wanted, **how)  # pyright: ignore[reportArgumentType]
        planned = planner.plan(bench.engine.context, request)
        planner.submit(bench.engine.context, planned, delay=timedelta())
        bench.poll_after(1)
        bench.poll_after(60)
    assert reviews.count(ledger) == 0
    # The edited request has the same schema.
    assert [row[0] for row in ledger.rows("SELECT schema_id FROM edits")] == [1]
    assert invalid_of(ledger)["001"] is None


def test_a_rebuilt_ledger_finds_the_schemas_in_the_bodies(bench: Bench) -> None:
    bench.faults.add("row:wrong-output:id=*-00002-*")
    bench.submit(3, output=SCHEMA)
    bench.clock.advance(60)
    bench.engine.poll()
    before = invalid_of(bench.engine.context.ledger)
    engine, _ = rebuilt(bench)
    bench.poll_after(60)
    assert invalid_of(engine.context.ledger) == before
    # What the call asked for is in no file, so that nothing is asked again.
    asked = engine.context.ledger.rows("SELECT reask, continue_turns FROM submissions")
    assert [tuple(row) for row in asked] == [(0, 0)]


def test_the_same_call_is_the_same_submission_and_another_schema_is_not(bench: Bench) -> None:
    first = bench.submit(2, output=SCHEMA)
    assert bench.submit(2, output=json.loads(json.dumps(SCHEMA))).repeated
    assert first.submission.request_count == 2
    with pytest.raises(Exception, match="with another body"):
        bench.submit(2, output=NEVER)


def test_batches_are_sent_with_the_length_that_they_have(bench: Bench) -> None:
    """The schema that is sent is shorter than the stored one."""
    bench.engine.submit(some_requests(50), SubmitOptions(tag="t", output=NEVER))
    bench.poll_after(60)
    assert set(invalid_of(bench.engine.context.ledger).values()) != {None}
    assert reviews.count(bench.engine.context.ledger) == 50


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"n": 1, "word": "a"}', None),
        ('{"n": 1}', '/: "word" is a required property'),
        ('{"n": 1, "word": "a", "x": 2}', "/: Additional properties are not allowed"),
        ('{"n": "1", "word": "a"}', '/n: "1" is not of type "integer"'),
        ('```json\n{"n": 1}\n```', "not JSON: "),
        ("[" * 100_000, "not JSON: "),
        ("", "the answer has no text"),
        (None, "the answer has no text"),
        ('{"n": 1, "word": "a"} {}', "not JSON: "),
        ('{"n": 1, "word": 5, "\\u001b[2J\\n": 1}', "/"),
        (json.dumps({"n": "x" * 10_000, "word": "a"}), "/n: "),
    ],
)
def test_the_first_error_is_one_short_line(text: str | None, why: str | None) -> None:
    found = Validator(prepared(SCHEMA)).problem(text)
    if why is None:
        assert found is None
    else:
        assert found is not None
        assert found.startswith(why)
        assert len(found) <= 300
        assert found.isprintable()


def test_a_format_is_checked_and_the_sandbox_keeps_to_it() -> None:
    """Else a date that is none would not be asked for again, and fail only as an instance."""
    for form, text in FORMATTED.items():
        validator = Validator(prepared({"type": "string", "format": form}))
        assert validator.problem(json.dumps(text)) is None
        assert validator.problem('"harbour master"') == f'/: "harbour master" is not a "{form}"'
