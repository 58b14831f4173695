"""Takes in what a job ran synchronously on its own, priced at the full price: it saves nothing."""

from collections.abc import Mapping
from typing import Any

from core.api.result_schema import BadLineError, usage_of
from core.batches.context import Context
from core.errors import PayloadError
from core.requests.payload import CUSTOM_ID, check_tag, workflow_and_date
from state.batches import external_calls
from state.model.records import CollectedResult, Kind, Outcome
from state.queries import mirrors

_WORD = 10


def record_sync(
    context: Context,
    *,
    tag: str,
    model: str,
    usage: Mapping[str, Any],
    workflow: str | None = None,
    custom_id: str | None = None,
) -> str:
    """Record one synchronous call; the key of its row. `usage` is the API's own object.

    With a custom_id, the same call recorded again is recorded once. Raises PayloadError.
    """
    check_tag(tag)
    now = context.clock.now()
    word = context.ledger.word(_WORD)
    if custom_id is not None and not CUSTOM_ID.fullmatch(custom_id):
        raise PayloadError(f"custom_id {custom_id!r:.80} is not 1 to 64 letters, digits, '_', '-'.")
    if not model.strip():
        raise PayloadError("record_sync: the model has no name.")
    name = custom_id or f"sync-{word}"
    try:
        found = usage_of(usage)
    except BadLineError as error:
        raise PayloadError(
            f"record_sync: the usage of {name!r} cannot be used: {error}."
        ) from error
    cost, sync_cost = context.prices.price(model, found, at=now, kind=Kind.SYNC)
    key = external_calls.record(
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
            cost_nano=cost,
            sync_cost_nano=sync_cost,
        ),
    )
    mirrors.update(context.ledger, context.folder)
    return key
