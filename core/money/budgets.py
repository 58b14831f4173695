"""Checks whether what is to be spent fits the budgets.

Everything that spends is admitted here: submissions, replays, synchronous runs, and each batch
before it is sent. It reserves what it can cost at most; the actual cost replaces that later.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from msgspec import Struct

from core.config.money_settings import Budgets, Limit
from core.errors import OverBudget
from core.money.estimate import Estimate
from core.money.pricing import PriceBook, dollars_text
from core.requests.payload import Line
from state.batches.budget_reservations import AtMost, Scope, reserved
from state.db.ledger import Ledger
from state.db.reader import Source
from state.model.records import BatchKind

__all__ = ["Sums", "Wanted", "admit", "at_most", "check", "fits", "numbers", "wanted_of"]


class Wanted(Struct, frozen=True, kw_only=True):
    """What is to be spent for one workflow and tag, in nano-dollars, at most.

    `unpriced` names what has no known price, `least_nano` is the cost of the cheapest request.
    """

    workflow: str
    tag: str
    nano: int
    unpriced: str = ""
    least_nano: int = 0
    kind: BatchKind = BatchKind.BATCH


class Sums(Struct, kw_only=True):
    """Adds up what the requests of one submission can cost at most."""

    prices: PriceBook
    at: datetime
    batch_nano: int = 0
    sync_nano: int = 0
    least_nano: int | None = None
    unpriced: set[str]

    @classmethod
    def begin(cls, prices: PriceBook, at: datetime) -> "Sums":
        """No requests yet, at the prices of that day."""
        return cls(prices=prices, at=at, unpriced=set())

    def add(self, line: Line, *, is_paid: bool = False) -> tuple[int | None, int | None]:
        """Add one request, unless it is paid; what it can cost in a batch, and synchronously."""
        batch, sync = at_most(self.prices, self.at, line)
        if is_paid:
            return batch, sync
        if batch is None or sync is None:
            self.unpriced.add(line.model)
            return None, None
        self.batch_nano += batch
        self.sync_nano += sync
        self.least_nano = batch if self.least_nano is None else min(self.least_nano, batch)
        return batch, sync

    def wanted(self, workflow: str, tag: str) -> Wanted:
        """What sending them in batches adds."""
        return Wanted(
            workflow=workflow,
            tag=tag,
            nano=self.batch_nano,
            unpriced=", ".join(sorted(self.unpriced)),
            least_nano=self.least_nano or 0,
        )


def at_most(prices: PriceBook, at: datetime, line: Line) -> tuple[int | None, int | None]:
    """What one request can cost in a batch, and synchronously; None without a known price."""
    one = Estimate.begin(prices, at)
    one.add(line)
    return (None, None) if one.unpriced else (one.batch_nano, one.sync_nano)


def wanted_of(found: Iterable[AtMost], kind: BatchKind) -> list[Wanted]:
    """What running these requests in batches, or synchronously, adds to what is reserved."""
    return [
        Wanted(
            workflow=one.workflow,
            tag=one.tag,
            nano=(one.sync_nano if kind == BatchKind.SYNC else one.batch_nano) - one.unsent_nano,
            unpriced=f"{one.unknown:,} of the requests" if one.unknown else "",
            kind=kind,
        )
        for one in found
    ]


def admit(ledger: Ledger, budgets: Budgets, wanted: Iterable[Wanted]) -> None:
    """Raise OverBudget unless it fits now.

    Call it inside the transaction that queues or starts it: then no two can use the same rest.
    """
    check(
        budgets,
        wanted,
        lambda scope: reserved(ledger, scope),
        day=ledger.now_text()[:10],
    )


def check(
    budgets: Budgets, wanted: Iterable[Wanted], used: Callable[[Scope], int], *, day: str
) -> None:
    """Raise OverBudget, with the numbers, if it exceeds what is left of a limit on that day.

    `used(scope)` is the sum spent or reserved in the scope of a limit, in nano-dollars.
    """
    for limit, of_limit in _by_limit(budgets, wanted, day):
        unpriced = ", ".join(filter(None, (one.unpriced for one in of_limit)))
        if unpriced:
            raise OverBudget(
                f"Cannot check the budget {limit.text}: {unpriced}"
                " has no price; add it to [prices] in titan.toml. Nothing was sent.",
                code="budget_without_price",
            )
        before, adds = used(limit.scope), sum(one.nano for one in of_limit)
        if adds > 0 and before + adds > limit.nano:
            raise OverBudget(_said(limit, of_limit, before, adds))


def fits(source: Source, budgets: Budgets, wanted: Iterable[Wanted], *, day: str) -> str | None:
    """Why it would not be admitted on that day; None where it would, as far as is known now."""
    try:
        check(budgets, wanted, lambda scope: reserved(source, scope), day=day)
    except OverBudget as error:
        return str(error)
    return None


def numbers(
    source: Source, budgets: Budgets, wanted: Iterable[Wanted], *, day: str
) -> Iterator[str]:
    """For a preview: each limit, what is used of it, and what this may add."""
    for limit, of_limit in _by_limit(budgets, wanted, day):
        adds = sum(one.nano for one in of_limit)
        yield (
            f"budget {limit.text}: {dollars_text(reserved(source, limit.scope))} of"
            f" {dollars_text(limit.nano)} is spent or reserved, this may add {dollars_text(adds)}"
        )


def _by_limit(
    budgets: Budgets, wanted: Iterable[Wanted], day: str
) -> Iterable[tuple[Limit, list[Wanted]]]:
    found: dict[Limit, list[Wanted]] = {}
    for one in wanted:
        for limit in budgets.limits_of(day=day, workflow=one.workflow, tag=one.tag):
            found.setdefault(limit, []).append(one)
    return found.items()


def _said(limit: Limit, wanted: list[Wanted], before: int, adds: int) -> str:
    price = " at the full price" if any(one.kind == BatchKind.SYNC for one in wanted) else ""
    least = min(one.least_nano for one in wanted)
    too_small = (
        f", which is smaller than one request ({dollars_text(least)}: raise it or lower max_tokens)"
        if least > limit.nano
        else ""
    )
    return (
        f"Over the budget {limit.text}{too_small}: {dollars_text(before)} is spent or reserved,"
        f" this may add {dollars_text(adds)}{price},"
        f" and the limit is {dollars_text(limit.nano)}. Nothing was sent."
    )
