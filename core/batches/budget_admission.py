"""Whether replays, synchronous runs and batches fit the budgets of titan.toml."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import takewhile

import msgspec
from msgspec.structs import replace

from core.batches.engine_context import Context
from core.config import titan_file
from core.config.money_settings import Budgets
from core.config.titan_tables import TitanToml
from core.errors import OverBudget, SettingsError
from core.money import budgets
from core.money.budgets import PlannedSpend, Used
from core.money.estimate import CostBound, cost_bound
from core.requests.payload import Line, parse_line
from state.batches import budget_reservations
from state.batches.budget_reservations import Scope
from state.batches.edits import Edit
from state.files.spool import LineReader
from state.model.errors import TitanError
from state.model.records import Batch, BatchKind
from state.operations import command_effects
from state.operations.previews import ModelGroup

# So many requests are read to name what has no price or no upper bound.
_NAMED = 20


def estimate_missing(context: Context, request_ids: Collection[int]) -> None:
    """Estimate from its body each request whose greatest possible cost is not known yet.

    Such requests were submitted before version 3 of the ledger, or their price was not known.
    """
    if _budgets(context) == Budgets():
        return
    estimate_sent(context)
    missing = budget_reservations.not_estimated(context.ledger, request_ids)
    if missing:
        found = [one for one in _estimated(context, missing) if one is not None]
        budget_reservations.estimate(context.ledger, found)


def estimate_sent(context: Context) -> None:
    """Reserve what batches can cost that were sent without an estimate, as far as it is known now.

    They were sent while no budget was set. Where one of the requests has no price or no bound,
    the batch holds what is to be spent next.
    """
    if _budgets(context) == Budgets():
        return
    for missing in budget_reservations.unknown_by_batch(context.ledger).values():
        known = takewhile(bool, _estimated(context, missing, is_sent=True))
        found = [one for one in known if one is not None]
        if len(found) == len(missing):
            budget_reservations.estimate(context.ledger, found)


def _estimated(
    context: Context, request_ids: Collection[int], *, is_sent: bool = False
) -> Iterator[tuple[int, int, int] | None]:
    """Each request: id, cost at most in a batch, synchronously; None where it is not known.

    Without its body, one that was sent counts what its job states.
    """
    rules = titan_file.read(context.folder)
    for request_id, found in _bounds(context, rules, request_ids):
        if found is not None:
            batch, sync = found.at_most
        else:
            batch = sync = _stated(context, rules, request_id) if is_sent else None
        yield None if batch is None or sync is None else (request_id, batch, sync)


def _bounds(
    context: Context, rules: TitanToml, request_ids: Iterable[int]
) -> Iterator[tuple[int, CostBound | None]]:
    """The bound of each request, from its body; None where that is deleted or was never known."""
    with LineReader(context.folder.spool, context.ledger.files) as bodies:
        for request_id in request_ids:
            try:
                line = parse_line(
                    bodies.read(*command_effects.body_of(context.ledger, request_id)),
                    betas=command_effects.betas_of(context.ledger, request_id),
                )
            except (TitanError, msgspec.DecodeError):
                yield request_id, None
            else:
                yield request_id, bound(context, rules, request_id, line)


def unknown_costs(context: Context, request_ids: Collection[int]) -> tuple[str, str]:
    """Of requests with an unknown greatest cost: what has no price, and what has no upper bound.

    Only the first of them are read.
    """
    missing = budget_reservations.not_estimated(context.ledger, request_ids)[:_NAMED]
    rules = titan_file.read(context.folder)
    found = [one for _, one in _bounds(context, rules, missing) if one and None in one.at_most]
    unpriced, unbounded = {one.unpriced for one in found}, {one.unbounded for one in found}
    return ", ".join(sorted(filter(None, unpriced))), ", ".join(sorted(filter(None, unbounded)))


def costs_at_most(
    context: Context, request_ids: Collection[int], found: Sequence[ModelGroup]
) -> list[tuple[int | None, int | None]]:
    """What the requests can cost in batches and synchronously, in parts; None: not known of one.

    `found` are the same requests by model. Those that are not estimated yet are estimated from
    their bodies; nothing is recorded.
    """
    known = [(one.batch_nano, one.sync_nano) for one in found]
    if not any(one.unknown for one in found):
        return [*known]
    missing = budget_reservations.not_estimated(context.ledger, request_ids)
    estimated = list(_estimated(context, missing))
    return [*known, *(one[1:] if one else (None, None) for one in estimated)]


def at_most(
    context: Context, rules: TitanToml, request_id: int, line: Line
) -> tuple[int | None, int | None]:
    """What the request can cost with this body, in a batch and synchronously; None: not known."""
    return bound(context, rules, request_id, line).at_most


def bound(context: Context, rules: TitanToml, request_id: int, line: Line) -> CostBound:
    """The bound of the request with this body."""
    cap, now = _stated(context, rules, request_id), context.clock.now()
    prices = context.prices.of(command_effects.lane_of(context.ledger, request_id))
    return cost_bound(prices, now, line, unbounded_nano=cap)


def _stated(context: Context, rules: TitanToml, request_id: int) -> int | None:
    # Its job may be in titan.toml only since it was submitted.
    job = rules.job_named(command_effects.names_of(context.ledger, request_id))
    return job.unbounded_nano if job else None


def admit(
    context: Context,
    request_ids: Collection[int],
    kind: BatchKind,
    *,
    command_id: int | None = None,
) -> None:
    """Raise OverBudget unless these requests fit; call it in the transaction that starts them."""
    limits = _budgets(context)
    if limits != Budgets():
        wanted = _wanted(context, request_ids, kind, command_id)
        budgets.admit(context.ledger, context.folder, limits, wanted, command_id=command_id)


def refusal(
    context: Context,
    request_ids: Collection[int],
    kind: BatchKind,
    *,
    day: str | None = None,
    command_id: int | None = None,
) -> str | None:
    """Why these requests, of a command, do not fit now, or on that day; None where they do."""
    limits = _budgets(context)
    if limits == Budgets():
        return None
    wanted = _wanted(context, request_ids, kind, command_id)
    used = budgets.used_in(context.ledger, context.folder, command_id=command_id)
    return budgets.refusal(limits, wanted, used, day=day or context.ledger.now_text()[:10])


def plan(
    context: Context, request_ids: Collection[int], kind: BatchKind, edits: Sequence[Edit]
) -> tuple[str, ...]:
    """The numbers of each budget that these requests need, for a preview.

    Raises OverBudget, and SettingsError while titan.toml has a problem that may hide a limit.
    """
    rules = titan_file.read(context.folder)
    for problem in rules.limit_problems:
        raise SettingsError(f"{problem} Fix titan.toml, then try again.", code=problem.code)
    if rules.budgets == Budgets():
        return ()
    estimate_missing(context, request_ids)
    wanted = _wanted(context, without_edited(request_ids, edits), kind, None)
    wanted += _of_edits(context, edits)
    today = context.ledger.now_text()[:10]
    budgets.check(rules.budgets, wanted, _used(context), day=today)
    return tuple(budgets.numbers(rules.budgets, wanted, _used(context), day=today))


def estimate_batch(context: Context, batch: Batch) -> None:
    """Estimate the requests of a queued batch that were stored without, and reserve that, too.

    While no budget was set, requests without a price or an upper bound were stored.
    """
    if _budgets(context) != Budgets():
        estimate_missing(context, budget_reservations.not_estimated_in(context.ledger, batch.id))


def admit_batch(context: Context, batch: Batch) -> None:
    """Raise OverBudget unless a queued batch fits beside what was sent on this day.

    It was admitted when it was queued. But that may have been on an earlier day, or before a limit
    was set or lowered, or it holds requests that came back from a batch of an earlier day.
    """
    limits = _budgets(context)
    if limits == Budgets():
        return
    nano = budget_reservations.of_batch(context.ledger, batch.id)
    unknown = budget_reservations.not_estimated_in(context.ledger, batch.id)
    spend = PlannedSpend(workflow=batch.workflow, tag=batch.tag, nano=nano, unknown=len(unknown))
    wanted = _with_unknown_costs(context, [spend], unknown)
    budgets.admit(context.ledger, context.folder, limits, wanted, unsent=False)


def batch_refusal(context: Context, batch: Batch) -> str | None:
    """Why a queued batch is not sent; None where it fits."""
    try:
        admit_batch(context, batch)
    except OverBudget as error:
        return f"{batch.key} stays queued. {error}"
    return None


def without_edited(request_ids: Collection[int], edits: Sequence[Edit]) -> Collection[int]:
    """Those of the requests that keep their body."""
    edited = {edit.request_id for edit in edits}
    return [i for i in request_ids if i not in edited] if edited else request_ids


def _used(context: Context) -> Callable[[Scope], Used]:
    return budgets.used_in(context.ledger, context.folder)


def _budgets(context: Context) -> Budgets:
    """The limits that can be read; a mistake in titan.toml stops nothing that was admitted."""
    return titan_file.read(context.folder).budgets


def _wanted(
    context: Context, request_ids: Collection[int], kind: BatchKind, command_id: int | None
) -> list[PlannedSpend]:
    found = budget_reservations.at_most(context.ledger, request_ids, command_id=command_id)
    return _with_unknown_costs(context, budgets.planned_spend(found, kind), request_ids)


def _with_unknown_costs(
    context: Context, wanted: list[PlannedSpend], request_ids: Collection[int]
) -> list[PlannedSpend]:
    """Name what has no price or no upper bound, where that is so of one of the requests."""
    if not any(one.unknown for one in wanted):
        return wanted
    unpriced, unbounded = unknown_costs(context, request_ids)
    return [
        replace(one, unpriced=unpriced, unbounded=unbounded) if one.unknown else one
        for one in wanted
    ]


def _of_edits(context: Context, edits: Sequence[Edit]) -> list[PlannedSpend]:
    """Replays with these bodies, which are not in the ledger yet."""
    names = budget_reservations.names_of(context.ledger, [edit.request_id for edit in edits])
    return [
        PlannedSpend(
            workflow=names[edit.request_id].workflow,
            tag=names[edit.request_id].tag,
            nano=edit.at_most_batch_nano or 0,
            unknown=int(edit.at_most_batch_nano is None),
        )
        for edit in edits
    ]
