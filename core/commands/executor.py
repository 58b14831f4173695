"""Runs the commands that are due, one step per poll, until each has an outcome.

A step that has to wait (for a batch to end, for a canary) returns None; the next poll continues.

A synchronous run (`sync`) of a part of a batch runs beside it: the batch goes on, and may charge
for the same requests a second time, which is recorded. Of more than half of a batch, the run
cancels it, waits for its end, collects, and runs the unanswered ones; the other requests return to
the queue. Shortly before a deadline it runs at once, and records the possible duplicate charge.

No command waits for ever: the API ends a batch, or it becomes stuck (`stuck_policy`), and then an
operator's command writes it off at once, the engine within an hour.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import islice

from msgspec import Struct

from core.batches import account_check, budget_admission
from core.batches.engine_context import Context
from core.batches.error_isolation import isolated
from core.batches.read_retry import with_retries
from core.batches.unresolved import stuck_policy
from core.errors import ApiError, LaneError, NotFound, OverBudget, Rejected, SettingsError
from core.text import pluralize
from state.batches import remote_status, sending
from state.model.id_list import IdList
from state.model.records import REVIEW_REASONS, Batch, BatchKind, BatchStatus, RequestStatus
from state.model.timestamps import to_text
from state.operations import affected_batches, command_effects, commands, pauses, reviews
from state.operations.commands import NOTHING_TO_DO, Action, Command, CommandState

_CANARY_SENT = 1
_OPEN = (RequestStatus.QUEUED, RequestStatus.IN_FLIGHT)

# Only the commands of the deadline guard have this option.
_LAST_MOMENT = "last_moment_ts"
_CANCELED = "canceled"
_CANCELING = "is being canceled; its results arrive with a later poll"
_ARE_CANCELING = "are being canceled; their requests end at a later poll"
_UNSENT = "canceled before it was sent"
_REFUSED = "not canceled"
_HAD_ENDED = "had already ended"
_WRITTEN_OFF = "ended as missing (the requests may have run)"

# The final state and one line, or None while the command is still running.
StepResult = tuple[CommandState, str] | None


class Ended(Struct, frozen=True):
    """A command that ended, in one line; a failed one needs attention."""

    line: str
    is_failed: bool


def run_due(context: Context, problems: list[str]) -> Iterator[Ended]:
    """Run the next step of each command that is due. Yields those that ended.

    Raises SettingsError once all had their turn, where one needs the API and cannot have it.
    """
    refused: SettingsError | None = None
    due = commands.due(context.ledger, now=context.clock.now())
    for command in context.time.items("run commands", due, lambda command: command.key):
        ended = None
        try:
            with isolated(context, f"{command.key} {command.action}", problems):
                ended = advance(context, command)
        except LaneError as error:
            problems.append(str(error))
        except SettingsError as error:
            refused = error
        if ended is not None:
            yield ended
    if refused is not None:
        raise refused


def advance(context: Context, command: Command) -> Ended | None:
    """Run the next step of one command. Returns its outcome once it has ended."""
    if command.state == CommandState.PENDING:
        started = _start(context, command)
        if started != CommandState.RUNNING:
            return _ended(context, command) if started else None
    try:
        result = _STEPS[command.action](context, command)
    except OverBudget as error:
        result = CommandState.FAILED, str(error)
    if result is None:
        return None
    commands.finish(context.ledger, command, *result)
    return _ended(context, command)


def _ended(context: Context, command: Command) -> Ended:
    now = commands.get(context.ledger, command.id)
    return Ended(f"{now.key} {now.action}: {now.outcome}", now.state == CommandState.FAILED)


def _start(context: Context, command: Command) -> CommandState | None:
    """Claim the command; a synchronous run that exceeds a budget fails before it does anything."""
    ledger = context.ledger
    if command.action != Action.SYNC:
        return commands.claim(ledger, command)
    ids = [
        request_id
        for request_id, status in command_effects.statuses(
            ledger, commands.items(ledger, command)
        ).items()
        if status != RequestStatus.SUCCEEDED
    ]
    budget_admission.estimate_missing(context, ids)
    return commands.claim(
        ledger,
        command,
        lambda: budget_admission.refusal(context, ids, BatchKind.SYNC, command_id=command.id),
    )


def _requeue(context: Context, command: Command, ids: Collection[int]) -> int:
    """Queue requests for a replay, and return how many. Raises OverBudget, and then none is."""
    budget_admission.estimate_missing(context, ids)
    return command_effects.requeue(
        context.ledger,
        command.id,
        ids,
        lambda chosen: budget_admission.admit(
            context, chosen, BatchKind.BATCH, command_id=command.id
        ),
    )


def _replay(context: Context, command: Command) -> StepResult:
    ids = commands.items(context.ledger, command)
    if command.options.get("canary") and len(ids) > 1:
        return _replay_behind_canary(context, command, ids)
    count = _requeue(context, command, ids)
    if not count:
        return _nothing_to_do("none of the requests is errored any more")
    return CommandState.DONE, f"{_part(count, len(ids))} queued for replay"


def _nothing_to_do(why: str) -> StepResult:
    return CommandState.DONE, f"{NOTHING_TO_DO}{why}"


def _of_many(what: str, count: int) -> str:
    return _ARE_CANCELING if what == _CANCELING and count > 1 else what


def _part(count: int, total: int) -> str:
    """As in `3 requests` or `2 of 3 requests`."""
    requests = pluralize(total, "request")
    return requests if count == total else f"{count:,} of {requests}"


def _replay_behind_canary(context: Context, command: Command, ids: IdList) -> StepResult:
    """Replay the first request alone, and the others only if it succeeds."""
    canary, *_ = islice(ids, 1)
    others = IdList.of(islice(ids, 1, None))
    if command.step < _CANARY_SENT:
        if not _requeue(context, command, [canary]):
            return CommandState.FAILED, "the canary could not be replayed; nothing was queued"
        commands.record_step(context.ledger, command, _CANARY_SENT)
        return None
    status = command_effects.statuses(context.ledger, [canary])[canary]
    if status in _OPEN:
        return None
    not_queued = f"the other {len(others):,} were not queued"
    if status != RequestStatus.SUCCEEDED:
        return CommandState.FAILED, f"the canary ended as {status}; {not_queued}"
    stop_reason = command_effects.stop_reason_of(context.ledger, canary)
    if stop_reason in REVIEW_REASONS:
        return CommandState.FAILED, f"the canary stopped with {stop_reason}; {not_queued}"
    return _replay_the_others(context, command, others)


def _replay_the_others(context: Context, command: Command, others: IdList) -> StepResult:
    try:
        more = pluralize(_requeue(context, command, others), "more request")
    except OverBudget as error:
        return CommandState.FAILED, f"the canary succeeded; the others were not queued: {error}"
    return CommandState.DONE, f"the canary succeeded; {more} queued for replay"


def _acknowledge(context: Context, command: Command) -> StepResult:
    ids = commands.items(context.ledger, command)
    acknowledged = command_effects.acknowledge(context.ledger, ids)
    accepted = reviews.accept(context.ledger, ids)
    if not acknowledged and not accepted:
        return _nothing_to_do("no errored request and no answer to review is left")
    errored = f"{pluralize(acknowledged, 'errored request')} acknowledged" if acknowledged else ""
    answers = f"{pluralize(accepted, 'answer')} accepted" if accepted else ""
    return CommandState.DONE, "; ".join(filter(None, (errored, answers)))


def _cancel(context: Context, command: Command) -> StepResult:
    """Cancel unsent batches here, open ones at the API. Waits where that is not possible yet."""
    results = [
        _cancel_one(context, command, remote_status.reload_batch(context.ledger, batch_id))
        for batch_id in commands.items(context.ledger, command)
    ]
    if None in results:
        return None
    counts = Counter(result for result in results if result is not None)
    if set(counts) <= {_HAD_ENDED}:
        which = "the batch" if len(results) == 1 else f"all {len(results):,} batches"
        return _nothing_to_do(f"{which} {_HAD_ENDED}")
    parts = [
        f"{pluralize(count, 'batch', 'batches')} {_of_many(what, count)}"
        for what, count in sorted(counts.items(), key=lambda one: one[0] != _CANCELED)
    ]
    is_refused = any(what.startswith(_REFUSED) for what in counts)
    return CommandState.FAILED if is_refused else CommandState.DONE, ", ".join(parts)


def _cancel_one(context: Context, command: Command, batch: Batch) -> str | None:
    """The end of the batch as text for the outcome; None: not known before a later poll."""
    if batch.status == BatchStatus.QUEUED:
        reason = f"{_UNSENT}: {command.reason}" if command.reason else _UNSENT
        is_done = command_effects.cancel_unsent(context.ledger, batch, reason)
        return _CANCELED if is_done else None
    if batch.status in (BatchStatus.SENDING, BatchStatus.UNCONFIRMED):
        return None
    if batch.stuck_ts is not None:
        stuck_policy.write_off(context, batch)
        return _WRITTEN_OFF
    if batch.status == BatchStatus.IN_PROGRESS:
        return _cancel_at_the_api(context, batch)
    if batch.status == BatchStatus.CANCELING:
        affected_batches.keep_canceled(context.ledger, batch)
        return _CANCELING
    return _CANCELED if batch.cancel_ts is not None else _HAD_ENDED


def _cancel_at_the_api(context: Context, batch: Batch) -> str | None:
    """None where the API did not answer, or not know the batch: the next refresh shows more."""
    lane = context.on(batch.lane)
    with lane.lane_errors():
        api = lane.api()
    try:
        remote = with_retries(context, lambda: api.cancel(batch.remote_id or ""))
    except NotFound:
        return None
    except Rejected as error:
        return f"{_REFUSED}: {error}"
    except ApiError:
        return None
    remote_status.record_status(context.ledger, batch, remote)
    if remote.ended_ts and remote.cancel_ts is None:
        return _HAD_ENDED
    return _CANCELED if remote.ended_ts else _CANCELING


def _sync(context: Context, command: Command) -> StepResult:
    """Release the requests from their batches, then run the unanswered ones.

    It ends, too, where the API rejects the account: what is in no batch stays queued for one.
    """
    ids = commands.items(context.ledger, command)
    lanes = _lanes_of(context, ids)
    held = _hold_reason(lanes)
    if held and not command.step:
        return CommandState.FAILED, held
    # Before anything is taken out of its batch.
    for lane in lanes:
        with lane.lane_errors():
            account_check.check_context(lane)
            lane.api()
    _release(context, command, ids)
    problem = _run_now(context, command, ids)
    after = command_effects.statuses(context.ledger, ids)
    if RequestStatus.QUEUED in after.values():
        affected_batches.reattach(context.ledger, ids)
        after = command_effects.statuses(context.ledger, ids)
    left = [status for status in after.values() if status in _OPEN]
    if left and (RequestStatus.IN_FLIGHT in left or _hold_reason(lanes) is None):
        if problem:
            commands.record_wait(context.ledger, command, problem)
        return None
    answered = sum(after[i] == RequestStatus.SUCCEEDED for i in ids)
    own = command_effects.count_run_synchronously(context.ledger, ids, since_ts=command.created_ts)
    if answered == len(ids) and not own:
        return _nothing_to_do(
            f"{pluralize(len(ids), 'request was', 'requests were')} answered without a synchronous"
            " run"
        )
    message = f"{_count(answered, len(ids))} answered{_by_batches(answered, own)}"
    if left:
        message += f", {len(left):,} still queued or in a batch"
    state = CommandState.DONE if answered == len(ids) else CommandState.FAILED
    return state, f"{message}; {problem}" if problem else message


def _count(count: int, total: int) -> str:
    """As in `3` or `2 of 3`."""
    return f"{count:,}" if count == total else f"{count:,} of {total:,}"


def _by_batches(answered: int, own: int) -> str:
    """Batches answer until they have ended."""
    if answered <= own:
        return ""
    ran = f"{own:,} synchronously, " if own else ""
    return f" ({ran}{answered - own:,} in a batch)"


def _lanes_of(context: Context, ids: Collection[int]) -> list[Context]:
    found = {one.lane for one, _ in command_effects.submissions_of(context.ledger, ids)}
    return [context.on(lane) for lane in sorted(found)]


def _hold_reason(lanes: Iterable[Context]) -> str | None:
    from core.batches.synchronous.sync_run import hold_reason  # noqa: PLC0415 - slow, seldom needed

    return next(filter(None, map(hold_reason, lanes)), None)


def _is_last_moment(context: Context, command: Command) -> bool:
    moment = command.options.get(_LAST_MOMENT)
    return isinstance(moment, str) and to_text(context.clock.now()) >= moment


def _release(context: Context, command: Command, ids: Collection[int]) -> None:
    """Take the requests out of batches that go on; cancel those that consist mostly of them.

    Shortly before the deadline, there is no time to wait for the end of a batch.
    """
    for affected in affected_batches.affected_batches(context.ledger, ids):
        batch = affected.batch
        if batch.status == BatchStatus.QUEUED:
            sending.withdraw(context.ledger, batch, "replaced by a synchronous run")
        elif affected.goes_on:
            _run_beside(context, batch, ids)
        elif batch.stuck_ts is not None and _LAST_MOMENT not in command.options:
            stuck_policy.write_off(context, batch)
        else:
            if affected.is_canceled:
                affected_batches.requeue_canceled(context.ledger, affected, _because(command))
                _cancel_at_the_api(context, batch)
            if _is_last_moment(context, command):
                reason = "no time left before the deadline"
                command_effects.detach(context.ledger, batch, ids, reason)


def _run_beside(context: Context, batch: Batch, ids: Collection[int]) -> None:
    if _hold_reason([context.on(batch.lane)]) is None:
        command_effects.detach(context.ledger, batch, ids, "run synchronously beside the batch")


def _because(command: Command) -> str:
    return f"{command.key} by {command.who}: {command.reason or 'synchronous run'}"


def _run_now(context: Context, command: Command, ids: Collection[int]) -> str | None:
    """Run what can run now, submission by submission. Returns the first problem, if any."""
    from core.batches.synchronous.sync_run import run_queued  # noqa: PLC0415 - slow, seldom needed

    # A failed synchronous call may be billed, so one command makes it only once.
    again = command_effects.failed_in_batches(context.ledger, ids) if command.step else ids
    command_effects.requeue(context.ledger, command.id, again)
    commands.record_step(context.ledger, command, command.step + 1)
    problems = [
        run_queued(context, submission, "", only=chosen)
        for submission, chosen in command_effects.submissions_of(context.ledger, ids)
    ]
    return next((problem for problem in problems if problem), None)


def _pause(context: Context, command: Command) -> StepResult:
    new = pauses.pause(context.ledger, command.workflows, who=command.who, reason=command.reason)
    # A poll may carry out the same command, or have been killed before it recorded the outcome.
    changed = [
        pause.workflow
        for pause in pauses.paused(context.ledger)
        if pause.workflow in command.workflows
        and (
            pause.workflow in new
            or (pause.who == command.who and pause.since_ts >= command.created_ts)
        )
    ]
    if not changed:
        return _nothing_to_do(f"{_workflows(command)} already paused")
    return (
        CommandState.DONE,
        f"{_changed(changed, command)} paused; batches are not sent until `titan-console resume`",
    )


def _resume(context: Context, command: Command) -> StepResult:
    queued = len(pauses.unsent(context.ledger, command.workflows))
    changed = pauses.resume(context.ledger, command.workflows, reason=command.reason)
    if not changed:
        return _nothing_to_do(f"{_workflows(command)} not paused")
    waiting = pluralize(queued, "queued request")
    return CommandState.DONE, f"{_changed(changed, command)} resumed; {waiting} to send"


def _workflows(command: Command) -> str:
    """The subject of the outcome: one workflow by name, several by number."""
    if len(command.workflows) == 1:
        return f"{command.workflows[0]} is"
    return f"{len(command.workflows):,} workflows are"


def _changed(changed: list[str], command: Command) -> str:
    """The same, of those that changed."""
    if len(changed) == len(command.workflows):
        return _workflows(command)
    return f"{len(changed):,} of {_workflows(command)}"


_STEPS: dict[Action, Callable[[Context, Command], StepResult]] = {
    Action.REPLAY: _replay,
    Action.CANCEL: _cancel,
    Action.SYNC: _sync,
    Action.ACKNOWLEDGE: _acknowledge,
    Action.PAUSE: _pause,
    Action.RESUME: _resume,
}
