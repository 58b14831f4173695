"""Fifteen tasks of an operator, each with the keys that it takes; none takes more than it did.

The numbers of before are those of version 4b18a706. Text that is typed, and keys in the operator's
own editor, count as one key each.
"""

from collections.abc import Generator
from pathlib import Path

import pytest
from support.builders import Bench, a_bench
from support.console.command_pilot import console, failed, given
from support.console.console_pilot import app_of, shown, until, until_shown
from textual.pilot import Pilot
from textual.widgets import TextArea

from state.operations.commands import Action, CommandState
from titan_console.tui.pages.editor import TextEditor
from titan_console.tui.pages.page import Page

# The keys that each task took, 0 for none; None: it could not be done in the console.
BEFORE: dict[str, int | None] = {
    "watch the open batches": 0,
    "see the errors": 1,
    "see the savings": 1,
    "replay one errored request": 4,
    "replay an error group": 4,
    "replay with an edit and a canary": 12,
    "replay all errored requests": 5,
    "cancel a batch": 2,
    "run a batch synchronously": 2,
    "take a command back": 1,
    "pause a workflow": 2,
    "edit an errored request in the editor and replay it": None,
    "copy the message of an error": None,
    "run a poll now": None,
    "see the requests of the latest run of a job": 4,
}
_MOST = {
    "replay one errored request": 4,
    "edit an errored request in the editor and replay it": 8,
}


class Keys:
    """Presses keys for one task after the other, and counts them."""

    def __init__(self, pilot: Pilot[None]) -> None:
        self.pilot = pilot
        self.counts: dict[str, int] = {}
        self._task = ""

    async def begin(self, task: str) -> None:
        """From the first screen, with nothing open or pending."""
        app = app_of(self.pilot)
        for _ in range(10):
            page = app.screen
            if isinstance(page, Page) and app.current_mode == "batches" and len(_stack(app)) == 1:
                break
            await self.pilot.press("escape" if len(_stack(app)) > 1 else "1")
            await self.pilot.pause()
        self._task = task
        self.counts[task] = 0

    async def press(self, *keys: str) -> None:
        """Keys that count."""
        self.counts[self._task] += len(keys)
        await self.pilot.press(*keys)

    async def type(self, text: str) -> None:
        """A text, which counts as one key."""
        self.counts[self._task] += 1
        await self.pilot.press(*text)


def _stack(app: object) -> list[object]:
    return list(app.screen_stack)  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue, reportUnknownVariableType, reportUnknownArgumentType, reportUnknownMemberType]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Bench, None, None]:
    """Three errored requests, and an open batch."""
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.delenv("EDITOR", raising=False)
    with a_bench(tmp_path) as bench:
        failed(bench, 3)
        bench.poll_after(60)
        bench.submit(2, tag="open-feed")
        bench.poll_after(1)
        yield bench


async def withdrawn(keys: Keys, action: Action, count: int) -> None:
    """The command is pending; it is taken back with one key, and leaves the others alone."""
    bench_shows = keys.pilot
    await until_shown(bench_shows, " in 8s · z to withdraw")
    task, counted = keys._task, dict(keys.counts)
    await keys.press("z")
    await until_shown(bench_shows, ": withdrawn")
    keys.counts = {**counted, "take a command back": keys.counts[task] - counted[task]}
    latest = app_of(bench_shows).state.commands[-1]
    assert (latest.action, latest.item_count) == (action, count)
    assert latest.state == CommandState.WITHDRAWN


async def test_no_task_takes_more_keys_than_before(bench: Bench) -> None:
    async with console(bench) as pilot:
        keys = Keys(pilot)
        await look(keys)
        await replay(keys)
        await others(keys)
    assert len(given(bench)) == 8
    assert set(keys.counts) == set(BEFORE)
    more = {
        task: (before, keys.counts[task])
        for task, before in BEFORE.items()
        if before is not None and keys.counts[task] > before
    }
    assert more == {}
    assert {task: keys.counts[task] for task in _MOST if keys.counts[task] > _MOST[task]} == {}


async def look(keys: Keys) -> None:
    pilot = keys.pilot
    await keys.begin("watch the open batches")
    await until_shown(pilot, "▸ in progress")
    await keys.begin("see the errors")
    await keys.press("3")
    await until_shown(pilot, "overloaded_error")
    await keys.begin("see the savings")
    await keys.press("4")
    await until_shown(pilot, "saved (30 d)")
    await keys.begin("copy the message of an error")
    await keys.press("3", "y")
    await until_shown(pilot, "fingerprint")
    await keys.press("e")
    await until(pilot, lambda: pilot.app.clipboard == "Overloaded")
    await keys.begin("see the requests of the latest run of a job")
    await keys.press("6")
    await until_shown(pilot, "Last runs")
    await keys.press("enter")
    await until_shown(pilot, "Runs 2")
    await keys.press("enter")
    await until_shown(pilot, "▸ in progress")


async def replay(keys: Keys) -> None:
    pilot = keys.pilot
    await keys.begin("replay one errored request")
    await keys.press("3", "enter")
    await until_shown(pilot, "✗ errored")
    await keys.press("R", "y")
    await withdrawn(keys, Action.REPLAY, 1)
    await keys.begin("replay an error group")
    await keys.press("3", "R", "y")
    await withdrawn(keys, Action.REPLAY, 3)
    await keys.begin("replay all errored requests")
    await keys.press("3", "A", "R", "y")
    await withdrawn(keys, Action.REPLAY, 3)
    await pilot.press("U")
    await keys.begin("replay with an edit and a canary")
    await keys.press("3", "R", "c", "e")
    await keys.type("max_tokens=4096")
    await until_shown(pilot, "--set=max_tokens=4096")
    await keys.press("enter", "y")
    await withdrawn(keys, Action.REPLAY, 3)
    await keys.begin("edit an errored request in the editor and replay it")
    await keys.press("3", "enter")
    await until_shown(pilot, "✗ errored")
    await keys.press("E")
    await until(pilot, lambda: isinstance(pilot.app.screen, TextEditor))
    await until(pilot, lambda: bool(pilot.app.screen.query(TextArea)))
    area = pilot.app.screen.query_one(TextArea)
    area.load_text(area.text.replace('"max_tokens": ', '"max_tokens": 9'))
    await keys.press("ctrl+s")
    await until_shown(pilot, "Replay  y")
    await keys.press("y")
    await withdrawn(keys, Action.REPLAY, 1)


async def others(keys: Keys) -> None:
    pilot = keys.pilot
    await keys.begin("cancel a batch")
    await keys.press("C", "y")
    await withdrawn(keys, Action.CANCEL, 1)
    await keys.begin("run a batch synchronously")
    await keys.press("F", "y")
    await withdrawn(keys, Action.SYNC, 2)
    await keys.begin("pause a workflow")
    await keys.press("P", "y")
    await withdrawn(keys, Action.PAUSE, 1)
    await keys.begin("run a poll now")
    await keys.press("L")
    await until_shown(pilot, "✓ Poll ended: ")
    assert "▸ in progress" in shown(pilot)
