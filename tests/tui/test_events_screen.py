"""The Events screen and its command: commands on top, the log below, each event whole on Enter."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.console.console_builders import NOW, LedgerBuilder
from support.console.console_pilot import lines, opened, shown, table, until, until_shown
from support.console.example_ledgers import a_busy_ledger
from support.hostile_text import EVIL, hidden

from state.model.filter_terms import Field
from state.operations import alerts, commands
from state.operations.commands import Action, NewCommand
from state.queries import event_list, filter_values
from state.queries.event_list import EventLine
from titan_console.cli.main import cli
from titan_console.text import event_labels
from titan_console.text.filters import parse
from titan_console.text.format import Tone
from titan_console.tui.screens.events import EventsScreen


def found(made: LedgerBuilder, line: str) -> list[EventLine]:
    """What the log holds under a filter."""
    asked = parse(line, EventsScreen.VOCABULARY)
    assert not asked.mistakes
    ids = event_list.ids(made.ledger, asked.terms, made.clock.now())
    lines_by_id = event_list.lines(made.ledger, ids)
    return [lines_by_id[number] for number in ids]


@pytest.mark.parametrize(
    ("kind", "said", "tone"),
    [
        ("batch.partly_collected", "· batch partly collected", Tone.PLAIN),
        ("batch.collected", "✓ batch collected", Tone.GOOD),
        ("batch.possible_duplicate_charge", "✗ batch possible duplicate charge", Tone.BAD),
        ("batch.poll_failed", "! batch poll failed", Tone.WARN),
        ("hold", "! hold", Tone.WARN),
        ("alert.raised", "✗ alert raised", Tone.BAD),
    ],
)
def test_an_event_kind_as_text_has_a_glyph(kind: str, said: str, tone: Tone) -> None:
    label = event_labels.what(kind)
    assert (str(label), label.tone) == (said, tone)


@pytest.mark.parametrize(
    ("rule", "subject", "said"),
    [("poller", "polls", "poller"), ("errors", "day", "errors"), ("replay", "feed", "feed")],
)
def test_an_alert_of_the_whole_ledger_is_named_by_its_rule(
    tmp_path: Path, rule: str, subject: str, said: str
) -> None:
    made = LedgerBuilder(tmp_path)
    alerts.update(made.ledger, [(rule, subject, "message")])
    alerts.silence(made.ledger, [1], who="ops", until_ts=None)
    alerts.silence(made.ledger, [1], who="ops", until_ts="2027-01-01T00:00:00.000Z")
    alerts.unsilence(made.ledger, [1])
    alerts.update(made.ledger, [])
    assert {event_labels.concerns(line) for line in found(made, "kind:alert")} == {said}
    made.close()


def test_the_reason_stands_apart_from_the_rest() -> None:
    detail = {
        "reason": "429",
        "until": "noon",
        "tries": 2,
        "watermark": "msgbatch_1",
        "exit_code": None,
    }
    assert event_labels.why(detail) == "429"
    assert event_labels.outcome(detail) == "until noon, tries 2"
    assert event_labels.outcome({"outcome": "3 replayed", "new": 3}) == "3 replayed"
    later = {"items": 28, "not_before": "2026-05-02T12:00:08.000Z"}
    assert event_labels.outcome(later) == "28 items, not before 2026-05-02T12:00:08.000Z"
    assert event_labels.outcome({"gain_nano": -207_239_340}) == "gain -$0.21"


async def test_the_log_is_whole_and_an_event_opens_with_its_detail(tmp_path: Path) -> None:
    made = a_busy_ledger(tmp_path)
    logged = event_list.events(made.ledger, limit=1000)
    async with opened(made) as pilot:
        await pilot.press("7")
        await until_shown(pilot, "! hold")
        events = table(pilot, "events")
        assert list(events.keys) == [event.id for event in logged]
        events.move_to(next(n for n, event in enumerate(logged) if event.kind == "hold"))
        await until_shown(pilot, "the API's queue is full (429)")
        await pilot.press("enter")
        await until_shown(pilot, '"until": "2026-05-02T12:27:00.000Z"')
        assert "Events >  event" in lines(pilot)[0]
        await pilot.press("escape")
        await until_shown(pilot, "Event log, newest first")


async def test_orders_stand_on_top_with_their_countdown(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    batch = made.accept(made.submit("feed"))
    order = NewCommand(
        action=Action.CANCEL,
        items=[batch.id],
        reason="too dear",
        not_before=NOW + timedelta(seconds=8),
    )
    commands.enqueue(made.ledger, order)
    async with opened(made, (80, 24)) as pilot:
        await pilot.press("7")
        await until_shown(pilot, "◔ pending in 8s")
        assert "Commands · 1 pending" in shown(pilot)
        made.clock.advance(8)
        await until_shown(pilot, "◔ pending, next poll")


async def test_a_running_command_says_what_it_waits_for(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    batch = made.accept(made.submit("feed"))
    given = NewCommand(action=Action.CANCEL, items=[batch.id], reason="", not_before=NOW)
    command, _ = commands.enqueue(made.ledger, given)
    commands.claim(made.ledger, command)
    async with opened(made, (160, 24)) as pilot:
        await pilot.press("7")
        await until_shown(pilot, f"{batch.key} has not ended")


@pytest.mark.parametrize(
    ("line", "kinds"),
    [
        ("kind:collected", {"batch.collected"}),
        ('kind:"poll failed"', {"batch.poll_failed"}),
        ("kind:batch.poll_failed", {"batch.poll_failed"}),
        ("kind:hold,poll_failed", {"hold", "batch.poll_failed"}),
        ("who:nobody", set[str]()),
        ('"queue is full"', {"hold", "batch.not_sent"}),
        ("cost>0.39", {"batch.collected"}),
        ("cost>99", set[str]()),
        ("kind:100%", set[str]()),
    ],
)
def test_a_filter_finds_lines_of_the_log(tmp_path: Path, line: str, kinds: set[str]) -> None:
    made = a_busy_ledger(tmp_path)
    assert {event.event.kind for event in found(made, line)} == kinds


def test_terms_about_work_find_its_batches_and_its_submissions(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    made.accept(made.submit("feed-1"))
    made.accept(made.submit("news-1", workflow="news"))
    for line in ("tag:news", "wf:news", "news-1"):
        kinds = {event.event.kind for event in found(made, line)}
        assert {"submission.created", "batch.accepted"} <= kinds
        assert len(found(made, line)) < len(found(made, ""))
    assert [e.event.id for e in found(made, "!tag:news")] == [
        e.event.id for e in found(made, "") if e not in found(made, "tag:news")
    ]


def test_a_filter_finds_what_the_detail_says_in_any_letters(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    made.look_failed(made.accept(made.submit("feed")), 'Überlast: "später" 100%_')
    for line in ("Überlast", '"\\"später"', "100%_"):
        assert [event.event.kind for event in found(made, line)] == ["batch.poll_failed"]
    assert not found(made, "100xx")


def test_kinds_and_people_of_the_log_can_be_completed(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    made.accept(made.submit("feed"))
    known = filter_values.known_values(made.ledger)
    assert {"batch.accepted", "submission.created"} <= set(known[Field.KIND])
    assert set(known[Field.WHO]) == {event.event.actor for event in found(made, "")}


def test_a_filter_by_age_counts_from_now(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    made.submit("first")
    made.clock.advance(7200)
    made.submit("second")
    assert {line.event.at for line in found(made, "age>1h")} == {"2026-05-02T12:00:00.000Z"}
    assert {line.event.at for line in found(made, "age<1h")} == {"2026-05-02T14:00:00.000Z"}


async def test_the_log_is_narrowed_and_turned_round(tmp_path: Path) -> None:
    made = a_busy_ledger(tmp_path)
    async with opened(made) as pilot:
        await pilot.press("7")
        await until_shown(pilot, "! hold")
        events = table(pilot, "events")
        everything = list(events.keys)
        await pilot.press("slash", *"kind:hold", "enter")
        await until_shown(pilot, "1 match")
        assert len(events.keys) == 1
        await pilot.press("slash", *" !hold", "enter")
        await until_shown(pilot, "No match. Esc clears the filter.")
        await pilot.press("escape", "i")
        await until_shown(pilot, "Event log, oldest first")
        await until(pilot, lambda: list(events.keys) == everything[::-1])
        await pilot.press("s", "n")
        await until_shown(pilot, "Event log, newest first")
        await until(pilot, lambda: list(events.keys) == everything)


async def test_new_events_appear_and_hostile_ones_are_harmless(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    made.submit("first")
    async with opened(made, (60, 16)) as pilot:
        await pilot.press("7")
        await until_shown(pilot, "submission created")
        batch = made.accept(made.submit("second"))
        made.look_failed(batch, EVIL)
        await until(pilot, lambda: "batch poll failed" in shown(pilot))
        await pilot.press("g", "enter")
        await until_shown(pilot, "event")
        assert not [c for line in lines(pilot) for c in hidden(line)]


def test_events_prints_the_same_lines(tmp_path: Path) -> None:
    made = a_busy_ledger(tmp_path)
    found = list(event_list.latest(made.ledger, limit=1000))
    made.close()

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(cli, ["events", *arguments], env={"TITAN_HOME": str(tmp_path)})
        assert done.exit_code == 0, done.output
        return done.stdout

    printed = [json.loads(line) for line in run("--json", "--limit", "1000").splitlines()]
    assert [line["id"] for line in printed] == [line.event.id for line in found]
    assert list(printed[0]) == [
        *("id", "at", "actor", "kind", "batch_id", "tag", "subject", "cost_usd", "detail")
    ]
    collected = [line for line in printed if line["kind"] == "batch.collected"]
    assert collected[-1]["cost_usd"] == 0.4
    assert len(run("--json", "--since", "2026-05-02").splitlines()) < len(printed)
    assert "batch sending" in run("--limit", "5")
    assert "No events" in run("--since", "2026-12-31")


async def test_the_log_follows_while_its_first_row_has_the_cursor(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    made.submit("one")
    async with opened(made) as pilot:
        await pilot.press("7")
        await until_shown(pilot, "▲ following")
        made.submit("two")
        await until_shown(pilot, "two tb-0002")
        log = table(pilot, "events")
        await until(pilot, lambda: log.current_key() == log.keys[0] == max(log.keys))
        await pilot.press("j")
        await until(pilot, lambda: "following" not in shown(pilot))
        held = log.current_key()
        made.submit("three")
        await until_shown(pilot, " new")
        assert log.current_key() == held
        await pilot.press("f")
        await until_shown(pilot, "▲ following")
        assert log.current_key() == max(log.keys)
        held = log.current_key()
        await pilot.press("f")
        await until(pilot, lambda: "following" not in shown(pilot))
        made.submit("four")
        await until(pilot, lambda: max(log.keys) != held)
        assert log.current_key() == held
        await pilot.press("f")
        await until_shown(pilot, "▲ following")
        assert log.current_key() == max(log.keys)
