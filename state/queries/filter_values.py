"""The values that filters may name, for completion."""

from collections.abc import Mapping, Sequence

from state.db.reader import Source
from state.db.sql_conditions import TO_DO
from state.model.filter_terms import Field
from state.model.records import FAILED_STATUSES

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
