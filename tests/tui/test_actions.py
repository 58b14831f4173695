import csv
import json
import stat
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from support.builders import Bench, a_bench, a_request
from support.console.console_builders import Failure, LedgerBuilder
from support.console.console_pilot import (
    app_of,
    lines,
    opened,
    shown,
    table,
    until,
    until_seen,
    until_shown,
)
from support.hostile_text import EVIL, hidden
from textual.command import CommandList
from textual.pilot import Pilot

from core.commands import planner
from core.commands.planner import CommandRequest
from core.config.settings import viewer
from core.intake.options import SubmitOptions
from state.operations.commands import Action
from state.operations.selection import Filter
from titan_console.tui.app import TitanApp
from titan_console.tui.pages.dialog import Menu
from titan_console.tui.pages.editor import run_program
from titan_console.tui.tools import copy, view
from titan_console.tui.tools.record_parts import RecordPart


@asynccontextmanager
async def on(bench: Bench) -> AsyncGenerator[Pilot[None], None]:
    async with TitanApp(bench.folder.root, bench.clock).run_test(size=(120, 40)) as pilot:
        await until_seen(pilot)
        await pilot.press("2")
        await until(pilot, lambda: table(pilot, "requests").current() is not None)
        yield pilot


def ended(bench: Bench, count: int = 3, tag: str = "daily-feed") -> None:
    bench.submit(count, tag)
    bench.poll_after(120)
    bench.poll_after(1)


async def until_told(pilot: Pilot[None], text: str) -> str:
    """A notice of the console says so; all that it says."""

    def said() -> list[str]:
        return [told.message for told in pilot.app._notifications if text in told.message]

    await until(pilot, lambda: bool(said()))
    return said()[0]


async def copied(pilot: Pilot[None], letter: str) -> str:
    # The menu of an earlier copy may still be going.
    await until(pilot, lambda: not isinstance(pilot.app.screen, Menu))
    pilot.app.copy_to_clipboard("")
    await pilot.press("y")
    await until(pilot, lambda: isinstance(pilot.app.screen, Menu))
    await until_shown(pilot, " Copy ")
    await pilot.press(letter)
    await until(pilot, lambda: bool(pilot.app.clipboard))
    return pilot.app.clipboard


async def test_y_and_a_letter_copies_a_part_of_the_request(tmp_path: Path) -> None:
    with a_bench(tmp_path) as bench:
        ended(bench)
        async with on(bench) as pilot:
            await pilot.press("y")
            await until_shown(pilot, " Copy ")
            heights = {line.size.height for line in pilot.app.screen.query("_Line")}
            assert heights == {1}
            await pilot.press("escape")
            assert await copied(pilot, "y") == "feed-classify-2026-11-22-00003"
            assert (await copied(pilot, "b")).startswith("tb_")
            assert (await copied(pilot, "i")).startswith("msgbatch_")
            assert json.loads(await copied(pilot, "p"))["max_tokens"] == 64
            assert await copied(pilot, "r") in ("news", "blog")
            assert json.loads(await copied(pilot, "w"))["type"] == "succeeded"
            line = "titan-console show daily-feed/feed-classify-2026-11-22-00003"
            assert await copied(pilot, "c") == line
            link = "titan://request/daily-feed/feed-classify-2026-11-22-00003"
            assert await copied(pilot, "l") == link
            await pilot.press("enter")
            await until_shown(pilot, "1, succeeded")
            assert await copied(pilot, "l") == link


async def test_what_is_too_large_for_a_terminal_goes_to_a_private_file(tmp_path: Path) -> None:
    with a_bench(tmp_path) as bench:
        text = "x" * copy.MOST_BYTES
        request = a_request("big-1", messages=[{"role": "user", "content": text}])
        bench.engine.submit([request], SubmitOptions(tag="big"))
        async with on(bench) as pilot:
            await pilot.press("y")
            await until_shown(pilot, " Copy ")
            await pilot.press("p")
            told = await until_told(pilot, "too large to copy")
            assert pilot.app.clipboard == ""
        (file,) = bench.folder.exports.iterdir()
        assert str(file) in told
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert json.loads(file.read_text())["messages"][0]["content"] == text


