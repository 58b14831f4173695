"""What `doctor` looks at; each check says how it went and what to do."""

import importlib.util
import os
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import cast

from msgspec import Struct

from core.clock import SystemClock
from core.config import titan_file
from core.config.settings import DEFAULT_BASE_URL, Settings
from core.text import pluralize
from state.batches import orphans
from state.batches.orphans import OrphanVerdict
from state.db.reader import Reader, Source
from state.files import fallback_file
from state.files.folder import Folder
from state.model.errors import LedgerError
from state.model.timestamps import to_text
from state.operations import alerts, hook_runs, pauses
from state.operations.hook_runs import RunState
from state.queries import batch_list, checkup, ledger_status
from titan_console.text import format as cells

_LOW_DISK = 1 << 30
# A poll takes 16 MB in, unless somebody reads the whole time.
_LONG_WAL = 256 << 20

# What is wrong with the keys of [console.keys]; loads Textual, so whoever asks passes it in.
KeyCheck = Callable[[Mapping[str, str]], Sequence[str]]


class Health(StrEnum):
    """How a check went."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"


class Finding(Struct, frozen=True):
    """One line of the doctor's report."""

    health: Health
    what: str
    detail: str


def _no_keys(_keys: Mapping[str, str]) -> Sequence[str]:
    return ()


def examine(
    settings: Settings, *, thorough: bool, check_keys: KeyCheck = _no_keys
) -> Iterator[Finding]:
    """Every finding, in the order in which a person would ask."""
    yield from standing(settings, thorough=thorough, check_keys=check_keys)
    folder = Folder(settings.home)
    with suppress(LedgerError), Reader(folder.ledger) as reader:
        yield from of_ledger(reader, SystemClock().now())


def standing(
    settings: Settings, *, thorough: bool, check_keys: KeyCheck = _no_keys
) -> Iterator[Finding]:
    """What does not change from one poll to the next: the machine, the settings, the files."""
    folder = Folder(settings.home)
    yield Finding(Health.OK, "python", f"{platform.python_version()} on {platform.system()}")
    yield _sqlite()
    yield _packages()
    yield _server(settings)
    yield _key(settings)
    yield from _catalogue(folder, check_keys)
    yield from _fallback_files(folder)
    yield from _ledger(folder, thorough=thorough)


def of_ledger(source: Source, now: datetime) -> Iterator[Finding]:
    """What the ledger tells of polls, alerts, doubts, holds and money."""
    for timed in (_poller, _polls, _holds):
        yield from timed(source, now)
    for check in (_alerts, _doubts, _pauses, _follow_ups, _money):
        yield from check(source)


def _sqlite() -> Finding:
    library = checkup.library()
    named = f"{library.version} from {library.module}"
    if library.is_safe:
        return Finding(Health.OK, "sqlite", named)
    return Finding(
        Health.WARN,
        "sqlite",
        f"{named}: before 3.51.3 many writers can, rarely, damage a ledger; a newer Python"
        " or the package pysqlite3 brings a later one",
    )


def _packages() -> Finding:
    """`core` and `state` are common names: another distribution may have put its own there."""
    places = {name: _origin(name) for name in ("core", "state", "titan_batch", "titan_console")}
    homes = {place.parent for place in places.values() if place}
    if len(homes) == 1 and None not in places.values():
        return Finding(Health.OK, "packages", str(homes.pop()))
    strangers = ", ".join(f"{name} from {place}" for name, place in places.items())
    return Finding(Health.BAD, "packages", f"they lie in different places: {strangers}")


def _origin(name: str) -> Path | None:
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


def _server(settings: Settings) -> Finding:
    if settings.base_url == DEFAULT_BASE_URL:
        return Finding(Health.OK, "server", settings.base_url)
    return Finding(Health.WARN, "server", f"{settings.base_url}, from ANTHROPIC_BASE_URL")


