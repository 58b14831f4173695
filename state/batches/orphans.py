"""Batches that the API lists and the ledger does not know, and the search for their origin."""

from enum import StrEnum
from itertools import groupby

from msgspec import Struct

from state.batches import batch_planning
from state.batches.leases import named
from state.batches.sending import RemoteState, bind_remote
from state.db.ledger import Ledger, Transaction
from state.db.reader import Source
from state.db.rows import to_batch
from state.model.records import DEFAULT_LANE, Batch


class OrphanVerdict(StrEnum):
    """Origin of an orphan. The nonce in the results of a candidate decides."""

    #: Nothing is known about it yet.
    UNKNOWN = "unknown"
    #: May come from an unconfirmed create; its results decide.
    CANDIDATE = "candidate"
    #: A batch of this ledger.
    OWN = "own"
    #: A batch of another program or ledger; never touched.
    FOREIGN = "foreign"
    #: Could not be identified.
    UNRESOLVED = "unresolved"


# How much a verdict tells, where lanes of one account list a batch and differ: the later the more.
_BY_WEIGHT = (
    OrphanVerdict.UNKNOWN,
    OrphanVerdict.UNRESOLVED,
    OrphanVerdict.CANDIDATE,
    OrphanVerdict.FOREIGN,
    OrphanVerdict.OWN,
)
_TELLING = (
    "verdict = ? AND NOT EXISTS (SELECT 1 FROM orphans p WHERE p.remote_id = orphans.remote_id"
    " AND p.verdict IN ({}))"
)


class Orphan(Struct, frozen=True, kw_only=True):
    """A batch at the API whose id is in no batch row of the ledger."""

    #: The API's id.
    remote_id: str
    #: To whom it belongs.
    verdict: OrphanVerdict
    #: Requests, as the API counts them.
    request_count: int
    #: When the API created it.
    remote_created_ts: str
    #: When a poll first saw it in the list.
    seen_ts: str
    #: Failed attempts in a row to read its results; negative where it was not there.
    failures: int
    #: Lane whose API lists it; the default one where several do.
    lane: str = DEFAULT_LANE


def unresolved(ledger: Ledger, lane: str, *, since_ts: str, unlisted_ts: str) -> list[Batch]:
    """The lane's rows whose POST may have made a batch that is not in the ledger, oldest first.

    These are: rows without an answer to their POST; rows that were not sent, rejected or identified
    by their nonce, until `since_ts`, because a duplicate can still appear in the list; and rows
    sent after `unlisted_ts` that ended before a complete listing could show a duplicate.
    """
    return [
        to_batch(row)
        for row in ledger.rows(
            "SELECT * FROM batches WHERE kind = 'batch' AND lane = ?"
            " AND (status IN ('sending', 'unconfirmed')"
            " OR ((status IN ('not_sent', 'rejected')"
            " OR (identified_by = 'nonce' AND duplicate_of IS NULL))"
            " AND sent_ts IS NOT NULL AND (sent_ts > ? OR ended_ts > ?))"
            " OR (status = 'ended' AND duplicate_of IS NULL AND sent_ts > ?)) ORDER BY id",
            lane,
            since_ts,
            since_ts,
            unlisted_ts,
        )
    ]


def last_listing(source: Source, lane: str) -> str | None:
    """When the last complete listing of the lane began."""
    rows = source.rows("SELECT started_ts FROM listings WHERE lane = ?", lane)
    return rows[0][0] if rows else None


def record_listing(ledger: Ledger, lane: str, began_ts: str) -> None:
    """Record that a complete listing of the lane began at `began_ts`."""
    with ledger.transaction("record_listing"):
        ledger.execute(
            "INSERT INTO listings (lane, started_ts) VALUES (?, ?)"
            " ON CONFLICT (lane) DO UPDATE SET started_ts = excluded.started_ts",
            lane,
            began_ts,
        )


def stale_sending(ledger: Ledger, *, before_ts: str, after_ts: str) -> list[Batch]:
    """Rows that are still sending, from before `before_ts` or after `after_ts` (a clock set back).

    The process that sent them has ended.
    """
    return [
        to_batch(row)
        for row in ledger.rows(
            "SELECT * FROM batches WHERE kind = 'batch' AND status = 'sending'"
            " AND (sent_ts < ? OR sent_ts > ?) ORDER BY id",
            before_ts,
            after_ts,
        )
    ]


