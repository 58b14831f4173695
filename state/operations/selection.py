"""Selects requests and batches for commands, by names and filters."""

import json
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from msgspec import Struct

from state.db import effective_attempt
from state.db.dialect import LISTED, LISTED_TEXTS, THEN_JOIN, array_of, as_list, items, text_in
from state.db.reader import Source, listed
from state.db.sql_conditions import REVIEW_REASON, STATUS
from state.model.errors import UnknownId
from state.model.id_list import IdList
from state.model.records import BatchStatus, Outcome, RequestStatus

Parameter = str | int

# An adopted request has null for its params: its body is unknown.
_NO_PARAMS = len('{"custom_id":"","params":null}')


class Filter(Struct, frozen=True, kw_only=True):
    """A selection; all given parts must match.

    `names` are keys, remote ids, tags, custom_ids or TAG/CUSTOM_ID, combined with OR.
    `request_ids` and `batch_ids` freeze the selection: exactly these requests, or the requests in
    these batches.
    """

    names: tuple[str, ...] = ()
    workflow: str | None = None
    outcome: Outcome | None = None
    error_type: str | None = None
    stop_reason: str | None = None
    since_ts: str | None = None
    request_ids: Collection[int] = ()
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
    """A selected request."""

    request_id: int
    custom_id: str
    tag: str
    status: RequestStatus


class SelectedGroup(Struct, frozen=True, kw_only=True):
    """The selected requests that have the same values of all that decides their eligibility."""

    ids: IdList
    status: RequestStatus
    error_type: str | None
    #: `invalid` where the answer does not match its schema.
    stop_reason: str | None
    reviewed: bool
    has_body: bool
    #: The bodies and results of its submission were deleted.
    is_pruned: bool
    betas: tuple[str, ...]
    #: Larger than a synchronous call may be.
    is_large: bool


_SELECTED = (
    "FROM requests r LEFT JOIN edits e ON e.id = r.edit_id"
    f" JOIN submissions s ON s.id = r.submission_id {effective_attempt.JOIN}"
)


def groups(
    source: Source,
    wanted: Filter,
    *,
    max_bytes: int,
    custom_ids: Iterable[str] | None = None,
) -> list[SelectedGroup]:
    """The selected requests by what decides their eligibility; only those with the `custom_ids`.

    Those whose body has more than `max_bytes` are large.

    Half a million requests are a few groups, so that none of them becomes a Python object. Raises
    UnknownId for an unknown name.
    """
    where, parameters = _where_requests(source, wanted)
    if custom_ids is not None:
        where += f" AND r.custom_id IN {LISTED_TEXTS}"
        parameters.append(as_list(custom_ids))
    rows = source.rows(
        f"SELECT {array_of('id')} AS ids, count(*) AS requests, status, error_type, stop_reason,"  # noqa: S608 - our own words
        " reviewed, has_body, is_pruned, betas, is_large"
        f" FROM (SELECT r.id, {STATUS} AS status, a.error_type,"
        f" {REVIEW_REASON} AS stop_reason, coalesce(a.reviewed, 0) AS reviewed,"
        " coalesce(e.body_length,"
        f" r.body_length) > length(r.custom_id) + {_NO_PARAMS} AS has_body,"
        " s.pruned_ts IS NOT NULL AS is_pruned,"
        f" coalesce(e.body_length, r.body_length) > {max_bytes:d} AS is_large,"
        f" coalesce(e.betas, r.betas) AS betas {_SELECTED} WHERE {where} ORDER BY r.id) r"
        " GROUP BY status, error_type, stop_reason, reviewed, has_body, is_pruned, betas,"
        " is_large ORDER BY min(id)",
        *parameters,
    )
    return [
        SelectedGroup(
            ids=IdList(row["ids"], row["requests"]),
            status=RequestStatus(row["status"]),
            error_type=row["error_type"],
            stop_reason=row["stop_reason"],
            reviewed=bool(row["reviewed"]),
            has_body=bool(row["has_body"]),
            is_pruned=bool(row["is_pruned"]),
            betas=tuple(row["betas"].split(",")) if row["betas"] else (),
            is_large=bool(row["is_large"]),
        )
        for row in rows
    ]


