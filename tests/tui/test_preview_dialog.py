"""The preview of a command: what it shows, what it asks, and what confirms it."""

import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from support.builders import Bench, a_bench
from support.console.command_pilot import (
    SMALL,
    TINY,
    console,
    failed,
    given,
    replay_the_error,
    to_errors,
    to_preview,
)
from support.console.console_pilot import app_of, at_once, shown, until, until_shown
from textual.widgets import Button

from titan_console.sandbox.model.timing import Plan
from titan_console.tui.pages.preview_dialog import PreviewDialog


@pytest.fixture
def bench(tmp_path: Path) -> Generator[Bench, None, None]:
    with a_bench(tmp_path, plan=Plan.instant()) as bench:
        yield bench


def edits_on_disk(bench: Bench) -> set[str]:
    return {path.name for path in bench.folder.spool.glob("edit_*")}


def edits_in_use(bench: Bench) -> set[str]:
    rows = bench.engine.context.ledger.rows("SELECT DISTINCT spool_file FROM edits")
    return {row[0] for row in rows}


async def test_the_focus_is_on_cancel_and_enter_orders_nothing(bench: Bench) -> None:
    failed(bench, 1)
    async with console(bench) as pilot:
        await to_errors(pilot)
        for key in ("enter", "escape"):
            await pilot.press("X")
            await to_preview(pilot, "Acknowledge 1 request ")
            await pilot.press(key)
            await until(pilot, lambda: not isinstance(pilot.app.screen, PreviewDialog))
    assert given(bench) == []


@pytest.mark.parametrize("button", ["#cancel", "#confirm"])
async def test_a_button_pressed_twice_in_a_moment_is_pressed_once(
    bench: Bench, button: str
) -> None:
    failed(bench, 1)
    async with console(bench) as pilot:
        await to_errors(pilot)
        await pilot.press("X")
        await to_preview(pilot, "Acknowledge 1 request ")
        pressed = pilot.app.screen.query_one(button, Button)
        pressed.press()
        pressed.press()
        await until(pilot, lambda: not isinstance(pilot.app.screen, PreviewDialog))
        await until_shown(pilot, "Latest errors 1")
    assert len(given(bench)) == (button == "#confirm")


async def test_more_than_a_hundred_rows_need_a_typed_number(bench: Bench) -> None:
    failed(bench, 120)
    async with console(bench, SMALL) as pilot:
        await pilot.press("2")
        await until_shown(pilot, "✗ errored")
        await pilot.press("A", "X")
        await to_preview(pilot, "Acknowledge 120 requests")
        await until_shown(pilot, "type 120, the number of requests (more than 100 requests)")
        await pilot.press("y")
        await until_shown(pilot, "Type 120 to confirm.")
        await pilot.press("1", "2", "enter")
        assert given(bench) == []
        await pilot.press("0", "enter")
        await until_shown(pilot, "Acknowledge 120 requests in 8s")
    (command,) = given(bench)
    assert command.item_count == 120


@pytest.mark.parametrize("keys", ["Ry", "Rcy"])
async def test_keys_typed_before_the_preview_is_drawn_are_kept(bench: Bench, keys: str) -> None:
    failed(bench, 30)
    async with console(bench, SMALL) as pilot:
        await pilot.press("3")
        await until_shown(pilot, "1 group")
        at_once(pilot, *keys)
        await until_shown(pilot, "Replay 30 requests in 8s")
    (command,) = given(bench)
    assert command.options == ({"canary": True} if "c" in keys else {})


async def test_a_number_typed_early_confirms_only_the_right_one(bench: Bench) -> None:
    failed(bench, 120)
    async with console(bench, SMALL) as pilot:
        await pilot.press("3")
        await until_shown(pilot, "1 group")
        at_once(pilot, "R", *"99", "enter")
        await until_shown(pilot, "Type 120 to confirm.")
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(pilot.app.screen, PreviewDialog))
        assert given(bench) == []
        at_once(pilot, "R", *"120", "y")
        await until_shown(pilot, "Replay 120 requests in 8s")


async def test_an_enter_that_its_digits_have_overtaken_does_not_close_the_dialog(
    bench: Bench,
) -> None:
    """It was typed while Back had the focus, and the preview came in between."""
    failed(bench, 120)
    async with console(bench, SMALL) as pilot:
        await pilot.press("3")
        await until_shown(pilot, "1 group")
        await pilot.press("R")
        await to_preview(pilot, "Replay 120 requests")
        dialog = pilot.app.screen
        assert isinstance(dialog, PreviewDialog)
        dialog._early_digits = "99"
        dialog._replay_early_keys()
        dialog.query_one("#cancel", Button).press()
        await until_shown(pilot, "Type 120 to confirm.")
        dialog._early_digits = "9"
        dialog._replay_early_keys()
        await until(pilot, lambda: not dialog.query_one("#cancel").has_class("-active"))
        await pilot.click("#cancel")
        await until(pilot, lambda: not isinstance(pilot.app.screen, PreviewDialog))
    assert given(bench) == []


