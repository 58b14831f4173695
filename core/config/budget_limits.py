"""[budgets] of titan.toml: what may be spent a day, by a workflow a day, and under a tag in all."""

from collections.abc import Mapping
from decimal import Decimal

from msgspec import Struct, field

from core.config.toml_reader import Section
from state.batches.budget_reservations import Scope

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


def _limits(table: Section) -> dict[str, int]:
    return {
        name: _nano(dollars) for name in table.values if (dollars := table.number(name)) is not None
    }


def _nano(dollars: Decimal) -> int:
    return int(dollars * _NANO)
