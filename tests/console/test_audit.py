"""The Audit screen and its twin: orders on top, the log below, each event whole on Enter."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from console_builders import NOW, LedgerBuilder, a_busy_ledger
from console_pilot import lines, opened, shown, table, until, until_shown
from hostile import EVIL, hidden

from state import audit_views, commands, views
from state.commands import NewCommand, Verb
from titan_console import audit_words
from titan_console.cli import cli
from titan_console.format import Tone


@pytest.mark.parametrize(
    ("kind", "said", "tone"),
    [
        ("batch.collected_in_part", "· batch collected in part", Tone.PLAIN),
        ("batch.collected", "✓ batch collected", Tone.GOOD),
        ("batch.may_be_paid_twice", "✗ batch may be paid twice", Tone.BAD),
        ("batch.look_failed", "! batch look failed", Tone.WARN),
        ("hold", "! hold", Tone.WARN),
        ("alert.raised", "✗ alert raised", Tone.BAD),
    ],
)
def test_a_kind_in_words_has_a_glyph(kind: str, said: str, tone: Tone) -> None:
    label = audit_words.what(kind)
    assert (str(label), label.tone) == (said, tone)


def test_the_reason_stands_apart_from_the_rest() -> None:
    detail = {"reason": "429", "until": "noon", "tries": 2, "fence": "", "exit_code": None}
    assert audit_words.why(detail) == "429"
    assert audit_words.outcome(detail) == "until noon, tries 2"
    assert audit_words.outcome({"outcome": "3 replayed", "new": 3}) == "3 replayed"


async def test_the_log_is_whole_and_an_event_opens_with_its_detail(tmp_path: Path) -> None:
    made = a_busy_ledger(tmp_path)
    logged = views.events(made.ledger, limit=1000)
    async with opened(made) as pilot:
        await pilot.press("7")
        await until_shown(pilot, "! hold")
        events = table(pilot, "events")
        assert list(events.keys) == [event.id for event in logged]
        events.move_to(next(n for n, event in enumerate(logged) if event.kind == "hold"))
        await until_shown(pilot, "the API's queue is full (429)")
        await pilot.press("enter")
        await until_shown(pilot, '"until": "2026-05-02T12:27:00.000Z"')
        assert "Audit >  event" in lines(pilot)[0]
        await pilot.press("escape")
        await until_shown(pilot, "Event log, newest first")


async def test_orders_stand_on_top_with_their_countdown(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    batch = made.accept(made.submit("feed"))
    order = NewCommand(
        verb=Verb.CANCEL, items=[batch.id], reason="too dear", not_before=NOW + timedelta(seconds=8)
    )
    commands.give(made.ledger, order)
    async with opened(made, (80, 24)) as pilot:
        await pilot.press("7")
        await until_shown(pilot, "◔ pending in 8s")
        assert "Orders · 1 to be done" in shown(pilot)
        made.clock.advance(8)
        await until_shown(pilot, "◔ pending, next pass")


async def test_new_events_appear_and_hostile_ones_are_harmless(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    made.submit("first")
    async with opened(made, (60, 16)) as pilot:
        await pilot.press("7")
        await until_shown(pilot, "submission taken in")
        batch = made.accept(made.submit("second"))
        made.look_failed(batch, EVIL)
        await until(pilot, lambda: "batch look failed" in shown(pilot))
        await pilot.press("g", "enter")
        await until_shown(pilot, "event")
        assert not [c for line in lines(pilot) for c in hidden(line)]


def test_events_prints_the_same_lines(tmp_path: Path) -> None:
    made = a_busy_ledger(tmp_path)
    found = audit_views.latest(made.ledger, limit=1000)
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
    assert "Nothing has happened" in run("--since", "2026-12-31")
