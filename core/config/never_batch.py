"""Names that are never batched, with the reason: work that needs its answer at once."""

import re
from collections.abc import Iterable
from types import MappingProxyType

from msgspec import Struct, field

_HEALTH = "a health check must answer in seconds; a batch may take 24 hours"
_USER = "a user waits for the answer"
# Always rejected. A name that begins with "/" matches that path and everything below it.
BUILT_IN = MappingProxyType(
    {
        "titan-bridge-watchdog": _HEALTH,
        "titan-revive-watch-1m": _HEALTH,
        "titan-heartbeat-monitor-15m": _HEALTH,
        "titan-hourly-progress-email": "it runs every hour, but a batch may take 24 hours",
        "silentinfinity-chat-smoke-10m": "it tests live chat every 10 minutes",
        "/cmd": _USER,
        "/voice": _USER,
        "/api/voice": _USER,
        "innerverse-live-chat": _USER,
        "titan-inbox-watch": "it reacts to incoming messages",
        "agentic-247-watchdog": _HEALTH,
        "swarm-health-orchestrator": _HEALTH,
    }
)
_DATE = re.compile(r"-\d{4}-\d{2}-\d{2}(-.*)?$")
_SEPARATOR = re.compile(r"[\s_-]+")


class NeverBatchList(Struct, frozen=True):
    """The built-in names and those of [never_batch] in titan.toml, each with its reason."""

    added: dict[str, str] = field(default_factory=dict[str, str])

    def reasons(self) -> dict[str, str]:
        """Every name with its reason."""
        return {**BUILT_IN, **self.added}

    def reason_for(self, names: Iterable[str | None]) -> tuple[str, str] | None:
        """The first name that is never batched, and the reason.

        Ignores letter case, a date at the end, and whether words are joined by dashes, spaces or
        underscores.

        >>> NeverBatchList().reason_for(["bridge/CMD/restart"])
        ('bridge/CMD/restart', 'a user waits for the answer')
        """
        listed = {_plain(name): reason for name, reason in self.reasons().items()}
        for name in names:
            reason = _reason(name, listed) if name else None
            if name and reason:
                return name, reason
        return None


def without_date(name: str) -> str:
    """The name without a date at its end and anything after it.

    >>> without_date("titan-daily-feed-2026-05-02-b")
    'titan-daily-feed'
    """
    return _DATE.sub("", name.strip())


def _plain(name: str) -> str:
    return _SEPARATOR.sub("-", without_date(name).casefold())


def _reason(name: str, listed: dict[str, str]) -> str | None:
    plain = _plain(name)
    if plain in listed:
        return listed[plain]
    if "/" not in plain:
        return None
    within = f"/{plain.strip('/')}/"
    return next(
        (why for path, why in listed.items() if path.startswith("/") and f"{path}/" in within),
        None,
    )
