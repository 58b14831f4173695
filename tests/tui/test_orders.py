"""Sort orders are remembered for each list, as columns and filters are."""

import json
from pathlib import Path

from support.console.console_builders import A_CATALOGUE, CENT, Failure, LedgerBuilder
from support.console.console_pilot import opened, shown, table, until, until_shown
from textual.pilot import Pilot

from titan_console.session import preferences
from titan_console.session.preferences import Preferences
from titan_console.tui.app import TitanApp


def a_ledger(home: Path) -> LedgerBuilder:
    made = LedgerBuilder(home)
    for number, name in enumerate(("b", "c", "a")):
        made.clock.advance(1)
        failures = [Failure("api_error"), Failure("api_error")] if name == "a" else [Failure()]
        made.collected(f"{name}-1", 3 + number, failures, workflow=name, cost_nano=CENT)
    made.accept(made.submit("open-1", 2))
    made.accept(made.submit("more-1", 5))
    return made


def first_cells(pilot: Pilot[None], name: str, column: str) -> list[str]:
    listed = table(pilot, name)
    rows = [listed.row_of(key) for key in listed.keys]
    return [row.cells[column].text for row in rows if row]


async def test_the_order_of_each_list_is_remembered(tmp_path: Path) -> None:
    made = a_ledger(tmp_path)
    async with opened(made) as pilot:
        await until_shown(pilot, "Ended 3")
        await pilot.press("s", "n")
        await until(pilot, lambda: first_cells(pilot, "open", "requests") == ["5", "2"])
        await pilot.press("tab", "s", "w", "i")
        await until(pilot, lambda: first_cells(pilot, "ended", "workflow") == ["c", "b", "a"])
        await pilot.press("2", "s", "c")
        await until_shown(pilot, "⇅ highest cost first")
        await pilot.press("3", "s", "c")
        await until(pilot, lambda: first_cells(pilot, "groups", "count")[0] == "2")
        await pilot.press("7", "s", "o")
        await until_shown(pilot, "oldest first")
    assert preferences.read(tmp_path).orders == {
        "batches.open": "requests",
        "batches.ended": "-workflow",
        "requests": "cost",
        "errors": "count",
        "events": "oldest",
    }
    async with TitanApp(tmp_path, made.clock).run_test(size=(120, 40)) as pilot:
        await until_shown(pilot, "Workflow↑")
        await until_shown(pilot, "Requests↓")
        assert first_cells(pilot, "open", "requests") == ["5", "2"]
        await until(pilot, lambda: first_cells(pilot, "ended", "workflow") == ["c", "b", "a"])
        await pilot.press("2")
        await until_shown(pilot, "⇅ highest cost first")
        await pilot.press("3")
        await until_shown(pilot, "Count↓")
        await pilot.press("7")
        await until_shown(pilot, "Event log, oldest first")
        assert "following" not in shown(pilot)
        # The default again is no choice.
        await pilot.press("f")
        await until_shown(pilot, "Event log, newest first")
    assert "events" not in preferences.read(tmp_path).orders


async def test_jobs_come_in_the_remembered_order_and_an_unknown_one_is_none(tmp_path: Path) -> None:
    made = a_ledger(tmp_path)
    (tmp_path / "titan.toml").write_text(A_CATALOGUE, "utf-8")
    kept = {"orders": {"jobs": "-name", "requests": "colour", "batches.open": "-"}}
    (tmp_path / preferences.FILE).write_text(json.dumps(kept), "utf-8")
    async with opened(made) as pilot:
        await pilot.press("6")
        await until(pilot, lambda: first_cells(pilot, "jobs", "job")[:2] == ["talk", "feed"])
        await until_shown(pilot, "Job↑")
        await pilot.press("2")
        await until(pilot, lambda: table(pilot, "requests").row_count > 0)
        assert "⇅" not in shown(pilot)


def test_an_order_is_a_name_and_a_minus_where_it_is_reversed() -> None:
    kept = Preferences()
    kept.sort("requests", "cost", is_reversed=True)
    assert kept.orders == {"requests": "-cost"}
    assert kept.order_of("requests") == ("cost", True)
    kept.sort("requests", "")
    assert kept.order_of("requests") == ("", False)
