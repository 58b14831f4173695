"""Filters as SQL conditions, and the values they may name; user input is always a parameter."""

from array import array
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from state.db.reader import Source
from state.db.sql_conditions import TO_DO
from state.model.filter_terms import BoundTerm, Field, Term
from state.model.records import FAILED_STATUSES
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


_MOST_VALUES = 300
_FAILURES_SCANNED = 2000
_EVENTS_SCANNED = 2000
_REQUESTS_SCANNED = 2000


def known_values(source: Source) -> Mapping[Field, Sequence[str]]:
    """The recent values of each field, newest first."""
    return {
        Field.WORKFLOW: _of_submissions(source, "workflow"),
        Field.MODEL: _models(source),
        Field.TAG: _of_submissions(source, "tag"),
        Field.ERROR: _errors(source),
        Field.KIND: _of_events(source, "kind"),
        Field.WHO: _of_events(source, "actor"),
    }


def _of_submissions(source: Source, column: str) -> Sequence[str]:
    rows = source.rows(
        f"SELECT {column} FROM submissions GROUP BY {column} ORDER BY max(id) DESC LIMIT ?",  # noqa: S608 - our own words
        _MOST_VALUES,
    )
    return [row[0] for row in rows]


def _models(source: Source) -> Sequence[str]:
    """Those of submissions, and those that recent requests name instead."""
    rows = source.rows(
        "SELECT model FROM (SELECT id, model FROM requests ORDER BY id DESC LIMIT ?) recent"
        " WHERE model IS NOT NULL GROUP BY model ORDER BY max(id) DESC",
        _REQUESTS_SCANNED,
    )
    named = [row[0] for row in rows]
    return [*dict.fromkeys([*_of_submissions(source, "model"), *named])][:_MOST_VALUES]


def _of_events(source: Source, column: str) -> Sequence[str]:
    rows = source.rows(
        f"SELECT {column} FROM (SELECT id, {column} FROM events ORDER BY id DESC LIMIT ?) recent"  # noqa: S608 - our own words
        f" GROUP BY {column} ORDER BY max(id) DESC LIMIT ?",
        _EVENTS_SCANNED,
        _MOST_VALUES,
    )
    return [row[0] for row in rows]


def _errors(source: Source) -> Sequence[str]:
    names = ", ".join(f"'{status}'" for status in FAILED_STATUSES)
    rows = source.rows(
        "SELECT coalesce(a.error_type, a.outcome) AS name, count(*) FROM (SELECT r.id"  # noqa: S608 - our own words
        f" FROM requests r WHERE {TO_DO}"
        f" AND r.status IN ({names}) ORDER BY r.id DESC LIMIT ?) failed"
        " JOIN attempts a ON a.request_id = failed.id WHERE a.outcome <> 'succeeded'"
        " GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT ?",
        _FAILURES_SCANNED,
        _MOST_VALUES,
    )
    return [row[0] for row in rows]
