"""From a key to a command in the ledger to what came of it: the real engine over the sandbox."""

from collections.abc import Callable, Generator
from datetime import timedelta
from pathlib import Path

import pytest
from support.builders import Bench, a_bench, some_requests
from support.console.command_pilot import (
    LARGE,
    SMALL,
    BenchPollRunner,
    console,
    failed,
    given,
    replay_the_error,
    to_errors,
    to_preview,
)
from support.console.console_pilot import app_of, shown, table, until, until_seen, until_shown

from core.api.client import AnthropicApi
from core.commands import planner
from core.commands.planner import CommandRequest
from core.errors import SettingsError
from core.intake.options import SubmitOptions
from state.operations.commands import Action, CommandState
from state.operations.selection import Filter
from titan_console.cli.exit_codes import Exit
from titan_console.sandbox.model.timing import Plan
from titan_console.session.poll_helper import PollResult
from titan_console.tui.app import TitanApp
from titan_console.tui.pages.preview_dialog import PreviewDialog
from titan_console.tui.widgets.command_bar import CommandBar


@pytest.fixture
def bench(tmp_path: Path) -> Generator[Bench, None, None]:
    with a_bench(tmp_path, plan=Plan.instant()) as bench:
        yield bench


async def test_failed_requests_are_replayed_with_a_handful_of_keys(bench: Bench) -> None:
    failed(bench, 3)
    async with console(bench) as pilot:
        await to_errors(pilot)
        await pilot.press("A", "R")
        await to_preview(pilot, "Replay 3 requests")
        preview = shown(pilot)
        await pilot.press("y")
        await until_shown(pilot, "Replay 3 requests in 8s · z to withdraw")
        bench.clock.advance(3)
        await until_shown(pilot, "in 5s")
        assert bench.sandbox.billing_log().creates == 1
        bench.clock.advance(6)
        await until_shown(pilot, "✓ 3 requests queued for replay")
        bench.poll_after(60)
        await until_shown(pilot, "No errors.")
        await pilot.press("escape")
        await until(pilot, lambda: "queued for replay" not in shown(pilot))
    (command,) = given(bench)
    assert command.state == CommandState.DONE
    assert command.who.startswith("console@")
    for text in (
        "3 requests: 3 selected (requests added later are not included)",
        "titan-console replay --yes",
        "daily-feed/feed-classify-2026-11-22-00001",
        "daily-feed/feed-classify-2026-11-22-00002",
        "daily-feed/feed-classify-2026-11-22-00003",
        "batch at most $0.0",
        " · synchronously at most $0.0",
        "optional, for the event log",
    ):
        assert text in preview


async def test_the_copied_command_line_names_each_request_with_its_tag(bench: Bench) -> None:
    failed(bench, 12)
    async with console(bench) as pilot:
        await to_errors(pilot)
        await pilot.press("A", "R")
        await to_preview(pilot, "Replay 12 requests")
        assert "(9 more names)" in shown(pilot)
        await pilot.press("l")
        await until_shown(pilot, "(copied)")
    names = [f"daily-feed/{request['custom_id']}" for request in some_requests(12)]
    assert pilot.app.clipboard.split() == ["titan-console", "replay", "--yes", *names]


async def test_where_no_command_line_does_the_same_the_console_says_so(bench: Bench) -> None:
    bench.faults.add("row:overloaded:p=1")
    hidden = f"feed{chr(0x3164)}"
    bench.engine.submit(some_requests(1), SubmitOptions(tag=hidden))
    bench.poll_after(60)
    async with console(bench) as pilot:
        await to_errors(pilot)
        await pilot.press("A", "R")
        await to_preview(pilot, "Replay 1 request")
        assert "none: a name of these requests" in shown(pilot)
        await pilot.press("l")
        notices = pilot.app._notifications
        await until(pilot, lambda: any("Nothing to copy: a name" in one.message for one in notices))
        assert pilot.app.clipboard == ""


async def test_a_confirmed_command_clears_the_selection_and_a_canceled_one_keeps_it(
    bench: Bench,
) -> None:
    failed(bench, 3)
    async with console(bench) as pilot:
        await to_errors(pilot)
        await pilot.press("A", "R")
        await to_preview(pilot, "Replay 3 requests")
        await pilot.press("escape")
        await until_shown(pilot, "● ")
        await pilot.press("R")
        await to_preview(pilot, "Replay 3 requests")
        await pilot.press("y")
        await until_shown(pilot, "z to withdraw")
        # Errors that come later are in the same group, and would be selected with it.
        assert "selected" not in shown(pilot)


