"""The checks of `doctor`; each yields findings with a health and a detail line."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

from core.clock import SystemClock
from core.config import titan_file
from core.config.settings import Settings
from core.reporting.poller_health import silent_after
from state.db.reader import Reader
from state.files.folder import Folder
from state.model.errors import LedgerError
from titan_console.doctor import file_checks, installation_checks, ledger_checks, online_check
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
    folder = Folder(settings.home)
    with suppress(LedgerError), Reader(folder.ledger) as reader:
        limit = silent_after(titan_file.read(folder).alerts)
        named = set[str]()
        for finding in ledger_checks.findings(reader, SystemClock().now(), limit):
            # A damaged ledger fails several checks, with the same words.
            if finding.health != Health.BAD or finding.detail not in named:
                yield finding
            named.add(finding.detail)


def static_findings(
    settings: Settings, *, thorough: bool, check_keys: KeyCheck = _no_keys
) -> Iterator[Finding]:
    """Findings on the installation, the configuration and the files."""
    yield from installation_checks.findings(settings, check_keys)
    yield from file_checks.findings(Folder(settings.home), thorough=thorough)