def known_remote_ids(ledger: Ledger, lane: str, remote_ids: list[str]) -> set[str]:
    """Those of the given ids that are a batch of the ledger, or an orphan of the lane.

    An orphan of another lane may come from a create of this one, where both are one API.
    """
    known: set[str] = set()
    for start in range(0, len(remote_ids), 500):
        chunk = remote_ids[start : start + 500]
        marks = ",".join("?" * len(chunk))
        known.update(
            row[0]
            for row in ledger.rows(
                f"SELECT remote_id FROM batches WHERE remote_id IN ({marks})"  # noqa: S608 - placeholders only
                " UNION ALL SELECT remote_id FROM orphans"
                f" WHERE lane = ? AND remote_id IN ({marks})",
                *chunk,
                lane,
                *chunk,
            )
        )
    return known


def record_orphan(
    ledger: Ledger, remote: RemoteState, verdict: OrphanVerdict, lane: str = DEFAULT_LANE
) -> None:
    """Record a batch of the API that the ledger did not know; a known one is left as it is."""
    with ledger.transaction("orphan") as tx:
        if ledger.execute(
            "INSERT INTO orphans (lane, remote_id, verdict, request_count, remote_created_ts,"
            " seen_ts) SELECT ?, ?, ?, ?, ?, ?"
            " WHERE NOT EXISTS (SELECT 1 FROM batches WHERE remote_id = ?)"
            " ON CONFLICT (remote_id, lane) DO NOTHING",
            lane,
            remote.remote_id,
            verdict,
            remote.counts.total(),
            remote.created_ts,
            tx.at,
            remote.remote_id,
        ):
            (lanes,) = ledger.rows(
                "SELECT count(*) FROM orphans WHERE remote_id = ?", remote.remote_id
            )[0]
            if lanes == 1:
                ledger.event(
                    tx,
                    "orphan.found",
                    subject=remote.remote_id,
                    verdict=verdict,
                    requests=remote.counts.total(),
                    **named(lane),
                )


def with_verdict(source: Source, verdict: OrphanVerdict, lane: str | None = None) -> list[Orphan]:
    """Every orphan with that verdict, oldest first: of the lane, or of all, each batch once.

    Ids of the API name one batch, so that one which two lanes list is of an account of both. Of its
    verdicts, the one that tells most counts.
    """
    if lane is not None:
        return _orphans(source, "verdict = ? AND lane = ?", verdict, lane)
    condition, *others = _telling(verdict)
    found = _orphans(source, condition, verdict, *others)
    return [
        min(rows, key=lambda row: row.lane != DEFAULT_LANE)
        for _, rows in groupby(found, key=lambda row: row.remote_id)
    ]


def count(source: Source, verdict: OrphanVerdict) -> int:
    """How many batches have that verdict; one that two lanes list counts once."""
    condition, *others = _telling(verdict)
    rows = source.rows(
        f"SELECT count(DISTINCT remote_id) FROM orphans WHERE {condition}",  # noqa: S608 - our own words
        verdict,
        *others,
    )
    return int(rows[0][0])


def _telling(verdict: OrphanVerdict) -> list[str]:
    """The condition that no lane has a verdict of more weight, and its parameters but the first."""
    more = _BY_WEIGHT[_BY_WEIGHT.index(verdict) + 1 :]
    return [_TELLING.format(", ".join("?" * len(more)) or "NULL"), *more]


def _orphans(source: Source, condition: str, *parameters: str) -> list[Orphan]:
    return [
        Orphan(**{**dict(row), "verdict": OrphanVerdict(row["verdict"])})  # pyright: ignore[reportArgumentType]
        for row in source.rows(
            f"SELECT * FROM orphans WHERE {condition}"  # noqa: S608 - our own words
            " ORDER BY remote_created_ts, remote_id, lane",
            *parameters,
        )
    ]


def record_verdict(
    ledger: Ledger,
    orphan: Orphan,
    verdict: OrphanVerdict,
    reason: str,
) -> None:
    """End the search for a candidate: it is foreign, or its owner cannot be found out."""
    with ledger.transaction("orphan") as tx:
        if ledger.execute(
            "UPDATE orphans SET verdict = ? WHERE remote_id = ? AND lane = ?"
            " AND verdict = 'candidate'",
            verdict,
            orphan.remote_id,
            orphan.lane,
        ):
            ledger.event(tx, f"orphan.{verdict}", subject=orphan.remote_id, reason=reason)


def reopen_search(ledger: Ledger, orphan: Orphan) -> None:
    """Search for the owner of an unresolved orphan again."""
    with ledger.transaction("orphan") as tx:
        if ledger.execute(
            "UPDATE orphans SET verdict = 'candidate', failures = 0 WHERE remote_id = ?"
            " AND lane = ? AND verdict = 'unresolved'",
            orphan.remote_id,
            orphan.lane,
        ):
            ledger.event(tx, "orphan.ended", subject=orphan.remote_id)


