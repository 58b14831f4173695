"""Replaces the parts of the machine that a history simulates: fsync, threads, signals, files."""

import os
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from simulation.mutants.patching import patched

import core.batches.synchronous.parallel_calls
import core.batches.synchronous.sync_run
import core.batches.unresolved.listing
import core.intake.fallback_files
from state.db import access_lock, connection
from state.files import fallback_file
from state.files.folder import Folder
from state.recovery import rebuild as rebuilding

if TYPE_CHECKING:
    from simulation.world import World


class InlinePool:
    """The pool of a synchronous run without threads: processes are greenlets of one thread."""

    def __init__(self, work: Callable[[Any], Any], *, size: int, name: str) -> None:
        del size, name
        self.done: SimpleQueue[Any] = SimpleQueue()
        self._work = work

    def __class_getitem__(cls, _types: object) -> type["InlinePool"]:
        return cls

    def submit(self, item: object, *, running: int) -> None:
        """Run it now. A kill ends the process; other exceptions go to the reader of `done`."""
        del running
        try:
            self.done.put(self._work(item))
        except Exception as error:  # noqa: BLE001 - as the pool does
            self.done.put(error)

    def close(self) -> None:
        """Nothing runs."""


@contextmanager
def a_machine(world: "World") -> Generator[None, None, None]:
    """The machine of that history."""
    remove_fresh = rebuilding.remove_fresh

    def remove_unless_killed(fresh: Path) -> None:
        if world.running is None or not world.running.killed:
            remove_fresh(fresh)

    with ExitStack() as stack:
        for owner, name, new in (
            (os, "fsync", world.synced),
            (core.batches.unresolved.listing, "_PAGE", world.profile.list_page),
            (core.batches.synchronous.parallel_calls, "DaemonPool", InlinePool),
            (core.batches.synchronous.sync_run, "stop_on_signal", _no_signals),
            (core.intake.fallback_files, "stop_on_signal", _no_signals),
            # One thread runs all processes, so there is no waiting for locks.
            (access_lock, "SHARED_WAIT_S", 0.0),
            (access_lock, "EXCLUSIVE_WAIT_S", 0.0),
            # Each opening of the ledger would read the mount table.
            (connection, "network_kind", _local),
            (rebuilding, "remove_fresh", remove_unless_killed),
            (fallback_file, "directories", _one_directory),
            (fallback_file, "_old_directories", _no_directories),
        ):
            stack.enter_context(patched(owner, name, new))
        yield


def _no_signals(_stop: Callable[[], None]) -> nullcontext[None]:
    return nullcontext()


def _local(_folder: Path) -> None:
    """No network file system."""


def _one_directory(folder: Folder) -> list[Any]:
    return [folder.fallback]


def _no_directories(_folder: Folder) -> list[Any]:
    return []
