"""Protects deadlines: requests that a batch may return too late are run synchronously."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta

from core.batches import budget_admission
from core.batches.engine_context import Context
from core.batches.error_isolation import isolated
from core.commands.deadline_policy import is_at_risk
from core.config.durations import DEADLINE_LEAD
from core.requests.model_limits import EXTENDED_OUTPUT_BETA, MAX_CALL_BYTES
from core.text import pluralize
from state.model.records import BatchKind
from state.model.timestamps import from_text, to_text
from state.operations import commands, deadlines
from state.operations.commands import Action, NewCommand
from state.operations.deadlines import PendingDeadline

# Later than this there is no time to wait for a cancel.
LAST_MOMENT = timedelta(minutes=20)
# When to warn that a budget will not allow the synchronous run.
WARN_BEFORE = timedelta(hours=3)
# Just under the usual poll interval, so that the next poll asks again.
_REPEAT_AFTER = timedelta(minutes=14)


def check_deadlines(context: Context, problems: list[str]) -> list[str]:
    """Write a sync command for each submission at risk. Returns a line for each.

    The command includes failed requests, also of a finished submission, but not canceled ones:
    they were canceled on purpose.
    """
    now = context.clock.now()
    written: list[str] = []
    for submission in deadlines.pending_deadlines(context.ledger, now_ts=to_text(now)):
        with isolated(context, f"Cannot check the deadline of {submission.key}", problems):
            if _may_sync(submission, now) and _is_at_risk(context, submission, now):
                missing = _missing(context, submission)
                held = _held(context, submission, missing, now) if missing else None
                if held:
                    problems.append(held)
                elif missing:
                    written.append(_sync(context, submission, missing, now))
    return written


def _may_sync(submission: PendingDeadline, now: datetime) -> bool:
    """Whether to run now: once, then repeatedly for requests that the API had no capacity for."""
    if submission.sync_requested_ts is None:
        return True
    if submission.is_finished or now >= from_text(submission.deadline_ts):
        return False
    return now - from_text(submission.sync_requested_ts) >= _REPEAT_AFTER


def _is_at_risk(context: Context, submission: PendingDeadline, now: datetime) -> bool:
    return is_at_risk(
        now,
        deadline=from_text(submission.deadline_ts),
        sent=from_text(submission.sent_ts) if submission.sent_ts else None,
        usual=deadlines.usual_api_time(context.ledger, submission.workflow),
    )


def held_by_budget(context: Context, problems: list[str]) -> list[tuple[str, str]]:
    """The key of each submission whose deadline the guard cannot meet within the budgets, and why.

    From `WARN_BEFORE` the guard's moment on, so that the budget can be raised in time.
    """
    now = context.clock.now()
    found: list[tuple[str, str]] = []
    for submission in deadlines.pending_deadlines(context.ledger, now_ts=to_text(now)):
        with isolated(context, f"Cannot check the budget of {submission.key}", problems):
            if not _may_sync(submission, now) or not (
                _is_at_risk(context, submission, now)
                or _is_at_risk(context, submission, now + WARN_BEFORE)
            ):
                continue
            missing = _missing(context, submission)
            held = _held(context, submission, missing, now) if missing else None
            found += [(submission.key, held)] if held else []
    return found


def notes_of_late_replay(
    context: Context, ids: Collection[int], known: Sequence[str]
) -> Iterator[str]:
    """What becomes of a replay of requests whose deadline has passed; `known` are the deadlines.

    The guard runs them synchronously, unless it has done so before, or a day has passed.
    """
    now, guarded, late = context.clock.now(), 0, 0
    if not any(one <= to_text(now) for one in known):
        return
    for found in deadlines.passed(context.ledger, ids, now_ts=to_text(now)):
        deadline = from_text(found.deadline_ts)
        is_guarded = not found.has_sync_run and is_at_risk(
            now, deadline=deadline, sent=None, usual=None
        )
        guarded += found.requests if is_guarded else 0
        late += 0 if is_guarded else found.requests
    if guarded:
        many = pluralize(guarded, "request")
        yield f"the deadline has passed: {many} will run synchronously at full price"
    if late:
        many = pluralize(late, "request")
        yield f"the deadline has passed: {many} will be answered late, in a batch"


def _missing(context: Context, submission: PendingDeadline) -> list[int]:
    """The requests to run, without those that can run only in a batch."""
    return deadlines.unsettled(
        context.ledger,
        submission.submission_id,
        but_for=EXTENDED_OUTPUT_BETA,
        max_bytes=MAX_CALL_BYTES,
    )


def _held(
    context: Context, submission: PendingDeadline, missing: list[int], now: datetime
) -> str | None:
    """Why running them would exceed a budget, on the day of the guard's moment; None if it fits."""
    day = max(now, from_text(submission.deadline_ts) - DEADLINE_LEAD)
    budget_admission.estimate_missing(context, missing)
    refused = budget_admission.refusal(context, missing, BatchKind.SYNC, day=to_text(day)[:10])
    requests = pluralize(len(missing), "request")
    return refused and (
        f"{submission.key} is due at {submission.deadline_ts}, and {requests} cannot run"
        f" synchronously before it. {refused}"
    )


def _sync(context: Context, submission: PendingDeadline, missing: list[int], now: datetime) -> str:
    """Write the command."""
    last_moment = from_text(submission.deadline_ts) - LAST_MOMENT
    command, _ = commands.enqueue(
        context.ledger,
        NewCommand(
            action=Action.SYNC,
            items=missing,
            reason=f"{submission.key} is due at {submission.deadline_ts}",
            not_before=now,
            options={"last_moment_ts": to_text(last_moment), "submission": submission.key},
        ),
        lambda command_id: budget_admission.admit(
            context, missing, BatchKind.SYNC, command_id=command_id
        ),
    )
    # The canceled batch may still answer some of them.
    most = pluralize(len(missing), "request")
    return f"{submission.key}: deadline at risk, running up to {most} synchronously ({command.key})"
