"""Where there is hardly room, a list keeps its rows and the rest gives way."""

from pathlib import Path

from support.console.console_pilot import lines, opened, shown, until, until_shown
from support.console.example_ledgers import a_busy_ledger


async def test_a_tiny_terminal_keeps_to_the_list_and_says_that_it_is_small(tmp_path: Path) -> None:
    async with opened(a_busy_ledger(tmp_path), (30, 8)) as pilot:
        for digit, row in (("2", "in flight"), ("3", "overload"), ("1", "▸  feed")):
            await pilot.press(digit)
            await until_shown(pilot, row)
            assert "terminal too small" in shown(pilot)
            assert len(lines(pilot)) == 8
        assert "feed" in shown(pilot)
        await pilot.resize_terminal(60, 16)
        await until(pilot, lambda: "terminal too small" not in shown(pilot))
        await until_shown(pilot, "queued 5,096")
        # Its rows begin right under the figures and the hold.
        assert lines(pilot)[1].startswith(" open batches 6 ")