async def test_z_takes_it_back_while_the_countdown_runs(bench: Bench) -> None:
    failed(bench, 1)
    async with console(bench) as pilot:
        await replay_the_error(pilot)
        await pilot.press("2")
        await until_shown(pilot, "Replay 1 request in 8s")
        await pilot.press("z")
        await until_shown(pilot, "⊘ Replay 1 request: withdrawn")
        bench.clock.advance(60)
        await pilot.pause(1)
    assert [command.state for command in given(bench)] == [CommandState.WITHDRAWN]
    assert bench.sandbox.billing_log().creates == 1


async def test_another_poll_is_not_mentioned_once_the_command_is_done(bench: Bench) -> None:
    class AfterAnother(BenchPollRunner):
        """Another poll is at work, and has done it all before this one hears of it."""

        def start(self, done: Callable[[PollResult], object]) -> None:
            super().start(lambda _end: self._finish_late(done))

        def _finish_late(self, done: Callable[[PollResult], object]) -> None:
            end = PollResult(code=0, ran=False)
            app.set_timer(2, lambda: done(end))

    failed(bench, 1)
    app = TitanApp(bench.folder.root, bench.clock, poll_runner=AfterAnother(bench))
    async with app.run_test(size=LARGE) as pilot:
        await until_seen(pilot)
        await replay_the_error(pilot)
        bench.clock.advance(9)
        await until_shown(pilot, "✓ 1 request queued for replay")
        await pilot.pause(3)
        assert "Another poll" not in shown(pilot)
        assert "✓ 1 request queued for replay" in shown(pilot)


async def test_a_replay_whose_poll_failed_is_not_shown_as_sent(bench: Bench) -> None:
    class WithoutKey(BenchPollRunner):
        """Its polls run the commands, and fail before they send."""

        def start(self, done: Callable[[PollResult], object]) -> None:
            with pytest.raises(SettingsError) as raised:
                super().start(done)
            done(PollResult(code=Exit.UNUSABLE, problems=(str(raised.value),)))

    def no_key() -> AnthropicApi:
        raise SettingsError("No API key.", code="api_key_missing")

    failed(bench, 1)
    bench.engine = bench.new_engine("keyless", api=no_key)
    app = TitanApp(bench.folder.root, bench.clock, poll_runner=WithoutKey(bench))
    async with app.run_test(size=LARGE) as pilot:
        await until_seen(pilot)
        await replay_the_error(pilot)
        bench.clock.advance(9)
        await until_shown(pilot, "! 1 request queued for replay, not sent")
        await until_shown(pilot, "! The poll failed: No API key.")
        assert "✓ 1 request queued" not in shown(pilot)


async def test_what_another_operator_has_ordered_is_seen_and_not_ordered_twice(
    bench: Bench,
) -> None:
    failed(bench, 1)
    async with console(bench) as pilot:
        await to_errors(pilot)
        other = bench.new_engine("cli@elsewhere").context
        request = CommandRequest(action=Action.REPLAY, wanted=Filter(names=("daily-feed",)))
        planner.submit(other, planner.plan(other, request), delay=timedelta(seconds=30))
        await until_shown(pilot, "Replay 1 request in 30s · by cli@elsewhere · z to withdraw")
        await pilot.press("R")
        await to_preview(pilot, "Replay 1 request ")
        await pilot.press("y")
        await until_shown(pilot, "cli@elsewhere already issued this command.")
    assert len(given(bench)) == 1


async def test_what_was_ordered_outlives_the_console(bench: Bench) -> None:
    failed(bench, 1)
    async with console(bench) as pilot:
        await replay_the_error(pilot)
    bench.poll_after(9)
    assert given(bench)[0].state == CommandState.DONE


async def test_a_command_that_was_left_over_is_carried_out_by_the_next_console(
    bench: Bench,
) -> None:
    failed(bench, 1)
    context = bench.engine.context
    request = CommandRequest(action=Action.ACKNOWLEDGE, wanted=Filter(names=("daily-feed",)))
    planner.submit(context, planner.plan(context, request), delay=timedelta(0))
    bench.clock.advance(60)
    async with console(bench) as pilot:
        await until_shown(pilot, "No errors.")
    assert given(bench)[0].state == CommandState.DONE


