"""Live rates on the KPIs screen: answers and dollars of the last hour and the last day."""

from datetime import timedelta
from pathlib import Path

from support.console.console_builders import NOW, LedgerBuilder
from support.console.console_pilot import opened, shown, until_shown

from state.model.timestamps import to_text
from state.queries import live_rates
from state.queries.live_rates import EndedRun
from titan_console.tui.screens import rate_rows


def ended(minutes_ago: float, answers: int) -> EndedRun:
    return EndedRun(to_text(NOW - timedelta(minutes=minutes_ago)), answers, answers * 1000)


def test_answers_are_summed_in_equal_parts_of_the_time() -> None:
    runs = [ended(0, 1), ended(1, 2), ended(3, 4), ended(59.9, 8), ended(61, 16)]
    hour = rate_rows.buckets(runs, "rate.answers_1h", NOW)
    assert (len(hour), hour[-1], hour[-2], hour[0], sum(hour)) == (30, 3, 4, 8, 15)
    day = rate_rows.buckets(runs, "rate.spent_24h", NOW)
    assert (len(day), day[-1], day[-2]) == (24, 15_000, 16_000)


def test_a_clock_that_is_behind_loses_nothing() -> None:
    assert rate_rows.buckets([ended(-5, 3)], "rate.answers_1h", NOW)[-1] == 3


def test_only_collected_batches_of_the_time_are_read(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    made.collected("old", 3)
    made.clock.advance(90_000)
    made.collected("new", 2)
    made.end(made.accept(made.submit("not-collected", 5)))
    since = to_text(made.clock.now() - rate_rows.LONGEST)
    assert [run.answers for run in live_rates.ended_since(made.ledger, since)] == [2]
    made.close()


async def test_a_rate_is_drawn_when_it_is_chosen(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    for _ in range(3):
        made.collected(f"feed-{made.clock.now():%H%M}", 4)
        made.clock.advance(600)
    async with opened(made) as pilot:
        await pilot.press("5")
        await until_shown(pilot, "answers, last hour")
        await until_shown(pilot, "A histogram needs 20 values")
        await pilot.press(*["j"] * 7)
        await until_shown(pilot, "spent, last hour ─")
        assert "1h ago, bars of 2 minutes" in shown(pilot)
        await pilot.press("enter")
        assert "KPIs >" not in shown(pilot)
