from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.segment import Segment
from support.console.console_builders import Failure, LedgerBuilder
from support.console.console_pilot import lines, shown, table, until_seen, until_shown
from support.hostile_text import EVIL, hidden
from textual.color import Color

from titan_console.tui.app import TitanApp
from titan_console.tui.widgets.line_filters import ControlFilter
from titan_console.tui.widgets.row_drawing import Cell, Row

TEXTS = st.lists(st.text(st.characters(), max_size=40) | st.just(EVIL), min_size=20, max_size=40)


async def test_hostile_names_and_messages_are_shown_harmlessly(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    made.look_failed(made.accept(made.submit(EVIL, [EVIL])), EVIL)
    made.collected(f"{EVIL}2", [EVIL], [Failure(EVIL, EVIL)])
    made.refuse(made.submit(f"{EVIL}3", [EVIL]), EVIL)
    made.hold(EVIL)
    async with TitanApp(tmp_path, made.clock).run_test(size=(200, 40)) as pilot:
        await until_shown(pilot, "PWNTITLE")
        for keys in (["j"], ["tab"], ["tab", "j"]):
            await pilot.press(*keys)
            assert not hidden("".join(lines(pilot)))
        await pilot.click(table(pilot, "open"), offset=(25, 1))
        await pilot.pause()
        assert "[@click=app.quit]" in shown(pilot)
    made.close()


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(TEXTS)
async def test_no_text_breaks_a_table(tmp_path: Path, texts: list[str]) -> None:
    made = LedgerBuilder(tmp_path)
    async with TitanApp(tmp_path, made.clock).run_test(size=(100, 60)) as pilot:
        await until_seen(pilot)
        open_table = table(pilot, "open")
        keys = [column.key for column in open_table._drawing.columns]
        open_table.show(
            [
                Row(str(n), dict.fromkeys(keys, Cell(text)), about=text)
                for n, text in enumerate(texts)
            ]
        )
        await pilot.pause()
        assert not hidden("".join(lines(pilot)))
    made.close()


@given(st.text(st.characters()))
def test_the_net_lets_no_control_character_through(text: str) -> None:
    control = Segment("\x1b[?25l", None, [(1,)])  # type: ignore[list-item]
    filtered = ControlFilter().apply([Segment(text), control], Color(0, 0, 0))
    assert not hidden(filtered[0].text)
    assert filtered[1] is control
