"""[alerts] of titan.toml: when to raise an alert, and whom to notify."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from core.config.toml_reader import Section

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """When to raise an alert, and whom to tell. None switches a rule off."""

    errors_a_day: int | None = 5
    deadline_h: int | None = 3
    poller_silent_min: int | None = 40
    kpis: bool = True
    spend_cap: bool = True
    orphans: bool = True
    unpriced: bool = True
    replay: bool = True
    # An argument list; the alert goes to its standard input as JSON.
    command: tuple[str, ...] = ()
    url: str = ""
    secret: str = field(default="", repr=False)


def parse_alerts(section: Section) -> Rules:
    """The table [alerts]; 0 switches a rule with a number off."""
    url = section.text("url")
    rules = Rules(
        errors_a_day=_number(section, "errors_a_day", 5),
        deadline_h=_number(section, "deadline_h", 3),
        poller_silent_min=_number(section, "poller_silent_min", 40),
        kpis=section.flag("kpis", default=True),
        spend_cap=section.flag("spend_cap", default=True),
        orphans=section.flag("orphans", default=True),
        unpriced=section.flag("unpriced", default=True),
        replay=section.flag("replay", default=True),
        command=section.texts("command"),
        url=url,
        secret=section.text("secret"),
    )
    if url and not _is_safe(url):
        section.wrong("url", f"must be an https address, or a loopback one, not {url!r:.80}.")
    if url and not rules.secret:
        section.wrong("url", "needs a secret beside it: what is sent is signed with it.")
    section.finish()
    return rules


def _number(section: Section, key: str, default: int) -> int | None:
    value = section.whole(key)
    return default if value is None else value or None


def _is_safe(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    if not parts.hostname:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
