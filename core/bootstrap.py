"""Builds the engine from the settings: the only place that picks the real collaborators."""

import logging
import os
import socket
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from core.api.protocol import BatchApi
from core.batches.engine_context import Context
from core.clock import Clock, SystemClock
from core.config import titan_file
from core.config.settings import Settings
from core.engine import Engine
from core.money.pricing import PriceBook
from state.db import access_lock
from state.db.ledger import Ledger, random_id
from state.files.folder import Folder
from state.files.lost_ledger import require_ledger
from state.model.crash_points import no_crash_point
from state.recovery import rebuild as rebuilding
from state.recovery import restored

if TYPE_CHECKING:
    from core.recovery.rebuild import RebuildSummary
    from core.recovery.restore import Losses, RestoreSummary

_log = logging.getLogger("titan_console")


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
    clock = clock or SystemClock()
    folder = Folder(settings.home)
    if not creates:
        require_ledger(folder.ledger)
    who = f"{actor}@{socket.gethostname()}:{os.getpid()}"

    rules = titan_file.read(folder)

    @cache
    def api() -> BatchApi:
        return open_api(settings)

    return Engine(
        Context(
            ledger=Ledger(
                folder.ledger, now=clock.now, actor=who, monotonic=clock.monotonic, new_id=new_id
            ),
            folder=folder,
            clock=clock,
            api=api,
            prices=PriceBook(rules.prices),
            limits=rules.limits.limits(),
            recovery=rules.recovery,
            instance_id=f"{who}/{random_id(4)}",
            progress=progress,
            runs_hooks=runs_hooks,
            poll_max_min=rules.limits.poll_max_min,
            server=settings.server,
            same_servers=rules.api.same_server,
            close=lambda: api().close() if api.cache_info().currsize else None,
        )
    )


def open_api(settings: Settings) -> BatchApi:
    """The client for the API of the settings. Raises SettingsError without credentials."""
    credentials = settings.credentials()
    for warning in settings.warnings:
        _log.warning(warning)
    from core.api.client import AnthropicApi  # noqa: PLC0415 - slow, only when needed

    return AnthropicApi(credentials=credentials, base_url=settings.base_url)


class Runtime(Struct, frozen=True, kw_only=True):
    """What a process that replaces the ledger has of its own; tests pass others."""

    clock: Clock = SystemClock()
    new_id: Callable[[int], str] = random_id
    crash_point: Callable[[str], None] = no_crash_point


_RUNTIME = Runtime()


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

    folder = Folder(settings.home)
    with access_lock.exclusive(folder.ledger):
        check(folder)
        with _fresh(settings, folder, actor, runtime) as (fresh, context):
            rebuilt = rebuild(context)
            restored.record(context.ledger)
        return rebuilt, _install(fresh, folder, "damaged", runtime)


def preview_restore(settings: Settings, backup: Path) -> "Losses":
    """What is known now and not in the backup; nothing is changed but a copy of the backup."""
    from core.recovery import restore  # noqa: PLC0415 - no poll needs it

    folder = Folder(settings.home)
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

    folder = Folder(settings.home)
    with access_lock.exclusive(folder.ledger):
        with _fresh(settings, folder, actor, runtime, backup) as (fresh, context):
            done = restore.import_newer_files(context, backup)
            restored.record(context.ledger, backup.name)
        return done, _install(fresh, folder, "replaced", runtime)


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
                    api=lambda: open_api(settings),
                    prices=PriceBook(rules.prices),
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
