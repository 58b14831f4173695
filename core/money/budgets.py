"""Checks whether a submission fits the budgets.

A submission reserves an upper estimate; once it is finished its real cost counts instead.
"""

from collections.abc import Callable, Iterable

from core.config.money_settings import Limit
from core.errors import OverBudget
from core.money.estimate import Estimate
from core.money.pricing import dollars_text
from state.batches.budget_reservations import Scope


def check(limits: Iterable[Limit], estimate: Estimate, reserved: Callable[[Scope], int]) -> None:
    """Raise OverBudget, with the numbers, if the estimate exceeds what is left of a limit.

    `reserved(scope)` is the sum spent or reserved in the scope of a limit, in nano-dollars.
    """
    for limit in limits:
        if estimate.unpriced:
            raise OverBudget(
                f"Cannot check the budget {limit.text}: {', '.join(sorted(estimate.unpriced))}"
                " has no price; add it to [prices] in titan.toml. Nothing was sent.",
                code="budget_without_price",
            )
        used = reserved(limit.scope)
        if used + estimate.batch_nano > limit.nano:
            raise OverBudget(
                f"Over the budget {limit.text}: {dollars_text(used)} is spent or reserved,"
                f" this may add {dollars_text(estimate.batch_nano)},"
                f" and the limit is {dollars_text(limit.nano)}. Nothing was sent."
            )
