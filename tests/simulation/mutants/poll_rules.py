"""Deliberate bugs in the rules of a poll: hooks, time limit, holds, alerts, hostile answers."""

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.request import HTTPRedirectHandler

import pytest
from api import test_redaction
from batches import (
    test_account_problems,
    test_odd_answers,
    test_poll_time_limit,
    test_response_limits,
)
from delivery import test_delivery_hooks
from msgspec.structs import replace as changed
from reporting import test_notifier, test_poller_health
from simulation.mutants.patching import Rule, never, nothing
from support.builders import Bench

from core.batches import poll_time_limit, result_reader, send
from core.batches.create_error_policy import repeated_hold_s
from core.batches.engine_context import Context
from core.batches.poll_time_limit import PollTimeLimit
from core.batches.send import Sent
from core.delivery import delivery_hooks
from core.poll import poll_run
from core.reporting import webhook
from state.files.folder import Folder, safe_name
from state.model.records import Batch
from state.model.usage import Usage
from state.operations import alerts

_number = itertools.count()
_send = send.send


def _a_lock_each(folder: Folder, workflow: str) -> Path:
    return folder.root / "hook-locks" / f"{safe_name(workflow)}-{next(_number)}.lock"


def _another_reason(context: Context, batch: Batch) -> Sent:
    """Each rejection has a reason of its own."""
    sent = _send(context, batch)
    return changed(sent, rejected=f"{sent.rejected} {batch.key}") if sent.rejected else sent


def _as_they_are(items: Sequence[object], _is_first: object) -> list[object]:
    return list(items)


def _first_pause(_before: object, reason: str) -> float:
    return repeated_hold_s(None, reason)


def _unlimited(pieces: object, _most: int) -> object:
    return pieces


def _same_bytes(raw: bytes) -> bytes:
    return raw


def _no_tokens(_usage: object, _model: object) -> Usage:
    return Usage()


def _hook_that_runs(bench: Bench) -> None:
    desk = test_delivery_hooks.SandboxClient(bench, bench.folder.root.parent)
    test_delivery_hooks.test_a_hook_that_runs_is_not_run_until_it_ends_and_named_only_past_its_limit(
        desk
    )


def _slow(test: Callable[[Bench], None]) -> Callable[[Bench], None]:
    """With batches that ended, and a limit of ten minutes."""

    def named(bench: Bench) -> None:
        with test_poll_time_limit.limited(bench.folder.root / "slow") as slow:
            test(slow)

    return named


def _failed_poll(bench: Bench) -> None:
    with pytest.MonkeyPatch.context() as patch:
        test_poller_health.test_a_failed_poll_is_shown_by_every_view_and_is_one_alert(
            bench, patch, test_poller_health._no_ledger, "The ledger is damaged."
        )


def _held(bench: Bench) -> None:
    test_account_problems.test_the_queue_is_held_and_sent_after_an_account_problem(bench, "credit")


def _bomb(bench: Bench) -> None:
    test_response_limits.test_a_hostile_response_is_a_problem_of_its_batch_alone(
        bench.folder.root.parent / "limits", test_response_limits.a_bomb, "is longer than", 0
    )


def _beside(test: Callable[..., None], *arguments: object) -> Callable[[Bench], None]:
    """A test that makes its own folder."""

    def named(bench: Bench) -> None:
        folder = bench.folder.root.parent / "beside"
        folder.mkdir()
        test(folder, *arguments)

    return named


def _unusable_usage(bench: Bench) -> None:
    test_odd_answers.test_an_answer_with_an_unusable_usage_is_kept_unpriced_and_not_bought_again(
        bench, b'"output_tokens":', b'"audio":1,"output_tokens":'
    )


def _hanging_command(bench: Bench) -> None:
    with pytest.MonkeyPatch.context() as patch:
        test_notifier.test_a_command_that_hangs_is_not_repeated_at_every_poll(
            bench.folder.root.parent, patch
        )


_LEFT = test_poll_time_limit.test_a_poll_past_its_limit_begins_nothing_and_says_what_it_left
_STEPS = test_poll_time_limit.test_the_steps_that_were_left_come_first_in_the_next_poll
_ITEMS = test_poll_time_limit.test_items_begin_with_the_one_that_was_left
RULES: dict[str, Rule] = {
    "one lock for all hooks of a workflow": (Folder, "hook_lock", _a_lock_each, _hook_that_runs),
    "a hook that may still run is waited for": (
        *(delivery_hooks, "_may_still_run", never),
        _hook_that_runs,
    ),
    "nothing is begun after the time limit": (PollTimeLimit, "is_over", False, _slow(_LEFT)),
    "what the time limit left is named": (poll_run, "_note_left", nothing, _slow(_LEFT)),
    "the steps that were left come first in the next poll": (
        *(poll_run, "left_by", nothing),
        _slow(_STEPS),
    ),
    "the item that was left comes first in its step": (
        *(poll_time_limit, "rotated", _as_they_are),
        _slow(_ITEMS),
    ),
    "a failed poll is recorded as failed": (poll_run, "_note_stop", nothing, _failed_poll),
    "two equal rejections end the sending": (
        *(send, "send", _another_reason),
        test_account_problems.test_two_rejections_with_the_same_message_end_the_sending_of_a_poll,
    ),
    "a hold stops the queue": (send, "_active_hold", nothing, _held),
    "equal rejections pause for longer each time": (
        *(send, "repeated_hold_s", _first_pause),
        test_account_problems.test_equal_rejections_that_continue_cost_one_batch_and_a_longer_pause_each,
    ),
    "a decompressed response is bounded": (result_reader, "up_to", _unlimited, _bomb),
    "an unusable usage is unpriced": (result_reader, "read_usage", _no_tokens, _unusable_usage),
    "a notification that failed waits": (alerts, "record_try", nothing, _hanging_command),
    "a webhook follows no redirect": (
        *(webhook._NoRedirects, "redirect_request", HTTPRedirectHandler.redirect_request),
        _beside(test_notifier.test_a_redirect_gets_no_signature, 302),
    ),
    "no key in stored results": (
        *(result_reader, "redact_bytes", _same_bytes),
        _beside(test_redaction.test_a_key_in_the_error_of_a_result_is_stored_nowhere),
    ),
}
