"""Watches deadlines: what a batch will hardly bring in time is run synchronously."""

from datetime import datetime, timedelta

from core.batches.context import Context
from core.batches.create_policy import is_at_risk
from core.requests.models import EXTENDED_OUTPUT_BETA
from core.text import counted
from state.model.timestamps import from_text, to_text
from state.operations import commands, deadlines
from state.operations.commands import Action, NewCommand
from state.operations.deadlines import Watched

# From here on there is no time left to wait for a cancel.
LAST_MOMENT = timedelta(minutes=20)
# A poll of the usual poller later.
_AGAIN = timedelta(minutes=14)


def check_deadlines(context: Context) -> list[str]:
    """Ask for a synchronous run of what is missing, for each submission at risk.

    What failed is missing too, also where its submission is over. What was cancelled is not:
    somebody wanted it so.
    """
    now = context.clock.now()
    asked = (
        _ask(context, watched, now)
        for watched in deadlines.watched(context.ledger, now_ts=to_text(now))
        if _may_ask(watched, now) and _at_risk(context, watched, now)
    )
    return [said for said in asked if said]


def _may_ask(watched: Watched, now: datetime) -> bool:
    """Once; and until the deadline now and then again, for what the API was too busy for."""
    if watched.asked_ts is None:
        return True
    if watched.is_over or now >= from_text(watched.deadline_ts):
        return False
    return now - from_text(watched.asked_ts) >= _AGAIN


def _at_risk(context: Context, watched: Watched, now: datetime) -> bool:
    return is_at_risk(
        now,
        deadline=from_text(watched.deadline_ts),
        sent=from_text(watched.sent_ts) if watched.sent_ts else None,
        usual=deadlines.usual_turnaround(context.ledger, watched.workflow),
    )


def _ask(context: Context, watched: Watched, now: datetime) -> str | None:
    """None where only a batch can bring what is missing."""
    missing = deadlines.unsettled(
        context.ledger, watched.submission_id, but_for=EXTENDED_OUTPUT_BETA
    )
    if not missing:
        return None
    last_moment = from_text(watched.deadline_ts) - LAST_MOMENT
    command, _ = commands.enqueue(
        context.ledger,
        NewCommand(
            action=Action.SYNC,
            items=missing,
            reason=f"{watched.key} is due at {watched.deadline_ts}",
            not_before=now,
            options={"last_moment_ts": to_text(last_moment), "submission": watched.key},
        ),
    )
    # Its batches may have brought some by then.
    most = f"at most {counted(len(missing), 'request')}"
    return f"{watched.key}: what is missing is run synchronously, {most} ({command.key})"