async def test_p_pauses_the_workflow_of_a_row_and_then_resumes_it(bench: Bench) -> None:
    failed(bench, 1)
    ledger = bench.engine.context.ledger
    workflow = ledger.rows("SELECT workflow FROM submissions")[0][0]
    async with console(bench) as pilot:
        await to_errors(pilot)
        for action in ("Pause", "Resume"):
            await until_shown(pilot, f"P {action} workflow")
            await pilot.press("P")
            await to_preview(pilot, f"{action} 1 workflow ")
            await pilot.press("y")
            await until_shown(pilot, f"{action} {workflow} in 8s")
            bench.clock.advance(9)
            await until_shown(pilot, f"✓ {workflow} is {action.lower()}")


async def test_on_the_page_of_a_request_a_command_applies_to_it(bench: Bench) -> None:
    failed(bench, 2)
    async with console(bench) as pilot:
        await to_errors(pilot)
        await pilot.press("enter")
        await until_shown(pilot, "Overview")
        await pilot.press("X")
        await to_preview(pilot, "Acknowledge 1 request ")
        await until_shown(pilot, "feed-classify-2026-11-22-00002")


async def test_on_the_page_of_a_batch_a_command_applies_to_it_or_to_its_list(
    tmp_path: Path,
) -> None:
    with a_bench(tmp_path, plan=Plan.manual()) as bench:
        key = bench.submit(2).submission.key
        async with console(bench) as pilot:
            await until_shown(pilot, "▸ in progress")
            await pilot.press("enter")
            await until_shown(pilot, "Overview")
            await pilot.press("C")
            await to_preview(pilot, "Cancel 1 batch ")
            await until_shown(pilot, f"feed-classify · batch {key}")
            await pilot.press("escape", "right")
            await until_shown(pilot, "▸ in progress")
            await pilot.press("F")
            await to_preview(pilot, "Sync 1 request ")


async def test_an_open_batch_is_canceled_by_the_mouse(tmp_path: Path) -> None:
    with a_bench(tmp_path, plan=Plan.manual()) as bench:
        bench.submit(2)
        async with console(bench, SMALL) as pilot:
            await until_shown(pilot, "▸ in progress")
            bar = pilot.app.screen.query_one(CommandBar)
            assert bar.offered == {Action.CANCEL, Action.SYNC, Action.PAUSE}
            await pilot.click(CommandBar, offset=(3, 0))
            await until_shown(pilot, "Replay: select an errored request or its batch.")
            await pilot.click(CommandBar, offset=(14, 0))
            await to_preview(pilot, "Cancel 1 batch ")
            await pilot.click("#confirm")
            await until_shown(pilot, "Cancel 1 batch in 8s")
            bench.clock.advance(9)
            await until_shown(pilot, "⊘ canceling")


async def test_tab_goes_from_list_to_list_and_past_the_buttons(bench: Bench) -> None:
    failed(bench, 1)
    async with console(bench) as pilot:
        await until(pilot, lambda: table(pilot, "ended").has_focus)
        walk = (("tab", "errors"), ("tab", "open"), ("shift+tab", "errors"), ("tab", "open"))
        for key, name in walk:
            await pilot.press(key)
            await until(pilot, lambda name=name: table(pilot, name).has_focus)


async def test_without_room_for_buttons_the_line_of_keys_has_the_commands(bench: Bench) -> None:
    bench.submit(1)
    async with console(bench, (120, 16)) as pilot:
        await until_shown(pilot, "R Replay")
        assert not pilot.app.screen.query_one(CommandBar).display
        await pilot.resize_terminal(120, 40)
        await until(pilot, lambda: pilot.app.screen.query_one(CommandBar).display)
        assert shown(pilot).count("R Replay") == 1


async def test_a_read_only_console_has_no_commands(bench: Bench) -> None:
    failed(bench, 1)
    async with console(bench, (120, 16), read_only=True) as pilot:
        await until_shown(pilot, " RO ")
        await pilot.press("tab", "tab", "R", "X", "z")
        screen = shown(pilot)
        assert "Replay" not in screen
        assert "Cancel" not in screen
        assert not isinstance(pilot.app.screen, PreviewDialog)
        await pilot.resize_terminal(120, 40)
        assert not pilot.app.screen.query_one(CommandBar).display
        assert app_of(pilot).state.read_only
    assert given(bench) == []