async def test_a_key_typed_early_never_confirms_what_cannot_be_done(bench: Bench) -> None:
    failed(bench, 1, "row:invalid:p=1")
    async with console(bench, SMALL) as pilot:
        await pilot.press("3")
        await until_shown(pilot, "1 group")
        at_once(pilot, "R", "y")
        await until_shown(pilot, "Nothing to replay. 1 request ")
        await pilot.press("f")
        await to_preview(pilot, "Replay 1 request ")
        await until_shown(pilot, "--force")
    assert given(bench) == []


@pytest.mark.parametrize("keys", [["q"], ["ctrl+c"], ["colon", "q", "enter"]])
async def test_leaving_with_a_pending_command_says_what_becomes_of_it(
    bench: Bench, keys: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    name = Path(sys.executable).parent / "titan-console"
    failed(bench, 1)
    async with console(bench) as pilot:
        await replay_the_error(pilot)
        await pilot.press(*keys)
        await until(pilot, lambda: bool(pilot.app._exit_renderables))
        (words,) = pilot.app._exit_renderables
        (command,) = given(bench)
        assert str(words) == (
            f"Pending: Replay 1 request. The next poll runs it: {name} --poll\n"
            f"To withdraw it: {name} withdraw {command.key}"
        )


async def test_after_the_demo_a_pending_command_does_not_run(bench: Bench) -> None:
    failed(bench, 1)
    async with console(bench) as pilot:
        app_of(pilot).is_demo = True
        await replay_the_error(pilot)
        await pilot.press("q")
        await until(pilot, lambda: bool(pilot.app._exit_renderables))
        (words,) = pilot.app._exit_renderables
        assert str(words) == (
            "Pending: Replay 1 request. The demo's API has ended, so it does not run."
        )


async def test_a_command_without_effect_is_reported_and_changes_nothing(bench: Bench) -> None:
    bench.submit(2)
    bench.poll_after(60)
    async with console(bench) as pilot:
        await pilot.press("2")
        await until_shown(pilot, "✓ succeeded")
        await pilot.press("space", "C")
        await until_shown(pilot, "Nothing to cancel: no open batch matches.")
        await pilot.press("y", "escape", "U", "X")
        await until_shown(pilot, "Acknowledge: select an errored request, an answer to review")
    assert given(bench) == []


async def test_an_edit_is_planned_while_it_is_typed_and_goes_with_the_command(
    bench: Bench,
) -> None:
    failed(bench, 2, "row:invalid:p=1")
    async with console(bench, SMALL) as pilot:
        await to_errors(pilot)
        await pilot.press("A", "R")
        await until_shown(pilot, "Nothing to replay. 2 requests ")
        await pilot.press("y")
        assert given(bench) == []
        await pilot.press("e", *"max_tok")
        await until_shown(pilot, "use NAME=VALUE")
        await pilot.press(*"ens=99 model=claude-haiku-4-5")
        await to_preview(pilot, "Replay 2 requests")
        await until_shown(pilot, "--set=max_tokens=99")
        await pilot.press("enter", "c", "tab", "tab", *"too short", "enter")
        await until_shown(pilot, "--canary")
        await until_shown(pilot, "--reason=too short")
        pilot.app.screen.query_one("#cancel").focus()
        await pilot.press("y")
        await until_shown(pilot, "in 8s")
        # The drafts that were typed over are taken off the disk, a moment later.
        await until(pilot, lambda: edits_on_disk(bench) == edits_in_use(bench))
    (command,) = given(bench)
    assert (command.reason, command.options) == ("too short", {"canary": True})


@pytest.mark.parametrize("size", [SMALL, TINY, (40, 12)])
async def test_the_preview_is_usable_on_a_small_screen(bench: Bench, size: tuple[int, int]) -> None:
    failed(bench, 120)
    async with console(bench, size) as pilot:
        await pilot.press("2")
        await until_shown(pilot, "✗")
        await pilot.press("A", "R")
        await to_preview(pilot, "Replay 120 requests")
        screen = shown(pilot)
        for text in ("type 120", "Back  esc", "Replay ", "reason", "e edit"):
            assert text in screen
        assert size[0] < 60 or "[ ] f force: include skipped requests " in screen
        await pilot.press("y", *"120", "enter")
        await until(pilot, lambda: bool(given(bench)))
