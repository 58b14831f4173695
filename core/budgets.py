"""Budgets of titan.toml: what may be spent a day, by a workflow a day, and under a tag at all.

A submission is booked with an upper estimate; once it is finished its real cost counts instead.
"""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal

from msgspec import Struct, field

from core.errors import OverBudget
from core.estimate import Estimate
from core.pricing import dollars_text
from core.toml_reader import Section
from state.bookings import Scope

_NANO = Decimal(10) ** 9


class Budgets(Struct, frozen=True, kw_only=True):
    """Limits in nano-dollars. None: no limit."""

    day_nano: int | None = None
    workflows: Mapping[str, int] = field(default_factory=dict[str, int])
    tags: Mapping[str, int] = field(default_factory=dict[str, int])

    def limits_of(self, *, day: str, workflow: str, tag: str) -> "list[Limit]":
        """The limits that hold for a submission made on that UTC day."""
        of_workflow = self.workflows.get(workflow)
        found = (
            ("of the day", self.day_nano, Scope(day=day)),
            (f"of the day for workflow {workflow}", of_workflow, Scope(day=day, workflow=workflow)),
            (f"for tag {tag}", self.tags.get(tag), Scope(tag=tag)),
        )
        return [Limit(words, nano, scope) for words, nano, scope in found if nano is not None]


class Limit(Struct, frozen=True):
    """One budget: in words, in nano-dollars, and which submissions count."""

    words: str
    nano: int
    scope: Scope


def parse_budgets(section: Section) -> Budgets:
    """The table [budgets]: day_usd, and the tables workflows (a day) and tags (in all)."""
    day = section.number("day_usd")
    found = Budgets(
        day_nano=None if day is None else _nano(day),
        workflows=_limits(section.table("workflows")),
        tags=_limits(section.table("tags")),
    )
    section.finish()
    return found


def check(limits: Iterable[Limit], estimate: Estimate, committed: Callable[[Scope], int]) -> None:
    """Raises OverBudget, with the numbers, where the estimate does not fit any more.

    `committed` tells what is spent or booked of a limit's scope, in nano-dollars.
    """
    for limit in limits:
        if estimate.unpriced:
            raise OverBudget(
                f"The budget {limit.words} cannot be kept: {', '.join(sorted(estimate.unpriced))}"
                " has no price; add it to [prices] in titan.toml. Nothing was sent."
            )
        taken = committed(limit.scope)
        if taken + estimate.batch_nano > limit.nano:
            raise OverBudget(
                f"Over the budget {limit.words}: {dollars_text(taken)} is spent or booked,"
                f" this may add {dollars_text(estimate.batch_nano)},"
                f" and the limit is {dollars_text(limit.nano)}. Nothing was sent."
            )


def _limits(table: Section) -> dict[str, int]:
    return {
        name: _nano(dollars) for name in table.values if (dollars := table.number(name)) is not None
    }


def _nano(dollars: Decimal) -> int:
    return int(dollars * _NANO)
