"""What is worth a bell while the operator looks elsewhere. Pure."""

from collections.abc import Iterator

from core.text import pluralize
from state.model.timestamps import to_text
from state.queries.console_snapshot import Snapshot

_DEADLINE = "deadline"


def notices(before: Snapshot | None, now: Snapshot) -> Iterator[str]:
    """One line for the first new failures, and one for each deadline that is newly at risk."""
    if before is None:
        return
    new = now.totals.errored_requests - before.totals.errored_requests
    if new > 0:
        yield f"{pluralize(new, 'request')} errored"
    known = {alert.id for alert in before.alerts}
    at = to_text(now.taken_at)
    for alert in now.alerts:
        if alert.rule == _DEADLINE and alert.id not in known and not alert.is_silenced(at):
            yield alert.message
