"""The checks of `doctor`; each yields findings with a health and a detail line."""

import importlib.util
import os
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import cast

from msgspec import Struct

from core.clock import SystemClock
from core.config import titan_file
from core.config.settings import DEFAULT_BASE_URL, Settings
from core.internal_errors import describe
from core.reporting.job_status import retiring
from core.reporting.poller_health import SILENT_AFTER, PollerState, assess, silent_after
from core.text import pluralize, unreadable_lines
from state.batches import orphans
from state.batches.orphans import OrphanVerdict
from state.db.reader import Reader, Source
from state.files import fallback_file
from state.files.folder import Folder
from state.files.lost_ledger import ledger_exists
from state.files.system_errors import cause
from state.model.errors import LedgerError, TitanError
from state.model.records import BatchStatus
from state.model.timestamps import to_text
from state.operations import alerts, hook_runs, pauses
from state.operations.hook_runs import RunState
from state.queries import batch_list, doctor_figures, ledger_status, unpriced
from state.queries.unpriced import reasons_text
from state.recovery import backups, results_on_disk
from titan_console.text import format as cells

_LOW_DISK = 1 << 30
# A poll checkpoints the WAL at 16 MB unless another process keeps a read transaction open.
_LONG_WAL = 256 << 20

# The first poll of each day makes one.
_OLD_BACKUP = timedelta(days=2)

# Returns the problems in [console.keys]. It needs Textual, so the caller passes it in.
KeyCheck = Callable[[Mapping[str, str]], Sequence[str]]


