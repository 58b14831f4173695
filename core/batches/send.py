"""Sends an intent: fence, record, one POST, record. One row is at most one POST, ever."""

from collections import deque
from datetime import timedelta

from msgspec import Struct

from core.api.protocol import Body
from core.batches import account, request_body
from core.batches.context import Context
from core.batches.create_error_policy import (
    CreateAction,
    after_create,
    is_worth_splitting,
    queue_pause_s,
)
from core.batches.retry import with_retries
from core.errors import ApiError, SettingsError, Unauthorized
from core.requests.payload import wire_overhead
from state.batches import batch_split, leases, remote_status, sending
from state.model.errors import FileMissing
from state.model.records import Batch, Hold
from state.model.timestamps import to_text

# A process that was suspended for so long between the record and its POST does not send it.
FROZEN_AFTER_S = 120.0
CREATE_HOLD = "create"
QUEUE_HOLD = "queue"
# How many more POSTs one call makes for what refusals leave over; the rest is the next poll's.
_MOST_MORE = 32


def send_intents(context: Context, batches: list[Batch]) -> str | None:
    """Send each in turn; in words, what went wrong last. What was not sent stays an intent.

    Raises SettingsError where there is no key, or one that the API does not accept.
    """
    trouble: str | None = None
    pending = deque(batches)
    for _ in range(len(batches) + _MOST_MORE):
        if not pending:
            break
        held = _held(context)
        if held is not None:
            return f"Nothing is sent before {held.until_ts}: {held.reason}"
        sent = send(context, pending.popleft())
        pending.extendleft(reversed(sent.instead))
        trouble = sent.trouble or trouble
        if sent.stop:
            break
    return trouble


def _held(context: Context) -> Hold | None:
    """What keeps creates back now; a full queue does until a batch of our own has left it."""
    full = leases.active_hold(context.ledger, QUEUE_HOLD)
    if full is not None and remote_status.has_ended_since(context.ledger, full.since_ts):
        leases.lift(context.ledger, QUEUE_HOLD)
        full = None
    return leases.active_hold(context.ledger, CREATE_HOLD) or full


class Sent(Struct, frozen=True, kw_only=True):
    """How one POST went: `stop` when the next would go the same way, `instead` the new intents."""

    trouble: str | None = None
    stop: bool = False
    instead: tuple[Batch, ...] = ()


def send(context: Context, batch: Batch) -> Sent:
    """One POST for one intent. Raises SettingsError where the key is the trouble."""
    if _is_answered_already(context, batch):
        reason = "some of its requests have been answered meanwhile"
        sending.withdraw(context.ledger, batch, reason)
        return Sent()
    try:
        payload = request_body.make(context, batch)
    except FileMissing as error:
        sending.mark_rejected(context.ledger, batch, "body_lost", str(error))
        return Sent(trouble=f"{batch.key}: {error} Submit its requests again.")
    return _post(context, batch, payload)


def _post(context: Context, batch: Batch, payload: Body) -> Sent:
    """Fence, record, send once, record."""
    ledger, clock, api = context.ledger, context.clock, context.api()
    try:
        page = with_retries(context, lambda: api.list_page(limit=1))
    except ApiError as error:
        _raise_if_key_refused(error)
        return Sent(trouble=str(error), stop=True)
    account.check(context, page.account)
    newest = page.batches
    began, began_monotonic = clock.now(), clock.monotonic()
    if not sending.mark_sending(
        ledger,
        batch,
        watermark_id=newest[0].remote_id if newest else "",
        watermark_ts=newest[0].created_ts if newest else None,
        owner=context.holder,
        account=page.account,
    ):
        return Sent()
    asleep = (clock.now() - began).total_seconds(), clock.monotonic() - began_monotonic
    if max(asleep) > FROZEN_AFTER_S:
        sending.mark_not_sent(ledger, batch, "this process was frozen before it could send")
        return Sent()
    try:
        created = api.create(payload)
    except ApiError as error:
        sent = _after_failure(context, batch, error)
        _raise_if_key_refused(error)
        return sent
    sending.mark_accepted(ledger, batch, created.remote, created.account)
    return Sent()


def _raise_if_key_refused(error: ApiError) -> None:
    if isinstance(error, Unauthorized):
        raise SettingsError(f"The key is not accepted. {error}") from error


def _after_failure(context: Context, batch: Batch, error: ApiError) -> Sent:
    """Record what the failed create means."""
    instead: list[Batch] = []
    decision = after_create(error, context.recovery)
    now = context.clock.now()
    match decision.action:
        case CreateAction.NOT_SENT:
            sending.mark_not_sent(context.ledger, batch, str(error))
        case CreateAction.QUEUE_FULL:
            instead = _wait_for_the_queue(context, batch, error)
        case CreateAction.SPLIT if batch.request_count > 1:
            instead = batch_split.halve(
                context.ledger, batch, str(error), wire_overhead=wire_overhead()
            )
        case CreateAction.DROP_ONE if decision.position < batch.request_count:
            instead = batch_split.drop_one(
                context.ledger,
                batch,
                decision.position,
                error_type=error.error_type or "rejected",
                message=str(error),
                wire_overhead=wire_overhead(),
            )
        case CreateAction.REJECT | CreateAction.SPLIT | CreateAction.DROP_ONE:
            sending.mark_rejected(context.ledger, batch, error.error_type or "rejected", str(error))
        case CreateAction.UNCONFIRMED:
            settles = now + timedelta(seconds=decision.settle_s)
            sending.mark_unconfirmed(context.ledger, batch, str(error), settles_ts=to_text(settles))
    if decision.pause_s:
        until = now + timedelta(seconds=decision.pause_s)
        leases.hold(context.ledger, CREATE_HOLD, until=until, reason=str(error))
    # A body that is cut in two is no trouble: its halves go out at once.
    trouble = None if decision.action == CreateAction.SPLIT and instead else str(error)
    return Sent(trouble=trouble, stop=decision.stop, instead=tuple(instead))


def _wait_for_the_queue(context: Context, batch: Batch, error: ApiError) -> list[Batch]:
    """Nothing is sent until there may be room again, and then a large batch in halves."""
    own = len(remote_status.at_the_api(context.ledger))
    seconds = queue_pause_s(retry_after_s=error.retry_after_s, own_open=own)
    until = context.clock.now() + timedelta(seconds=seconds)
    leases.hold(context.ledger, QUEUE_HOLD, until=until, reason=str(error))
    if is_worth_splitting(batch.request_count):
        return batch_split.halve(context.ledger, batch, str(error), wire_overhead=wire_overhead())
    sending.mark_not_sent(context.ledger, batch, str(error))
    return []


def _is_answered_already(context: Context, batch: Batch) -> bool:
    """A twin of an earlier try may have come in since the intent was planned."""
    return sending.is_answered_elsewhere(context.ledger, batch)
