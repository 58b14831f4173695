"""Sends queued batches: watermark, record, one POST, record. One row is at most one POST, ever."""

from collections import deque
from collections.abc import Iterable
from datetime import datetime, timedelta

from msgspec import Struct

from core.api.protocol import Body
from core.batches import account_check, budget_admission, request_body
from core.batches.create_error_policy import (
    AfterCreate,
    CreateAction,
    after_create,
    is_worth_splitting,
    queue_hold_s,
    repeated_hold_s,
)
from core.batches.engine_context import Context
from core.batches.error_isolation import announce, isolated
from core.batches.holds import ACCOUNT_HOLD, QUEUE_HOLD, SEND_HOLDS, describe
from core.batches.read_retry import with_retries
from core.errors import ApiError, OverBudget, SettingsError, Unauthorized
from core.requests.payload import wire_overhead
from state.batches import leases, priming_records, remote_status, sending, split_after_rejection
from state.model.errors import FileMissing
from state.model.records import Batch, Hold
from state.model.timestamps import to_text

# A process that was suspended for so long between the record and its POST does not send it.
FROZEN_AFTER_S = 120.0
# Splits make more batches than were queued; the next poll sends those beyond this many.
_MOST_MORE = 32


class Sent(Struct, frozen=True, kw_only=True):
    """The result of one send.

    `stop`: the next send would fail for the same reason. `rejected`: the reason why the batch as
    a whole was rejected. `replacements`: the queued batches that replace this one. `is_accepted`:
    the API has the batch. `held`: the budget that it exceeds. `unconfirmed`: the tag and the key
    of a batch of which it is not known whether the API has it.
    """

    problem: str | None = None
    stop: bool = False
    rejected: str | None = None
    replacements: tuple[Batch, ...] = ()
    is_accepted: bool = False
    held: str | None = None
    unconfirmed: str = ""

    @property
    def message(self) -> str | None:
        """The problem, and what becomes of a batch that the API may have."""
        if not self.unconfirmed:
            return self.problem
        return f"{self.problem} {self.unconfirmed} is unconfirmed: {_UNCONFIRMED}"


_UNCONFIRMED = (
    "the API may have accepted it, and the next poll looks for it there. Do not submit its requests"
    " again."
)


def send_queued(context: Context, batches: list[Batch], problems: list[str]) -> str | None:
    """Send the lane's batches in turn; returns the last refusal. Batches not sent stay queued.

    A batch that fails otherwise is one of the problems, and the others are sent. Two rejections
    with the same reason end it: the reason may be outside the batches. Then all creates are on
    hold, unless the API accepted a batch meanwhile.

    Raises SettingsError where the key is missing or rejected.
    """
    problem, is_accepted = None, False
    before = leases.last_hold(context.ledger, ACCOUNT_HOLD, context.lane)
    rejections = [before.reason] if before else []
    pending = deque(_in_order(context, batches) if before else batches)
    for _ in range(len(batches) + _MOST_MORE):
        if not pending:
            break
        hold = _active_hold(context)
        if hold is not None:
            return describe(hold)
        if not context.time.may_begin(f"send{context.of_lane}", pending[0].key, len(pending)):
            break
        batch = pending.popleft()
        sent = _send_isolated(context, batch, pending, problems)
        pending.extendleft(reversed(sent.replacements))
        problem = sent.message or problem
        problems += [sent.held] if sent.held else []
        if sent.is_accepted and before:
            _end_hold(context, ACCOUNT_HOLD, "a batch was accepted")
            rejections, before = rejections[1:], None
        is_accepted = is_accepted or sent.is_accepted
        if sent.rejected in rejections and not is_accepted:
            _hold_repeated(context, sent.rejected, before)
        if sent.stop or sent.rejected in rejections:
            break
        rejections += [sent.rejected] if sent.rejected else []
    return problem


