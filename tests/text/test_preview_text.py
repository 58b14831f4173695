"""Previews and countdowns of every action: pure texts."""

from datetime import timedelta

import pytest
from msgspec.structs import replace
from support.console.console_builders import NOW

from core.commands.command_request import with_option
from core.commands.params_edit import EditSample
from core.commands.preview import Preview
from state.model.timestamps import to_text
from state.operations.commands import Action, Command, CommandState
from titan_console.text import command_labels, edit_text, preview_text

HOUR = timedelta(hours=1)
PREVIEW = Preview(
    action=Action.REPLAY,
    count=5,
    samples=("a", "b", "c"),
    skipped={"already succeeded": 2},
    batch_cost_nano=30_000_000,
    sync_cost_nano=60_000_000,
    notes=("feed is paused",),
    cli="titan-console replay --yes a",
)
COMMAND = Command(
    id=1,
    key="cmd_1",
    action=Action.SYNC,
    state=CommandState.PENDING,
    who="cli@host:1",
    reason="",
    item_count=1,
    options={},
    step=0,
    created_ts=to_text(NOW),
    not_before_ts=to_text(NOW + timedelta(seconds=7.2)),
    ended_ts=None,
    outcome=None,
)


def said(preview: Preview) -> dict[str, str]:
    return {fact.label: fact.text for fact in preview_text.facts(preview, "5 selected", NOW)}


def counted(*commands: Command, now: timedelta = timedelta(0), own: str = "cmd_1") -> str:
    parts = command_labels.countdown(
        commands, {own}, NOW + now, is_polling=False, can_withdraw=True
    )
    return "".join(part.text for part in parts)


def test_a_preview_has_count_cost_deadline_and_command_line() -> None:
    assert said(PREVIEW) == {
        "target": "5 requests: 5 selected (requests added later are not included)",
        "example": "a, b, c … 2 more",
        "cost": "in a batch at most $0.0300 · synchronously at most $0.0600",
        "skipped": "2 requests already succeeded.",
        "note": "feed is paused",
    }


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (Action.SYNC, "synchronously at most $0.0600 · in a batch at most $0.0300"),
        (Action.CANCEL, "none; requests already answered are still billed"),
        (Action.ACKNOWLEDGE, "none"),
    ],
)
def test_the_cost_of_a_command(action: Action, words: str) -> None:
    assert said(replace(PREVIEW, action=action))["cost"] == words


def test_a_resume_without_queued_requests_costs_nothing() -> None:
    nothing = replace(PREVIEW, action=Action.RESUME, batch_cost_nano=0, sync_cost_nano=0)
    assert said(nothing)["cost"] == "none"


def test_an_expected_cost_stands_before_the_greatest() -> None:
    expected = replace(PREVIEW, expected_batch_nano=9_000_000, sync_cost_nano=None)
    assert (
        said(expected)["cost"] == "in a batch ≈ $0.0090, at most $0.0300 · synchronously unpriced"
    )


def test_without_a_price_no_sum_is_invented() -> None:
    unpriced = replace(PREVIEW, batch_cost_nano=None, sync_cost_nano=None)
    assert said(unpriced)["cost"] == "in a batch unpriced · synchronously unpriced"
    assert preview_text.must_type(unpriced) == "the cost has no upper bound"


@pytest.mark.parametrize(
    ("action", "left", "words"),
    [
        (Action.REPLAY, 30 * HOUR, "in 1d 06h. Met even if the batch takes 24h."),
        (Action.REPLAY, 25 * HOUR, "in 1d 01h. From 2h before it (earlier"),
        (Action.REPLAY, 5 * HOUR, "in 5h 00m. From 2h before it (earlier"),
        (Action.REPLAY, HOUR, "in 1h 00m. Too soon for a batch"),
        (Action.REPLAY, -HOUR, "passed 1h 00m ago"),
        (Action.CANCEL, 5 * HOUR, "in 5h 00m. Requests that end as canceled have no answer until"),
        (
            Action.SYNC,
            HOUR,
            "in 1h 00m. Starts now, or after the batch has ended if it must be canceled.",
        ),
        (
            Action.ACKNOWLEDGE,
            HOUR,
            "in 1h 00m. Errored requests have no answer; answers to review are accepted.",
        ),
    ],
)
def test_the_effect_of_a_command_on_the_deadline(
    action: Action, left: timedelta, words: str
) -> None:
    due = replace(PREVIEW, action=action, deadlines=(to_text(NOW + left),))
    assert said(due)["deadline"].startswith(words)


