"""What is drawn anew, and what stays as it is: a calm screen costs little."""

import gc
from collections.abc import Generator
from pathlib import Path

import pytest
from support.console.console_builders import LedgerBuilder
from support.console.console_pilot import opened, shown, table, until, until_shown
from support.console.example_ledgers import a_busy_ledger
from textual.strip import Strip
from textual.widgets._footer import FooterKey

from titan_console.tui.widgets.record_table import RecordTable
from titan_console.tui.widgets.row_drawing import Row, RowDrawing, RowState

_WALK = (("tab", "ended"), ("tab", "errors"), ("shift+tab", "ended"), ("shift+tab", "open"))


@pytest.fixture
def _collector_off() -> Generator[None]:
    gc.disable()
    yield
    gc.unfreeze()
    gc.enable()


async def test_a_commit_draws_the_line_of_what_it_changed_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = LedgerBuilder(tmp_path)
    first = made.accept(made.submit("first"))
    made.accept(made.submit("second"))
    made.collected("third", 2, [])
    drawn: list[object] = []
    draw = RowDrawing._draw

    def noted(self: RowDrawing, look: RowState, width: int, row: Row | None) -> Strip:
        drawn.append(look.key)
        return draw(self, look, width, row)

    # The column of problems is there from the start.
    for _ in range(2):
        first = made.look_failed(first, "404: lost sight of him")
    async with opened(made) as pilot:
        await until_shown(pilot, "third")
        await until_shown(pilot, "lost sight of him")
        # The last column to come: it is read after the rest.
        await until_shown(pilot, " ETA ")
        monkeypatch.setattr(RowDrawing, "_draw", noted)
        for _ in range(50):
            drawn.clear()
            await pilot.pause(0.1)
            if not drawn:
                break
        made.look_failed(first, "404: lost sight of her")
        await until_shown(pilot, "lost sight of her")
        # The list of ended batches draws by itself.
        assert {key for key in drawn if isinstance(key, str)} == {first.key}


async def test_only_the_list_that_has_the_focus_shows_its_cursor(tmp_path: Path) -> None:
    made = a_busy_ledger(tmp_path)
    async with opened(made) as pilot:
        await until_shown(pilot, "Ended 6")
        for key, name in (("", "open"), *_WALK):
            await pilot.press(*[key] if key else [])
            await until(pilot, lambda name=name: table(pilot, name).has_focus)
            await pilot.pause()
            lit = [
                other
                for other in ("open", "ended", "errors")
                if _background(table(pilot, other), 1) != _background(table(pilot, other), 2)
            ]
            assert lit == [name]


def _background(shown: RecordTable, line: int) -> object:
    """Behind the text of that line of the window; the first one is the header."""
    style = next(part.style for part in shown.render_line(line) if part.text.strip())
    return style.bgcolor if style else None


async def test_the_line_of_keys_is_rebuilt_only_when_it_changes(
    tmp_path: Path,
) -> None:
    async with opened(a_busy_ledger(tmp_path)) as pilot:
        await until_shown(pilot, "q Quit")
        keys = list(pilot.app.screen.query(FooterKey))
        await pilot.press("tab")
        await until(pilot, lambda: table(pilot, "ended").has_focus)
        await pilot.pause()
        assert list(pilot.app.screen.query(FooterKey)) == keys
        assert "/ Filter" in shown(pilot)
        await pilot.press("/")
        await until(pilot, lambda: "/ Filter" not in shown(pilot))


async def test_where_it_is_wanted_every_screen_is_drawn_in_ascii_alone(tmp_path: Path) -> None:
    (tmp_path / "titan.toml").write_text("[console]\nascii = true\n")
    async with opened(a_busy_ledger(tmp_path)) as pilot:
        await until_shown(pilot, "> in progress")
        for screen in "12345678":
            await pilot.press(screen)
            await pilot.pause()
            assert shown(pilot).isascii()
        await pilot.press("1", "C")
        await until_shown(pilot, "Back  esc")
        assert shown(pilot).isascii()


@pytest.mark.usefixtures("_collector_off")
async def test_the_collector_that_the_start_turned_off_works_again(tmp_path: Path) -> None:
    async with opened(a_busy_ledger(tmp_path)) as pilot:
        await until(pilot, gc.isenabled)
