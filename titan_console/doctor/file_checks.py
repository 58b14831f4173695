"""Checks of the ledger's file and of the files beside it: results, mirrors, backups, the disk."""

import errno
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from operator import attrgetter

from core.clock import SystemClock
from core.config import titan_file
from core.text import pluralize, unreadable_lines
from state.db import integrity
from state.db.opening import ledger_name, open_reader, reader_if_any
from state.db.reader import Source
from state.files import fallback_file, windows_calls
from state.files.folder import Folder
from state.files.lost_ledger import ledger_exists
from state.files.regular_file import require_regular
from state.files.results_file import RECOVERY
from state.files.system_errors import cause, file_in_the_way, full_disk, obstacle_text, users_of
from state.model.errors import LedgerError
from state.queries import doctor_figures
from state.recovery import backups, results_on_disk
from titan_console.doctor.finding import Finding, Health, isolated
from titan_console.text import format as cells

_LOW_DISK = 1 << 30
# A poll checkpoints the WAL at 16 MB unless another process keeps a read transaction open.
_LONG_WAL = 256 << 20

_FOLDERS = attrgetter("spool", "results", "staging", "fallback", "backups")
_FILES = attrgetter(
    *("poll_lock", "crash_log", "hook_log"),
    *("jobs_mirror", "incomplete_mirror", "errors_mirror", "cost_mirror"),
)

# The first poll of each day makes one.
_OLD_BACKUP = timedelta(days=2)


def findings(folder: Folder, *, thorough: bool) -> Iterator[Finding]:
    """Findings on the fallback files, the ledger's file and what is beside it."""
    yield from isolated("fallback file", lambda: _fallback_files(folder))
    yield from isolated("folder", lambda: _obstacles(folder))
    yield from isolated("ledger", lambda: _ledger(folder, thorough=thorough))


