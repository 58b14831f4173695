"""The values that a filter may name: what the ledger has seen lately."""

from collections.abc import Mapping, Sequence

from state.db.reader import Source
from state.model.filter_terms import Field
from state.queries.views import FAILED

_MOST = 300
_FAILURES_LOOKED_AT = 2000
_EVENTS_LOOKED_AT = 2000


def read(source: Source) -> Mapping[Field, Sequence[str]]:
    """Of each field, its values, the newest first."""
    return {
        Field.WORKFLOW: _of_submissions(source, "workflow"),
        Field.MODEL: _of_submissions(source, "model"),
        Field.TAG: _of_submissions(source, "tag"),
        Field.ERROR: _errors(source),
        Field.KIND: _of_events(source, "kind"),
        Field.WHO: _of_events(source, "actor"),
    }


def _of_submissions(source: Source, column: str) -> Sequence[str]:
    rows = source.rows(
        f"SELECT {column} FROM submissions GROUP BY {column} ORDER BY max(id) DESC LIMIT ?",  # noqa: S608 - our own words
        _MOST,
    )
    return [row[0] for row in rows]


def _of_events(source: Source, column: str) -> Sequence[str]:
    rows = source.rows(
        f"SELECT {column} FROM (SELECT id, {column} FROM events ORDER BY id DESC LIMIT ?)"  # noqa: S608 - our own words
        f" GROUP BY {column} ORDER BY max(id) DESC LIMIT ?",
        _EVENTS_LOOKED_AT,
        _MOST,
    )
    return [row[0] for row in rows]


def _errors(source: Source) -> Sequence[str]:
    names = ", ".join(f"'{status}'" for status in FAILED)
    rows = source.rows(
        "SELECT coalesce(a.error_type, a.outcome) AS name, count(*) FROM (SELECT r.id"  # noqa: S608 - our own words
        " FROM requests r WHERE r.status NOT IN ('in_flight', 'succeeded')"
        f" AND r.status IN ({names}) ORDER BY r.id DESC LIMIT ?) failed"
        " JOIN attempts a ON a.request_id = failed.id WHERE a.outcome <> 'succeeded'"
        " GROUP BY 1 ORDER BY 2 DESC LIMIT ?",
        _FAILURES_LOOKED_AT,
        _MOST,
    )
    return [row[0] for row in rows]
