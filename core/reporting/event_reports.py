"""The records of `events --json`."""

from collections.abc import Mapping

from msgspec import Struct

from core.money.pricing import usd
from state.queries.event_list import EventLine


class EventReport(Struct, frozen=True, kw_only=True):
    """One entry of the audit log. The keys of `detail` depend on the kind."""

    id: int
    at: str
    actor: str
    kind: str
    batch_id: str | None
    tag: str | None
    subject: str | None
    cost_usd: float | None
    detail: Mapping[str, object]


def event_report(line: EventLine) -> EventReport:
    """One entry of the event log."""
    event = line.event
    return EventReport(
        id=event.id,
        at=event.at,
        actor=event.actor,
        kind=event.kind,
        batch_id=event.batch_key,
        tag=line.tag,
        subject=event.subject,
        cost_usd=None if line.unpriced else usd(line.cost_nano),
        detail=event.detail,
    )
