"""Filters as SQL conditions; user input is always a parameter."""

from array import array
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from state.model.filter_terms import BoundTerm, Term
from state.model.timestamps import to_text

Parameter = str | int


class Where(Struct, frozen=True):
    """A condition; `needs_attempt` where it reads the effective attempt `a` of a request."""

    sql: str
    parameters: tuple[Parameter, ...] = ()
    needs_attempt: bool = False


def all_of(terms: Sequence[Term], one: Callable[[Term], Where]) -> Where:
    """All terms combined with AND; `one` translates a single term."""
    return _joined(" AND ", [_negated(term, one(term)) for term in terms], "true")


def any_of(parts: Sequence[Where]) -> Where:
    """The parts combined with OR."""
    joined = _joined(" OR ", parts, "false")
    return Where(f"({joined.sql})", joined.parameters, joined.needs_attempt)


# SQLite limits the depth of an expression, and a flat chain is as deep as it is long.
_LONGEST_CHAIN = 100


def _chain(word: str, conditions: Sequence[str]) -> str:
    if len(conditions) <= _LONGEST_CHAIN:
        return word.join(conditions)
    half = len(conditions) // 2
    return f"({_chain(word, conditions[:half])}){word}({_chain(word, conditions[half:])})"


def _joined(word: str, parts: Sequence[Where], nothing: str) -> Where:
    return Where(
        sql=_chain(word, [part.sql for part in parts]) or nothing,
        parameters=tuple(parameter for part in parts for parameter in part.parameters),
        needs_attempt=any(part.needs_attempt for part in parts),
    )


def _negated(term: Term, where: Where) -> Where:
    """NOT that treats NULL as false."""
    if not term.is_not:
        return where
    return Where(f"({where.sql}) IS NOT TRUE", where.parameters, where.needs_attempt)


def age(term: BoundTerm, now: datetime) -> tuple[str, str]:
    """The operator and the timestamp to compare with; a greater age is an earlier time."""
    inverted = term.relation.value.translate(str.maketrans("<>", "><"))
    return inverted, to_text(now - timedelta(seconds=term.amount))


# Characters of the id list that are parsed at a time.
_PIECE = 1 << 20


def parse_ids(text: str) -> "array[int]":
    """The ids of an array in JSON."""
    made = array("q")
    begin, last = 1, len(text) - 1
    while begin < last:
        end = text.find(",", begin + _PIECE)
        end = last if end < 0 else end
        made.extend(map(int, text[begin:end].split(",")))
        begin = end + 1
    return made
