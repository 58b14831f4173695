"""The parts of filters in SQL; what people wrote is only ever a parameter."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from state.model.filter_terms import Bound, Term
from state.model.timestamps import to_text

Parameter = str | int


class Where(Struct, frozen=True):
    """A condition; `needs_attempt` where it is about the attempt that a request shows."""

    sql: str
    parameters: tuple[Parameter, ...] = ()
    needs_attempt: bool = False


def all_of(terms: Sequence[Term], one: Callable[[Term], Where]) -> Where:
    """Every term holds, or where it is negated, does not; `one` says what a term means."""
    return _joined(" AND ", [_negated(term, one(term)) for term in terms], "1")


def any_of(parts: Sequence[Where]) -> Where:
    """At least one of them holds."""
    joined = _joined(" OR ", parts, "0")
    return Where(f"({joined.sql})", joined.parameters, joined.needs_attempt)


def _joined(word: str, parts: Sequence[Where], nothing: str) -> Where:
    return Where(
        sql=word.join(part.sql for part in parts) or nothing,
        parameters=tuple(parameter for part in parts for parameter in part.parameters),
        needs_attempt=any(part.needs_attempt for part in parts),
    )


def _negated(term: Term, where: Where) -> Where:
    """What is not known to hold does not hold, so its negation does."""
    if not term.is_not:
        return where
    return Where(f"({where.sql}) IS NOT TRUE", where.parameters, where.needs_attempt)


def contains(column: str) -> str:
    """That a column contains a `pattern`."""
    return f"{column} LIKE ? ESCAPE '\\'"


def pattern(value: str) -> str:
    """What matches any text with that value in it."""
    escaped = value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def age(term: Bound, now: datetime) -> tuple[str, str]:
    """How a time compares, and with which: older means earlier, so the comparison turns round."""
    turned = term.relation.value.translate(str.maketrans("<>", "><"))
    return turned, to_text(now - timedelta(seconds=term.amount))
