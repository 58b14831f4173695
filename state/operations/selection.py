"""Selects requests and batches for commands, by names and filters."""

import json

from msgspec import Struct

from state.db.conditions import STATUS
from state.db.reader import Source
from state.model.errors import UnknownId
from state.model.records import BatchStatus, Outcome, RequestStatus
from state.operations import counting_attempt

Parameter = str | int

# An adopted request has null for its params: its body is unknown.
_NO_PARAMS = len('{"custom_id":"","params":null}')


class Filter(Struct, frozen=True, kw_only=True):
    """A selection; all given parts must match.

    `names` are keys, remote ids, tags or custom_ids, combined with OR. `request_ids` and
    `batch_ids` freeze the selection: exactly these requests, or the requests in these batches.
    """

    names: tuple[str, ...] = ()
    workflow: str | None = None
    outcome: Outcome | None = None
    error_type: str | None = None
    stop_reason: str | None = None
    since_ts: str | None = None
    request_ids: tuple[int, ...] = ()
    batch_ids: tuple[int, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether no part is given; an empty filter selects nothing."""
        return self == Filter()

    @property
    def is_frozen(self) -> bool:
        """Whether it lists exact ids, so that later requests are not selected."""
        return bool(self.request_ids or self.batch_ids)


class SelectedRequest(Struct, frozen=True, kw_only=True):
    """A selected request, with the values that decide its eligibility."""

    request_id: int
    custom_id: str
    tag: str
    status: RequestStatus
    error_type: str | None
    stop_reason: str | None
    reviewed: bool
    has_body: bool
    betas: tuple[str, ...]


def requests(source: Source, wanted: Filter) -> list[SelectedRequest]:
    """The selected requests, oldest first. Raises UnknownId for an unknown name."""
    where, parameters = _where(source, wanted)
    if wanted.batch_ids:
        where += (
            " AND r.id IN (SELECT x.request_id FROM attempts x"
            " WHERE x.batch_id IN (SELECT value FROM json_each(?)))"
        )
        parameters.append(json.dumps(wanted.batch_ids))
    return [
        SelectedRequest(
            request_id=row["id"],
            custom_id=row["custom_id"],
            tag=row["tag"],
            status=RequestStatus(row["status"]),
            error_type=row["error_type"],
            stop_reason=row["stop_reason"],
            reviewed=bool(row["reviewed"]),
            has_body=row["body_length"] > len(row["custom_id"]) + _NO_PARAMS,
            betas=tuple(row["betas"].split(",")) if row["betas"] else (),
        )
        for row in source.rows(
            f"SELECT r.id, r.custom_id, r.tag, {STATUS} AS status, a.error_type, a.stop_reason,"  # noqa: S608 - our own words
            " a.reviewed,"
            " coalesce(e.body_length, r.body_length) AS body_length,"
            " coalesce(e.betas, r.betas) AS betas FROM requests r"
            " LEFT JOIN edits e ON e.id = r.edit_id JOIN submissions s ON s.id = r.submission_id"
            f" {counting_attempt.JOIN}"
            f" WHERE {where} ORDER BY r.id",
            *parameters,
        )
    ]


def _where(source: Source, wanted: Filter) -> tuple[str, list[Parameter]]:
    clauses: list[str] = []
    parameters: list[Parameter] = []
    if wanted.names:
        named = [_named(source, name) for name in wanted.names]
        clauses.append("(" + " OR ".join(clause for clause, _ in named) + ")")
        parameters += [value for _, values in named for value in values]
    for clause, value in (
        ("s.workflow = ?", wanted.workflow),
        ("a.outcome = ?", wanted.outcome),
        ("a.error_type = ?", wanted.error_type),
        ("a.stop_reason = ?", wanted.stop_reason),
        ("s.created_ts >= ?", wanted.since_ts),
    ):
        if value is not None:
            clauses.append(clause)
            parameters.append(value)
    if wanted.request_ids:
        clauses.append("r.id IN (SELECT value FROM json_each(?))")
        parameters.append(json.dumps(wanted.request_ids))
    return " AND ".join(clauses) or ("1" if wanted.batch_ids else "0"), parameters


def _named(source: Source, name: str) -> tuple[str, list[Parameter]]:
    """The condition of one name: the first of submission, batch, tag and custom_id that has it."""
    for known, clause in (
        ("SELECT id FROM submissions WHERE key = ?", "r.submission_id = ?"),
        (
            "SELECT id FROM batches WHERE key = ?1 OR remote_id = ?1",
            "r.id IN (SELECT x.request_id FROM attempts x WHERE x.batch_id = ?)",
        ),
    ):
        found = source.rows(known, name)
        if found:
            return clause, [int(found[0][0])]
    for table, column in (("submissions", "tag"), ("requests", "custom_id")):
        if source.rows(f"SELECT 1 FROM {table} WHERE {column} = ? LIMIT 1", name):  # noqa: S608 - our own words
            return f"r.{column} = ?", [name]
    raise UnknownId(f"{name!r} not found (looked for a key, batch id, tag or custom_id).")


def workflows(source: Source, wanted: Filter) -> tuple[str, ...]:
    """The workflows of a frozen filter, by name."""
    rows = source.rows(
        "SELECT workflow FROM submissions WHERE id IN (SELECT submission_id FROM requests"
        " WHERE id IN (SELECT value FROM json_each(?))) UNION"
        " SELECT workflow FROM batches WHERE id IN (SELECT value FROM json_each(?)) ORDER BY 1",
        json.dumps(wanted.request_ids),
        json.dumps(wanted.batch_ids),
    )
    return tuple(row[0] for row in rows)


def cancelable_batches(source: Source, wanted: Filter) -> list[int]:
    """Unfinished batches with a selected request."""
    where, parameters = _where(source, wanted)
    if wanted.batch_ids:
        where += " AND b.id IN (SELECT value FROM json_each(?))"
        parameters.append(json.dumps(wanted.batch_ids))
    over = ", ".join(f"'{s}'" for s in (BatchStatus.NOT_SENT, BatchStatus.REJECTED, "ended"))
    return [
        int(row[0])
        for row in source.rows(
            "SELECT DISTINCT b.id FROM batches b JOIN attempts x ON x.batch_id = b.id"  # noqa: S608 - our own words
            " JOIN requests r ON r.id = x.request_id"
            " JOIN submissions s ON s.id = r.submission_id"
            f" {counting_attempt.JOIN}"
            f" WHERE b.status NOT IN ({over}) AND {where} ORDER BY b.id",
            *parameters,
        )
    ]
