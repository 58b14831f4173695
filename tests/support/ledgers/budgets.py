"""What budgets count, and commands that spend, on a bench."""

from datetime import timedelta

from support.builders import Bench

from core.commands import planner
from core.commands.planner import CommandRequest
from state.batches import budget_reservations
from state.batches.budget_reservations import Scope
from state.model.records import BatchKind
from state.operations import alerts, commands
from state.operations.commands import Action, Command, CommandState
from state.operations.selection import Filter
from state.queries import ledger_status

AUTOMATIC = """
[workloads.t]
[jobs.feed-classify]
workload = "t"
schedule = "daily"
replay = "auto"
"""


def limit(bench: Bench, dollars: float, more: str = "") -> None:
    text = f"{more}\n[budgets]\nday_usd = {dollars:.9f}\n"
    (bench.folder.root / "titan.toml").write_text(text, "utf-8")


def one(bench: Bench, kind: BatchKind = BatchKind.BATCH) -> float:
    """What each of `some_requests` can cost at most, in dollars."""
    engine = bench.engine.context
    (row,) = engine.ledger.rows(
        "SELECT max(at_most_batch_nano), max(at_most_sync_nano) FROM requests"
    )
    return row[kind == BatchKind.SYNC] / 1e9


def used(bench: Bench, **scope: str) -> int:
    return budget_reservations.reserved(bench.engine.context.ledger, Scope(**scope))  # pyright: ignore[reportArgumentType]


def failed(bench: Bench, count: int, tag: str = "t") -> str:
    """A submission whose requests failed, which costs nothing."""
    bench.faults.add("row:overloaded:p=1")
    key = bench.submit(count, tag=tag).submission.key
    bench.poll_after(60)
    bench.faults.clear()
    return key


def plan(bench: Bench, action: Action, *names: str) -> planner.Plan:
    request = CommandRequest(action=action, wanted=Filter(names=names))
    return planner.plan(bench.engine.context, request)


def order(bench: Bench, action: Action, *names: str) -> Command:
    planned = plan(bench, action, *names)
    return planner.submit(bench.engine.context, planned, delay=timedelta(0))[0]


def state(bench: Bench, command: Command) -> tuple[CommandState, str]:
    found = commands.get(bench.engine.context.ledger, command.id)
    return found.state, found.outcome or ""


def budget_alerts(bench: Bench) -> dict[str, str]:
    raised = alerts.raised(bench.engine.context.ledger)
    return {alert.subject: alert.message for alert in raised if alert.rule == "budget"}


def cost(bench: Bench) -> int:
    return ledger_status.totals(bench.engine.context.ledger).cost_nano