def test_changes_of_a_few_requests_say_how_many_more_there_are() -> None:
    samples = [EditSample(name, {"max_tokens": 1}, {"max_tokens": 2}) for name in "abc"]
    assert [fact.text for fact in edit_text.facts(samples, 4)] == [
        *(f"{name}  max_tokens: 1 → 2" for name in "abc"),
        "… 1 more request",
    ]
    assert len(edit_text.facts(samples, 3)) == 3
    assert edit_text.facts([], 4) == []


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, ""),
        ({"count": 100}, ""),
        ({"count": 101}, "more than 100 requests"),
        ({"batch_cost_nano": 1_000_000_001}, "more than $1.00"),
        ({"action": Action.SYNC, "sync_cost_nano": 1_000_000_001}, "more than $1.00"),
        ({"sync_cost_nano": 1_000_000_001}, ""),
        ({"action": Action.SYNC, "stopped_requests": 1}, "1 other request stopped"),
    ],
)
def test_when_the_number_must_be_typed(changes: dict[str, int], why: str) -> None:
    assert preview_text.must_type(replace(PREVIEW, **changes)) == why  # pyright: ignore[reportArgumentType]


def test_the_countdown_names_the_newest_and_counts_the_others() -> None:
    other = replace(COMMAND, key="cmd_2", action=Action.PAUSE, options={"workflows": ["feed"]})
    assert counted(COMMAND) == "◔ Sync 1 request in 8s · z to withdraw"
    assert counted(COMMAND, other) == (
        "◔ Pause feed in 8s · by cli@host:1 · z to withdraw · 1 more pending"
    )
    assert counted(COMMAND, now=HOUR).startswith("◔ Sync 1 request: runs at the next poll")
    assert counted(replace(COMMAND, state=CommandState.RUNNING)) == ""


def test_a_running_replay_says_what_its_canary_decides() -> None:
    replay = replace(COMMAND, action=Action.REPLAY, state=CommandState.RUNNING, item_count=5)
    assert command_labels.result(replay)[0] == (
        "▸ Replay 5 requests: running; continues in the next poll"
    )
    assert command_labels.result(replace(replay, options={"canary": True}))[0] == (
        "▸ Replay 5 requests: the others follow once the canary has succeeded"
    )


def test_a_poll_is_due_at_once_for_what_was_ordered_here_and_a_little_later_for_others() -> None:
    at = NOW + timedelta(seconds=8)
    assert not command_labels.is_poll_due([COMMAND], {"cmd_1"}, NOW)
    assert command_labels.is_poll_due([COMMAND], {"cmd_1"}, at)
    assert not command_labels.is_poll_due([COMMAND], set(), at)
    assert command_labels.is_poll_due([COMMAND], set(), at + timedelta(seconds=5))
    assert not command_labels.is_poll_due(
        [replace(COMMAND, state=CommandState.RUNNING)], set(), at + HOUR
    )


def test_a_reason_goes_into_the_command_line_quoted() -> None:
    assert with_option("titan-console cancel --yes -- -odd", "--reason", "it's late") == (
        "titan-console cancel --yes '--reason=it'\"'\"'s late' -- -odd"
    )
    assert (
        with_option("titan-console cancel --yes a", "--reason", "")
        == "titan-console cancel --yes a"
    )
