"""Whether a submission still fits the budgets.

It is reserved with an upper estimate; once it is finished its real cost counts instead.
"""

from collections.abc import Callable, Iterable

from core.config.money_settings import Limit
from core.errors import OverBudget
from core.money.estimate import Estimate
from core.money.pricing import dollars_text
from state.batches.budget_reservations import Scope


def check(limits: Iterable[Limit], estimate: Estimate, reserved: Callable[[Scope], int]) -> None:
    """Raises OverBudget, with the numbers, where the estimate does not fit any more.

    `reserved(scope)` is what is spent or reserved of a limit's scope, in nano-dollars.
    """
    for limit in limits:
        if estimate.unpriced:
            raise OverBudget(
                f"The budget {limit.text} cannot be kept: {', '.join(sorted(estimate.unpriced))}"
                " has no price; add it to [prices] in titan.toml. Nothing was sent."
            )
        taken = reserved(limit.scope)
        if taken + estimate.batch_nano > limit.nano:
            raise OverBudget(
                f"Over the budget {limit.text}: {dollars_text(taken)} is spent or reserved,"
                f" this may add {dollars_text(estimate.batch_nano)},"
                f" and the limit is {dollars_text(limit.nano)}. Nothing was sent."
            )
