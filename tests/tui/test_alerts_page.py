"""Alerts: opened with `!`, acknowledged, muted; and what rings a bell."""

from pathlib import Path

import pytest
from support.console.console_builders import Failure, LedgerBuilder
from support.console.console_pilot import app_of, lines, opened, shown, until, until_shown
from textual.drivers.headless_driver import HeadlessDriver
from textual.pilot import Pilot

from state.operations import alerts
from titan_console.tui.screens.alerts import AlertsPage

LATE = ("deadline", "tb_none", "feed is due at noon and has not ended.")
ERRORS = ("errors", "day", "6 requests errored in the last 24 hours. See `titan-console errors`.")
HOSTILE = ("replay", "a [b] \x1b]0;x\x07", "stopped \x1b[2J\x07")


def a_ledger(home: Path, *wrong: tuple[str, str, str]) -> LedgerBuilder:
    made = LedgerBuilder(home)
    made.collected("feed", 3, [Failure()])
    alerts.update(made.ledger, wrong)
    return made


def _alert_line(pilot: Pilot[None]) -> str:
    return next((line.rstrip() for line in lines(pilot) if "! alert: " in line), "")


async def test_an_alert_is_acknowledged_with_two_keys_and_leaves_the_screens(
    tmp_path: Path,
) -> None:
    made = a_ledger(tmp_path, ERRORS)
    async with opened(made, (100, 30)) as pilot:
        await until(pilot, lambda: _alert_line(pilot).endswith("! opens alerts"))
        assert "See" not in _alert_line(pilot)
        assert "! alert: 6 requests errored in the last 24 hours " in _alert_line(pilot)
        await pilot.press("exclamation_mark", "X")
        await until_shown(pilot, "acknowledged")
        await pilot.press("escape")
        await until(pilot, lambda: "! alert" not in shown(pilot))
        assert [one.is_silenced(made.ledger.now_text()) for one in alerts.raised(made.ledger)] == [
            True
        ]


async def test_alerts_are_muted_for_a_while_and_heard_again(tmp_path: Path) -> None:
    made = a_ledger(tmp_path, ERRORS, HOSTILE)
    async with opened(made, (100, 30)) as pilot:
        await until(pilot, lambda: _alert_line(pilot).endswith("1 more, ! opens alerts"))
        await pilot.press("exclamation_mark")
        await until_shown(pilot, "! raised")
        assert not any("\x1b" in line or "\x07" in line for line in lines(pilot))
        await pilot.press("M")
        await until_shown(pilot, "1 hour")
        assert "unmute" not in shown(pilot)
        await pilot.press("enter")
        await until_shown(pilot, "muted 1h 00m")
        await pilot.press("A", "M", "2")
        await until_shown(pilot, "muted 1d 00h")
        made.clock.advance(60)
        await until_shown(pilot, "- muted 23h 59m ")
        assert {one.muted_until_ts for one in alerts.raised(made.ledger)} != {None}
        await pilot.press("A", "M")
        await until_shown(pilot, "unmute")
        await pilot.press("0")
        await until(pilot, lambda: shown(pilot).count("! raised") == 2)


@pytest.mark.parametrize(
    ("alert", "leads_to"),
    [
        (ERRORS, "Errors"),
        (("kpi", "error_rate", "missed"), "KPIs"),
        (("poller", "polls", "silent"), "Doctor"),
        (("replay", "feed", "stopped"), "▽ wf:feed"),
    ],
)
async def test_enter_shows_what_an_alert_is_about(
    tmp_path: Path, alert: tuple[str, str, str], leads_to: str
) -> None:
    async with opened(a_ledger(tmp_path, alert), (100, 30)) as pilot:
        await until_shown(pilot, "! opens alerts")
        await pilot.press("exclamation_mark", "enter")
        await until(pilot, lambda: not isinstance(pilot.app.screen, AlertsPage))
        await until_shown(pilot, leads_to)
        page = app_of(pilot).page()
        assert page is not None
        assert len(app_of(pilot).screen_stack) == 1


async def test_esc_leads_back_from_what_an_alert_opened(tmp_path: Path) -> None:
    async with opened(a_ledger(tmp_path, ("replay", "feed", "stopped")), (100, 30)) as pilot:
        await until_shown(pilot, "! opens alerts")
        await pilot.press("2", "exclamation_mark", "enter")
        await until_shown(pilot, "▽ wf:feed")
        # The filter goes first.
        await pilot.press("escape")
        await until(pilot, lambda: "wf:feed" not in shown(pilot))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, AlertsPage))
        assert "Requests >  Alerts" in lines(pilot)[0]
        await pilot.press("escape", "escape")
        await until(pilot, lambda: not isinstance(pilot.app.screen, AlertsPage))
        assert app_of(pilot).current_mode == "requests"
        # A screen that was chosen by its number is left by another number only.
        await pilot.press("3", "escape")
        await until(pilot, lambda: app_of(pilot).current_mode == "errors")
        await pilot.pause()
        assert app_of(pilot).current_mode == "errors"


def noted(sent: list[str]) -> list[str]:
    """The notifications among what the terminal got."""
    return [text for text in sent if text.startswith("\x1b]9;")]


@pytest.mark.parametrize(
    ("toml", "bells", "notes"),
    [
        ("", 1, 1),
        ("bell = false", 0, 1),
        ("notify = false", 1, 0),
    ],
)
async def test_the_first_failure_and_a_deadline_at_risk_reach_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toml: str, bells: int, notes: int
) -> None:
    (tmp_path / "titan.toml").write_text(f'[console]\nname = "prod"\n{toml}\n')
    made = a_ledger(tmp_path)
    sent: list[str] = []
    monkeypatch.setattr(HeadlessDriver, "write", staticmethod(sent.append))
    async with opened(made, (100, 30)) as pilot:
        rung: list[int] = []
        monkeypatch.setattr(pilot.app, "bell", lambda: rung.append(1))
        for number in range(2):
            made.collected(f"more-{number}", 3, [Failure()])
            await until_shown(pilot, f"Latest errors {number + 2}")
        # Errors that follow at once are not news.
        assert (len(rung), len(noted(sent))) == (bells, notes)
        made.clock.advance(600)
        alerts.update(made.ledger, [LATE])
        await until_shown(pilot, "! alert: feed is due at noon")
        assert (len(rung), len(noted(sent))) == (2 * bells, 2 * notes)
    if notes:
        assert noted(sent) == [
            "\x1b]9;prod: 1 request errored\x07",
            "\x1b]9;prod: feed is due at noon and has not ended.\x07",
        ]