def _obstacles(folder: Folder) -> Iterator[Finding]:
    """What keeps the next poll or submission from writing."""
    for path in _FOLDERS(folder):
        if file := file_in_the_way(path):
            yield Finding(Health.BAD, "folder", obstacle_text(file))
    files = (*_FILES(folder), *(path for data in _FOLDERS(folder) for path in data.glob("*")))
    for path in files:
        try:
            require_regular(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            yield Finding(Health.BAD, "folder", cause(error, path).text)
    is_here = folder.ledger_url is None
    needed = (folder.root, *((folder.ledger,) if is_here else ()))
    path = next((p for p in needed if not os.access(p, os.W_OK)), None)
    if path and is_here and ledger_exists(folder.ledger):
        why = cause(PermissionError(errno.EACCES, ""), path).text
        yield Finding(Health.WARN, "writing", f"the ledger can only be read: {why}")


def _fallback_files(folder: Folder) -> Iterator[Finding]:
    """Requests submitted while the ledger could not be used; the next poll imports them."""
    for file in fallback_file.pending(folder):
        try:
            file.header()
        except LedgerError as error:
            yield Finding(Health.BAD, "fallback file", str(error))
        else:
            yield Finding(
                Health.WARN, "fallback file", f"{file.path} will be imported by the next poll"
            )


def _ledger(folder: Folder, *, thorough: bool) -> Iterator[Finding]:
    if folder.ledger_url is not None:
        yield from _ledger_of_server(folder)
        return
    try:
        if not ledger_exists(folder.ledger):
            yield _missing_ledger(folder)
            return
        damage = integrity.damage(folder.ledger, thorough=thorough)
        recorded = list[Finding]()
        if not damage:
            with open_reader(folder) as reader:
                recorded += _recorded_files(reader, folder)
    except LedgerError as error:
        yield Finding(Health.BAD, "ledger", str(error))
        if integrity.is_damage(error):
            yield Finding(Health.WARN, "recovery", _recovery(folder))
        return
    if damage:
        yield Finding(Health.BAD, "ledger", damage)
        yield Finding(Health.WARN, "recovery", _recovery(folder))
        return
    check = "integrity check" if thorough else "quick check"
    yield Finding(Health.OK, "ledger", f"{folder.ledger}: {check} passed")
    yield from recorded
    yield from isolated("mirror", lambda: _mirrors(folder))
    yield from isolated("backup", lambda: [_backups(folder)])
    yield from isolated("disk", lambda: _files(folder))


def _ledger_of_server(folder: Folder) -> Iterator[Finding]:
    recorded, name = list[Finding](), ledger_name(folder)
    try:
        with reader_if_any(folder) as reader:
            if reader is None:
                detail = f"none yet; the first submission or poll creates it in {name}"
                yield Finding(Health.OK, "ledger", detail)
                return
            dropped = integrity.dropped(reader)
            recorded += _recorded_files(reader, folder)
    except LedgerError as error:
        yield Finding(Health.BAD, "ledger", str(error))
        return
    if dropped:
        detail = f"{name}: {dropped}; restore it from a backup of its server"
        yield Finding(Health.BAD, "ledger", detail)
    else:
        yield Finding(Health.OK, "ledger", f"{name}: connected")
    yield from recorded
    yield from isolated("mirror", lambda: _mirrors(folder))
    detail = "that of its server, such as a daily pg_dump: none is made in TITAN_HOME"
    yield Finding(Health.OK, "backup", detail)
    yield from isolated("disk", lambda: _files(folder))


def _recorded_files(source: Source, folder: Folder) -> Iterator[Finding]:
    """The files that the ledger refers to, and results that it does not."""
    if lost := doctor_figures.missing_results(source, folder):
        count = pluralize(len(lost), "batch", "batches")
        yield Finding(
            Health.BAD,
            "results",
            f"results of {count} are missing from {folder.results}, or their file is too short"
            f" (latest: {lost[0]}). {RECOVERY}",
        )
    if unsendable := doctor_figures.missing_bodies(source, folder):
        yield _missing_bodies(folder, unsendable)
    if lost := doctor_figures.missing_replay_bodies(source, folder):
        yield _missing_replay_bodies(folder, lost)
    if unknown := results_on_disk.without_batch(source, folder):
        yield _unknown_results(folder, unknown)


def _unknown_results(folder: Folder, unknown: list[str]) -> Finding:
    """Paid answers that no command shows."""
    return Finding(
        Health.WARN,
        "results",
        f"{pluralize(len(unknown), 'results file')} in {folder.results} without a batch in the"
        f" ledger (first: {unknown[0]}); `titan-console restore` of the newest backup imports those"
        " whose requests are in spool/; move the others to another folder",
    )


def _missing_bodies(folder: Folder, names: list[str]) -> Finding:
    """Requests that the next poll could not send; those in a batch would be errored then."""
    return Finding(
        Health.BAD,
        "requests",
        f"{pluralize(len(names), 'spool file')} of queued requests in {folder.spool} missing or too"
        f" short (first: {names[0]}). Copy it back from a backup of that folder before the next"
        " poll; else that poll marks the requests of its batches as errored, and the job must"
        " submit them again",
    )


def _missing_replay_bodies(folder: Folder, names: list[str]) -> Finding:
    """Requests at the API, failed or to be reviewed, that could not be run again."""
    return Finding(
        Health.BAD,
        "requests",
        f"{pluralize(len(names), 'spool file')} of requests without an accepted answer in"
        f" {folder.spool} missing or too short (first: {names[0]}): these requests cannot be"
        " replayed. Copy it back from a backup of that folder; else submit those that fail again"
        " under another tag, and acknowledge them here (`titan-console acknowledge`)",
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
    rebuild = "run `titan-console rebuild`: it makes a new ledger from the files beside it"
    copies = backups.listed(folder)
    if not copies:
        return rebuild
    return (
        f"run `titan-console restore {copies[0].path.name}`: it keeps events and commands, and"
        " imports what is newer. If no backup can be restored, run `titan-console rebuild`"
    )


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
        return Finding(
            Health.OK, "ledger", f"none yet; the first submission or poll creates {folder.ledger}"
        )
    return Finding(
        Health.BAD,
        "ledger",
        f"cannot create {folder.ledger}: {nearest} is not a writable folder; set TITAN_HOME to"
        " another folder",
    )


def _files(folder: Folder) -> Iterator[Finding]:
    exposed = [] if windows_calls.is_windows() else doctor_figures.readable_by_others(folder)
    if exposed:
        yield Finding(
            Health.WARN,
            "privacy",
            f"other users can read {exposed[0]}; run: chmod -R go= {folder.root}",
        )
    if not folder.root.exists():
        return
    use = doctor_figures.disk_use(folder)
    shown = ", ".join(
        f"{'write-ahead log' if name == 'wal' else name} {cells.size(octets)}"
        for name, octets in use.items()
    )
    yield Finding(Health.OK if use["free"] > _LOW_DISK else Health.WARN, "disk", shown)
    if full := full_disk(folder.ledger):
        yield Finding(Health.BAD, "disk", f"nothing can be submitted or polled: {full}")
    if use["wal"] > _LONG_WAL:
        yield Finding(
            Health.WARN,
            "wal",
            f"the write-ahead log has grown to {cells.size(use['wal'])} because another process"
            f" keeps reading the ledger; end that program: {users_of(folder.ledger)}",
        )
