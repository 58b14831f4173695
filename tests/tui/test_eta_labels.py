"""Texts of estimates, and the lists that show them and sort by them."""

from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from msgspec import to_builtins
from support.console.console_builders import NOW, LedgerBuilder
from support.console.console_pilot import lines, opened, shown, table, until_shown

from core.clock import ManualClock
from core.money.eta import Eta, Risk, Stage
from core.reporting import status_report
from state.model.timestamps import to_text
from titan_console.cli.main import cli
from titan_console.text import format as fmt
from titan_console.text.eta_labels import ends, reason, risk

HOUR = timedelta(hours=1)


def found(**changes: object) -> Eta:
    plain: dict[str, object] = {"stage": Stage.RUNNING, "known": 9, "comparable": 4}
    return Eta(**{**plain, **changes})  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("eta", "said"),
    [
        (found(p50=NOW + HOUR / 5, p95=NOW + HOUR), "12m-1h"),
        (found(p50=NOW + 1.7 * HOUR, p95=NOW + 12.2 * HOUR), "1h 40m-12h"),
        (found(p50=NOW + HOUR / 5, p95=NOW + HOUR / 5), "12m"),
        (found(p50=NOW + HOUR, p95=NOW + 2 * HOUR, stage=Stage.NOT_SENT), "≥ 1h-2h"),
        (found(comparable=0), "overdue"),
        (found(known=4, comparable=0), "no history yet"),
        (found(stage=Stage.ENDING), "soon"),
    ],
)
def test_the_end_of_a_batch_as_text(eta: Eta, said: str) -> None:
    assert ends(eta, NOW, is_paused=False)[0] == said


def test_a_paused_batch_has_an_eta_only_once_it_was_sent() -> None:
    for stage, said in ((Stage.NOT_SENT, "-"), (Stage.RUNNING, "12m"), (Stage.ENDING, "soon")):
        eta = found(p50=NOW + HOUR / 5, p95=NOW + HOUR / 5, stage=stage)
        assert ends(eta, NOW, is_paused=True)[0] == said


def test_a_rough_time_never_rounds_to_nothing() -> None:
    assert [fmt.rough_span(timedelta(0)), fmt.rough_span(timedelta(days=3))] == ["1m", "3d"]


@pytest.mark.parametrize("level", Risk)
def test_every_risk_has_a_glyph_and_a_word(level: Risk) -> None:
    label = risk(found(risk=level))
    assert len(label.glyph) == 1
    assert label.word


def test_the_reason_counts_the_earlier_batches_and_the_late_ones() -> None:
    assert reason(found(late_probability=0.25, late=1)) == (
        "estimated from 9 earlier batches; 25% risk of a sync run at full price"
    )
    waits = found(stage=Stage.NOT_SENT)
    assert reason(waits) == "estimated from 9 earlier batches, counted from sending"
    # The count does not change while the batch gets older.
    assert reason(found(comparable=1)) == reason(found(comparable=8))
    assert reason(found(comparable=0)) == "longer than all 9 earlier batches"


def test_a_batch_whose_deadline_has_passed_is_late_and_not_about_to_be_run() -> None:
    late = found(late_probability=1.0, late=1, risk=Risk.PAST, is_late=True)
    assert str(risk(late)) == "✗ late"
    assert reason(late) == "estimated from 9 earlier batches; its deadline has passed"


def a_ledger_with_history(home: Path) -> LedgerBuilder:
    """Ten batches of `feed` took one to ten hours; three more are open."""
    made = LedgerBuilder(home, ManualClock(NOW - timedelta(hours=60)))
    for hours in range(1, 11):
        batch = made.accept(made.submit(f"feed-{hours}", 2))
        made.clock.advance(hours * 3600)
        made.collect(batch)
    made.accept(made.submit("safe", due_in=timedelta(hours=40)))
    made.accept(made.submit("tight", due_in=timedelta(hours=10)))
    made.accept(made.submit("odd", due_in=timedelta(hours=14), workflow="other"))
    made.clock.advance((NOW - made.clock.now()).total_seconds())
    return made


async def test_open_batches_show_when_they_end_and_what_they_risk(tmp_path: Path) -> None:
    async with opened(a_ledger_with_history(tmp_path)) as pilot:
        await until_shown(pilot, "3h-5h")
        screen = lines(pilot)
    (safe,) = (line for line in screen if "  safe " in line)
    (tight,) = (line for line in screen if " tight " in line)
    (odd,) = (line for line in screen if " odd " in line)
    assert "✓ low" in safe
    assert "! some" not in safe
    assert "‼ high" in tight
    assert "no history yet" in odd
    assert "? unknown" in odd


async def test_s_sorts_by_risk_and_the_cursor_stays_on_its_batch(tmp_path: Path) -> None:
    async with opened(a_ledger_with_history(tmp_path)) as pilot:
        await until_shown(pilot, "3h-5h")
        assert table(pilot, "open").current_key() == "tb-0011-k3x9"
        await pilot.press("s")
        await until_shown(pilot, "Sort by")
        await pilot.press("r")
        await until_shown(pilot, "Open batches 3 · highest risk first")
        assert table(pilot, "open").keys == ["tb-0012-k3x9", "tb-0013-k3x9", "tb-0011-k3x9"]
        assert table(pilot, "open").current_key() == "tb-0011-k3x9"


async def test_at_80_columns_the_risk_and_the_band_stay(tmp_path: Path) -> None:
    async with opened(a_ledger_with_history(tmp_path), (80, 24)) as pilot:
        await until_shown(pilot, "3h-5h")
        assert "‼ high" in shown(pilot)
        await pilot.press("j")
        await until_shown(pilot, "tight  ·  estimated from 10 earlier batches; 40% risk of")


def test_status_has_the_same_values_as_text_and_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = a_ledger_with_history(tmp_path)
    report = status_report.status(made.ledger, now_ts=to_text(NOW))
    made.close()
    etas = {batch.tag: to_builtins(batch.eta) for batch in report.open}
    assert etas["tight"] == {
        "stage": "running",
        "p50_ts": to_text(NOW + 3 * HOUR),
        "p95_ts": to_text(NOW + 5 * HOUR),
        "history": 10,
        "comparable": 5,
        "like_it": 5,
        "risk": "high",
        "late_probability": 0.4,
        "miss_chance": 0.4,
    }
    assert (etas["safe"]["risk"], etas["odd"]["risk"]) == ("low", "unknown")
    monkeypatch.setenv("TITAN_HOME", str(tmp_path))
    words = CliRunner().invoke(cli, ["status"]).output
    assert "ETA" in words
    assert "no history yet" in words
