"""Copy and export of any list give the data of `--json`, not what the screen shows."""

import csv
import json
from pathlib import Path
from typing import cast

import pytest
from click.testing import CliRunner
from support.console.console_builders import A_CATALOGUE, Failure, LedgerBuilder
from support.console.console_pilot import app_of, opened, shown, until, until_shown
from support.console.example_ledgers import a_busy_ledger
from textual.pilot import Pilot

from state.files.folder import Folder
from state.operations import alerts
from titan_console.cli.main import cli
from titan_console.tui.pages.dialog import Menu
from titan_console.tui.tools import copy


async def exported(pilot: Pilot[None], home: Path, form: str = "j") -> str:
    """What `e` writes of the list in use."""
    await pilot.press("e")
    await until(pilot, lambda: isinstance(pilot.app.screen, Menu))
    await until_shown(pilot, " Export ")
    await pilot.press(form)
    folder = Folder(home).exports
    notices = pilot.app._notifications
    await until(pilot, lambda: any(" exported to " in one.message for one in notices))
    (file,) = folder.iterdir()
    return file.read_text()


def listed(pilot: Pilot[None]) -> int:
    """The rows of the list in use."""
    page = app_of(pilot).page()
    table = page.list_in_use() if page else None
    return table.row_count if table else 0


def printed(home: Path, *arguments: str) -> list[dict[str, object]]:
    """The lines that a command prints with --json."""
    done = CliRunner().invoke(cli, [*arguments, "--json"], env={"TITAN_HOME": str(home)})
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("key", "shows", "command"),
    [
        ("3", "groups", ("errors", "--groups")),
        ("7", "Event log", ("events", "--limit", "0")),
    ],
)
async def test_an_export_has_the_records_of_the_command(
    tmp_path: Path, key: str, shows: str, command: tuple[str, ...]
) -> None:
    async with opened(a_busy_ledger(tmp_path)) as pilot:
        await pilot.press(key)
        await until_shown(pilot, shows)
        await until(pilot, lambda: listed(pilot) > 2)
        text = await exported(pilot, tmp_path)
    found = [json.loads(line) for line in text.splitlines()]
    expected = printed(tmp_path, *command) if key == "3" else printed(tmp_path, "events")
    assert sorted(map(json.dumps, found)) == sorted(map(json.dumps, expected))
    assert len(found) > 2


async def test_savings_are_exported_as_numbers(tmp_path: Path) -> None:
    async with opened(a_busy_ledger(tmp_path)) as pilot:
        await pilot.press("4")
        await until_shown(pilot, "By workflow")
        await pilot.press("tab")
        text = await exported(pilot, tmp_path, "c")
    (row,) = csv.DictReader(text.splitlines())
    assert row["workflow"] == "feed"
    assert float(row["savings_usd"]) == pytest.approx(7.455)
    assert int(row["attempts"]) > 100


@pytest.mark.parametrize(("key", "name"), [("5", "batch_share"), ("exclamation_mark", "errors")])
async def test_a_row_without_a_link_is_copied_as_json(tmp_path: Path, key: str, name: str) -> None:
    made = a_busy_ledger(tmp_path)
    alerts.update(made.ledger, [("errors", "day", "6 requests errored")])
    async with opened(made) as pilot:
        await until_shown(pilot, "! opens alerts")
        await pilot.press(key)
        await until(pilot, lambda: listed(pilot) > 0)
        await pilot.press("y")
        await until_shown(pilot, " Copy ")
        await pilot.press("j")
        await until(pilot, lambda: bool(pilot.app.clipboard))
        record = json.loads(pilot.app.clipboard)
    assert name in (record.get("kpi"), record.get("rule"))


async def test_the_message_and_the_command_line_of_an_error_group_are_copied(
    tmp_path: Path,
) -> None:
    made = LedgerBuilder(tmp_path)
    made.collected("feed", 3, [Failure(message="Over\x1b[2Jloaded 17")])
    async with opened(made) as pilot:
        await pilot.press("3")
        await until_shown(pilot, "1 group")
        copies = []
        for letter in "eyc":
            pilot.app.copy_to_clipboard("")
            await pilot.press("y")
            await until_shown(pilot, " Copy ")
            await pilot.press(letter)
            await until(pilot, lambda: bool(pilot.app.clipboard))
            copies.append(pilot.app.clipboard)
    assert copies == ["Over␛[2Jloaded 17", "feed/feed-000", "titan-console replay feed/feed-000"]


async def copied(pilot: Pilot[None]) -> dict[str, object]:
    """What `y` and `j` copy of the row under the cursor."""
    pilot.app.copy_to_clipboard("")
    await until(pilot, lambda: listed(pilot) > 0)
    await pilot.press("y")
    await until_shown(pilot, " Copy ")
    await pilot.press("j")
    await until(pilot, lambda: bool(pilot.app.clipboard))
    return json.loads(pilot.app.clipboard)


