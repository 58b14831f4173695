"""Builds the engine from the settings: the only place that picks the real collaborators."""

import logging
import os
import socket
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from core.api.credentials import Credentials
from core.api.protocol import BatchApi
from core.batches.engine_context import Context, LaneAccess
from core.clock import Clock, OffsetClock, SystemClock
from core.config import titan_file
from core.config.base_url import is_other_host
from core.config.lane_access import Target, target_of
from core.config.lanes import Lane
from core.config.ledger_address import place_of
from core.config.settings import Settings
from core.config.titan_tables import TitanToml
from core.engine import Engine
from core.errors import InputError, SettingsError, TitanError
from core.money.pricing import PriceBook
from core.redaction import remember
from state.batches import sync_runs
from state.db import access_lock
from state.db.integrity import refuse_marked
from state.db.ledger import Ledger, random_id
from state.db.opening import open_ledger, open_reader, require_file, require_ledger
from state.files import fallback_file
from state.files.folder import Folder
from state.model.crash_points import no_crash_point
from state.model.errors import LedgerBusy
from state.model.ledger_url import is_postgres, passwords
from state.model.records import DEFAULT_LANE
from state.recovery import rebuild as rebuilding
from state.recovery import restored

if TYPE_CHECKING:
    from core.maintenance.ledger_copy import CopySummary
    from core.recovery.rebuild import RebuildSummary
    from core.recovery.restore import Losses, RestoreSummary

_log = logging.getLogger("titan_console")


def process_name(actor: str, host: str = "") -> str:
    """How the ledger names this process: with its host and number."""
    return f"{actor}@{host or socket.gethostname()}:{os.getpid()}"


def open_engine(
    settings: Settings,
    *,
    actor: str,
    clock: Clock | None = None,
    progress: Callable[[str, int, int], None] = lambda _what, _done, _of: None,
    runs_hooks: bool = True,
    creates: bool = True,
    new_id: Callable[[int], str] = random_id,
) -> Engine:
    """An engine on the ledger and the API of the settings. Raises LedgerUnusable.

    A missing ledger is created, or an error where `creates` is false. `actor` names the process in
    the event log. `new_id` makes random keys and nonces of a length; a demo passes one with a fixed
    seed. The API client is loaded on first use.
    """
    clock = OffsetClock(clock or SystemClock())
    folder = settings.folder
    if not creates:
        require_ledger(folder)
    who = process_name(actor, settings.host)

    rules = titan_file.read(folder)

    opened: list[BatchApi] = []

    @cache
    def api(lane: str | None = None) -> BatchApi:
        opened.append(open_api(settings, rules, lane))
        return opened[-1]

    ledger = open_ledger(folder, now=clock.now, actor=who, monotonic=clock.monotonic, new_id=new_id)
    clock.offset = ledger.clock_offset()
    engine = Engine(
        Context(
            ledger=ledger,
            folder=folder,
            clock=clock,
            api=api,
            prices=PriceBook.with_cache(folder, rules),
            limits=rules.limits.limits(),
            recovery=rules.recovery,
            instance_id=f"{who}/{random_id(4)}",
            progress=progress,
            runs_hooks=runs_hooks,
            writes_mirrors=folder.ledger_url is None or rules.ledger.mirrors,
            poll_max_min=rules.limits.poll_max_min,
            server=_server(settings, None),
            same_servers=rules.api.same_server,
            lanes={name: _access(settings, rules, lane, api) for name, lane in rules.lanes.items()},
            close=lambda: _close(opened),
        )
    )
    if folder.ledger_url is not None and fallback_file.pending(folder):
        _import_fallback_files(engine.context)
    return engine


def _import_fallback_files(context: Context) -> None:
    """Import what this host kept while its ledger could not be used: it may have no poller."""
    from core.intake import fallback_files  # noqa: PLC0415 - seldom needed

    try:
        problems = fallback_files.import_all(context)
    except (TitanError, OSError) as error:
        problems = [f"Cannot import the fallback files of this host now: {error}"]
    for problem in problems:
        _log.warning(problem)


def _close(opened: Iterable[BatchApi]) -> None:
    for api in opened:
        api.close()


def _access(
    settings: Settings, rules: TitanToml, lane: Lane, api: Callable[[str], BatchApi]
) -> LaneAccess:
    return LaneAccess(
        api=lambda: api(lane.name),
        limits=lane.limits(rules.limits.limits()),
        server=_server(settings, lane),
        same_servers=lane.same_server,
    )


def _server(settings: Settings, lane: Lane | None) -> str:
    """Its server; of one that cannot be used, which `open_api` says, that of the base URL."""
    try:
        return target_of(settings, lane).server
    except SettingsError:
        return settings.server if lane is None else ""