def test_the_cap_counts_bytes() -> None:
    assert copy.fits("x" * copy.MOST_BYTES)
    assert not copy.fits("ü" * (copy.MOST_BYTES // 2 + 1))


async def test_hostile_ids_and_errors_are_copied_harmlessly(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    made.collected(EVIL, [EVIL], [Failure("api_error", EVIL)])
    async with opened(made) as pilot:
        await pilot.press("2")
        await until(pilot, lambda: table(pilot, "requests").current() is not None)
        for letter in "yetl":
            assert not hidden(await copied(pilot, letter))
        await pilot.press("y")
        await until_shown(pilot, " Copy ")
        assert not hidden("".join(lines(pilot)))


async def test_an_empty_list_is_not_exported(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    made.accept(made.submit("feed"))
    async with opened(made) as pilot:
        await until_shown(pilot, "▸ in progress")
        await pilot.press("tab", "e")
        await until_told(pilot, "This list is empty. Tab goes to another one.")


async def test_e_exports_the_selected_rows_else_all(tmp_path: Path) -> None:
    with a_bench(tmp_path) as bench:
        ended(bench)
        async with on(bench) as pilot:
            await pilot.press("e")
            await until_shown(pilot, "Export 3 listed requests")
            await pilot.press("j")
            await until_told(pilot, "3 requests exported to")
            pilot.app.clear_notifications()
            bench.clock.advance(1)
            await pilot.press("space", "space", "e")
            await until_shown(pilot, "Export 2 selected requests")
            await pilot.press("c")
            await until_told(pilot, "2 requests exported to")
        first, second = sorted(bench.folder.exports.iterdir())
        rows = [json.loads(line) for line in first.read_text().splitlines()]
        assert [row["custom_id"][-1] for row in rows] == ["3", "2", "1"]
        assert {row["text"] for row in rows} <= {"news", "blog"}
        table_rows = list(csv.DictReader(second.read_text().splitlines()))
        assert [row["custom_id"][-1] for row in table_rows] == ["3", "2"]
        assert stat.S_IMODE(second.stat().st_mode) == 0o600


async def test_e_writes_batches_from_the_first_screen(tmp_path: Path) -> None:
    with a_bench(tmp_path) as bench:
        ended(bench)
        async with on(bench) as pilot:
            await pilot.press("1")
            # The first list with rows has the focus.
            await until(pilot, lambda: table(pilot, "ended").has_focus)
            await pilot.press("e")
            await until_shown(pilot, "Export 1 listed batch ")
            await pilot.press("j")
            await until_told(pilot, "1 batch exported to")
        (file,) = bench.folder.exports.iterdir()
        assert json.loads(file.read_text())["succeeded"] == 3


async def test_ctrl_s_keeps_the_screen_as_a_picture_and_as_text(tmp_path: Path) -> None:
    with a_bench(tmp_path) as bench:
        ended(bench)
        async with on(bench) as pilot:
            await pilot.press("ctrl+s")
            await until_told(pilot, "Screenshot saved to")
        picture, text = sorted(bench.folder.exports.iterdir())
        assert (picture.suffix, text.suffix) == (".svg", ".txt")
        assert "<svg" in picture.read_text("utf-8")
        assert "TITAN  Requests" in text.read_text("utf-8")
        assert stat.S_IMODE(text.stat().st_mode) == 0o600


async def test_d_compares_two_selected_requests_and_two_attempts(tmp_path: Path) -> None:
    with a_bench(tmp_path) as bench:
        bench.faults.add("row:overloaded:p=1")
        ended(bench, 2)
        async with on(bench) as pilot:
            await pilot.press("d")
            await until_told(pilot, "Select two requests")
            await pilot.press("space", "space", "d")
            await until_shown(pilot, "- daily-feed / feed-classify-2026-11-22-00002")
            assert "-   " in shown(pilot)
            assert "Classify feed-classify-2026-11-22-00001" in shown(pilot)
            await pilot.press("escape", "U")
        bench.faults.clear()
        _replay_all(bench)
        async with on(bench) as pilot:
            await pilot.press("enter")
            await until_shown(pilot, "✓ succeeded")
            await pilot.press("d")
            await until_shown(pilot, "- attempt 1, ")
            assert '-   "type": "errored"' in shown(pilot)
            assert '+   "type": "succeeded"' in shown(pilot)


def _replay_all(bench: Bench) -> None:
    request = CommandRequest(action=Action.REPLAY, wanted=Filter(names=("daily-feed",)))
    context = bench.engine.context
    planner.submit(context, planner.plan(context, request), delay=timedelta(0))
    for _ in range(3):
        bench.poll_after(120)


@pytest.mark.parametrize(
    ("typed", "there"),
    [
        ("req", "Requests  "),
        ("msgbatch_", "Mode "),
        ("feed-classify-2026-11-22-00001", "1, succeeded"),
        ("titan://request/daily-feed/feed-classify-2026-11-22-00001", "1, succeeded"),
    ],
)
async def test_the_colon_line_goes_to_the_named_place(
    tmp_path: Path, typed: str, there: str
) -> None:
    with a_bench(tmp_path) as bench:
        ended(bench)
        async with on(bench) as pilot:
            await pilot.press("colon")
            await until_shown(pilot, "Tab completes.")
            await pilot.press(*typed, "enter")
            await until_shown(pilot, there)


async def test_the_colon_line_narrows_to_a_tag_and_completes_names(tmp_path: Path) -> None:
    with a_bench(tmp_path) as bench:
        ended(bench)
        ended(bench, 2, tag="other-feed")
        async with on(bench) as pilot:
            await pilot.press("1", "colon", *"oth")
            await until_shown(pilot, "2 requests")
            await pilot.press("tab", "enter")
            await until(pilot, lambda: table(pilot, "requests").row_count == 2)
            assert "tag:other-feed" in shown(pilot)


async def test_the_colon_line_says_calmly_that_it_knows_no_such_thing(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    made.submit(EVIL, [EVIL])
    async with opened(made) as pilot:
        await pilot.press("colon", *"[/x]nothing", "enter")
        await until_shown(pilot, "[/x]nothing not found")
        await pilot.press("escape", "colon", "A")
        await until_shown(pilot, "PWNTITLE")
        assert not hidden("".join(lines(pilot)))
        await pilot.press("escape", "colon", *"titan://x", "enter")
        await until_shown(pilot, "Unknown link.")
        await pilot.press("escape", "colon", *"q", "enter")
        await until(pilot, lambda: not app_of(pilot).is_running)


async def test_a_long_path_in_a_notice_is_in_one_line(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    path = f"exports/{'a-long-name-' * 4}2026-12-01.jsonl"
    app = TitanApp(tmp_path, made.clock)
    async with app.run_test(size=(120, 30), notifications=True) as pilot:
        app.notify(f"5 requests exported to {path}", markup=False)
        await until_shown(pilot, path)
    made.close()


async def test_where_the_terminal_cannot_be_lent_o_is_not_offered(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    made.submit("one")
    async with opened(made) as pilot:
        assert not app_of(pilot).can_suspend()
        assert "o" not in pilot.app.screen.active_bindings
        assert "y" in pilot.app.screen.active_bindings


def test_the_pager_gets_a_private_file_and_its_own_interrupts(tmp_path: Path) -> None:
    path = view.private_file(RecordPart("r", "response", "text\n", "txt"))
    seen = tmp_path / "seen"
    script = (
        "import os, signal, sys; kept = signal.getsignal(signal.SIGINT);"
        "open(sys.argv[1], 'w').write(f'{os.stat(sys.argv[2]).st_mode & 0o777:o} '"
        " f'{kept is signal.default_int_handler} {open(sys.argv[2]).read()}')"
    )
    run_program([sys.executable, "-c", script, str(seen)], path)
    path.unlink()
    assert seen.read_text() == "600 True text\n"


def test_the_viewer_is_the_operators_own() -> None:
    assert viewer({"PAGER": "less -S", "EDITOR": "vim"}) == ["less", "-S"]
    assert viewer({"EDITOR": "'my editor' -w"}) == ["my editor", "-w"]
    assert viewer({"PAGER": "'", "EDITOR": "vim"}) == ["vim"]


async def test_the_palette_offers_every_action_and_runs_it(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    made.submit("one")
    async with opened(made) as pilot:
        await pilot.press("ctrl+p")
        await until_shown(pilot, "Go to Batches")
        offered = pilot.app.screen.query_one(CommandList).options
        labels = {str(option.prompt).partition("\n")[0].strip() for option in offered}
        assert {"Command: Replay", "Select range", "Toggle totals", "Theme titan-mono"} <= labels
        await pilot.press(*"theme", "space", *"mono")
        await until_shown(pilot, "Theme titan-mono")
        await pilot.press("enter")
        await until(pilot, lambda: pilot.app.theme == "titan-mono")
        await pilot.press("ctrl+p", *"totals")
        await until_shown(pilot, "Toggle totals")
        await pilot.press("enter")
        await until(pilot, lambda: pilot.app.screen.has_class("-no-totals"))


async def test_two_requests_of_one_name_are_chosen_between_by_arrows(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    made.submit("first", ["same"])
    made.submit("second", ["same"])
    async with opened(made) as pilot:
        await pilot.press("colon", *"same", "enter")
        await until_shown(pilot, "choose with the arrow keys")
        await pilot.press("down", "enter")
        await until_shown(pilot, "titan://request/first/same")
