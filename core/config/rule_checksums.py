"""Checksums of what titan.toml says of money, to compare that of several hosts."""

import hashlib
from collections.abc import Mapping

import msgspec

from core.config.titan_tables import TitanToml

_LENGTH = 16
# What holds for whatever a host submits, sends or prices.
_TABLES = ("prices", "budgets", "never_batch", "recovery")
# Of a job, what decides how often and at which price its requests run.
_OF_JOB = (
    *("model", "on_failure", "cache", "max_tokens", "replay", "replay_tries", "reask"),
    *("continue_turns", "on_max_tokens", "unbounded_request_usd", "lane"),
    *("deadline_h", "deadline_at"),
)


def checksums(rules: TitanToml) -> dict[str, str]:
    """A checksum of each table, by its name; those that hold for all jobs also where absent."""
    parts: dict[str, object] = {f"[{name}]": getattr(rules, name) for name in _TABLES}
    for job in rules.jobs.values():
        parts[f"[jobs.{job.name}]"] = {name: getattr(job, name) for name in _OF_JOB}
    parts |= {f"[lanes.{lane.name}]": lane for lane in rules.lanes.values()}
    return {name: _checksum(part) for name, part in parts.items()}


def differences(here: Mapping[str, str], there: Mapping[str, str]) -> list[str]:
    """The tables that both hosts have, with other contents."""
    return [name for name, value in here.items() if there.get(name, value) != value]


def _checksum(part: object) -> str:
    text = msgspec.json.encode(
        msgspec.to_builtins(part, str_keys=True, enc_hook=str), order="sorted"
    )
    return hashlib.sha256(text).hexdigest()[:_LENGTH]
