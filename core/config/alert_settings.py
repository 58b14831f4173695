"""[alerts] of titan.toml: when to raise an alert, and whom to notify."""

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from core.config.base_url import LOOPBACK
from core.config.toml_reader import CommandLine, Count, Record, Text


class AlertRules(Record, frozen=True, kw_only=True):
    """When to raise an alert, and whom to notify. 0 or false switches a rule off.

    `command` is a program and its arguments; it gets the alert as JSON on its standard input.
    Posts to `url` are signed with `secret`. Where `account` or `rate_limit` is not set, it is as
    `spend_cap`, which was the rule of every hold.
    """

    errors_a_day: Count = 5
    deadline_lead_h: Count = 3
    poller_silent_min: Count = 40
    poll_failed: bool = True
    kpis: bool = True
    spend_cap: bool = True
    account: bool | None = None
    rate_limit: bool | None = None
    orphans: bool = True
    unpriced: bool = True
    replay: bool = True
    priming: bool = True
    stuck: bool = True
    budget: bool = True
    command: CommandLine = ()
    url: Text = ""
    secret: Text = ""

    @staticmethod
    def old_names() -> Mapping[str, str]:
        """See `Record.old_names`."""
        return {"deadline_h": "deadline_lead_h"}

    def __repr__(self) -> str:
        """Without the secret."""
        return f"AlertRules(url={self.url!r}, command={self.command!r})"

    def check(self, keys: set[str]) -> Iterator[tuple[str, str, str]]:
        """See `Record.check`."""
        del keys
        if self.url and not _is_safe(self.url):
            message = f"must be an https URL, or an http one of this machine, not {self.url!r:.80}."
            yield "url", "insecure_url", message
        if self.url and not self.secret:
            yield "url", "key_missing", "needs a secret beside it: requests are signed with it."


def _is_safe(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    if not parts.hostname:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
