"""The Batches screen: whose batches they are, all of them, in any order and with any columns."""

import re
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest
from msgspec.structs import replace
from support.console.console_builders import CENT, NOW, Failure, LedgerBuilder
from support.console.console_pilot import app_of, lines, opened, shown, table, until, until_shown
from support.processes.terminal import Terminal
from textual.pilot import Pilot

from core.money.cost_history import expected_saving
from state.db.opening import open_reader
from state.files.folder import Folder
from state.model.records import BatchKind, Outcome
from state.operations import pauses
from state.queries.console_snapshot import take
from state.queries.ended_batches import EndedBatch
from state.queries.mean_costs import AnswerCosts
from titan_console.session import batch_outlook, preferences
from titan_console.session.batch_outlook import Outlook
from titan_console.text.lines import Total
from titan_console.text.run_names import model_names, run_of
from titan_console.tui.app import TitanApp
from titan_console.tui.screens.batch_detail import BatchDetail
from titan_console.tui.screens.batch_rows import ended_row, open_rows
from titan_console.tui.widgets.lines import total_widths
from titan_console.tui.widgets.row_drawing import Column, fit
from titan_console.tui.widgets.virtual_table import VirtualTable

_WORKFLOW, _RUN = "titan-weekly-benchmark", "2026-05-02-live-003"


def a_named_ledger(home: Path) -> LedgerBuilder:
    made = LedgerBuilder(home)
    for number in range(6):
        batch = made.accept(
            made.submit(f"titan-daily-feed-{number}", 2, workflow="titan-daily-feed")
        )
        made.clock.advance(600)
        made.collect(batch, [Failure()] if number == 3 else [])
    tag, due = f"{_WORKFLOW}-{_RUN}", timedelta(hours=26)
    made.accept(made.submit(tag, 4, workflow=_WORKFLOW, due_in=due))
    made.accept(made.submit("titan-daily-feed-6", 4, workflow="titan-daily-feed", due_in=due))
    return made


def row_with(pilot: Pilot[None], pattern: str) -> str:
    return next(line for line in lines(pilot) if re.search(pattern, line))


@pytest.mark.parametrize("size", [(60, 16), (80, 24), (120, 40), (200, 50)])
async def test_workflow_and_run_are_shown_in_full(tmp_path: Path, size: tuple[int, int]) -> None:
    async with opened(a_named_ledger(tmp_path), size) as pilot:
        await until_shown(pilot, _RUN)
        # Beside the list is the pane, which has the whole tag.
        row = row_with(pilot, rf"{_WORKFLOW} +{_RUN}").partition("│")[0]
        assert _RUN in row
        assert f"{_WORKFLOW}-{_RUN}" not in row


async def test_a_glance_tells_model_end_deadline_and_expected_saving(tmp_path: Path) -> None:
    async with opened(a_named_ledger(tmp_path)) as pilot:
        # Two cents of synchronous price for each answer, one in a batch: four requests save four.
        await until_shown(pilot, "$0.04")
        row = row_with(pilot, r"daily-feed +6 ")
        assert "haiku-4-5" in row
        assert "10m" in row
        assert "in 1d 02h" in row
        header = row_with(pilot, "Est. saved")
        assert "Problem" not in header
        assert " Mode " not in header


def test_the_totals_stand_clearly_apart() -> None:
    labels = ("open batches", "queued", "errored", "total spent", "saved (30 d)", "saved today")
    totals = [Total(label, "$0.95+?") for label in labels]
    assert total_widths(totals, 78) == ([12, 8, 8, 11, 12, 11], 3)
    assert total_widths(totals, 118) == ([12, 8, 8, 11, 12, 11], 8)
    # The last ones are the least important.
    assert total_widths(totals, 60) == ([12, 8, 8, 11], 7)
    assert total_widths([Total("total spent", "$1,234,567.89+?")], 10) == ([15], 3)


async def test_the_expected_end_is_shown_in_full_beside_a_problem(tmp_path: Path) -> None:
    made = a_named_ledger(tmp_path)
    made.submit("titan-daily-feed-7", 4, workflow="titan-daily-feed")
    made.look_failed(made.accept(made.submit("other")), "no answer " * 9)
    async with opened(made) as pilot:
        await until_shown(pilot, "Problem")
        await until_shown(pilot, " ≥ 10m  ")
        header = row_with(pilot, "Problem")
        for name in ("ETA", "Deadline"):
            assert name in header


