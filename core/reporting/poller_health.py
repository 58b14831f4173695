"""The state of the poller: the one judgement of every view, alert and report. Pure."""

from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct

from core.config.alert_settings import AlertRules
from state.model.timestamps import from_text
from state.queries.ledger_status import Poller

_INTERRUPTED = "the process was killed, or could not write the ledger"


class PollerState(StrEnum):
    """State of the poller. A poll that ran through with problems is `ok`.

    `blocked`: the disk is full, so that polls fail and cannot be recorded. `restored`: the ledger
    was restored or rebuilt, and no poll has run since.
    """

    BLOCKED = "blocked"
    NEVER_RAN = "never_ran"
    RESTORED = "restored"
    RUNNING = "running"
    OK = "ok"
    INTERRUPTED = "interrupted"
    FAILED = "failed"
    SILENT = "silent"


class PollerHealth(Struct, frozen=True, kw_only=True):
    """The state; `age`: how long ago the last poll was, of `silent` the last successful one.

    `error` is why the last poll failed, or the next one will; None where neither is so.
    `restored_ts`: when the ledger was restored or rebuilt, if no poll has run since; then `age` is
    the time since.
    """

    state: PollerState
    age: timedelta = timedelta(0)
    error: str | None = None
    restored_ts: str | None = None

    def needs_attention(self, *, has_open_batches: bool) -> bool:
        """Whether an operator must act; silence matters where a batch is open."""
        is_missed = self.state == PollerState.SILENT and has_open_batches
        return self.error is not None or is_missed


def silent_after(rules: AlertRules) -> timedelta:
    """How long no poll may succeed; where that rule is off, its default."""
    return timedelta(minutes=rules.poller_silent_min or AlertRules().poller_silent_min)


# As without titan.toml.
SILENT_AFTER = silent_after(AlertRules())


def assess(poller: Poller, now: datetime, limit: timedelta = SILENT_AFTER) -> PollerHealth:
    """The state of the poller; no successful poll for longer than `limit` is silence."""
    if poller.lease_expires_ts is not None and from_text(poller.lease_expires_ts) > now:
        return PollerHealth(state=PollerState.RUNNING)
    if poller.blocked is not None:
        return PollerHealth(state=PollerState.BLOCKED, error=f"{poller.blocked}.")
    restored = poller.restored_ts or ""
    if restored > (poller.last_started_ts or ""):
        age = now - from_text(restored)
        state = PollerState.SILENT if age > limit else PollerState.RESTORED
        return PollerHealth(state=state, age=age, restored_ts=restored)
    if poller.last_started_ts is None:
        return PollerHealth(state=PollerState.NEVER_RAN)
    last, error = _last(poller)
    # The polls of a backup say nothing of the time between it and its restore.
    since_success = now - from_text(max(poller.last_success_ts or last, restored))
    if since_success > limit:
        return PollerHealth(state=PollerState.SILENT, age=since_success, error=error)
    return PollerHealth(state=_state(error), age=now - from_text(last), error=error)


def _state(error: str | None) -> PollerState:
    if error is None:
        return PollerState.OK
    return PollerState.INTERRUPTED if error == _INTERRUPTED else PollerState.FAILED


def _last(poller: Poller) -> tuple[str, str | None]:
    """When the last poll was, and why it failed."""
    started, finished = poller.last_started_ts or "", poller.last_finished_ts
    if finished is None or finished < started:
        return started, _INTERRUPTED
    return finished, poller.last_error