def _key(settings: Settings) -> Finding:
    if settings.api_key:
        return Finding(Health.OK, "key", "ANTHROPIC_API_KEY is set (never shown or stored)")
    return Finding(
        Health.WARN, "key", "ANTHROPIC_API_KEY is not set: work is queued and nothing is sent"
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


def _fallback_files(folder: Folder) -> Iterator[Finding]:
    """Submissions made while the ledger could not be used; the next poll imports them."""
    for file in fallback_file.pending(folder):
        yield Finding(Health.WARN, "fallback", f"{file.path} is imported by the next poll")


def _ledger(folder: Folder, *, thorough: bool) -> Iterator[Finding]:
    if not folder.ledger.exists():
        yield _future(folder)
        return
    try:
        damage = checkup.damage(folder.ledger, thorough=thorough)
    except LedgerError as error:
        damage = str(error)
    if damage:
        copies = checkup.backups(folder.ledger)
        way_out = "`titan-console rebuild` makes a new one from the files beside it"
        yield Finding(Health.BAD, "ledger", damage)
        yield Finding(
            Health.WARN, "way out", f"{way_out}; or restore {copies[0]}" if copies else way_out
        )
        return
    yield Finding(Health.OK, "ledger", f"{folder.ledger} is whole")
    with Reader(folder.ledger) as reader:
        lost = checkup.lost_results(reader, folder)
    if lost:
        count = f"{len(lost)} batch{'' if len(lost) == 1 else 'es'}"
        yield Finding(
            Health.BAD,
            "results",
            f"the answers of {count} are gone from {folder.results}, the latest of {lost[0]};"
            " the API has them for 29 days",
        )
    yield from _files(folder)


def _future(folder: Folder) -> Finding:
    """There is no ledger yet: whether there can be one."""
    nearest = next(path for path in folder.ledger.parents if path.exists())
    if nearest.is_dir() and os.access(nearest, os.W_OK):
        return Finding(Health.OK, "ledger", f"none yet; it will be {folder.ledger}")
    return Finding(
        Health.BAD,
        "ledger",
        f"{folder.ledger} cannot be made: {nearest} is no folder that this user may write;"
        " set TITAN_HOME to another",
    )


def _poller(source: Source, now: datetime) -> Iterator[Finding]:
    beat = cells.heartbeat(ledger_status.poller(source), now)
    needs_one = bool(batch_list.open_batches(source))
    late = needs_one and beat.tone in (cells.Tone.BAD, cells.Tone.WARN)
    yield Finding(Health.WARN if late else Health.OK, "poller", beat.word)


def _polls(source: Source, now: datetime) -> Iterator[Finding]:
    """How often polls come, who makes one now, and what the last one did."""
    beat = ledger_status.poller(source)
    gap = ledger_status.median_poll_interval(source)
    if gap is not None:
        yield Finding(Health.OK, "cadence", f"a poll every {cells.span(gap)}, in the middle")
    if beat.lease_expires_ts and beat.lease_expires_ts > to_text(now):
        until = f"until {beat.lease_expires_ts}"
        yield Finding(Health.OK, "lease", f"{beat.lease_holder} makes a poll, {until}")
    if beat.last_finished_ts:
        # A poll of an earlier version left its problems as "troubles".
        was_clean = not (beat.last_summary.get("problems") or beat.last_summary.get("troubles"))
        health = Health.OK if was_clean else Health.WARN
        yield Finding(health, "last poll", _summary(beat.last_summary))


def _summary(summary: Mapping[str, object]) -> str:
    did = [
        f"{name.replace('_', ' ')} {_said(value)}"
        for name, value in summary.items()
        if value and name != "ran"
    ]
    return ", ".join(did) or "found nothing to do"


def _said(value: object) -> str:
    return (
        "; ".join(map(str, cast("list[object]", value))) if isinstance(value, list) else f"{value}"
    )


def _alerts(source: Source) -> Iterator[Finding]:
    for alert in alerts.raised(source):
        yield Finding(Health.WARN, "alert", f"{alert.rule}: {alert.message}")


def _doubts(source: Source) -> Iterator[Finding]:
    uncertain = [b for b in batch_list.open_batches(source) if b.status == "unconfirmed"]
    for batch in uncertain:
        yield Finding(
            Health.WARN,
            "unconfirmed",
            f"{batch.key} was sent and its answer lost; polls find out, nothing is sent twice",
        )
    suspects = orphans.with_verdict(source, OrphanVerdict.CANDIDATE)
    if suspects:
        yield Finding(
            Health.WARN,
            "suspects",
            f"{pluralize(len(suspects), 'batch', 'batches')} at the API may be ours",
        )
    strangers = orphans.with_verdict(source, OrphanVerdict.UNKNOWN)
    if strangers:
        yield Finding(
            Health.OK,
            "orphans",
            f"{pluralize(len(strangers), 'batch', 'batches')} at the API not of this ledger",
        )


def _holds(source: Source, now: datetime) -> Iterator[Finding]:
    for hold in ledger_status.holds(source, now_ts=to_text(now)):
        yield Finding(Health.WARN, "held", f"{hold.name} until {hold.until_ts}: {hold.reason}")


def _pauses(source: Source) -> Iterator[Finding]:
    for pause in pauses.paused(source):
        yield Finding(
            Health.WARN,
            "paused",
            f"{pause.workflow} is {pause.words}; `titan-console resume` ends it",
        )


def _follow_ups(source: Source) -> Iterator[Finding]:
    for run in hook_runs.troubled(source):
        health = Health.BAD if run.state == RunState.FAILED else Health.WARN
        yield Finding(health, "on_delivery", f"{run.file}: {cells.settled_run(run)}")


def _money(source: Source) -> Iterator[Finding]:
    totals = ledger_status.totals(source)
    if totals.duplicate_nano:
        spent = cells.money(totals.duplicate_nano)
        yield Finding(Health.WARN, "paid twice", f"{spent} for answers that came a second time")
    if totals.unpriced:
        yield Finding(Health.WARN, "unpriced", f"{totals.unpriced} answers of unknown models")


def _files(folder: Folder) -> Iterator[Finding]:
    exposed = [] if os.name == "nt" else checkup.open_to_others(folder)
    if exposed:
        yield Finding(
            Health.WARN, "privacy", f"other users may read {exposed[0]}; chmod -R go= {folder.root}"
        )
    use = checkup.disk_use(folder)
    shown = ", ".join(f"{name} {cells.size(octets)}" for name, octets in use.items())
    yield Finding(Health.OK if use["free"] > _LOW_DISK else Health.WARN, "disk", shown)
    if use["wal"] > _LONG_WAL:
        yield Finding(
            Health.WARN,
            "wal",
            f"{cells.size(use['wal'])} wait to be taken into the ledger: some process has been"
            f" reading it all the while; find it with `lsof {folder.ledger}`, and end it",
        )