def record_failure(ledger: Ledger, orphan: Orphan, failures: int) -> None:
    """Record how often in a row the results of a candidate could not be read."""
    with ledger.transaction("orphan"):
        ledger.execute(
            "UPDATE orphans SET failures = ? WHERE remote_id = ? AND lane = ?",
            failures,
            orphan.remote_id,
            orphan.lane,
        )


def batch_of_nonce(ledger: Ledger, nonce: str) -> Batch | None:
    """The row whose POST carried that nonce."""
    row = ledger.row("SELECT * FROM batches WHERE nonce = ? AND duplicate_of IS NULL", nonce)
    return to_batch(row) if row else None


def link_to_batch(ledger: Ledger, orphan: Orphan, remote: RemoteState, batch: Batch) -> None:
    """The nonce shows that the POST of `batch` made this orphan: its own batch, or a duplicate.

    A row without an answer becomes the batch, and so does one whose results a rebuild found on
    disk. A row that has its batch, or was released as not sent, gets a duplicate batch: its results
    are collected, its cost is duplicate spend.
    """
    with ledger.transaction("claim") as tx:
        taken = ledger.execute(
            "UPDATE orphans SET verdict = 'own' WHERE remote_id = ? AND lane = ?"
            " AND verdict = 'candidate'",
            orphan.remote_id,
            orphan.lane,
        )
        if not taken or ledger.row("SELECT 1 FROM batches WHERE remote_id = ?", orphan.remote_id):
            return
        # Another lane at the same API may list it, too.
        ledger.execute("UPDATE orphans SET verdict = 'own' WHERE remote_id = ?", orphan.remote_id)
        if bind_remote(ledger, tx, batch.id, remote, batch.account, identified_by="nonce"):
            return
        if _identify_collected(ledger, tx, batch, remote):
            return
        (number,) = ledger.rows(
            "SELECT count(*) + 1 FROM batches WHERE duplicate_of = ?", batch.id
        )[0]
        duplicate_id = ledger.insert(
            "INSERT INTO batches (key, nonce, account, server, submission_id, duplicate_of, tag,"
            " workflow, model, lane, kind, status, remote_id, identified_by, request_count,"
            " processing, bytes, betas, created_ts, sent_ts, accepted_ts, expires_ts, deadline_ts)"
            " SELECT ?, nonce, account, server, submission_id, id, tag,"
            " workflow, model, lane, kind, 'in_progress', ?, 'nonce', request_count, request_count,"
            " bytes, betas, ?, sent_ts, ?, ?, deadline_ts FROM batches WHERE id = ?",
            batch_planning.unused_key(ledger, f"{batch.key}-duplicate{number}"),
            remote.remote_id,
            tx.at,
            remote.created_ts,
            remote.expires_ts,
            batch.id,
        )
        ledger.execute(
            "INSERT INTO attempts (batch_id, request_id, active, edit_id)"
            " SELECT ?, request_id, 0, edit_id FROM attempts WHERE batch_id = ?",
            duplicate_id,
            batch.id,
        )
        ledger.event(
            tx,
            "batch.duplicate_found",
            batch_id=duplicate_id,
            remote_id=remote.remote_id,
            duplicate_of=batch.key,
        )


def _identify_collected(ledger: Ledger, tx: Transaction, batch: Batch, remote: RemoteState) -> bool:
    """Store the API's id in a batch with results that lacks it, where there is one."""
    found = ledger.execute(
        "UPDATE batches SET remote_id = ?, identified_by = 'nonce', expires_ts = ?"
        " WHERE id = ? AND status = 'ended' AND remote_id IS NULL AND results_bytes > 0",
        remote.remote_id,
        remote.expires_ts,
        batch.id,
    )
    if found:
        ledger.event(
            tx,
            "batch.accepted",
            batch_id=batch.id,
            remote_id=remote.remote_id,
            identified_by="nonce",
        )
    return bool(found)


def sent_since(ledger: Ledger, lane: str, *, since_ts: str) -> list[Batch]:
    """The lane's rows whose POST was made after `since_ts`, whatever their status.

    Also rejected ones: a proxy may have repeated the POST, and the rejection answers one of them.
    """
    return [
        to_batch(row)
        for row in ledger.rows(
            "SELECT * FROM batches WHERE kind = 'batch' AND lane = ? AND duplicate_of IS NULL"
            " AND sent_ts > ? ORDER BY id",
            lane,
            since_ts,
        )
    ]