async def test_a_batch_of_a_paused_workflow_has_no_expected_end(tmp_path: Path) -> None:
    made = a_named_ledger(tmp_path)
    made.submit("titan-daily-feed-7", 4, workflow="titan-daily-feed")
    async with opened(made) as pilot:
        await until_shown(pilot, " ≥ 10m  ")
        pauses.pause(made.ledger, ["titan-daily-feed"], who="ops", reason="")
        await until(pilot, lambda: "≥" not in shown(pilot))
        await pilot.press("G", "enter")
        await until_shown(pilot, "titan-daily-feed-7")
        (eta,) = [line for line in lines(pilot) if " ETA " in line]
        assert eta.split() == ["ETA", "-"]


def test_no_history_is_said_only_where_it_was_looked_for(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    made.accept(made.submit("feed"))
    with open_reader(Folder(tmp_path)) as reader:
        snapshot = take(reader, NOW)
        known = batch_outlook.read(reader, snapshot.open_batches, Outlook(), NOW)
    (before,), (after,) = (open_rows(snapshot, NOW, one) for one in (Outlook(), known))
    assert before.cells["ends"].text == ""
    assert after.cells["ends"].text == "no history yet"
    made.close()


def test_a_synchronous_run_that_is_due_is_said_once(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    batch = made.submit("feed", due_in=timedelta(hours=1))
    now, outlook = NOW + timedelta(minutes=1), Outlook()

    def risk(reasons: dict[str, str]) -> str:
        with open_reader(Folder(tmp_path)) as reader:
            snapshot = replace(take(reader, now), reasons=reasons)
        (row,) = open_rows(snapshot, now, outlook)
        return row.cells["risk"].text

    assert risk({}) == "✗ sync due"
    assert risk({batch.key: "waits for its synchronous run, cmd_1"}) == ""
    made.close()


async def test_canceled_requests_are_not_counted_as_errored(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    canceled = Failure("canceled", "canceled", Outcome.CANCELED)
    made.collect(made.accept(made.submit("feed", 9)), [Failure(), *[canceled] * 4])
    status = Terminal(tmp_path).run("status")
    fields = dict(line.split(maxsplit=1) for line in status.out.splitlines() if " " in line)
    assert fields["errored"] == "1 (including expired and missing)"
    assert fields["canceled"] == "4"
    assert Terminal(tmp_path).run("status", "--json").json()["errors"] == 5
    async with opened(made) as pilot:
        await until_shown(pilot, "Ended 1")
        heads = re.findall(r"errored|canceled", row_with(pilot, "total spent"))
        assert heads == ["errored", "canceled"]
        assert "Latest errors 1 · 4 canceled" in shown(pilot)
        await until_shown(pilot, " Succeeded  Errored  Canceled ")
        assert row_with(pilot, "collected  feed").split()[4:7] == ["4", "1", "4"]
        await pilot.press("3")
        await until_shown(pilot, "1 errored request  ·  4 canceled")
        await pilot.press("6")
        await until_shown(pilot, "1 errored, 4 canceled of 9")
        assert row_with(pilot, "Errored  Canceled")
        await pilot.press("4")
        await until_shown(pilot, "By workflow")
        await pilot.press("tab")
        await until_shown(pilot, "4 succeeded, 1 errored, 4 canceled")


def test_a_replay_is_named_where_it_is_listed(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    batch = made.accept(made.submit("feed-1", workflow="feed"))
    with open_reader(Folder(tmp_path)) as reader:
        snapshot = take(reader, NOW)
    for is_replay, name in ((False, "1"), (True, "1 (replay)")):
        outlook = Outlook(replays=frozenset([batch.id] if is_replay else []))
        (row,) = open_rows(snapshot, NOW, outlook)
        assert row.cells["run"].text == name
        assert ended_row(EndedBatch(batch, (), is_replay), NOW).cells["run"].text == name
    # Errors that run synchronously are no batch.
    run = ended_row(EndedBatch(replace(batch, kind=BatchKind.SYNC), (), True), NOW)
    assert (run.cells["run"].text, run.cells["mode"].text) == ("1 (sync)", "sync")
    made.close()


async def test_the_first_ended_batches_get_all_of_their_columns(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    made.collected("feed", 2)
    async with opened(made) as pilot:
        ended = cast("VirtualTable[EndedBatch]", table(pilot, "ended"))

        def models() -> Sequence[str]:
            record = ended.record_under_cursor()
            return record.models if record else ()

        # The rows that it begins with are of the snapshot, which has no models of answers.
        await until(pilot, lambda: bool(models()))


async def test_a_synchronous_run_is_told_from_a_batch(tmp_path: Path) -> None:
    made = a_named_ledger(tmp_path)
    made.ledger.connection.execute(
        "UPDATE batches SET kind = 'sync', cost_nano = sync_cost_nano WHERE tag LIKE '%feed-2'"
    )
    async with opened(made) as pilot:
        await until_shown(pilot, "Ended 6")
        await until(pilot, lambda: " sync " in row_with(pilot, r"daily-feed +2 \(sync\) "))
        assert " batch " in row_with(pilot, r"daily-feed +1 ")


async def test_every_batch_is_reached_with_the_keys(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    for number in range(120):
        made.clock.advance(1)
        made.collected(f"feed-{number:03d}", 1)
    async with opened(made) as pilot:
        await until_shown(pilot, "Ended 120")
        assert "  000 " not in shown(pilot)
        await pilot.press("G")
        await until_shown(pilot, "  000 ")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, BatchDetail))
        await until_shown(pilot, "feed-000")


async def test_the_first_list_with_rows_has_the_focus(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    made.collected("done", 2, [Failure()])
    async with opened(made) as pilot:
        await until(pilot, lambda: table(pilot, "ended").has_focus)
        await pilot.press("R")
        await until_shown(pilot, "Replay 1 request")


@pytest.mark.parametrize("size", [(60, 16), (80, 24)])
async def test_in_a_small_terminal_no_empty_list_takes_a_line(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    made = LedgerBuilder(tmp_path)
    made.collected("done", 2)
    async with opened(made, size) as pilot:
        await until_shown(pilot, "✓ collected")
        assert ("No open batches." in shown(pilot)) == (size[1] > 20)


async def test_a_click_on_a_header_sorts_and_a_second_one_reverses(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    for number, name in enumerate(("b", "c", "a")):
        made.clock.advance(1)
        made.collected(f"{name}-1", 1 + number, workflow=name, cost_nano=CENT)
    async with opened(made) as pilot:
        await until_shown(pilot, "Ended 3")
        ended = table(pilot, "ended")

        def listed() -> list[str]:
            rows = [ended.row_of(key) for key in ended.keys]
            return [row.cells["workflow"].text for row in rows if row]

        async def click(label: str) -> None:
            header = lines(pilot)[ended.region.y]
            await pilot.click(ended, offset=(header.index(label) - ended.region.x, 0))

        await until(pilot, lambda: listed() == ["a", "c", "b"])
        await click("Workflow")
        await until(pilot, lambda: listed() == ["a", "b", "c"])
        await until_shown(pilot, "Workflow↓")
        await click("Workflow")
        await until(pilot, lambda: listed() == ["c", "b", "a"])
        await pilot.press("s", "c")
        await until(pilot, lambda: listed() == ["a", "c", "b"])
        await until_shown(pilot, "⇅ highest cost first")


async def test_chosen_columns_are_remembered(tmp_path: Path) -> None:
    made = a_named_ledger(tmp_path)
    async with opened(made) as pilot:
        await until_shown(pilot, "Est. saved")
        assert "tb-0007" not in row_with(pilot, _RUN)
        await pilot.press("c")
        await until_shown(pilot, "Space shows or hides")
        # The last but one is the key of the batch, the second from the top the workflow.
        await pilot.press("G", "k", "space", "g", "j", "space", "enter")
        await until(pilot, lambda: "tb-0007" in row_with(pilot, _RUN))
        assert _WORKFLOW not in row_with(pilot, _RUN)
    kept = preferences.read(tmp_path)
    assert kept.columns == {"batches.open": {"workflow": False, "key": True}}
    async with TitanApp(tmp_path, made.clock).run_test(size=(120, 40)) as pilot:
        await until_shown(pilot, _RUN)
        assert "tb-0007" in row_with(pilot, _RUN)
        await pilot.press("c", "0", "escape")
        await until(pilot, lambda: _WORKFLOW in row_with(pilot, _RUN))
    assert preferences.read(tmp_path).columns == {}


async def test_columns_without_room_are_marked(tmp_path: Path) -> None:
    async with opened(a_named_ledger(tmp_path), (60, 24)) as pilot:
        await until_shown(pilot, _RUN)
        await pilot.press("c")
        await until_shown(pilot, "Space shows or hides")
        await until(pilot, lambda: "◐ no room" in row_with(pilot, " Est. saved"))
        assert "◐ no room" not in row_with(pilot, " Workflow")
        await pilot.resize_terminal(200, 50)
        await until(pilot, lambda: "◐ no room" not in shown(pilot))


async def test_a_chosen_column_without_content_is_marked_as_empty(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    made.accept(made.submit("feed"))
    async with opened(made) as pilot:
        await until_shown(pilot, "feed")
        await pilot.press("c")
        await until_shown(pilot, "Space shows or hides")
        assert "(empty now)" in row_with(pilot, "● Late risk")
        assert "(empty now)" not in row_with(pilot, "● Status")


async def test_filters_are_saved_applied_and_deleted(tmp_path: Path) -> None:
    made = a_named_ledger(tmp_path)
    async with opened(made) as pilot:
        await until_shown(pilot, _RUN)
        await pilot.press("/", *"wf:daily", "enter", "*")
        await until_shown(pilot, "save the filter")
        await pilot.press("s", "escape")
        await until_shown(pilot, _WORKFLOW)
    async with TitanApp(tmp_path, made.clock).run_test(size=(120, 40)) as pilot:
        await until_shown(pilot, _RUN)
        await pilot.press("*")
        await until_shown(pilot, "1  wf:daily")
        await pilot.press("1")
        await until_shown(pilot, "▽ wf:daily  7 matches")
        await pilot.press("*", "x")
        await until(pilot, lambda: app_of(pilot).state.preferences.filters_of("Batches") == [])


def test_an_unreadable_file_of_preferences_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / preferences.FILE).write_text('{"columns": 3}', "utf-8")
    assert preferences.read(tmp_path) == preferences.Preferences()


def test_nine_filters_are_kept() -> None:
    kept = preferences.Preferences()
    for number in range(12):
        kept.save_filter("Batches", str(number))
    kept.save_filter("Batches", "5")
    assert kept.filters_of("Batches") == ["5", "11", "10", "9", "8", "7", "6", "4", "3"]


@pytest.mark.parametrize(
    ("tag", "workflow", "run"),
    [
        ("feed-2026-05-02", "feed", "2026-05-02"),
        ("adhoc", "feed", "adhoc"),
        ("feed", "feed", "-"),
        ("feed/7", "feed", "7"),
    ],
)
def test_a_run_is_the_tag_without_its_workflow(tag: str, workflow: str, run: str) -> None:
    assert run_of(tag, workflow) == run


def test_models_are_counted() -> None:
    assert model_names(["claude-sonnet-4-6"]) == "sonnet-4-6"
    assert model_names(["claude-haiku-4-5", "claude-opus-5"]) == "haiku-4-5 +1"


def costs(model: str, kind: BatchKind, answers: int, cost: int, sync: int) -> AnswerCosts:
    return AnswerCosts(model=model, kind=kind, answers=answers, cost_nano=cost, sync_cost_nano=sync)


def test_the_expected_saving_is_the_mean_of_earlier_answers(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    batch = made.submit("feed", 10)
    made.close()
    earlier = [
        costs("claude-haiku-4-5-20251001", BatchKind.BATCH, 4, 40, 80),
        costs("claude-opus-5", BatchKind.BATCH, 1, 900, 1800),
    ]
    assert expected_saving(batch, (), earlier) == 100
    assert expected_saving(batch, ("claude-haiku-4-5", "claude-opus-5"), earlier) == 1880
    assert expected_saving(batch, ("claude-sonnet-4-6",), earlier) is None
    at_full_price = [costs("claude-haiku-4-5", BatchKind.SYNC, 2, 40, 40)]
    assert expected_saving(batch, (), at_full_price) == 100
    assert expected_saving(replace(batch, kind=BatchKind.SYNC), (), earlier) is None


def test_empty_columns_are_left_out_and_names_come_first() -> None:
    columns = (
        Column("status", "Status", 10, 1, narrow=1),
        Column("name", "Name", 6, 0, grow=1, is_name=True),
        Column("note", "Note", 6, 2, grow=1),
        Column("mode", "Mode", 5, 3, usual=("batch",)),
    )
    content = {"status": 10, "name": 20}
    assert [(c.key, w) for c, w in fit(columns, 60, content)] == [("status", 10), ("name", 20)]
    assert [(c.key, w) for c, w in fit(columns, 30, content)] == [("status", 1), ("name", 20)]
    content["note"] = 9
    assert [c.key for c, _ in fit(columns, 60, content)] == ["status", "name", "note"]


async def test_an_open_batch_says_beside_its_list_and_on_its_page_when_it_ends(
    tmp_path: Path,
) -> None:
    async with opened(a_named_ledger(tmp_path), (200, 50)) as pilot:
        await until_shown(pilot, "Est. saved")
        await pilot.press("down")
        for keys in ((), ("enter",)):
            await pilot.press(*keys)
            await until_shown(pilot, "10m (estimated from")
            assert "ETA" in row_with(pilot, r"10m \(estimated from")
            await until(pilot, lambda: re.search("isk +✓ low", shown(pilot)) is not None)
            await until(pilot, lambda: re.search(r"Est. saved +\$0.04", shown(pilot)) is not None)
        await pilot.press("escape", "tab", "enter")
        await until_shown(pilot, "Collected")
        assert not any(" ETA " in line for line in lines(pilot))
