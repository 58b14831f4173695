"""What is spent or reserved, for the budgets.

Each batch and each synchronous run reserves what it can cost at most (`reserved_nano`) until its
actual cost is known, and counts on the UTC day it runs. Requests that are not sent yet reserve it
too, on whichever day is asked for, since they can be sent on it. So do the requests of an
open command: of a replay at the price of a batch, of a `sync` at the full price.

What was sent with a request whose greatest cost is not known reserves 0, and counts as unknown.
"""

from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import NamedTuple

from msgspec import Struct

from state.db.dialect import LISTED, LISTED_TEXTS, THEN_JOIN, as_list, is_not
from state.db.ledger import Ledger
from state.db.reader import Source
from state.db.sql_conditions import QUEUED, UNSENT, is_open
from state.files import fallback_file
from state.files.folder import Folder
from state.model.errors import FileUnusable
from state.model.records import OnFailure


class Scope(Struct, frozen=True, kw_only=True):
    """What counts: what runs on a UTC day or later, of a workflow or of all others, under a tag."""

    day: str = ""
    workflow: str | None = None
    tag: str | None = None
    but_workflows: tuple[str, ...] = ()


class RequestNames(NamedTuple):
    """What a request is counted under, and the lane of its submission."""

    workflow: str
    tag: str
    lane: str


class AtMost(Struct, frozen=True, kw_only=True):
    """What requests of one workflow and tag can cost at most, in nano-dollars.

    `unknown` of them have no known price. `unsent_nano` is what is reserved for those of them that
    are queued for a batch.
    """

    workflow: str
    tag: str
    batch_nano: int
    sync_nano: int
    unsent_nano: int
    unknown: int


_RUN = "coalesce(b.sent_ts, b.accepted_ts, b.created_ts)"
# A lost or unreadable result may have been charged for.
_IS_KNOWN = (
    "(b.status IN ('not_sent', 'rejected') OR (b.collection = 'collected' AND b.unpriced = 0))"
)
_SENT = (
    f"SELECT coalesce(sum(CASE WHEN {_IS_KNOWN} THEN coalesce(b.cost_nano, 0)"  # noqa: S608 - our own words
    " WHEN b.cost_nano > b.reserved_nano THEN b.cost_nano ELSE b.reserved_nano END), 0)"
    " FROM batches b"
    f" WHERE b.status <> 'queued' AND {_RUN} >= ?"
)
_IN_QUEUED_BATCHES = (
    "SELECT coalesce(sum(b.reserved_nano), 0) FROM batches b"  # noqa: S608 - our own words
    f" WHERE b.status = 'queued' AND {is_open('b')}"
)
_QUEUED = (
    "SELECT coalesce(sum(r.at_most_batch_nano), 0) FROM requests r"  # noqa: S608 - our own words
    f" JOIN submissions b ON b.id = r.submission_id WHERE {QUEUED}"
)
# What the open commands, but for one, have not run yet. What is queued for a batch counts above.
_LESS = (
    f"CASE WHEN r.status = 'queued' OR r.id IN ({UNSENT}) THEN coalesce(r.at_most_batch_nano, 0)"
    " ELSE 0 END"
)
_OPEN_COMMANDS = (
    " FROM commands c JOIN command_items i ON i.command_id = c.id JOIN requests r"
    " ON r.id = i.item_id JOIN submissions b ON b.id = r.submission_id"
    " LEFT JOIN edits e ON e.command_id = c.id AND e.request_id = r.id"
    " WHERE c.state IN ('pending', 'running') AND c.id <> ?"
)
_SYNC = (
    "SELECT coalesce(sum(coalesce(r.at_most_sync_nano, 0) - {less}), 0)"  # noqa: S608 - our own words
    f"{_OPEN_COMMANDS} AND c.action = 'sync' AND r.status NOT IN ('succeeded', 'dismissed')"
    " AND NOT EXISTS (SELECT 1 FROM attempts a JOIN batches run ON run.id = a.batch_id"
    " WHERE a.request_id = r.id AND run.kind = 'sync' AND run.created_ts >= c.created_ts)"
)
_REPLAYS = (
    "SELECT coalesce(sum(coalesce(e.at_most_batch_nano, r.at_most_batch_nano, 0)), 0)"
    f"{_OPEN_COMMANDS} AND c.action = 'replay' AND r.status NOT IN ('queued', 'assigned')"
    f" AND (r.status <> 'succeeded' OR (e.id IS NOT NULL AND {is_not('r.edit_id', 'e.id')}))"
)
_UNSENT = (_IN_QUEUED_BATCHES, _QUEUED)
# Batches first, few of which are unknown: the planner would read all attempts.
_SENT_UNKNOWN = (
    f"FROM batches b {THEN_JOIN} attempts a ON a.batch_id = b.id"
    f" {THEN_JOIN} requests r ON r.id = a.request_id"
    f" WHERE b.status <> 'queued' AND b.reserved_nano = 0 AND NOT coalesce({_IS_KNOWN}, false)"
    " AND (b.collection <> 'collected' OR a.unpriced IS NOT NULL)"
    f" AND r.at_most_batch_nano IS NULL AND {_RUN} >= ?"
)
_RESERVE_AGAIN = (
    "UPDATE batches AS b SET reserved_nano = (SELECT coalesce(sum("  # noqa: S608 - our own words
    " CASE b.kind WHEN 'sync' THEN r.at_most_sync_nano ELSE r.at_most_batch_nano END), 0)"
    " FROM attempts a JOIN requests r ON r.id = a.request_id"
    " WHERE a.batch_id = b.id AND (b.status <> 'queued' OR a.active = 1))"
    f" WHERE id IN (SELECT batch_id FROM attempts WHERE request_id IN {LISTED})"
    " AND (b.status = 'queued' OR (b.reserved_nano = 0"
    f" AND NOT coalesce({_IS_KNOWN}, false) AND NOT EXISTS (SELECT 1 FROM attempts a"
    " JOIN requests r ON r.id = a.request_id"
    " WHERE a.batch_id = b.id AND r.at_most_batch_nano IS NULL)))"
)


