"""Replaces the ledger of a bench by one that is rebuilt from the files beside it, or restored."""

from pathlib import Path

from support.builders import Bench

from core.batches.engine_context import Context
from core.engine import Engine
from core.money.pricing import PriceBook
from core.recovery.rebuild import RebuildSummary, rebuild
from core.recovery.restore import RestoreSummary, import_newer_files
from state.db.ledger import Ledger
from state.recovery import rebuild as rebuilding
from state.recovery.restored import copy_backup


def rebuilt(bench: Bench) -> tuple[Engine, RebuildSummary]:
    """The ledger is lost; a new one is made from what lies beside it."""
    fresh = rebuilding.fresh_path(bench.folder.ledger)
    with Ledger(fresh, now=bench.clock.now, actor="test") as ledger:
        done = rebuild(_context(bench, ledger))
    return _install(bench, fresh), done


def restored(bench: Bench, backup: Path) -> tuple[Engine, RestoreSummary]:
    """The ledger is replaced by a backup, and by what lies beside it."""
    fresh, done = _fresh(bench, backup)
    return _install(bench, fresh), done


def discarded(bench: Bench, backup: Path) -> None:
    """A restore is killed before it replaces the ledger; the next one removes what it made."""
    fresh, _ = _fresh(bench, backup)
    rebuilding.remove_fresh(fresh)


def _fresh(bench: Bench, backup: Path) -> tuple[Path, RestoreSummary]:
    fresh = rebuilding.fresh_path(bench.folder.ledger)
    copy_backup(backup, fresh)
    with Ledger(fresh, now=bench.clock.now, actor="test") as ledger:
        return fresh, import_newer_files(_context(bench, ledger), backup)


def _context(bench: Bench, ledger: Ledger) -> Context:
    return Context(
        ledger=ledger,
        folder=bench.folder,
        clock=bench.clock,
        api=bench.api,
        prices=PriceBook(),
        instance_id="test",
    )


def _install(bench: Bench, fresh: Path) -> Engine:
    bench.close()
    rebuilding.install(fresh, bench.folder.ledger, kept=bench.folder.root / "titan.test.damaged")
    bench.engine = bench.new_engine("after")
    return bench.engine
