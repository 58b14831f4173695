"""Values come back as they were stored: text, integers, times, booleans, bytes, JSON."""

from datetime import UTC, datetime, timedelta

import pytest
from support.console.console_builders import Failure, LedgerBuilder
from support.ledgers.ledger_builders import batch, send, spooled, submit
from support.ledgers.ledger_views import attempt, detail, ids, request
from support.ledgers.storage import Storage

from core.clock import ManualClock
from state.batches import leases, remote_status, repricing, sending
from state.batches.edits import Edit
from state.db.ledger import Ledger
from state.model.errors import AlreadySubmitted
from state.model.records import Usage
from state.model.timestamps import from_text, to_text
from state.model.usage import Iteration
from state.operations import commands, pauses
from state.operations.commands import Action, NewCommand
from state.queries import batch_list, event_list, ledger_status, spending

# More than 2**53: a float does not hold it. Three such amounts are less than 2**63.
A_FORTUNE = 2**60 + 1
TEXTS = [
    "",
    " ",
    "plain",
    "Zürich, 東京, عربى",
    "\U0001f680 \U0001f468\u200d\U0001f469\u200d\U0001f467",
    "\u2028\u2029\ufeff\u0007\r\n\t",
    "'; -- \"%_\\ ?1 $1 :a {}",
    "e\u0301 is not \u00e9",
    "x" * 1_000_000,
]


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_text_comes_back_as_it_was(made: LedgerBuilder, text: str) -> None:
    # No name is longer (`core.requests.payload.check_name`).
    name, workflow = f"n{text}"[:200], f"w{text}"[:200]
    one = made.submit("tag", [name], workflow=workflow)
    with made.ledger.transaction("x") as tx:
        made.ledger.event(tx, "test.text", subject=text, text=text)
    pauses.pause(made.ledger, [workflow], who=text, reason=text)
    sending.record_wait(made.ledger, [one], text)
    found = batch_list.open_batches(made.ledger)[0]
    assert (found.workflow, found.last_error) == (workflow, text)
    assert list(ids(made.ledger, "tag")) == [name]
    assert [(p.who, p.reason) for p in pauses.paused(made.ledger)] == [(text, text)]
    assert detail(made.ledger, "test.text") == {"text": text}
    assert request(made.ledger, "tag", name).workflow == workflow


def test_names_differ_by_case_and_by_normal_form(made: LedgerBuilder) -> None:
    names = ["a", "A", "\u00e9", "e\u0301", "a ", "\U0001f600", "\U0001f601"]
    made.submit("tag", names)
    made.submit("TAG", names)
    assert list(ids(made.ledger, "tag")) == names
    for name in names:
        assert request(made.ledger, "tag", name).custom_id == name
    assert len(batch_list.submissions_of(made.ledger, "TAG")) == 1


def test_amounts_beyond_2_to_the_53_are_exact_in_every_sum(made: LedgerBuilder) -> None:
    made.collected("one", ["a"], cost_nano=A_FORTUNE)
    made.collected("two", ["b", "c"], cost_nano=A_FORTUNE)
    totals = ledger_status.totals(made.ledger)
    assert totals.cost_nano == 3 * A_FORTUNE
    assert totals.sync_cost_nano == 6 * A_FORTUNE
    assert attempt(made.ledger, "one", "a").cost_nano == A_FORTUNE
    for by in spending.BY:
        rows = spending.spending(made.ledger, by, since_ts="2026-01-01T00:00:00.000Z")
        assert sum(row.cost_nano for row in rows) == 3 * A_FORTUNE, by


def test_a_column_holds_64_bits(ledger: Ledger) -> None:
    submit(ledger, [spooled("a", offset=2**62, length=2**40, at_most_batch_nano=2**63 - 1)])
    (one,) = sending.sent_requests(ledger, batch(ledger))
    assert (one.offset, one.length) == (2**62, 2**40)


def test_bodies_are_compared_byte_by_byte(ledger: Ledger) -> None:
    sha = bytes(range(0, 256, 8))
    submit(ledger, [spooled("a", sha=sha)])
    assert not submit(ledger, [spooled("a", sha=sha)])[1]
    with pytest.raises(AlreadySubmitted):
        submit(ledger, [spooled("a", sha=sha[:-1] + b"\0")])


@pytest.mark.parametrize("microsecond", [0, 999, 1000, 999_999])
def test_times_are_text_of_one_width_to_the_millisecond(
    ledger: Ledger, clock: ManualClock, microsecond: int
) -> None:
    clock.advance(microsecond / 1_000_000)
    submit(ledger, [spooled("a")])
    created = batch(ledger).created_ts
    assert len(created) == 24
    assert created == to_text(clock.now())
    assert abs(from_text(created) - clock.now()) < timedelta(milliseconds=1)