def _send_isolated(
    context: Context, batch: Batch, others: Iterable[Batch], problems: list[str]
) -> Sent:
    """Send one batch; where the others would fail alike, they and it get the reason."""
    sent = Sent()
    try:
        with isolated(context, f"Cannot send {batch.key}", problems, batch=batch):
            announce(context, batch, problems)
            sent = send(context, batch)
    except SettingsError as error:
        sending.record_wait(context.ledger, [batch, *others], str(error))
        raise
    if sent.stop and sent.problem:
        sending.record_wait(context.ledger, [batch, *others], sent.problem)
    return sent


def _in_order(context: Context, batches: list[Batch]) -> list[Batch]:
    """Those of another workflow first: if one is accepted, the account works."""
    last = sending.last_rejected_workflow(context.ledger, context.lane)
    return sorted(batches, key=lambda batch: batch.workflow == last)


def _active_hold(context: Context) -> Hold | None:
    """The hold that stops sending now; the end of an own batch lifts the hold of a full queue."""
    ledger, lane = context.ledger, context.lane
    full = leases.active_hold(ledger, QUEUE_HOLD, lane)
    if full is not None and remote_status.has_ended_since(ledger, full.since_ts, lane):
        _end_hold(context, QUEUE_HOLD, "a batch has ended")
    holds = (leases.active_hold(ledger, name, lane) for name in SEND_HOLDS)
    return next(filter(None, holds), None)


def send(context: Context, batch: Batch) -> Sent:
    """Send one queued batch. Raises SettingsError where the key is missing or rejected."""
    if sending.is_answered_elsewhere(context.ledger, batch):
        # A duplicate of an earlier try was collected after this batch was queued.
        sending.withdraw(context.ledger, batch, "some of its requests have results already")
        return Sent()
    budget_admission.estimate_batch(context, batch)
    try:
        # Before a call is made; again in the transaction that marks it as sending.
        budget_admission.admit_batch(context, batch)
        return _send_admitted(context, batch)
    except OverBudget as error:
        return Sent(held=f"{batch.key} stays queued. {error}")


def _send_admitted(context: Context, batch: Batch) -> Sent:
    marks = priming_records.marks_of(context.ledger, batch, context.ledger.now_text())
    try:
        body = request_body.make(context, batch, marks)
        if body.length > context.limits.max_bytes and marks:
            marks, body = {}, request_body.make(context, batch, {})
    except FileMissing as error:
        sending.mark_rejected(context.ledger, batch, "body_lost", str(error))
        return Sent(problem=f"{batch.key}: {error} Submit its requests again.")
    # A body that cannot be read from here on may be there at the next poll.
    return _post(context, batch, body, has_marks=bool(marks))


def _post(context: Context, batch: Batch, body: Body, *, has_marks: bool) -> Sent:
    ledger, clock, api = context.ledger, context.clock, context.api()
    try:
        page = with_retries(context, lambda: api.list_page(limit=1))
    except ApiError as error:
        _raise_if_unauthorized(error)
        # A list has no body.
        decision = after_create(error, context.recovery, body_bytes=0)
        if decision.hold == ACCOUNT_HOLD:
            _hold(context, decision, error)
        return Sent(problem=str(error), stop=True)
    account_check.check(context, page.account)
    newest = page.batches
    began, began_monotonic = clock.now(), clock.monotonic()
    if not sending.mark_sending(
        ledger,
        batch,
        watermark_id=newest[0].remote_id if newest else "",
        watermark_ts=newest[0].created_ts if newest else None,
        owner=context.instance_id,
        account=page.account,
        server=context.server or None,
        cache_marks=has_marks,
        admit=lambda: budget_admission.admit_batch(context, batch),
    ):
        return Sent()
    suspended_s = (clock.now() - began).total_seconds(), clock.monotonic() - began_monotonic
    if max(suspended_s) > FROZEN_AFTER_S:
        sending.mark_not_sent(ledger, batch, "this process was suspended before the send")
        return Sent()
    try:
        created = api.create(body)
    except ApiError as error:
        sent = _after_failure(context, batch, error, body.length)
        _raise_if_unauthorized(error)
        return sent
    sending.mark_accepted(ledger, batch, created.remote, created.account)
    return Sent(is_accepted=True)


