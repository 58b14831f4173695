"""The Savings screen: its figures are the command's, and each opens to what it is made of."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.console.console_builders import LedgerBuilder
from support.console.console_pilot import lines, opened, shown, table, until, until_shown
from support.console.example_ledgers import a_month

from core.config import titan_file
from state.files.folder import Folder
from titan_console.cli.main import cli
from titan_console.text import format as fmt
from titan_console.tui.screens.request_detail import RequestDetail
from titan_console.tui.widgets.lines import TotalsStrip

SINCE = "2026-04-03"


def asked(home: Path, *arguments: str) -> list[dict[str, object]]:
    """What a command prints as JSON on that ledger."""
    done = CliRunner().invoke(cli, [*arguments, "--json"], env={"TITAN_HOME": str(home)})
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.stdout.splitlines()]


def nano(dollars: object) -> int:
    assert isinstance(dollars, float)
    return round(dollars * 10**9)


@pytest.mark.parametrize("by", ["workflow", "model", "day"])
async def test_every_sum_is_the_one_that_the_command_prints(tmp_path: Path, by: str) -> None:
    made = a_month(tmp_path)
    printed = asked(tmp_path, "savings", "--since", SINCE, "--by", by)
    assert printed
    async with opened(made) as pilot:
        await pilot.press("4")
        await until_shown(pilot, "By workflow")
        for _ in range(["workflow", "model", "day"].index(by)):
            await pilot.press("b")
        await until_shown(pilot, f"By {by}")
        groups = table(pilot, "groups")
        await until(pilot, lambda: set(groups.keys) == {row[by] for row in printed})
        for row in printed:
            cells = groups.row_of(str(row[by]))
            assert cells is not None
            unpriced = row["unpriced"]
            assert isinstance(unpriced, int)
            for name, key in (("saved", "savings_usd"), ("cost", "cost_usd"), ("sync", "sync_usd")):
                assert cells.cells[name].text == fmt.sum_of_money(nano(row[key]), unpriced)


@pytest.mark.parametrize("by", ["workflow", "model"])
async def test_m_groups_the_answers_of_this_month(tmp_path: Path, by: str) -> None:
    made = a_month(tmp_path)
    printed = asked(tmp_path, "savings", "--since", "2026-05-01", "--by", by)
    longer = asked(tmp_path, "savings", "--since", SINCE, "--by", by)
    assert printed
    assert printed != longer
    async with opened(made) as pilot:
        await pilot.press("4", *(["b"] if by == "model" else []))
        await until_shown(pilot, f"By {by}, 30 days")
        await pilot.press("m")
        await until_shown(pilot, f"By {by}, this month (UTC)")
        groups = table(pilot, "groups")
        await until(pilot, lambda: set(groups.keys) == {row[by] for row in printed})
        for row in printed:
            cells = groups.row_of(str(row[by]))
            assert cells is not None
            assert isinstance(row["unpriced"], int)
            saved = fmt.sum_of_money(nano(row["savings_usd"]), row["unpriced"])
            assert cells.cells["saved"].text == saved
        await pilot.press("tab", "enter")
        first = str(groups.keys[0])
        (chosen,) = [row for row in printed if row[by] == first]
        await until_shown(pilot, f"{chosen['attempts']} attempts · cost ")
        await pilot.press("escape", "m")
        await until_shown(pilot, f"By {by}, 30 days")


async def test_the_figures_are_the_strip_s_and_tell_the_month(tmp_path: Path) -> None:
    async with opened(a_month(tmp_path)) as pilot:
        await pilot.press("4")
        await until_shown(pilot, "projected this month")
        screen = shown(pilot)
        money = table(pilot, "money")
        saved = money.row_of("all")
        strip = pilot.app.screen.query_one("#totals", TotalsStrip).totals
    assert saved is not None
    assert saved.cells["value"].text in [figure.value for figure in strip]
    for text in (
        "✗ missed",
        "≥ $40.00",
        "✗ missed",
        "27,000 tokens read",
        "┈┈ target $1.33",
        "Apr 3",
    ):
        assert text in screen


async def test_a_figure_opens_to_batches_answers_and_the_price(tmp_path: Path) -> None:
    async with opened(a_month(tmp_path)) as pilot:
        await pilot.press("4")
        await until_shown(pilot, "newsletter")
        await pilot.press("tab", "enter")
        await until_shown(pilot, "2 batches · 5 attempts · cost $0.0300+? · saved $0.0300+?")
        assert "Savings >  dream" in lines(pilot)[0]
        await pilot.press("G", "enter")
        await until_shown(pilot, "3 answers of tb-0069-k3x9")
        await pilot.press("enter")
        await until_shown(pilot, "cached-000")
        page = pilot.app.screen
        assert isinstance(page, RequestDetail)
        assert page.sections.current == "Cost"
        await until_shown(pilot, "per million")
        await pilot.press("escape", "escape", "escape")
        await until_shown(pilot, "newsletter")


@pytest.mark.parametrize(
    ("row", "shows"),
    [("cached", "1 batch · 3 attempts"), ("unpriced", "1 batch · 2 attempts")],
)
async def test_caching_and_unpriced_open_to_just_their_answers(
    tmp_path: Path, row: str, shows: str
) -> None:
    async with opened(a_month(tmp_path)) as pilot:
        await pilot.press("4")
        await until_shown(pilot, "newsletter")
        money = table(pilot, "money")
        money.move_to(list(money.keys).index(row))
        await pilot.press("enter")
        await until_shown(pilot, shows)


async def test_the_batches_behind_a_day_add_up_to_it(tmp_path: Path) -> None:
    made = a_month(tmp_path)
    (today,) = asked(tmp_path, "savings", "--since", "2026-05-02", "--by", "day")
    async with opened(made) as pilot:
        await pilot.press("4", "b", "b")
        await until_shown(pilot, "By day")
        await pilot.press("tab", "enter")
        assert isinstance(today["unpriced"], int)
        saved = fmt.sum_of_money(nano(today["savings_usd"]), today["unpriced"])
        await until_shown(pilot, f"{today['attempts']} attempts · cost ")
        assert f"saved {saved}" in shown(pilot)


async def test_an_empty_ledger_has_a_message_and_own_prices_apply(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    titan_file.path_of(folder).write_text("[[prices.x]]\nfrom = 2020-01-01\n", "utf-8")
    async with opened(LedgerBuilder(tmp_path), (80, 24)) as pilot:
        await pilot.press("4")
        await until_shown(pilot, "No results collected in these 30 days.")
        assert "- no data" in shown(pilot)


async def test_a_small_screen_shows_one_list_at_a_time(tmp_path: Path) -> None:
    async with opened(a_month(tmp_path), (60, 16)) as pilot:
        await pilot.press("4")
        await until_shown(pilot, "saved (30 d)")
        await pilot.press("tab")
        await until_shown(pilot, "newsletter")
        assert "unpriced answers" not in shown(pilot)
        await pilot.resize_terminal(30, 8)
        await pilot.pause()


def test_month_prints_what_the_screen_shows(tmp_path: Path) -> None:
    made = a_month(tmp_path)
    made.close()
    (found,) = asked(tmp_path, "savings", "--month")
    assert list(found) == [
        *("since", "savings_usd", "sync_usd", "fee_usd", "duplicate_spend_usd", "unpriced"),
        *("unpriced_reasons", "month", "cache"),
    ]
    words = CliRunner().invoke(cli, ["savings", "--month"], env={"TITAN_HOME": str(tmp_path)})
    assert "target $40.00" in words.output