def test_times_sort_as_text_by_time(ledger: Ledger, clock: ManualClock) -> None:
    for seconds in (0.0, 0.001, 0.999, 59, 3600, 86_400, 40 * 86_400):
        clock.advance(seconds)
        with ledger.transaction("x") as tx:
            ledger.event(tx, "test.time")
    found = event_list.events_from(ledger, after_id=0)
    assert [event.at for event in found] == sorted(event.at for event in found)
    for number, event in enumerate(found):
        later = event_list.latest(ledger, since_ts=event.at, limit=9)
        at_once = sum(other.at == event.at for other in found[:number])
        assert len(list(later)) == len(found) - number + at_once


@pytest.mark.parametrize("year", [1970, 2099, 9999])
def test_a_time_far_away_is_a_time(ledger: Ledger, year: int) -> None:
    until = datetime(year, 12, 31, 23, 59, 59, tzinfo=UTC)
    leases.set_hold(ledger, "create", until=until, reason="x")
    found = leases.last_hold(ledger, "create")
    assert found is not None
    assert from_text(found.until_ts) == until
    assert (leases.active_hold(ledger, "create") is None) == (year < 2026)


def test_a_batch_is_read_with_every_value_it_was_given(storage: Storage, ledger: Ledger) -> None:
    submit(ledger, [spooled("a", betas="b-1,b-2")], deadline_ts="2026-11-23T06:00:00.000Z")
    sent = send(ledger)
    assert sent.betas == ("b-1", "b-2")
    assert sent.deadline_ts == "2026-11-23T06:00:00.000Z"
    assert (sent.watermark_id, sent.watermark_ts) == ("", None)
    assert (sent.remote_id, sent.account, sent.owner) == ("msgbatch_1", "org/ws", "x")
    assert (sent.cost_nano, sent.unpriced, sent.duplicate_nano) == (None, 0, 0)
    assert remote_status.reload_batch(storage.reader(), sent.id) == sent


def test_the_usage_of_an_answer_is_kept_with_all_its_parts(made: LedgerBuilder) -> None:
    usage = Usage(
        input_tokens=1,
        output_tokens=2,
        cache_write_5m_tokens=3,
        cache_write_1h_tokens=4,
        cache_read_tokens=5,
        web_searches=6,
        inference_geo="us",
        service_tier="batch",
        speed="fast",
        iterations=(Iteration(type="compaction", input_tokens=7, model="claude-opus-5"),),
    )
    one = made.collected("tag", ["a"], usage=usage)
    assert attempt(made.ledger, "tag", "a").usage == usage
    (answer,) = repricing.answers(made.ledger, one, list(ids(made.ledger, "tag").values()))
    assert (answer.usage, answer.is_duplicate) == (usage, False)


def test_yes_and_no_come_back_as_such(made: LedgerBuilder) -> None:
    one = made.collected("tag", ["a"])
    found = attempt(made.ledger, "tag", "a")
    assert (found.is_active, found.is_settling, found.is_duplicate) == (False, True, False)
    assert found.batch_key == one.key
    running = made.accept(made.submit("running", ["b"]))
    assert attempt(made.ledger, "running", "b").is_active is True
    assert running.is_canceled_unsent() is False


def test_the_options_of_a_command_are_json_values(made: LedgerBuilder) -> None:
    options = {"text": "é\u2028\U0001f600", "list": [1, None, True], "deep": {"a": {"b": 2**60}}}
    made.submit("tag", ["a"])
    edit = Edit(
        request_id=ids(made.ledger, "a")["a"],
        spool_file="edits.jsonl",
        offset=2**40,
        length=5,
        sha256=b"\0\xff" * 16,
        betas="x",
        at_most_batch_nano=A_FORTUNE,
        model="claude-opus-5",
    )
    new = NewCommand(
        action=Action.REPLAY,
        items=[edit.request_id],
        reason="why",
        not_before=made.clock.now(),
        options=options,
        edits=[edit],
    )
    command, _ = commands.enqueue(made.ledger, new)
    assert commands.get(made.ledger, command.id) == command
    assert command.options == options


def test_an_error_message_of_any_length_is_kept(made: LedgerBuilder) -> None:
    message = "\U0001f4a5" * 100_000
    made.collected("tag", ["a"], [Failure(message=message)])
    assert attempt(made.ledger, "tag", "a").error_message == message