def _raise_if_unauthorized(error: ApiError) -> None:
    if isinstance(error, Unauthorized):
        raise SettingsError(
            f"The API rejected the key: {error}", code="api_key_rejected"
        ) from error


def _after_failure(context: Context, batch: Batch, error: ApiError, body_bytes: int) -> Sent:
    """Record what `create_error_policy` decides on the failed create."""
    ledger, now = context.ledger, context.clock.now()
    replacements: list[Batch] = []
    rejected: str | None = None
    decision = after_create(error, context.recovery, body_bytes=body_bytes)
    match decision.action:
        case CreateAction.NOT_SENT:
            sending.mark_not_sent(ledger, batch, str(error))
        case CreateAction.QUEUE_FULL:
            replacements = _hold_for_queue(context, batch, error)
        case CreateAction.SPLIT if batch.request_count > 1:
            replacements = split_after_rejection.halve(
                ledger, batch, str(error), wire_overhead=wire_overhead()
            )
        case CreateAction.DROP_ONE if decision.position < batch.request_count:
            replacements = split_after_rejection.drop_one(
                ledger,
                batch,
                decision.position,
                error_type=error.error_type or "rejected",
                message=str(error),
                wire_overhead=wire_overhead(),
            )
        case CreateAction.REJECT | CreateAction.SPLIT | CreateAction.DROP_ONE:
            rejected = str(error)
            sending.mark_rejected(ledger, batch, error.error_type or "rejected", rejected)
        case CreateAction.UNCONFIRMED:
            wait_until_ts = to_text(now + timedelta(seconds=decision.wait_s))
            sending.mark_unconfirmed(ledger, batch, str(error), wait_until_ts=wait_until_ts)
    if decision.hold_s:
        _hold(context, decision, error)
    is_unconfirmed = decision.action == CreateAction.UNCONFIRMED
    # A split is no problem: both halves are sent at once.
    problem = None if decision.action == CreateAction.SPLIT and replacements else str(error)
    return Sent(
        problem=problem,
        stop=decision.stop,
        rejected=rejected,
        replacements=tuple(replacements),
        unconfirmed=f"{batch.tag} ({batch.key})" if is_unconfirmed else "",
    )


def _hold(context: Context, decision: AfterCreate, error: ApiError) -> None:
    until = context.clock.now() + timedelta(seconds=decision.hold_s)
    _set_hold(context, decision.hold, until, str(error))


def _set_hold(context: Context, name: str, until: datetime, reason: str) -> None:
    leases.set_hold(context.ledger, name, until=until, reason=reason, lane=context.lane)


def _end_hold(context: Context, name: str, reason: str) -> None:
    leases.end_hold(context.ledger, name, reason=reason, lane=context.lane)


def _hold_repeated(context: Context, reason: str | None, before: Hold | None) -> None:
    seconds = repeated_hold_s(before, reason or "")
    until = context.clock.now() + timedelta(seconds=seconds)
    _set_hold(context, ACCOUNT_HOLD, until, reason or "")


def _hold_for_queue(context: Context, batch: Batch, error: ApiError) -> list[Batch]:
    """Set a hold until the queue may have room; split a large batch so that a part may fit."""
    own_open = len(remote_status.open_at_api(context.ledger, context.lane))
    seconds = queue_hold_s(retry_after_s=error.retry_after_s, own_open=own_open)
    until = context.clock.now() + timedelta(seconds=seconds)
    _set_hold(context, QUEUE_HOLD, until, str(error))
    if is_worth_splitting(batch.request_count):
        return split_after_rejection.halve(
            context.ledger, batch, str(error), wire_overhead=wire_overhead()
        )
    sending.mark_not_sent(context.ledger, batch, str(error))
    return []
