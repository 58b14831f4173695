from collections.abc import Collection
from datetime import timedelta
from pathlib import Path

import pytest
from support.console.console_builders import NOW, Failure, LedgerBuilder
from support.console.console_pilot import opened, shown, until, until_shown
from textual.pilot import Pilot

from core.clock import ManualClock
from state.model.records import Outcome
from state.operations.commands import Action
from titan_console.tui.screens.errors import ErrorsScreen, GroupPage


@pytest.fixture(autouse=True)
def _colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.fixture
def made(tmp_path: Path) -> LedgerBuilder:
    """Of feed, ids 1-3 hit a limit and 4 is invalid; of news, 9 expired and 10-11 were cut off."""
    made = LedgerBuilder(tmp_path, ManualClock(NOW - timedelta(hours=3)))
    limits = [Failure("rate_limit_error", f"limit of {n} reached") for n in (50, 60, 70)]
    made.collected("feed-1", 8, [*limits, Failure("invalid_request_error", "max_tokens: 0")])
    made.clock.advance(7200)
    late = made.accept(made.submit("news-1", 1, workflow="news"))
    made.collect(late, [Failure("expired", "too late", Outcome.EXPIRED)])
    cut = made.accept(made.submit("news-2", 2, workflow="news"))
    made.collect(cut, stop_reason="max_tokens")
    made.clock.advance(3600)
    return made


async def go_to_errors(pilot: Pilot[None]) -> ErrorsScreen:
    await pilot.press("3")
    await until(pilot, lambda: isinstance(pilot.app.screen, ErrorsScreen))
    page = pilot.app.screen
    assert isinstance(page, ErrorsScreen)
    await until(pilot, lambda: page.matches() is not None)
    return page


def counts(page: ErrorsScreen) -> list[tuple[str, int]]:
    groups = [page.table.group_of(key) for key in page.table.keys]
    return [(group.key.kind, group.count) for group in groups if group is not None]


def ids_for(page: ErrorsScreen, made: LedgerBuilder, action: Action) -> Collection[int] | None:
    target = page.target(action)
    return target.find(made.ledger).request_ids if target else None


async def test_errors_are_shown_by_workflow_and_kind_and_answers_to_review_apart(
    made: LedgerBuilder,
) -> None:
    async with opened(made, (150, 40)) as pilot:
        page = await go_to_errors(pilot)
        await until_shown(pilot, "4 groups  ·  5 errored requests  ·  2 answers to review")
        assert counts(page) == [
            ("rate_limit_error", 3),
            ("invalid_request_error", 1),
            ("expired", 1),
            ("max_tokens", 2),
        ]
        screen = shown(pilot)
        for text in (
            "✗ rate_limit_error",
            "limit of # reached",
            "↻ replay",
            "✎ edit and replay",
            "⊗ expired",
            "? max_tokens",
            "? review",
            "3h 00m",
            "1h 00m",
        ):
            assert text in screen
        assert "feed  ·  rate_limit_error  ·  limit of " in screen


async def test_enter_opens_exactly_the_requests_of_a_group_and_escape_leads_back(
    made: LedgerBuilder,
) -> None:
    async with opened(made) as pilot:
        page = await go_to_errors(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, GroupPage))
        group = pilot.app.screen
        assert isinstance(group, GroupPage)
        await until(pilot, lambda: list(group.table.keys) == [3, 2, 1])
        await until_shown(pilot, "Errors >  rate_limit_error")
        await until_shown(pilot, "limit of 70 reached")
        await pilot.press("/", *"feed-1-001")
        await until(pilot, lambda: list(group.table.keys) == [2])
        await pilot.press("enter", "escape", "s", "a")
        await until(pilot, lambda: list(group.table.keys) == [1, 2, 3])
        made.ledger.execute("UPDATE requests SET status = 'dismissed' WHERE id = 2")
        await until(pilot, lambda: list(group.table.keys) == [1, 3])
        await pilot.press("escape")
        assert pilot.app.screen is page
        await until(pilot, lambda: counts(page)[0] == ("rate_limit_error", 2))


async def test_a_filter_narrows_groups_and_what_they_open(made: LedgerBuilder) -> None:
    async with opened(made) as pilot:
        page = await go_to_errors(pilot)
        await pilot.press("/", *"wf:feed", "space", *"60")
        await until(pilot, lambda: counts(page) == [("rate_limit_error", 1)])
        await pilot.press("enter")
        await until_shown(pilot, "▽ wf:feed 60  1 match")
        assert ids_for(page, made, Action.REPLAY) == (2,)
        await pilot.press("enter")
        await until_shown(pilot, "limit of 60 reached")
        group = pilot.app.screen
        assert isinstance(group, GroupPage)
        assert list(group.table.keys) == [2]
        # Esc clears what was typed here, then goes back.
        await pilot.press("/", "x", "enter")
        await until(pilot, lambda: not group.table.keys)
        await pilot.press("escape")
        await until(pilot, lambda: list(group.table.keys) == [2])
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is page)


async def test_errors_sort_by_count_type_and_time(made: LedgerBuilder) -> None:
    async with opened(made) as pilot:
        page = await go_to_errors(pilot)
        await pilot.press("s", "c")
        assert [count for _, count in counts(page)] == [3, 2, 1, 1]
        await pilot.press("s", "t")
        assert counts(page)[0][0] == "expired"
        await pilot.press("i")
        assert counts(page)[0][0] == "rate_limit_error"
        await pilot.press("s", "l")
        assert [kind for kind, _ in counts(page)][:2] == ["expired", "max_tokens"]


async def test_a_command_applies_to_the_requests_of_the_group_or_of_selected_groups(
    made: LedgerBuilder,
) -> None:
    async with opened(made) as pilot:
        page = await go_to_errors(pilot)
        assert ids_for(page, made, Action.REPLAY) == (1, 2, 3)
        assert ids_for(page, made, Action.CANCEL) is None
        await pilot.press("space", "space")
        assert ids_for(page, made, Action.ACKNOWLEDGE) == (1, 2, 3, 4)
        await pilot.press("U", "G")
        assert ids_for(page, made, Action.REPLAY) == (10, 11)
        assert ids_for(page, made, Action.SYNC) is None


async def test_a_new_failure_appears_and_the_cursor_stays_on_its_group(
    made: LedgerBuilder,
) -> None:
    async with opened(made) as pilot:
        page = await go_to_errors(pilot)
        await pilot.press("j", "j")
        kept = page.table.current_key()
        made.collected("feed-2", 9, [Failure("api_error", f"Internal {n}") for n in range(9)])
        await until(pilot, lambda: counts(page)[0] == ("api_error", 9))
        assert page.table.current_key() == kept


async def test_without_errors_the_screen_is_empty(tmp_path: Path) -> None:
    made = LedgerBuilder(tmp_path)
    made.collected("fine", 2)
    async with opened(made, (60, 16)) as pilot:
        await go_to_errors(pilot)
        await until_shown(pilot, "No errors.")