def merged(source: Source, parts: Sequence[IdList]) -> IdList:
    """The ids of disjoint lists, in order."""
    if len(parts) == 1:
        return parts[0]
    joined = ",".join(part.json[1:-1] for part in parts if part)
    return listed(source, f"SELECT value FROM {LISTED} listed ORDER BY value", f"[{joined}]")  # noqa: S608 - our own words


def request_ids(source: Source, wanted: Filter) -> IdList:
    """The ids of the selected requests. Raises UnknownId for an unknown name."""
    where, parameters = _where_requests(source, wanted)
    return listed(
        source,
        f"SELECT r.id {_SELECTED} WHERE {where} ORDER BY r.id",
        *parameters,
    )


def requests(source: Source, wanted: Filter) -> list[SelectedRequest]:
    """The selected requests, oldest first. Raises UnknownId for an unknown name."""
    where, parameters = _where_requests(source, wanted)
    return [
        SelectedRequest(
            request_id=row["id"],
            custom_id=row["custom_id"],
            tag=row["tag"],
            status=RequestStatus(row["status"]),
        )
        for row in source.rows(
            f"SELECT r.id, r.custom_id, r.tag, {STATUS} AS status {_SELECTED}"
            f" WHERE {where} ORDER BY r.id",
            *parameters,
        )
    ]


_IN_BATCHES = f"(SELECT x.request_id FROM attempts x WHERE x.batch_id IN {LISTED})"  # noqa: S608 - our own words


def _where_requests(source: Source, wanted: Filter) -> tuple[str, list[Parameter]]:
    where, parameters = _where(source, wanted)
    if wanted.batch_ids:
        where += f" AND r.id IN {_IN_BATCHES}"
        parameters.append(as_list(wanted.batch_ids))
    return where, parameters


def _where(source: Source, wanted: Filter) -> tuple[str, list[Parameter]]:
    clauses: list[str] = []
    parameters: list[Parameter] = []
    if wanted.names:
        clause, lists = _named(source, wanted.names)
        clauses.append(clause)
        parameters += lists
    for clause, value in (
        ("s.workflow = ?", wanted.workflow),
        ("a.outcome = ?", wanted.outcome),
        ("a.error_type = ?", wanted.error_type),
        (f"{REVIEW_REASON} = ?", wanted.stop_reason),
        ("s.created_ts >= ?", wanted.since_ts),
    ):
        if value is not None:
            clauses.append(clause)
            parameters.append(value)
    if wanted.outcome not in (None, Outcome.SUCCEEDED):
        # What settled a request is a success: these need no look at its attempts.
        clauses.append("r.settled_by IS NULL")
    if wanted.request_ids:
        clauses.append(f"r.id IN {LISTED}")
        parameters.append(as_list(wanted.request_ids))
    return " AND ".join(clauses) or ("true" if wanted.batch_ids else "false"), parameters