def reserved(
    source: Source, scope: Scope, *, unsent: bool = True, but_for: int | None = None
) -> int:
    """Nano-dollars spent or reserved in the scope.

    Without `unsent`, queued requests are left out; so is the command `but_for`.
    """
    among, named = _among(scope)
    open_commands = (_SYNC.format(less=_LESS if unsent else "0"), _REPLAYS)
    # One statement: between two, what returns to the queue would count twice.
    parts = [(_SENT, (scope.day,)), *((query, ()) for query in (_UNSENT if unsent else ()))]
    parts += [(query, (but_for or 0,)) for query in open_commands]
    sums = " + ".join(f"({query}{among})" for query, _ in parts)
    given = [value for _, own in parts for value in (*own, *named)]
    return int(source.rows(f"SELECT {sums}", *given)[0][0])


def sent_unknown(source: Source, scope: Scope) -> int:
    """How many requests in the scope were sent whose greatest cost is not known."""
    among, parameters = _among(scope)
    query = f"SELECT count(*) {_SENT_UNKNOWN}{among}"
    return int(source.rows(query, scope.day, *parameters)[0][0])


def unknown_by_batch(source: Source) -> dict[int, list[int]]:
    """Those requests by batch, of any day."""
    found: dict[int, list[int]] = {}
    for batch_id, request_id in source.rows(
        f"SELECT a.batch_id, a.request_id {_SENT_UNKNOWN} ORDER BY a.batch_id, a.request_id", ""
    ):
        found.setdefault(batch_id, []).append(request_id)
    return found


def in_fallback_files(
    folder: Folder, scope: Scope, *, source: Source | None, but_for: str = ""
) -> int:
    """What synchronous runs of fallback files reserve that are not in the ledger yet.

    `but_for` is the key of a file that does not count.
    """
    found = 0
    for file in fallback_file.pending(folder):
        with suppress(FileUnusable, OSError):
            header = file.header()
            if (
                file.key != but_for
                and header.on_failure == OnFailure.SYNC
                and header.created_ts >= scope.day
                and scope.workflow in (None, header.workflow)
                and header.workflow not in scope.but_workflows
                and scope.tag in (None, header.tag)
                and not (source and _is_imported(source, file.key))
            ):
                found += file.reserved_nano()
    return found


def _is_imported(source: Source, key: str) -> bool:
    return bool(source.rows("SELECT 1 FROM fallback_imports WHERE key = ?", key))


