"""Checks of the hosts that share a ledger: whether their rules about money agree."""

from collections.abc import Iterator
from datetime import datetime

from core.config import titan_file
from core.config.settings import Settings
from core.reporting import host_report
from core.text import pluralize
from state.db.reader import Source
from state.operations import hosts
from titan_console.doctor.finding import Finding, Health


def findings(source: Source, settings: Settings, now: datetime) -> Iterator[Finding]:
    """Each host whose titan.toml differs about money; nothing for a ledger file."""
    if settings.ledger_url is None:
        return
    rules = titan_file.read(settings.folder)
    different = host_report.problems(source, rules, settings.host, now)
    for line in different:
        yield Finding(Health.WARN, "hosts", line)
    if not different:
        count = pluralize(len(hosts.known(source)), "host")
        yield Finding(Health.OK, "hosts", f"{count}, whose rules about money agree")
