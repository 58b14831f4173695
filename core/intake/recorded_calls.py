"""Records calls that a job made itself, priced by the tier, speed and region of their usage."""

from collections.abc import Mapping
from typing import Any

from core.api.usage_schema import InvalidUsageError, usage_of
from core.batches.engine_context import Context
from core.batches.error_isolation import update_mirrors
from core.errors import PayloadError
from core.requests.payload import CUSTOM_ID, check_name, check_tag, workflow_and_date
from state.batches import recorded_calls
from state.model.records import BatchKind, CollectedResult, Outcome

_KEY_LENGTH = 10


def record_sync(
    context: Context,
    *,
    tag: str,
    model: str,
    usage: Mapping[str, Any],
    workflow: str | None = None,
    custom_id: str | None = None,
) -> str:
    """Record one synchronous call and return its key. `usage` is the API's `usage` object.

    With a custom_id, recording the same call again changes nothing. Raises PayloadError.
    """
    check_tag(tag)
    now = context.clock.now()
    word = context.ledger.new_id(_KEY_LENGTH)
    if custom_id is not None and not CUSTOM_ID.fullmatch(custom_id):
        raise PayloadError(
            f"custom_id must be 1 to 64 letters, digits, '_' or '-', not {custom_id!r:.80}.",
            code="custom_id_invalid",
        )
    check_name("model", model.strip())
    name = custom_id or f"sync-{word}"
    try:
        found = usage_of(usage, model)
    except InvalidUsageError as error:
        raise PayloadError(
            f"record_sync: usage is invalid: {error}.", code="usage_invalid"
        ) from error
    charge = context.prices.charge(model, found, at=now, kind=BatchKind.SYNC)
    key = recorded_calls.record(
        context.ledger,
        key=f"tb_{word}",
        tag=tag,
        workflow=workflow or workflow_and_date(name, tag, "")[0],
        model=model,
        answered=CollectedResult(
            custom_id=name,
            outcome=Outcome.SUCCEEDED,
            usage=found,
            model=model,
            cost_nano=charge.cost_nano,
            sync_cost_nano=charge.sync_cost_nano,
            fee_nano=charge.fee_nano,
            unpriced=charge.unpriced,
        ),
    )
    update_mirrors(context)
    return key
