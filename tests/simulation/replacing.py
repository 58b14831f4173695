"""Backups at any moment, rebuilds and restores while other processes run."""

import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from core.bootstrap import Runtime, rebuild_ledger, restore_ledger
from core.config.settings import Settings
from core.engine import Engine
from state.files.folder import Folder
from state.model.errors import LedgerBusy
from state.operations import pauses
from state.recovery import backups

if TYPE_CHECKING:
    from simulation.process import Process
    from simulation.world import World

# How often, at these intervals, a replacement looks whether the others have ended.
_TRIES = 20
_TRY_EVERY_S = 5.0
# A lost ledger is noticed soon.
_RATE_OF_LOST = 0.1


def resume_paused(engine: Engine) -> None:
    """Do what a restore tells the operator: resume the workflows that it paused."""
    ledger = engine.context.ledger
    workflows = [pause.workflow for pause in pauses.paused(ledger)]
    if workflows:
        pauses.resume(ledger, workflows, reason="their batches were checked")


class Replacing:
    """The operator who replaces the ledger of a world."""

    def __init__(self, world: "World") -> None:
        self._world = world
        # Separate, so that replacements do not change the rest of a history.
        self._rng = random.Random(f"replace {world.seed}")
        self._waiting = 0
        self._made = 0

    @property
    def is_lost(self) -> bool:
        """Whether there is no ledger: it was lost, or a replacement was killed."""
        folder = self._world.folder
        return folder.ledger_url is None and not folder.ledger.exists()

    def refuse_others(self) -> None:
        """Raise LedgerBusy while a replacement waits for those that have the ledger open.

        SQLite lets no other process in while one waits for the exclusive lock; one that comes waits
        for 20 seconds, and is refused.
        """
        if self._waiting:
            raise LedgerBusy("The ledger is being replaced.", code="ledger_being_replaced")

    def maybe_start(self) -> None:
        """Maybe start a backup, or a rebuild or restore."""
        world, rng, profile = self._world, self._rng, self._world.profile
        if not (profile.replacements or profile.backups):
            return
        if rng.random() < profile.backups and not self.is_lost:
            self._start_backup()
        if rng.random() < (_RATE_OF_LOST if self.is_lost else profile.replacements):
            if rng.random() < 0.5:
                for process in list(world.processes):
                    world.kill(process)
                if rng.random() < 0.5:
                    lose(world.folder)
                    world.note("the ledger is lost")
            self.start()

    def start(self) -> "Process":
        """Start a rebuild, or a restore of any backup that there is."""
        copies = sorted(backup.path for backup in backups.listed(self._world.folder))
        chosen = self._rng.choice(copies) if copies and self._rng.random() < 0.6 else None
        if chosen is None:
            return self._world.start_process("rebuild", self._rebuild)
        self._world.note(f"restore of {chosen.name}")
        return self._world.start_process("restore", lambda process: self._restore(process, chosen))

    def end_loss(self) -> None:
        """At the end of the faults: replace a ledger that is lost."""
        if not self.is_lost:
            return
        process = self.start()
        while not process.is_over:
            self._world.resume(process)
        if process.problem is not None:
            self._world.broken.append(f"without faults {process.name} ended: {process.problem!r}")

    def _start_backup(self) -> None:
        self._made += 1
        target = self._world.folder.backups / f"titan-2026-11-01-{self._made:03}.db"

        def back_up(engine: Engine) -> None:
            # Another backup may remove the part file; the next poll would try again.
            with suppress(FileNotFoundError):
                backups.write(engine.context.ledger, target)
                self._world.figures.operations["backup"] += 1

        self._world.start("backup", back_up)

    def _rebuild(self, process: "Process") -> None:
        """The old ledger is damaged, as far as a rebuild is concerned."""
        runtime, settings = self._runtime(process), Settings(home=self._world.folder.root)
        self._alone(
            process,
            "rebuild",
            lambda: rebuild_ledger(settings, actor=process.name, check=lose, runtime=runtime),
        )

    def _restore(self, process: "Process", backup: Path) -> None:
        runtime, settings = self._runtime(process), Settings(home=self._world.folder.root)
        self._alone(
            process,
            "restore",
            lambda: restore_ledger(settings, backup, actor=process.name, runtime=runtime),
        )

    def _runtime(self, process: "Process") -> Runtime:
        return Runtime(
            clock=process.clock, new_id=self._world.new_id, crash_point=process.crash_point
        )

    def _alone(self, process: "Process", kind: str, replace: Callable[[], object]) -> None:
        """Replace the ledger once the others have ended. Raises LedgerBusy where they do not."""
        self._waiting += 1
        try:
            for left in reversed(range(_TRIES)):
                try:
                    replace()
                except LedgerBusy:
                    if not left:
                        raise
                    process.sleep(_TRY_EVERY_S)
                except OSError as error:
                    # A file that cannot be read now: it is refused, and nothing has changed.
                    if error.filename is None or self._world.is_quiet:
                        raise
                    self._world.note(f"{process.name} is refused: {error!r}")
                    return
                else:
                    self._world.figures.operations[f"ledger replaced: {kind}"] += 1
                    return
        finally:
            self._waiting -= 1


def lose(folder: Folder) -> None:
    """Remove the ledger."""
    for path in folder.root.glob("titan.db*"):
        path.unlink()
