"""Replaces the ledger of a bench by one that is rebuilt from the files beside it."""

from support.builders import Bench

from core.batches.engine_context import Context
from core.engine import Engine
from core.intake.rebuild import RebuildSummary, rebuild
from core.money.pricing import PriceBook
from state.db.ledger import Ledger
from state.recovery import rebuild as rebuilding


def rebuilt(bench: Bench) -> tuple[Engine, RebuildSummary]:
    """The ledger is lost; a new one is made from what lies beside it."""
    fresh = rebuilding.fresh_path(bench.folder.ledger)
    with Ledger(fresh, now=bench.clock.now, actor="test") as ledger:
        done = rebuild(
            Context(
                ledger=ledger,
                folder=bench.folder,
                clock=bench.clock,
                api=bench.api,
                prices=PriceBook(),
                instance_id="test",
            )
        )
    bench.close()
    rebuilding.install(fresh, bench.folder.ledger, kept=bench.folder.root / "titan.test.damaged")
    bench.engine = bench.new_engine("after")
    return bench.engine, done
