"""The checks of `doctor`; each yields findings with a health and a detail line."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

from core.config import titan_file
from core.config.settings import Settings
from core.reporting.ledger_time import ledger_now
from core.reporting.poller_health import silent_after
from state.db.opening import open_reader
from state.model.errors import LedgerError
from titan_console.doctor import (
    file_checks,
    host_checks,
    installation_checks,
    lane_checks,
    ledger_checks,
    online_check,
    server_checks,
)
from titan_console.doctor.finding import Finding, Health, isolated
from titan_console.doctor.installation_checks import KeyCheck


def _no_keys(_keys: Mapping[str, str]) -> Sequence[str]:
    return ()


def examine(
    settings: Settings, *, thorough: bool, online: bool = False, check_keys: KeyCheck = _no_keys
) -> Iterator[Finding]:
    """All findings: installation and files first, then the ledger. `online` calls the API."""
    yield from static_findings(settings, thorough=thorough, check_keys=check_keys)
    if online:
        yield from isolated("online", lambda: online_check.findings(settings))
    folder = settings.folder
    with suppress(LedgerError), open_reader(folder) as reader:
        limit = silent_after(titan_file.read(folder).alerts)
        named = set[str]()
        now = ledger_now(reader)
        for finding in ledger_checks.findings(reader, now, limit):
            # A damaged ledger fails several checks, with the same words.
            if finding.health != Health.BAD or finding.detail not in named:
                yield finding
            named.add(finding.detail)
        yield from isolated("lane", lambda: lane_checks.removed(reader, settings))
        yield from isolated("hosts", lambda: host_checks.findings(reader, settings, now))


def static_findings(
    settings: Settings, *, thorough: bool, check_keys: KeyCheck = _no_keys
) -> Iterator[Finding]:
    """Findings on the installation, the configuration and the files."""
    yield from installation_checks.findings(settings, check_keys)
    yield from isolated("postgresql", lambda: server_checks.findings(settings.folder))
    yield from file_checks.findings(settings.folder, thorough=thorough)