async def test_jobs_runs_and_checks_are_data_too(tmp_path: Path) -> None:
    made = a_busy_ledger(tmp_path)
    (tmp_path / "titan.toml").write_text(A_CATALOGUE, "utf-8")
    async with opened(made) as pilot:
        await pilot.press("6")
        await until_shown(pilot, "talk")
        job = await copied(pilot)
        (printed_jobs,) = printed(tmp_path, "jobs")
        first, *_ = cast("list[dict[str, object]]", printed_jobs["jobs"])
        # The command has the time of day, the test its own.
        clock = {"next_due_ts", "submit_from_ts", "sync_run_ts", "fallback_ts"}
        assert {k: v for k, v in job.items() if k not in clock} == {
            k: v for k, v in first.items() if k not in clock
        }
        await pilot.press("enter")
        await until_shown(pilot, "Runs ")
        run = await copied(pilot)
        assert (run["tag"], run["request_count"]) == ("press-summaries-2", 14)
        await pilot.press("escape", "n")
        await until_shown(pilot, "titan-bridge")
        assert set(await copied(pilot)) == {"workflow", "reason"}
        await pilot.press("escape", "8")
        await until_shown(pilot, "unconfirmed")
        assert set(await copied(pilot)) == {"health", "what", "detail"}


async def test_batches_and_requests_are_copied_as_the_commands_print_them(tmp_path: Path) -> None:
    async with opened(a_busy_ledger(tmp_path)) as pilot:
        await until_shown(pilot, "Ended 6")
        batch = await copied(pilot)
        (status,) = printed(tmp_path, "status")
        listed_first = cast("list[dict[str, object]]", status["open"])[0]
        # Only the list of open batches says what is expected of each.
        expected = ("eta", "queued_because")
        assert batch == {k: v for k, v in listed_first.items() if k not in expected}
        await pilot.press("2")
        request = await copied(pilot)
        exported_ = CliRunner().invoke(
            cli, ["export", str(request["tag"])], env={"TITAN_HOME": str(tmp_path)}
        )
        lines = [json.loads(line) for line in exported_.stdout.splitlines()]
        assert request in lines


async def test_a_rate_is_exported_with_its_parts(tmp_path: Path) -> None:
    made = a_busy_ledger(tmp_path)
    async with opened(made) as pilot:
        await pilot.press("5")
        await until_shown(pilot, "answers, last 24 hours")
        text = await exported(pilot, tmp_path)
    by_name = {one["kpi"]: one for one in map(json.loads, text.splitlines())}
    assert by_name["answers_24h"]["value"] == sum(by_name["answers_24h"]["parts"]) == 143
    assert by_name["spent_24h"]["value"] == pytest.approx(0.95)
    assert by_name["error_rate"]["target"] == 0.01


async def _copied_selection(pilot: Pilot[None], letter: str) -> str:
    pilot.app.copy_to_clipboard("")
    await pilot.press("y")
    await until_shown(pilot, "Copy 2 selected")
    await pilot.press(letter)
    await until(pilot, lambda: bool(pilot.app.clipboard))
    return pilot.app.clipboard


@pytest.mark.parametrize(("key", "name"), [("1", "batch_id"), ("2", "custom_id")])
async def test_selected_rows_are_copied_and_not_the_one_under_the_cursor(
    tmp_path: Path, key: str, name: str
) -> None:
    made = LedgerBuilder(tmp_path)
    for tag in ("a", "b", "c"):
        made.collected(tag, 1)
    async with opened(made) as pilot:
        await pilot.press(key)
        await until(pilot, lambda: listed(pilot) == 3)
        # The space bar moves the cursor on: it ends on the third row.
        await pilot.press("space", "space")
        await until_shown(pilot, "2 selected")
        names = (await _copied_selection(pilot, "y")).splitlines()
        lines = (await _copied_selection(pilot, "j")).splitlines()
        page = app_of(pilot).page()
        table = page.list_in_use() if page else None
        row = table.current() if table else None
    assert [json.loads(line)[name] for line in lines] == names
    assert len(names) == 2
    assert row is not None
    assert not any(one in row.link for one in names)


async def test_too_many_rows_are_exported_and_not_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copy, "MOST_ROWS", 1)
    made = LedgerBuilder(tmp_path)
    made.collected("feed", 3)
    async with opened(made) as pilot:
        await pilot.press("2")
        await until(pilot, lambda: listed(pilot) == 3)
        await pilot.press("space", "space", "y")
        told = pilot.app._notifications
        await until(pilot, lambda: any("2 rows are too many" in one.message for one in told))


async def test_keys_that_would_be_typed_are_not_shown_beside_an_input(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    made.collected("feed", 3)
    async with opened(made) as pilot:
        await until_shown(pilot, "? Help")
        await pilot.press("slash")
        await until(pilot, lambda: "? Help" not in shown(pilot))
        await pilot.press("escape")
        await until_shown(pilot, "? Help")