# The requests of some submissions, batches and tags, and these requests; each list is a parameter.
_NAMED = (
    f"r.id IN (SELECT n.id FROM requests n WHERE n.submission_id IN {LISTED}"  # noqa: S608 - our own words
    f" UNION SELECT x.request_id FROM attempts x WHERE x.batch_id IN {LISTED}"
    f" UNION SELECT n.id FROM requests n WHERE n.tag IN {LISTED_TEXTS}"
    f" UNION SELECT value FROM {LISTED} listed)"
)
_SUBMISSIONS = f"SELECT key, id FROM submissions WHERE key IN {LISTED_TEXTS}"  # noqa: S608 - our own words
_BATCHES = (
    f"SELECT key, id FROM batches WHERE key IN {LISTED_TEXTS} UNION ALL"  # noqa: S608 - our own words
    f" SELECT remote_id, id FROM batches WHERE remote_id IN {LISTED_TEXTS}"
)
_TAGS = f"SELECT DISTINCT tag, tag FROM submissions WHERE tag IN {LISTED_TEXTS}"  # noqa: S608 - our own words
# The index starts with the tag: one lookup a tag and name instead of a full scan.
_REQUESTS = (
    "SELECT custom_id, id FROM requests WHERE tag IN (SELECT DISTINCT tag FROM submissions)"  # noqa: S608 - our own words
    f" AND custom_id IN {LISTED_TEXTS}"
)
# Of [name, tag, custom_id] each.
_TAGGED = (
    f"SELECT {text_in('j.value', 0)}, r.id FROM {items('?', 'j')} {THEN_JOIN} requests r"  # noqa: S608 - our own words
    f" ON r.tag = {text_in('j.value', 1)} AND r.custom_id = {text_in('j.value', 2)}"
)
# In this order; a name means the first of them that has it.
_MEANINGS = (_SUBMISSIONS, _BATCHES, _TAGS, _REQUESTS)


def _named(source: Source, names: Sequence[str]) -> tuple[str, list[Parameter]]:
    """The condition for any of the names, however many. Raises UnknownId."""
    left = dict.fromkeys(names)
    ids: list[list[int | str]] = []
    for sql in _MEANINGS:
        listed = as_list(left)
        ids.append(_found(left, source.rows(sql, *[listed] * sql.count(LISTED_TEXTS))))
    tagged = [[name, *name.rpartition("/")[::2]] for name in left if "/" in name]
    ids[-1] += _found(left, source.rows(_TAGGED, json.dumps(tagged)) if tagged else ())
    if left:
        raise UnknownId(_unknown(list(left)))
    return _NAMED, [as_list(found) for found in ids]


def _found(left: dict[str, None], rows: Iterable[Any]) -> list[int | str]:
    """The ids of the rows; their names are taken out of `left`."""
    found = [(row[0], row[1]) for row in rows]
    for name, _ in found:
        left.pop(name, None)
    return [one for _, one in found]


def _unknown(names: Sequence[str]) -> str:
    others = f" and {len(names) - 1:,} more of the names" if len(names) > 1 else ""
    return f"{names[0]!r}{others} not found (no such tb_… key, API batch id, tag or custom_id)."


def workflows(source: Source, wanted: Filter) -> tuple[str, ...]:
    """The workflows of a frozen filter, by name."""
    rows = source.rows(
        "SELECT workflow FROM submissions WHERE id IN (SELECT submission_id FROM requests"  # noqa: S608 - our own words
        f" WHERE id IN {LISTED}) UNION"
        f" SELECT workflow FROM batches WHERE id IN {LISTED} ORDER BY 1",
        as_list(wanted.request_ids),
        as_list(wanted.batch_ids),
    )
    return tuple(row[0] for row in rows)


def cancelable_batches(source: Source, wanted: Filter) -> list[int]:
    """Unfinished batches with a selected request."""
    where, parameters = _where(source, wanted)
    if wanted.batch_ids:
        where += f" AND b.id IN {LISTED}"
        parameters.append(as_list(wanted.batch_ids))
    over = ", ".join(f"'{s}'" for s in (BatchStatus.NOT_SENT, BatchStatus.REJECTED, "ended"))
    return [
        int(row[0])
        for row in source.rows(
            "SELECT DISTINCT b.id FROM batches b JOIN attempts x ON x.batch_id = b.id"  # noqa: S608 - our own words
            " JOIN requests r ON r.id = x.request_id"
            " JOIN submissions s ON s.id = r.submission_id"
            f" {effective_attempt.JOIN}"
            f" WHERE b.status NOT IN ({over}) AND {where} ORDER BY b.id",
            *parameters,
        )
    ]
