"""The walks through the console whose every stop is kept as a snapshot."""

import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from support.builders import Bench, a_bench, some_requests
from support.console.console_builders import A_CATALOGUE, LedgerBuilder, repeatable_ids
from support.console.console_pilot import app_of, shown, until, until_seen, until_shown
from support.console.example_ledgers import a_busy_ledger
from support.console.snapshots import Album
from textual.pilot import Pilot
from textual.widgets import Input
from textual.worker import Worker

from core.clock import ManualClock
from core.intake.options import SubmitOptions
from state.operations import alerts, command_effects, commands, pauses
from state.operations.commands import Action, CommandState, NewCommand
from state.queries import error_list
from titan_console.doctor.finding import Finding, Health
from titan_console.session.ui_metrics import UiMetrics
from titan_console.tui.app import TitanApp
from titan_console.tui.pages.page import Page
from titan_console.tui.screens.doctor import DoctorScreen
from titan_console.tui.screens.registry import TABS
from titan_console.tui.widgets.detail_pane import DetailPane

SIZES = {"60x16": (60, 16), "80x24": (80, 24), "120x40": (120, 40), "200x50": (200, 50)}
# What the machine would say of itself.
_CHECKED = (
    Finding(Health.OK, "python", "3.13.1 on Linux"),
    Finding(Health.WARN, "sqlite", "3.45.1 from sqlite3: before 3.51.3 many writers can damage it"),
    Finding(Health.OK, "ledger", "~/titan/titan.db: integrity check passed"),
    Finding(Health.BAD, "results", "results of 1 batch are missing (latest: tb-0002-k3x9)"),
    Finding(Health.OK, "disk", "ledger 2.1 MB, wal 4.0 MB, spool 80.2 MB, free 91.5 GB"),
)


@dataclass
class SceneWalk:
    """One console at one size, and the album of what it showed."""

    pilot: Pilot[None]
    album: Album

    async def see(self, title: str, *keys: str, shows: str = "") -> None:
        """Press keys, wait until what they ask for is there, and keep the screen."""
        await self.pilot.press(*keys)
        if shows:
            await self._until(shows)
        await until_idle(self.pilot)
        self.album.keep(title, self.pilot.app.screen)

    async def _until(self, text: str) -> None:
        try:
            await until_shown(self.pilot, text)
        except AssertionError:
            raise AssertionError(f"{text!r} never came onto:\n{shown(self.pilot)}") from None


async def until_idle(pilot: Pilot[None]) -> None:
    """Every question is answered, and nothing blinks."""
    app = app_of(pilot)
    await pilot.pause()
    await until(pilot, lambda: not (_is_asked_soon(app) or _works(app)))
    for typed in app.screen.query(Input):
        typed.cursor_blink = False
    if isinstance(app.screen, DoctorScreen):
        _give_measures(app.screen)
    app.show()
    await pilot.pause()


def _is_asked_soon(app: TitanApp) -> bool:
    """A pane asks for its record only once the cursor has stood still."""
    return any(pane._waiting for pane in app.screen.query(DetailPane))


def _works(app: TitanApp) -> bool:
    return any(_is_at_work(app, work) for work in app.workers)


def _is_at_work(app: TitanApp, work: Worker[object]) -> bool:
    """A tool that has opened a dialog waits for its answer: that is no work."""
    is_below = work.node is not app and work.node.screen is not app.screen
    waits = is_below and not isinstance(app.screen, Page)
    return not (work.is_finished or work.name == "watcher" or waits)


def _give_measures(doctor: DoctorScreen) -> None:
    metrics = UiMetrics(frames=12)
    for kind in (metrics.seen, metrics.painted, metrics.drawn, metrics.answered):
        kind.extend(range(1, 41))
    doctor.state.metrics = metrics
    doctor._standing = _CHECKED


@contextmanager
def in_utc(monkeypatch: pytest.MonkeyPatch) -> Generator[None, None, None]:
    """Local times are those of UTC."""
    if not hasattr(time, "tzset"):
        pytest.skip("local times cannot be set here")
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@asynccontextmanager
async def walking(
    name: str, ledger: Path, clock: ManualClock, size: tuple[int, int], theme: str = ""
) -> AsyncGenerator[SceneWalk, None]:
    """The console on that ledger, with no detail of this machine in sight."""
    app = TitanApp(ledger.parent, clock)
    app.animation_level = "none"
    app.state.ledger_path, app.state.folder_name = "~/titan/titan.db", "titan"
    if theme:
        app.theme = theme
    async with app.run_test(size=size) as pilot:
        await until_seen(pilot)
        yield SceneWalk(pilot, Album(name))


def a_full_ledger(home: Path) -> LedgerBuilder:
    """The busy day, with jobs, a pause and an alert."""
    made = a_busy_ledger(home)
    (home / "titan.toml").write_text(A_CATALOGUE, "utf-8")
    pauses.pause(made.ledger, ["newsletter"], who="ops", reason="the client is away")
    alerts.update(
        made.ledger, [("kpi", "error_rate", "error rate 2.3% misses its target (≤ 1.0%).")]
    )
    _replay_one(made)
    return made


