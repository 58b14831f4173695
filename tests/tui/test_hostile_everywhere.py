"""Text that wants to drive the terminal, on every screen, in every tab and in every dialog."""

from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.builders import a_bench, a_request
from support.console.console_builders import Failure, LedgerBuilder
from support.console.console_pilot import lines
from support.console.snapshot_scenes import SceneWalk, until_idle, walking
from support.hostile_text import EVIL, hidden
from textual.screen import Screen

from core.intake.options import SubmitOptions
from state.operations import alerts, pauses
from titan_console.tui.pages.detail_page import DetailPage

SIZE = (100, 30)
PIECES = (
    *(EVIL, "[/x]", "[@click=app.quit]x[/]", "\x1b]52;c;UFdORUQ=\x07", "\x9b31m", "\x1b", "\n\r\t"),
    *(
        "\u202e\u2066",
        "\u200b\u200d\ufe0f",
        "👩‍👩‍👧",
        "漢字ｶﾅ",
        "e\u0301\u0300",
        "[b",
        "\\",
        "%s{}",
    ),
)
HOSTILE = st.lists(
    st.sampled_from(PIECES) | st.text(st.characters(exclude_categories=["Cs"])),
    min_size=1,
    max_size=6,
)


def a_hostile_ledger(home: Path, text: str) -> LedgerBuilder:
    """A ledger with that text in every place that holds text from outside."""
    made = LedgerBuilder(home)
    failures = [Failure(text, text), Failure("api_error", text * 2)]
    made.collected(f"{text}1", [text, f"{text}2", "x"], failures, workflow=text)
    made.look_failed(made.accept(made.submit(f"{text}3", [text], workflow=text)), text)
    made.refuse(made.submit(f"{text}4", [text], due_in=timedelta(hours=3)), text)
    made.lose_the_answer(made.submit(f"{text}5", [f"{text}6"]), text)
    made.hold(text)
    pauses.pause(made.ledger, [text], who=text, reason=text)
    alerts.update(made.ledger, [(text, text, text)])
    return made


async def press(walk: SceneWalk, *keys: str) -> None:
    """Press them one by one; after each, the screen is whole and harmless."""
    for key in keys:
        await walk.pilot.press(key)
        await until_idle(walk.pilot)
        shown = lines(walk.pilot)
        assert not hidden("".join(shown))
        assert len(shown) == SIZE[1]


async def through_the_tabs(walk: SceneWalk, *way: str) -> None:
    """Open what is under the cursor, and go through its tabs."""
    await press(walk, *way, "enter")
    page: Screen[object] = walk.pilot.app.screen
    if isinstance(page, DetailPage):
        await press(walk, *(["right"] * (len(page.SECTIONS) - 1)), "escape")


async def everywhere(walk: SceneWalk) -> None:
    await press(walk, *"2345678")
    await through_the_tabs(walk, "1")
    await through_the_tabs(walk, "2")
    await press(walk, "y", "escape", "slash", *"wf:", "tab", "escape", "escape")
    await press(walk, "colon", "a", "tab", "escape", "ctrl+p", "escape")
    await press(walk, "question_mark", "escape", "1", "C", "escape", "P", "escape")
    await press(walk, "3", "R", "escape", "X", "escape", "1", "A", "d", "escape")


async def walk_over(home: Path, text: str) -> None:
    made = a_hostile_ledger(home, text)
    async with walking("hostile", made.path, made.clock, SIZE) as walk:
        await everywhere(walk)
    made.close()


@pytest.mark.slow
@settings(max_examples=2, deadline=None)
@given(HOSTILE)
async def test_no_generated_text_gets_through_anywhere(pieces: list[str]) -> None:
    with TemporaryDirectory() as folder:
        await walk_over(Path(folder), "".join(pieces))


@pytest.mark.slow
async def test_no_text_gets_through_anywhere(tmp_path: Path) -> None:
    await walk_over(tmp_path, "".join(PIECES))


@pytest.mark.slow
async def test_ten_thousand_characters_break_no_screen(tmp_path: Path) -> None:
    await walk_over(tmp_path, (EVIL * 200)[:10_000])


async def test_hostile_bodies_and_jobs_are_shown_harmlessly(tmp_path: Path) -> None:
    with a_bench(tmp_path) as bench:
        content = [{"role": "user", "content": EVIL * 3}]
        bench.engine.submit(
            [a_request(messages=content)], SubmitOptions(tag="[/x][@click=app.quit]")
        )
        bench.poll_after(120)
        bench.poll_after(1)
        job = '[jobs."a\\u001b]52;c;x\\u0007\\u202e[/x]"]\nschedule = "\\u009b31m[b"\n'
        (tmp_path / "titan.toml").write_text(job, "utf-8")
        async with walking("bodies", bench.folder.ledger, bench.clock, SIZE) as walk:
            await press(walk, "6", "8")
            await through_the_tabs(walk, "2")
