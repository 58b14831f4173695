"""The hosts that share a ledger, with what the titan.toml of each says of money."""

import json
from collections.abc import Mapping

from msgspec import Struct

from state.db.ledger import Ledger
from state.db.reader import Source


class Host(Struct, frozen=True, kw_only=True):
    """A host that has polled or submitted."""

    name: str
    #: Its TITAN_HOME: a name that no other folder has.
    home: str
    #: A checksum of each part of its titan.toml, by the name of the part.
    rules: Mapping[str, str]
    #: When it was seen last.
    seen_ts: str


def known(source: Source) -> list[Host]:
    """Each host, the one that was seen last first."""
    return [
        Host(name=row[0], home=row[1], rules=json.loads(row[2]), seen_ts=row[3])
        for row in source.rows(
            "SELECT name, home, rules, seen_ts FROM hosts ORDER BY seen_ts DESC, name"
        )
    ]


def record(ledger: Ledger, home: str, rules: Mapping[str, str]) -> None:
    """Record that the host of this process was here, with its folder and its rules."""
    with ledger.transaction("host") as tx:
        ledger.execute(
            "INSERT INTO hosts (name, home, rules, seen_ts) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (name) DO UPDATE SET home = excluded.home, rules = excluded.rules,"
            " seen_ts = excluded.seen_ts",
            *(ledger.host, home, json.dumps(rules, sort_keys=True), tx.at),
        )