def open_api(
    settings: Settings, rules: TitanToml | None = None, lane: str | None = None
) -> BatchApi:
    """The client for the API of the settings, or of a lane in the rules.

    Raises SettingsError without credentials, for a lane with a mistake, and for another host than
    the only one in titan.toml.
    """
    target = find_target(settings, rules, lane)
    _check_host(target.server, (rules or titan_file.read(settings.folder)).api.only_host)
    for warning in settings.warnings:
        _log.warning(warning)
    from core.api.client import AnthropicApi  # noqa: PLC0415 - slow, only when needed

    if target.sdk is not None:
        from core.api.sdk_transport import SdkTransport  # noqa: PLC0415 - as above

        return AnthropicApi(transport=SdkTransport(target.sdk))
    from core.api.transport import DirectTransport  # noqa: PLC0415 - as above

    used = target.credentials or Credentials()
    return AnthropicApi(
        transport=DirectTransport(target.base_url, used, workspace=target.workspace)
    )


def _check_host(server: str, only: str) -> None:
    if is_other_host(server, only):
        raise SettingsError(
            f"The server is {server}, but [api] in titan.toml has only_host = {only!r}. Nothing was"
            " sent: set ANTHROPIC_BASE_URL to that host, or use another TITAN_HOME.",
            code="other_server",
        )


def find_target(
    settings: Settings, rules: TitanToml | None = None, lane: str | None = None
) -> Target:
    """Where calls of the settings, or of a lane in the rules, go, and with what credentials.

    Raises SettingsError as `open_api` does.
    """
    return target_of(settings, find_lane(settings, rules, lane))


def find_lane(
    settings: Settings, rules: TitanToml | None = None, lane: str | None = None
) -> Lane | None:
    """The lane in the rules; None for the default one. Raises SettingsError for any other."""
    if lane is None or lane == DEFAULT_LANE:
        return None
    rules = rules or titan_file.read(settings.folder)
    named, problem = rules.lanes.get(lane), rules.lane_problem(lane)
    if problem is not None or named is None:
        said = str(problem) if problem else f"titan.toml has no table [lanes.{lane}]."
        raise SettingsError(said, code=problem.code if problem else "lane_missing")
    return named


def server_of(settings: Settings, lane: str) -> str:
    """The server of a lane in titan.toml, "" where it is not known."""
    return _server(settings, titan_file.read(settings.folder).lanes.get(lane))


class Runtime(Struct, frozen=True, kw_only=True):
    """What a process that replaces the ledger has of its own; tests pass others."""

    clock: Clock = SystemClock()
    new_id: Callable[[int], str] = random_id
    crash_point: Callable[[str], None] = no_crash_point


_RUNTIME = Runtime()
# What replaces restore and rebuild of a ledger in PostgreSQL.
FROM_SERVER = "restore a backup of its server, such as a dump of pg_dump"


def rebuild_ledger(
    settings: Settings,
    *,
    actor: str,
    check: Callable[[Folder], object] = lambda _folder: None,
    runtime: Runtime = _RUNTIME,
) -> "tuple[RebuildSummary, Path | None]":
    """Rebuild a damaged ledger from the files beside it; returns where the old one is kept.

    No other process writes the ledger meanwhile; `check` raises where it needs no rebuild. Raises
    LedgerBusy while others use it.
    """
    from core.recovery.rebuild import rebuild  # noqa: PLC0415 - no poll needs it

    folder = settings.folder
    require_file(folder, FROM_SERVER)
    with access_lock.exclusive(folder.ledger):
        check(folder)
        with _fresh(settings, folder, actor, runtime) as (fresh, context):
            rebuilt = rebuild(context)
            restored.record(context.ledger)
        return rebuilt, _install(fresh, folder, "damaged", runtime)


def preview_restore(settings: Settings, backup: Path) -> "Losses":
    """What is known now and not in the backup; nothing is changed but a copy of the backup."""
    from core.recovery import restore  # noqa: PLC0415 - no poll needs it

    folder = settings.folder
    require_file(folder, FROM_SERVER)
    refuse_marked(folder.ledger)
    with (
        access_lock.exclusive(folder.ledger),
        _fresh(settings, folder, "cli", _RUNTIME, backup) as made,
    ):
        found = restore.losses(folder, made[1].ledger)
    rebuilding.remove_fresh(made[0])
    return found