def _replay_one(made: LedgerBuilder) -> None:
    """The latest error is queued again."""
    (error,) = error_list.errors(made.ledger, limit=1)
    new = NewCommand(
        action=Action.REPLAY, items=[error.request_id], reason="", not_before=made.clock.now()
    )
    command, _ = commands.enqueue(made.ledger, new)
    commands.claim(made.ledger, command)
    command_effects.requeue(made.ledger, command.id, [error.request_id])
    commands.finish(made.ledger, command, CommandState.DONE, "1 request queued for replay")


@contextmanager
def a_small_bench(home: Path) -> Generator[Bench, None, None]:
    """Two ended batches, one with errors, and one that runs; their bodies are on the disk."""
    with a_bench(home, new_id=repeatable_ids()) as bench:
        due = bench.clock.now() + timedelta(hours=26)
        bench.submit(3, tag="daily-feed")
        bench.poll_after(120)
        bench.poll_after(1)
        bench.faults.add("row:overloaded:p=1")
        bench.engine.submit(some_requests(4, "news"), SubmitOptions(tag="news", deadline=due))
        bench.poll_after(120)
        bench.poll_after(1)
        bench.faults.clear()
        bench.engine.submit(some_requests(5, "late"), SubmitOptions(tag="late", deadline=due))
        bench.poll_after(5)
        yield bench


async def every_screen(walk: SceneWalk) -> None:
    """All of them, as a busy day fills them."""
    await walk.see("Batches", shows="moderation-sweep")
    await walk.see("Requests", "2", shows="press-summaries-2")
    await walk.see("Errors", "3", shows="Latest replays")
    await walk.see("Requests of a group", "enter", shows="✗ errored")
    await walk.see("Requests of a replay", "escape", "tab", "enter", shows="◦ queued")
    await walk.see("Savings", "escape", "4", shows="saved (30 d)")
    await walk.see("Batches of a sum", "enter", shows="attempts")
    await walk.see("Answers of a batch", "enter", shows="answers of")
    await walk.see("KPIs", "escape", "escape", "5", shows="error rate")
    await walk.see("KPI by workflow", "enter", shows="by workflow")
    await walk.see("Jobs", "escape", "6", shows="talk")
    await walk.see("Job", "enter", shows="Runs")
    await walk.see("Never batched", "escape", "n", shows="titan-bridge")
    await walk.see("Events", "escape", "7", shows="workflow paused")
    await walk.see("Event", "enter", shows="Raw, as events --json")
    await walk.see("Doctor", "escape", "8", shows="unconfirmed")
    await walk.see("Alerts", "exclamation_mark", shows="! raised")


async def three_screens(walk: SceneWalk) -> None:
    """What colours matter most on."""
    await walk.see("Batches", shows="moderation-sweep")
    await walk.see("Errors", "3", shows="Overloaded")
    await walk.see("Doctor", "8", shows="unconfirmed")


async def every_tab(walk: SceneWalk) -> None:
    """A batch and two requests, one answered and one failed."""
    await walk.see("Batch: Overview", "tab", "enter", shows="Mode")
    await walk.see("Batch: Requests", "right", shows="news-2026")
    for tab, shows in (
        ("Events", "batch collected"),
        ("Cost", "The batch"),
        ("Raw", "request_count"),
    ):
        await walk.see(f"Batch: {tab}", "right", shows=shows)
    await walk.see("Request: Overview", "escape", "2", "j", "j", "j", "j", "j", "enter", shows="x")
    for tab in ("Request", "Response", "Error", "Attempts", "Cost", "Raw"):
        await walk.see(f"Request that failed: {tab}", "right")
    await walk.see("Request that was answered: Overview", "right", "n", "n", "n", "n")
    for tab in ("Request", "Response", "Error", "Attempts", "Cost", "Raw"):
        await walk.see(f"Request that was answered: {tab}", "right")


async def every_dialog(walk: SceneWalk) -> None:
    """What opens over a screen."""
    await walk.see("Preview: cancel", "C", shows="Cancel 1 batch")
    await walk.see("Preview: pause", "escape", "P", shows="Pause 1 workflow")
    await walk.see("Preview: replay", "escape", "3", "R", shows="Replay 4 requests")
    await walk.see("Countdown", "y", shows="z to withdraw")
    await walk.see("Withdrawn", "z", shows="withdrawn")
    await walk.see("Menu: sort", "escape", "2", "s", shows=" Sort ")
    await walk.see("Columns", "escape", "c", shows="Space shows or hides")
    await walk.see("Menu: copy", "escape", "y", shows=" Copy ")
    await walk.see("Filter line", "escape", "slash", *"status:errored", shows="4 matches")
    await walk.see("Filtered", "enter", shows="4 matches")
    await walk.see("Go to", "escape", "escape", "colon", *"late", shows="late-2026")
    await walk.see("Help", "escape", "question_mark", shows="Esc closes")
    await walk.see("Palette", "escape", "ctrl+p", shows="Command: Replay")


async def every_small_screen(walk: SceneWalk) -> None:
    """The eight of them, where their words have no room."""
    for tab in TABS:
        await walk.see(tab.name, tab.digit, shows=tab.name[:4])
