"""Sends an intent: fence, record, one POST, record. One row is at most one POST, ever."""

from datetime import timedelta

from core import body
from core.context import Context
from core.errors import LaneError, SettingsError, Unauthorized
from core.policy import FROZEN_AFTER_S, Verdict, after_create
from core.reading import read
from state import leases, sending
from state.records import Batch
from state.timestamps import to_text

CREATE_HOLD = "create"


def send_intents(context: Context, batches: list[Batch]) -> str | None:
    """Send each in turn; in words, what went wrong last. What was not sent stays an intent.

    Raises SettingsError where there is no key, or one that the API does not accept.
    """
    trouble: str | None = None
    for batch in batches:
        held = leases.held(context.ledger, CREATE_HOLD)
        if held is not None:
            return f"Nothing is sent before {held.until_ts}: {held.reason}"
        failure, stop = send(context, batch)
        trouble = failure or trouble
        if stop:
            break
    return trouble


def send(context: Context, batch: Batch) -> tuple[str | None, bool]:
    """One POST for one intent: what went wrong, and whether the next would go the same way."""
    ledger, clock, lane = context.ledger, context.clock, context.lane()
    if _is_answered_already(context, batch):
        sending.released(ledger, batch, "some of its requests have been answered meanwhile")
        return None, False
    payload = body.make(context, batch)
    try:
        newest = read(context, lambda: lane.list_page(limit=1)).batches
    except LaneError as error:
        _raise_if_key_refused(error)
        return str(error), True
    began, began_monotonic = clock.now(), clock.monotonic()
    if not sending.mark_sending(
        ledger,
        batch,
        fence_id=newest[0].remote_id if newest else "",
        fence_ts=newest[0].created_ts if newest else None,
        owner=context.holder,
    ):
        return None, False
    asleep = (clock.now() - began).total_seconds(), clock.monotonic() - began_monotonic
    if max(asleep) > FROZEN_AFTER_S:
        sending.released(ledger, batch, "this process was frozen before it could send")
        return None, False
    try:
        created = lane.create(payload)
    except LaneError as error:
        stop = _after_failure(context, batch, error)
        _raise_if_key_refused(error)
        return str(error), stop
    sending.accepted(ledger, batch, created.remote, created.account)
    return None, False


def _raise_if_key_refused(error: LaneError) -> None:
    if isinstance(error, Unauthorized):
        raise SettingsError(f"The key is not accepted. {error}") from error


def _after_failure(context: Context, batch: Batch, error: LaneError) -> bool:
    """Record what the failed create means; whether to stop sending."""
    decision = after_create(error, context.recovery)
    now = context.clock.now()
    match decision.verdict:
        case Verdict.RELEASE:
            sending.released(context.ledger, batch, str(error))
        case Verdict.REFUSE:
            sending.refused(context.ledger, batch, error.error_type or "refused", str(error))
        case Verdict.UNCERTAIN:
            settles = now + timedelta(seconds=decision.settle_s)
            sending.uncertain(context.ledger, batch, str(error), settles_ts=to_text(settles))
    if decision.hold_s:
        until = now + timedelta(seconds=decision.hold_s)
        leases.hold(context.ledger, CREATE_HOLD, until=until, reason=str(error))
    return decision.stop


def _is_answered_already(context: Context, batch: Batch) -> bool:
    """A twin of an earlier try may have come in since the intent was planned."""
    return (
        context.ledger.row(
            "SELECT 1 FROM attempts a JOIN requests r ON r.id = a.request_id"
            " WHERE a.batch_id = ? AND r.status <> 'live' LIMIT 1",
            batch.id,
        )
        is not None
    )