def restore_ledger(
    settings: Settings, backup: Path, *, actor: str, runtime: Runtime = _RUNTIME
) -> "tuple[RestoreSummary, Path | None]":
    """Put a backup in the ledger's place; returns where the replaced ledger is kept.

    What the files know beyond the backup is imported. No other process writes the ledger meanwhile.
    Raises LedgerBusy while others use it.
    """
    from core.recovery import restore  # noqa: PLC0415 - no poll needs it

    folder = settings.folder
    require_file(folder, FROM_SERVER)
    with access_lock.exclusive(folder.ledger):
        refuse_marked(folder.ledger)
        with _fresh(settings, folder, actor, runtime, backup) as (fresh, context):
            done = restore.import_newer_files(context, backup)
            restored.record(context.ledger, backup.name)
        return done, _install(fresh, folder, "replaced", runtime)


def copy_ledger(
    settings: Settings,
    source: str,
    target: str,
    *,
    actor: str,
    progress: Callable[[str, int, int], None] = lambda _what, _done, _of: None,
    runtime: Runtime = _RUNTIME,
) -> "CopySummary":
    """Move a ledger; `source` and `target` are a TITAN_HOME or an address of PostgreSQL.

    Raises InputError where these two cannot be, and what `ledger_copy.move` raises.
    """
    from core.maintenance import ledger_copy  # noqa: PLC0415 - no poll needs it
    from state.db.copies.places import source_of, target_of  # noqa: PLC0415 - as above

    for address in filter(is_postgres, (source, target)):
        remember(*passwords(address))
    old, new = place_of(source, settings.home), place_of(target, settings.home)
    if old == new or (
        old.ledger_url is None
        and new.ledger_url is None
        and old.root.resolve() == new.root.resolve()
    ):
        raise InputError(f"{source} and {target} are the same place.", code="ledger_same")
    if old.ledger_url is None and new.ledger_url is None:
        raise InputError(
            "One of the two must be a PostgreSQL database. To move a TITAN_HOME to another folder,"
            " stop its poller and its jobs, and move the folder.",
            code="ledger_same",
        )
    run = ledger_copy.CopyRun(
        now=runtime.clock.now,
        who=process_name(actor, settings.host),
        progress=progress,
        new_id=runtime.new_id,
        crash_point=runtime.crash_point,
    )
    with ExitStack() as opened:
        there = opened.enter_context(closing(source_of(old)))
        there.check()
        here = opened.enter_context(closing(target_of(new)))
        return ledger_copy.move(there, here, run, check=lambda: _refuse_runs(old))


def _refuse_runs(folder: Folder) -> None:
    """Answers that a synchronous run has not recorded are in files of this host only."""
    with open_reader(folder) as reader:
        runs = sync_runs.uncollected(reader)
    if runs:
        owner, _, _ = (runs[0].owner or "").rpartition("/")
        raise LedgerBusy(
            f"The ledger has not collected the answers of the synchronous run {runs[0].key}"
            f" ({owner}): run `titan-console poll` on that host, then copy again.",
            code="ledger_in_use",
        )


@contextmanager
def _fresh(
    settings: Settings, folder: Folder, actor: str, runtime: Runtime, backup: Path | None = None
) -> Generator[tuple[Path, Context], None, None]:
    """A new ledger beside the present one, empty or a copy of a backup, closed at the end."""
    fresh, rules, clock = (
        rebuilding.fresh_path(folder.ledger),
        titan_file.read(folder),
        runtime.clock,
    )
    try:
        if backup is not None:
            restored.copy_backup(backup, fresh)
        with Ledger(
            fresh,
            now=clock.now,
            actor=actor,
            crash_point=runtime.crash_point,
            new_id=runtime.new_id,
            monotonic=clock.monotonic,
        ) as ledger:
            yield (
                fresh,
                Context(
                    ledger=ledger,
                    folder=folder,
                    clock=clock,
                    api=lambda: open_api(settings, rules),
                    prices=PriceBook.with_cache(folder, rules),
                    limits=rules.limits.limits(),
                    recovery=rules.recovery,
                    instance_id=actor,
                ),
            )
    except BaseException:
        rebuilding.remove_fresh(fresh)
        raise


def _install(fresh: Path, folder: Folder, kind: str, runtime: Runtime) -> Path | None:
    kept = _kept(folder, kind, runtime.clock)
    return rebuilding.install(fresh, folder.ledger, kept=kept, crash_point=runtime.crash_point)


def _kept(folder: Folder, kind: str, clock: Clock) -> Path:
    """A name that nothing has, also for the second ledger that is replaced in a second."""
    stamp = clock.now().strftime("%Y%m%dT%H%M%S")
    paths = (folder.ledger.with_name(f"titan.{stamp}{end}.{kind}") for end in _endings())
    return next(path for path in paths if not path.exists())


def _endings() -> Iterator[str]:
    yield ""
    yield from (f"-{number}" for number in count(2))
