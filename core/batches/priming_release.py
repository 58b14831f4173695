"""Sends what waits for the prompt cache, and measures what the cache gained."""

from core.batches.engine_context import Context
from core.money.cache_gain import gains
from core.money.pricing import dollars_text
from state.batches import priming_records
from state.batches.priming_records import Stop
from state.model.timestamps import from_text
from state.queries import cache_usage


def release_due(context: Context) -> bool:
    """Let the others of each submission be sent whose first requests ended, or whose time is up.

    Returns whether any can be sent now that could not before.
    """
    now = context.clock.now()
    found = priming_records.waiting(context.ledger)
    due = [one for one in found if one.is_over or from_text(one.until_ts) <= now]
    for one in due:
        priming_records.release(context.ledger, one, in_time=now < from_text(one.until_ts))
    return bool(due)


def measure_finished(context: Context) -> list[str]:
    """Store what each finished submission gained by its cache; two losses stop a workflow.

    Returns a line for each workflow that is stopped now.
    """
    stopped: list[str] = []
    for submission_id, key, workflow in priming_records.unmeasured(context.ledger):
        batches = priming_records.marked_batches(context.ledger, submission_id)
        found = gains(cache_usage.of_batches(context.ledger, batches), context.prices)
        # Without the others, or without a price, nothing is known about the cache.
        is_known = len(found) > 1 and all(one.gain_nano is not None for one in found)
        gain = sum(one.gain_nano or 0 for one in found) if is_known else 0
        if priming_records.record_gain(context.ledger, submission_id, key, workflow, gain):
            stopped.append(workflow)
    return [
        describe_stop(stop)
        for stop in priming_records.stops(context.ledger)
        if stop.workflow in stopped
    ]


def describe_stop(stop: Stop) -> str:
    """One line: why a workflow is not primed any more."""
    return (
        f"priming of {stop.workflow} stopped at {stop.stopped_ts}, because"
        f" {stop.losses} primed submissions cost {dollars_text(stop.lost_nano)} more than without a"
        f" cache. `titan-console savings --cache` shows them; `titan-console resume"
        f" {stop.workflow}` primes again."
    )
