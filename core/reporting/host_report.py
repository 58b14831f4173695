"""Where several hosts share the ledger: whether their titan.toml agree about money."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from core.batches.engine_context import Context
from core.config import titan_file
from core.config.rule_checksums import checksums, differences
from core.config.titan_tables import TitanToml
from state.db.liveness_lock import place_id
from state.db.reader import Source
from state.model.timestamps import from_text
from state.operations import hosts
from state.operations.hosts import Host

# A host that was not seen for so long is not compared.
_RECENT = timedelta(days=7)
# One that is seen again is recorded so often.
_REFRESH = timedelta(hours=1)
# Two folders of one name are both in use: it is not one that was moved.
_AT_ONCE = timedelta(hours=2)


def note(context: Context) -> list[str]:
    """Record this host with its rules; returns what is to be corrected, a line each.

    Nothing where no other host uses the ledger, or while titan.toml has a mistake that may hide
    a rule.
    """
    rules = titan_file.read(context.folder)
    if not context.ledger.host or rules.limit_problems:
        return []
    now, own = context.clock.now(), checksums(rules)
    known = hosts.known(context.ledger)
    home = place_id(context.folder.root)
    here = next((host for host in known if host.name == context.ledger.host), None)
    problems = _of_two_homes(here, home, now)
    if here is None or (here.home, dict(here.rules)) != (home, own) or _age(here, now) > _REFRESH:
        hosts.record(context.ledger, home, own)
    return [*problems, *_different(known, context.ledger.host, own, now)]


def problems(source: Source, rules: TitanToml, host: str, now: datetime) -> list[str]:
    """In which tables the titan.toml of other hosts differ from this one's, a line each."""
    return list(_different(hosts.known(source), host, checksums(rules), now))


def _different(
    known: list[Host], name: str, own: Mapping[str, str], now: datetime
) -> Iterator[str]:
    for host in known:
        tables = differences(own, host.rules)
        if host.name != name and tables and _age(host, now) < _RECENT:
            yield (
                f"titan.toml of host {host.name} differs from that of this host, {name}, in"
                f" {', '.join(tables)}: each host decides about money by its own. Make them equal."
            )


def _of_two_homes(here: Host | None, home: str, now: datetime) -> list[str]:
    if here is None or here.home == home or _age(here, now) > _AT_ONCE:
        return []
    said = (
        f"Another TITAN_HOME uses the ledger as host {here.name}, too, and would deliver what is of"
        " this one. Set TITAN_HOST to another name in one of them."
    )
    return [said]


def _age(host: Host, now: datetime) -> timedelta:
    return now - from_text(host.seen_ts)
