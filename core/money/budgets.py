"""Checks whether what is to be spent fits the budgets.

Everything that spends is admitted here: submissions, replays, synchronous runs, and each batch
before it is sent. It reserves its maximum cost; the actual cost replaces that later.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from msgspec import Struct, field

from core.config.money_settings import Budgets, Limit
from core.errors import OverBudget
from core.money.estimate import cost_bound, text_cost
from core.money.pricing import PriceBook, dollars_text
from core.requests.payload import Line
from state.batches.budget_reservations import (
    AtMost,
    Scope,
    in_fallback_files,
    reserved,
    sent_unknown,
)
from state.db.ledger import Ledger
from state.db.reader import Source
from state.files.folder import Folder
from state.model.records import BatchKind

__all__ = [
    "CostSums",
    "PlannedSpend",
    "Used",
    "admit",
    "check",
    "numbers",
    "planned_spend",
    "refusal",
    "used_in",
]


class PlannedSpend(Struct, frozen=True, kw_only=True):
    """The maximum cost for one workflow and tag, in nano-dollars.

    `unpriced` names what has no known price, `unbounded` what has no upper bound of cost, and
    `unknown` counts requests that have one or the other. `least_nano` is the cost of the cheapest.
    """

    workflow: str
    tag: str
    nano: int
    unpriced: str = ""
    unbounded: str = ""
    unknown: int = 0
    least_nano: int = 0
    kind: BatchKind = BatchKind.BATCH


class Used(NamedTuple):
    """What is spent or reserved, and how many requests were sent that may cost any sum."""

    nano: int
    unknown: int = 0


class CostSums(Struct, kw_only=True):
    """Adds up the maximum costs of the requests of one submission."""

    prices: PriceBook
    at: datetime
    batch_nano: int = 0
    sync_nano: int = 0
    least_nano: int | None = None
    unbounded_nano: int | None = None
    unpriced: set[str] = field(default_factory=set[str])
    unbounded: set[str] = field(default_factory=set[str])

    @classmethod
    def begin(
        cls, prices: PriceBook, at: datetime, *, unbounded_nano: int | None = None
    ) -> "CostSums":
        """No requests yet, at the prices of that day.

        A request without an upper bound counts as `unbounded_nano`.
        """
        return cls(prices=prices, at=at, unbounded_nano=unbounded_nano)

    def add(self, line: Line, *, is_paid: bool = False) -> tuple[int | None, int | None]:
        """Add one request, unless it is paid; what it can cost in a batch, and synchronously."""
        batch, sync = text_cost(self.prices, self.at, line) or self._cost_of(line, is_paid=is_paid)
        if is_paid or batch is None or sync is None:
            return batch, sync
        self.batch_nano += batch
        self.sync_nano += sync
        if self.least_nano is None or batch < self.least_nano:
            self.least_nano = batch
        return batch, sync

    def _cost_of(self, line: Line, *, is_paid: bool) -> tuple[int | None, int | None]:
        found = cost_bound(self.prices, self.at, line, unbounded_nano=self.unbounded_nano)
        if not is_paid and None in found.at_most:
            self.unpriced.update(filter(None, [found.unpriced]))
            self.unbounded.update(filter(None, [found.unbounded]))
        return found.at_most

    def wanted(self, workflow: str, tag: str, kind: BatchKind = BatchKind.BATCH) -> PlannedSpend:
        """What sending them in batches, or running them synchronously, adds."""
        return PlannedSpend(
            workflow=workflow,
            tag=tag,
            nano=self.sync_nano if kind == BatchKind.SYNC else self.batch_nano,
            kind=kind,
            unpriced=", ".join(sorted(self.unpriced)),
            unbounded=", ".join(sorted(self.unbounded)),
            least_nano=self.least_nano or 0,
        )


def planned_spend(found: Iterable[AtMost], kind: BatchKind) -> list[PlannedSpend]:
    """What running these requests in batches, or synchronously, adds to what is reserved."""
    return [
        PlannedSpend(
            workflow=one.workflow,
            tag=one.tag,
            nano=(one.sync_nano if kind == BatchKind.SYNC else one.batch_nano) - one.unsent_nano,
            unknown=one.unknown,
            kind=kind,
        )
        for one in found
    ]


def admit(
    ledger: Ledger,
    folder: Folder,
    budgets: Budgets,
    wanted: Iterable[PlannedSpend],
    *,
    unsent: bool = True,
    but_for: str = "",
    command_id: int | None = None,
) -> None:
    """Raise OverBudget unless it fits now, beside what is queued or only what was sent.

    Call it inside the transaction that queues or starts it: then no two can use the same rest.
    The fallback file with the key `but_for` and the command do not count.
    """
    used = used_in(ledger, folder, unsent=unsent, but_for=but_for, command_id=command_id)
    check(budgets, wanted, used, day=ledger.now_text()[:10])


def used_in(
    source: Source,
    folder: Folder,
    *,
    unsent: bool = True,
    but_for: str = "",
    command_id: int | None = None,
) -> Callable[[Scope], Used]:
    """What is spent or reserved in the scope of a limit, in fallback files, too."""
    return lambda scope: Used(
        reserved(source, scope, unsent=unsent, but_for=command_id)
        + in_fallback_files(folder, scope, source=source, but_for=but_for),
        sent_unknown(source, scope),
    )


def check(
    budgets: Budgets, wanted: Iterable[PlannedSpend], used: Callable[[Scope], Used], *, day: str
) -> None:
    """Raise OverBudget, with the numbers, if it exceeds what is left of a limit on that day.

    `used(scope)` is what is spent or reserved in the scope of a limit.
    """
    for limit, of_limit in _by_limit(budgets, wanted, day):
        _check_known(limit, of_limit)
        before, adds = _before(limit, used), sum(one.nano for one in of_limit)
        if adds > 0 and before.nano + adds > limit.nano:
            raise OverBudget(_said(limit, of_limit, before.nano, adds))
        if adds > 0 and before.unknown:
            raise OverBudget(_sent_unknown(limit, before.unknown), code="budget_without_bound")


def _before(limit: Limit, used: Callable[[Scope], Used]) -> Used:
    return Used(0) if limit.scope is None else used(limit.scope)


def _check_known(limit: Limit, wanted: list[PlannedSpend]) -> None:
    """Raise OverBudget where the maximum cost of a request is not known."""
    cannot = f"Cannot check the {limit.text}: "
    if unpriced := ", ".join(sorted({one.unpriced for one in wanted if one.unpriced})):
        raise OverBudget(
            f"{cannot}{unpriced} has no price; add it to [prices] in titan.toml."
            f" {_not_done(wanted)}",
            code="budget_without_price",
        )
    if unbounded := ", ".join(sorted({one.unbounded for one in wanted if one.unbounded})):
        raise OverBudget(
            f"{cannot}{unbounded} has no upper bound of cost; set unbounded_request_usd of the job"
            f" in titan.toml. {_not_done(wanted)}",
            code="budget_without_bound",
        )
    if unknown := sum(one.unknown for one in wanted):
        raise OverBudget(
            f"{cannot}the maximum cost of {unknown:,} of the requests is not known; add [prices],"
            f" or unbounded_request_usd of the job, to titan.toml. {_not_done(wanted)}",
            code="budget_without_bound",
        )


def refusal(
    budgets: Budgets, wanted: Iterable[PlannedSpend], used: Callable[[Scope], Used], *, day: str
) -> str | None:
    """Why it would not be admitted on that day; None where it would, as far as is known now."""
    try:
        check(budgets, wanted, used, day=day)
    except OverBudget as error:
        return str(error)
    return None


def numbers(
    budgets: Budgets, wanted: Iterable[PlannedSpend], used: Callable[[Scope], Used], *, day: str
) -> Iterator[str]:
    """For a preview: each limit, what is used of it, and what this may add."""
    for limit, of_limit in _by_limit(budgets, wanted, day):
        adds = dollars_text(sum(one.nano for one in of_limit))
        if limit.scope is None:
            yield f"{limit.text}: this may cost {adds} of {dollars_text(limit.nano)}"
            continue
        yield (
            f"{limit.text}: {dollars_text(used(limit.scope).nano)} of"
            f" {dollars_text(limit.nano)} is spent or reserved, this may add {adds}"
        )


def _by_limit(
    budgets: Budgets, wanted: Iterable[PlannedSpend], day: str
) -> Iterable[tuple[Limit, list[PlannedSpend]]]:
    found: dict[Limit, list[PlannedSpend]] = {}
    for one in wanted:
        for limit in budgets.limits_of(day=day, workflow=one.workflow, tag=one.tag):
            found.setdefault(limit, []).append(one)
    return found.items()


def _sent_unknown(limit: Limit, count: int) -> str:
    cost = "request that was sent" if count == 1 else "requests that were sent"
    return (
        f"Cannot check the {limit.text}: {count:,} {cost} may cost any sum (no price or no"
        " upper bound); add [prices], or unbounded_request_usd of the job, to titan.toml. Until"
        " then nothing more is sent that counts against this budget."
    )


def _said(limit: Limit, wanted: list[PlannedSpend], before: int, adds: int) -> str:
    price = " at the full price" if any(one.kind == BatchKind.SYNC for one in wanted) else ""
    least = min(one.least_nano for one in wanted)
    if least > limit.nano:
        one = f"is less than one request may cost ({dollars_text(least)})"
        reason = f"The {limit.text} {one}: {limit.raised_by}, or lower max_tokens."
        allow = ""
    else:
        reason, allow = f"Over the {limit.text}:", f"; {limit.raised_by} to allow this"
    spent = f"{dollars_text(before)} is spent or reserved, this may add"
    this = "this may cost" if allow else "This may cost"
    costs = f"{spent if limit.scope else this} {dollars_text(adds)}{price}"
    return (
        f"{reason} {costs}, and the limit is {dollars_text(limit.nano)}{allow}. {_not_done(wanted)}"
    )


def _not_done(wanted: list[PlannedSpend]) -> str:
    """What does not happen. Batches that were sent before go on, with these requests or others."""
    if any(one.kind == BatchKind.SYNC for one in wanted):
        return "These requests are not run synchronously."
    return "These requests are not sent."