class Health(StrEnum):
    """The result of a check."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"


class Finding(Struct, frozen=True):
    """One line of the report."""

    health: Health
    what: str
    detail: str


def _no_keys(_keys: Mapping[str, str]) -> Sequence[str]:
    return ()


def examine(
    settings: Settings, *, thorough: bool, check_keys: KeyCheck = _no_keys
) -> Iterator[Finding]:
    """All findings: installation and files first, then the ledger."""
    yield from static_findings(settings, thorough=thorough, check_keys=check_keys)
    folder = Folder(settings.home)
    with suppress(LedgerError), Reader(folder.ledger) as reader:
        limit = silent_after(titan_file.read(folder).alerts)
        yield from ledger_findings(reader, SystemClock().now(), limit)


def static_findings(
    settings: Settings, *, thorough: bool, check_keys: KeyCheck = _no_keys
) -> Iterator[Finding]:
    """Findings on the installation, the configuration and the files."""
    folder = Folder(settings.home)
    yield Finding(Health.OK, "python", f"{platform.python_version()} on {platform.system()}")
    for what, check in (
        ("sqlite", lambda: [_sqlite()]),
        ("packages", lambda: [_packages()]),
        ("server", lambda: [_server(settings)]),
        ("key", lambda: [_key(settings)]),
        ("titan.toml", lambda: _catalogue(folder, check_keys)),
        ("model", lambda: _retirements(folder)),
        ("fallback", lambda: _fallback_files(folder)),
        ("ledger", lambda: _ledger(folder, thorough=thorough)),
    ):
        yield from _isolated(what, check)


def ledger_findings(
    source: Source, now: datetime, limit: timedelta = SILENT_AFTER
) -> Iterator[Finding]:
    """Findings on polls, alerts, unconfirmed batches, holds and money."""
    yield from _isolated("poller", lambda: [_poller(source, now, limit)])
    for timed in (_polls, _holds):
        yield from _isolated(_name(timed), partial(timed, source, now))
    for check in (_alerts, _unconfirmed, _orphans, _pauses, _hooks, _money):
        yield from _isolated(_name(check), partial(check, source))


def _isolated(what: str, check: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """A check that fails is a finding, and the others are still made."""
    try:
        yield from check()
    except OSError as error:
        yield Finding(Health.BAD, what, f"cannot be checked: {cause(error, Path()).text}")
    except TitanError as error:
        yield Finding(Health.BAD, what, str(error))
    except Exception as error:  # noqa: BLE001 - a defect in one check must not hide the others
        yield Finding(Health.BAD, what, f"cannot be checked: {describe(error)}")


def _name(check: Callable[..., object]) -> str:
    return check.__name__.strip("_").replace("_", " ")


def _sqlite() -> Finding:
    library = doctor_figures.sqlite_library()
    named = f"{library.version} from {library.module}"
    if library.is_safe:
        return Finding(Health.OK, "sqlite", named)
    return Finding(
        Health.WARN,
        "sqlite",
        f"{named}: versions before 3.51.3 can, rarely, corrupt a database with many writers;"
        " upgrade Python or install pysqlite3",
    )


def _packages() -> Finding:
    """`core` and `state` are common names: another distribution may have installed its own."""
    origins = {name: _origin(name) for name in ("core", "state", "titan_batch", "titan_console")}
    homes = {path.parent for path in origins.values() if path}
    if len(homes) == 1 and None not in origins.values():
        return Finding(Health.OK, "packages", str(homes.pop()))
    found = ", ".join(f"{name} from {path}" for name, path in origins.items())
    return Finding(Health.BAD, "packages", f"installed in different folders: {found}")


def _origin(name: str) -> Path | None:
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


def _server(settings: Settings) -> Finding:
    if settings.base_url == DEFAULT_BASE_URL:
        return Finding(Health.OK, "server", settings.base_url)
    return Finding(Health.WARN, "server", f"{settings.base_url} (from ANTHROPIC_BASE_URL)")


def _key(settings: Settings) -> Finding:
    if settings.api_key:
        return Finding(Health.OK, "key", "ANTHROPIC_API_KEY is set (never displayed or stored)")
    return Finding(
        Health.WARN, "key", "ANTHROPIC_API_KEY is not set; requests are queued but not sent"
    )


def _catalogue(folder: Folder, check_keys: KeyCheck) -> Iterator[Finding]:
    catalogue = titan_file.read(folder)
    for problem in catalogue.problems:
        if problem in catalogue.console_problems:
            yield Finding(Health.WARN, "console", str(problem))
        else:
            yield Finding(Health.BAD, "titan.toml", str(problem))
    for problem in check_keys(catalogue.console.keys) if catalogue.console.keys else ():
        yield Finding(Health.WARN, "console", problem)


def _retirements(folder: Folder) -> Iterator[Finding]:
    for warning in retiring(titan_file.read(folder), SystemClock().now()):
        yield Finding(Health.WARN, "model", warning)


def _fallback_files(folder: Folder) -> Iterator[Finding]:
    """Requests submitted while the ledger could not be used; the next poll imports them."""
    for file in fallback_file.pending(folder):
        yield Finding(Health.WARN, "fallback", f"{file.path} will be imported by the next poll")


def _ledger(folder: Folder, *, thorough: bool) -> Iterator[Finding]:
    try:
        if not ledger_exists(folder.ledger):
            yield _missing_ledger(folder)
            return
        damage = doctor_figures.damage(folder.ledger, thorough=thorough)
        lost, unknown = list[str](), list[str]()
        if not damage:
            with Reader(folder.ledger) as reader:
                lost = doctor_figures.missing_results(reader, folder)
                unknown = results_on_disk.without_batch(reader, folder)
    except LedgerError as error:
        damage, lost, unknown = str(error), [], []
    if damage:
        yield Finding(Health.BAD, "ledger", damage)
        yield Finding(Health.WARN, "recovery", _recovery(folder))
        return
    yield Finding(Health.OK, "ledger", f"{folder.ledger}: integrity check passed")
    if lost:
        count = pluralize(len(lost), "batch", "batches")
        yield Finding(
            Health.BAD,
            "results",
            f"results of {count} are missing from {folder.results} (latest: {lost[0]});"
            " the API keeps results for 29 days",
        )
    if unknown:
        yield _unknown_results(folder, unknown)
    yield from _isolated("mirror", lambda: _mirrors(folder))
    yield _backups(folder)
    yield from _files(folder)


def _unknown_results(folder: Folder, unknown: list[str]) -> Finding:
    """Paid answers that no command shows."""
    return Finding(
        Health.WARN,
        "results",
        f"{pluralize(len(unknown), 'results file')} in {folder.results} without a batch in the"
        f" ledger (first: {unknown[0]}); `titan-console restore` of the newest backup imports those"
        " whose requests are in spool/; move the others to another folder",
    )


def _mirrors(folder: Folder) -> Iterator[Finding]:
    for mirror, lines in doctor_figures.unreadable_mirror_lines(folder).items():
        yield Finding(
            Health.WARN,
            "mirror",
            f"{mirror.name}: {unreadable_lines(lines)}; the ledger is not affected."
            f" Delete {mirror}, and the next poll writes it again",
        )


def _recovery(folder: Folder) -> str:
    rebuild = "run `titan-console rebuild` to rebuild it from the files beside it"
    copies = backups.listed(folder)
    return f"run `titan-console restore {copies[0].path.name}`, or {rebuild}" if copies else rebuild


def _backups(folder: Folder) -> Finding:
    """The age of the newest daily backup."""
    if not titan_file.read(folder).backup.keep_days:
        return Finding(Health.WARN, "backup", "switched off: [backup] keep_days = 0 in titan.toml")
    daily = backups.daily(folder)
    if not daily:
        return Finding(Health.OK, "backup", "none yet; the next poll makes one")
    made = datetime.fromtimestamp(daily[0].stat().st_mtime, UTC)
    age = SystemClock().now() - made
    size = sum(path.stat().st_size for path in daily)
    text = f"{cells.span(age)} ago: {daily[0]} ({len(daily):,} kept, {cells.size(size)})"
    return Finding(Health.WARN if age > _OLD_BACKUP else Health.OK, "backup", text)


def _missing_ledger(folder: Folder) -> Finding:
    """There is no ledger yet: check that it can be created."""
    nearest = next(path for path in folder.ledger.parents if path.exists())
    if nearest.is_dir() and os.access(nearest, os.W_OK):
        return Finding(Health.OK, "ledger", f"none yet; the first use creates {folder.ledger}")
    return Finding(
        Health.BAD,
        "ledger",
        f"cannot create {folder.ledger}: {nearest} is not a writable folder; set TITAN_HOME to"
        " another folder",
    )


def _poller(source: Source, now: datetime, limit: timedelta) -> Finding:
    """A failed poll is a finding; a missing one only where a batch waits for it."""
    health = assess(ledger_status.poller(source), now, limit)
    has_open = bool(batch_list.open_batches(source))
    never_ran = has_open and health.state == PollerState.NEVER_RAN
    is_late = never_ran or health.needs_attention(has_open_batches=has_open)
    word = cells.poller_status(health).word
    line = f"{word}: {health.error}" if health.error else word
    return Finding(Health.WARN if is_late else Health.OK, "poller", line)


def _polls(source: Source, now: datetime) -> Iterator[Finding]:
    """The poll interval, a running poll, and the summary of the last one."""
    beat = ledger_status.poller(source)
    gap = ledger_status.median_poll_interval(source)
    if gap is not None:
        yield Finding(Health.OK, "poll interval", f"{cells.span(gap)} (median of the latest polls)")
    if beat.lease_expires_ts and beat.lease_expires_ts > to_text(now):
        lease = f"its lease expires at {beat.lease_expires_ts}"
        yield Finding(Health.OK, "lease", f"{beat.lease_holder} is polling; {lease}")
    if beat.last_finished_ts:
        # Polls of earlier versions stored their problems as `troubles`.
        had_problems = beat.last_summary.get("problems") or beat.last_summary.get("troubles")
        health = Health.WARN if had_problems else Health.OK
        yield Finding(health, "last poll", _summary(beat.last_summary))


# `error` is the finding on the poller.
_NOT_DONE = ("ran", "error")


def _summary(summary: Mapping[str, object]) -> str:
    done = (
        _done(name, value) for name, value in summary.items() if value and name not in _NOT_DONE
    )
    return ", ".join(done) or "nothing to do"


def _done(name: str, value: object) -> str:
    """A count such as `2 open`, or a list such as `problems: a; b`."""
    text = name.replace("_", " ")
    if isinstance(value, list):
        return f"{text}: {'; '.join(map(str, cast('list[object]', value)))}"
    return f"{value} {text}"


def _alerts(source: Source) -> Iterator[Finding]:
    for alert in alerts.raised(source):
        yield Finding(Health.WARN, "alert", f"{alert.rule}: {alert.message}")


def _unconfirmed(source: Source) -> Iterator[Finding]:
    unconfirmed = [
        b for b in batch_list.open_batches(source) if b.status == BatchStatus.UNCONFIRMED
    ]
    for batch in unconfirmed:
        yield Finding(
            Health.WARN,
            "unconfirmed",
            f"{batch.key} was sent but got no response; polls check whether the API has it before"
            " sending it again",
        )


def _orphans(source: Source) -> Iterator[Finding]:
    candidates = orphans.with_verdict(source, OrphanVerdict.CANDIDATE)
    if candidates:
        yield Finding(
            Health.WARN,
            "candidates",
            f"{pluralize(len(candidates), 'batch', 'batches')} at the API may have been sent by"
            " this ledger",
        )
    unknown = orphans.with_verdict(source, OrphanVerdict.UNKNOWN)
    if unknown:
        yield Finding(
            Health.OK,
            "orphans",
            f"the ledger has no record of {pluralize(len(unknown), 'batch', 'batches')} at the API",
        )


def _holds(source: Source, now: datetime) -> Iterator[Finding]:
    for hold in ledger_status.holds(source, now_ts=to_text(now)):
        yield Finding(Health.WARN, "on hold", f"{hold.name} {cells.hold_line(hold)}")


def _pauses(source: Source) -> Iterator[Finding]:
    for pause in pauses.paused(source):
        yield Finding(
            Health.WARN,
            "paused",
            f"{pause.workflow}: {pause.text}; to continue: titan-console resume {pause.workflow}",
        )


def _hooks(source: Source) -> Iterator[Finding]:
    for run in hook_runs.failing(source):
        health = Health.BAD if run.state == RunState.FAILED else Health.WARN
        yield Finding(health, "on_delivery", f"{run.file}: {cells.settled_run(run)}")


def _money(source: Source) -> Iterator[Finding]:
    totals = ledger_status.totals(source)
    if totals.duplicate_nano:
        spent = cells.money(totals.duplicate_nano)
        yield Finding(
            Health.WARN, "duplicates", f"{spent} charged for requests that were answered twice"
        )
    if totals.unpriced:
        yield Finding(
            Health.WARN,
            "unpriced",
            f"{pluralize(totals.unpriced, 'answer')} in no sum:"
            f" {reasons_text(unpriced.reasons(source))}",
        )


def _files(folder: Folder) -> Iterator[Finding]:
    exposed = [] if os.name == "nt" else doctor_figures.readable_by_others(folder)
    if exposed:
        yield Finding(
            Health.WARN,
            "privacy",
            f"other users can read {exposed[0]}; run: chmod -R go= {folder.root}",
        )
    use = doctor_figures.disk_use(folder)
    shown = ", ".join(
        f"{'write-ahead log' if name == 'wal' else name} {cells.size(octets)}"
        for name, octets in use.items()
    )
    yield Finding(Health.OK if use["free"] > _LOW_DISK else Health.WARN, "disk", shown)
    if use["wal"] > _LONG_WAL:
        yield Finding(
            Health.WARN,
            "wal",
            f"the write-ahead log has grown to {cells.size(use['wal'])} because another process"
            f" keeps reading the ledger; find it with `lsof {folder.ledger}` and stop it",
        )
