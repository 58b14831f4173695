"""The holds: their names in the ledger and in JSON, and what each stops, as text. Pure."""

from collections.abc import Mapping

from state.model.records import DEFAULT_LANE, Hold

CREATE_HOLD = "create"
QUEUE_HOLD = "queue"
ACCOUNT_HOLD = "account"
SPEND_HOLD = "spend_cap"
SYNC_HOLD = "sync"
SYNC_SPEND_HOLD = "sync_spend_cap"
# Each stops every create.
SEND_HOLDS = (ACCOUNT_HOLD, SPEND_HOLD, CREATE_HOLD, QUEUE_HOLD)
# Each stops every synchronous call.
SYNC_HOLDS = (SYNC_HOLD, SYNC_SPEND_HOLD)
_LABELS: Mapping[str, str] = {
    CREATE_HOLD: "sending (rate limit)",
    QUEUE_HOLD: "sending (API queue full)",
    ACCOUNT_HOLD: "sending (account problem)",
    SPEND_HOLD: "sending (spend limit)",
    SYNC_HOLD: "synchronous calls (account problem)",
    SYNC_SPEND_HOLD: "synchronous calls (spend limit)",
}


def label(name: str, lane: str = DEFAULT_LANE) -> str:
    """What the hold of that name stops, and why, as in `sending (rate limit)`."""
    found = _LABELS.get(name, name)
    return found if lane == DEFAULT_LANE else f"lane {lane}: {found}"


def describe(hold: Hold) -> str:
    """One sentence: what is on hold, until when, and the reason."""
    subject = "Synchronous calls are" if hold.name in SYNC_HOLDS else "Sending is"
    if hold.lane != DEFAULT_LANE:
        subject = f"Lane {hold.lane}: {subject[0].lower()}{subject[1:]}"
    return f"{subject} on hold until {hold.until_ts}: {hold.reason}"
