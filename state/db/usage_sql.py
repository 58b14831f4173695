"""SQL for all tokens of an attempt `a`: its own, and those of its iterations."""

from state.db.dialect import items, number_in
from state.model.usage import TOKENS


def billed(name: str) -> str:
    """All tokens of that kind that the attempt is billed for."""
    return (
        f"(a.{name} + CASE WHEN a.iterations IS NULL THEN 0 ELSE (SELECT"  # noqa: S608 - our own words
        f" coalesce(sum({number_in('i.value', name)}), 0) FROM {items('a.iterations', 'i')}) END)"
    )


BILLED_IN = " + ".join(billed(name) for name in TOKENS if name != "output_tokens")
BILLED_OUT = billed("output_tokens")
