"""Three calls that move a scheduled job to half-price batches.

    import titan_batch

    key = titan_batch.submit(requests, tag="daily-feed")
    ...
    results = titan_batch.poll_and_collect(key)      # None while it runs
    summary = titan_batch.reconcile("daily-feed")

State lies under TITAN_HOME; the key of the API comes from ANTHROPIC_API_KEY.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from core import reports
from core.bootstrap import open_engine
from core.engine import Engine
from core.errors import PayloadError, SettingsError, TitanError
from core.settings import from_environment
from core.submit import Order
from state.errors import AlreadySubmitted, LedgerError, UnknownId
from state.records import OnFailure

__all__ = [
    "AlreadySubmitted",
    "LedgerError",
    "PayloadError",
    "SettingsError",
    "TitanError",
    "UnknownId",
    "poll_and_collect",
    "reconcile",
    "submit",
]

_log = logging.getLogger("titan_batch")


def submit(
    requests: Iterable[Mapping[str, Any]],
    *,
    tag: str,
    model: str = "claude-sonnet-4-6",
    workflow: str | None = None,
    deadline: datetime | None = None,
    betas: Sequence[str] = (),
) -> str:
    """Take the requests in for good, then send them; returns the key of the submission.

    Each request is `{"custom_id", "messages", "max_tokens", ...}`, or the API's own
    `{"custom_id", "params"}`. What cannot be sent now is queued, and the next pass sends it. The
    same call made again returns the same key and sends nothing.

    Raises PayloadError or AlreadySubmitted, which name the request, and then nothing was taken
    in; LedgerError when it could not be written down.
    """
    order = Order(
        tag=tag,
        model=model,
        workflow=workflow,
        deadline=deadline,
        on_failure=OnFailure.QUEUE,
        betas=tuple(betas),
    )
    with _engine() as engine:
        submitted = engine.submit(requests, order)
    if submitted.trouble:
        _log.warning("%s is queued: %s", submitted.submission.key, submitted.trouble)
    return submitted.submission.key


def poll_and_collect(batch_id: str) -> list[dict[str, Any]] | None:
    """Every result in input order when all have ended, None before.

    Takes the key that `submit` returned, a batch's key, a remote id or a tag. A result is
    `{"custom_id", "outcome", "text", "message", "error", "usage", "cost_usd", "batch_id"}` with
    absent parts None. Asks the API only while something is open. Raises UnknownId.
    """
    with _engine() as engine:
        if not engine.is_finished(batch_id):
            _poll(engine)
            if not engine.is_finished(batch_id):
                return None
        return list(engine.results(batch_id))


def reconcile(tag: str) -> dict[str, Any]:
    """Where everything under the tag stands, after a look at the API if something is open.

    Returns `{"tag", "submissions", "requests", "by_status", "finished", "settled", "batches",
    "cost_usd", "savings_usd"}`.
    """
    with _engine() as engine:
        summary = reports.tag_summary(engine.context.ledger, tag)
        if summary["submissions"] and not summary["finished"]:
            _poll(engine)
            summary = reports.tag_summary(engine.context.ledger, tag)
        return summary


def _engine() -> Engine:
    return open_engine(from_environment(), actor="titan_batch")


def _poll(engine: Engine) -> None:
    """A pass on behalf of a job that wants results: what goes wrong is logged, not raised."""
    try:
        troubles = engine.poll().troubles
    except SettingsError as error:
        troubles = [str(error)]
    for trouble in troubles:
        _log.warning("%s", trouble)