def _among(scope: Scope) -> tuple[str, list[str]]:
    """The condition on the workflow and tag of `b`, a batch or a submission."""
    given = [
        ("b.workflow = ?", scope.workflow),
        ("b.tag = ?", scope.tag),
        (
            f"b.workflow NOT IN {LISTED_TEXTS}",
            as_list(scope.but_workflows) if scope.but_workflows else None,
        ),
    ]
    return (
        "".join(f" AND {condition}" for condition, value in given if value is not None),
        [value for _, value in given if value is not None],
    )


def at_most(
    source: Source, request_ids: Collection[int], *, command_id: int | None = None
) -> list[AtMost]:
    """The sums by workflow and tag, with the edits of a command in place of the bodies."""
    rows = source.rows(
        "SELECT workflow, tag, coalesce(sum(batch_nano), 0), coalesce(sum(sync_nano), 0),"  # noqa: S608 - our own words
        " coalesce(sum(CASE WHEN is_unsent THEN batch_nano END), 0),"
        " count(*) FILTER (WHERE batch_nano IS NULL)"
        " FROM (SELECT s.workflow, s.tag,"
        " coalesce(e.at_most_batch_nano, r.at_most_batch_nano) AS batch_nano,"
        " coalesce(e.at_most_sync_nano, r.at_most_sync_nano) AS sync_nano,"
        " r.status = 'queued' OR EXISTS (SELECT 1 FROM attempts a JOIN batches b"
        " ON b.id = a.batch_id WHERE a.request_id = r.id AND a.active = 1"
        " AND b.status = 'queued') AS is_unsent"
        " FROM requests r JOIN submissions s ON s.id = r.submission_id"
        " LEFT JOIN edits e ON e.command_id = ? AND e.request_id = r.id"
        f" WHERE r.id IN {LISTED}) one GROUP BY workflow, tag ORDER BY workflow, tag",
        -1 if command_id is None else command_id,
        as_list(request_ids),
    )
    return [
        AtMost(workflow=w, tag=t, batch_nano=b, sync_nano=s, unsent_nano=u, unknown=n)
        for w, t, b, s, u, n in rows
    ]


def not_estimated(source: Source, request_ids: Collection[int]) -> list[int]:
    """Those of the requests for which it is not known what they can cost at most."""
    rows = source.rows(
        f"SELECT id FROM requests WHERE id IN {LISTED} AND at_most_batch_nano IS NULL ORDER BY id",  # noqa: S608 - our own words
        as_list(request_ids),
    )
    return [int(row[0]) for row in rows]


def estimate(ledger: Ledger, prices: Sequence[tuple[int, int, int]]) -> None:
    """Record what requests can cost at most: id, in a batch, synchronously.

    In the same transaction their queued batches reserve it, as do those that were sent without an
    estimate and have no request without one any more.
    """
    with ledger.transaction("estimate"):
        for request_id, batch_nano, sync_nano in prices:
            ledger.execute(
                "UPDATE requests SET at_most_batch_nano = ?, at_most_sync_nano = ? WHERE id = ?",
                batch_nano,
                sync_nano,
                request_id,
            )
        ledger.execute(_RESERVE_AGAIN, as_list(request_id for request_id, _, _ in prices))


def of_batch(source: Source, batch_id: int) -> int:
    """What is reserved for the batch."""
    return int(source.rows("SELECT reserved_nano FROM batches WHERE id = ?", batch_id)[0][0])


def not_estimated_in(source: Source, batch_id: int) -> list[int]:
    """The requests of the batch for which it is not known what they can cost at most."""
    rows = source.rows(
        "SELECT r.id FROM attempts a JOIN requests r ON r.id = a.request_id"
        " WHERE a.batch_id = ? AND a.active = 1 AND r.at_most_batch_nano IS NULL ORDER BY r.id",
        batch_id,
    )
    return [int(row[0]) for row in rows]


def names_of(source: Source, request_ids: Collection[int]) -> dict[int, RequestNames]:
    """The workflow, the tag and the lane of each request."""
    rows = source.rows(
        "SELECT r.id, s.workflow, s.tag, s.lane FROM requests r JOIN submissions s"  # noqa: S608 - our own words
        f" ON s.id = r.submission_id WHERE r.id IN {LISTED}",
        as_list(request_ids),
    )
    return {row[0]: RequestNames(row[1], row[2], row[3]) for row in rows}
