"""Submissions that write the prompt cache with few requests before the others are sent.

A request that is sent first is named in `primings.prefixes`; while the state is `waiting`, batches
without such a request are not sent. What became of these requests is read from their attempts, so
that a resend, a split or a synchronous run needs no entry here.
"""

import json
from collections.abc import Collection, Iterable

from msgspec import Struct

from state.db.dialect import LISTED, array_of, as_list, items, number_in, text_in
from state.db.ledger import Ledger, Transaction
from state.db.reader import Source
from state.db.sql_conditions import WAITS
from state.db.staged import Staged
from state.model.records import Batch

# Losses after which a workflow is not primed any more.
MOST_LOSSES = 2


class NewPrefix(Struct, frozen=True, kw_only=True):
    """A common prefix of a new submission; `position`, from 1, is that of its first request."""

    head: str
    blocks: int
    position: int


class NewPriming(Struct, frozen=True, kw_only=True):
    """The prefixes of a new submission, and how long its other requests wait at most."""

    prefixes: tuple[NewPrefix, ...]
    until_ts: str


class Priming(Struct, frozen=True, kw_only=True):
    """The priming of one submission. `is_over`: the first requests have all ended."""

    submission_id: int
    key: str
    until_ts: str
    is_over: bool


class PrimedRequests(Struct, frozen=True, kw_only=True):
    """Requests of one submission that primes, and the number of blocks of its prefixes by head.

    `is_written`: the first requests wrote the cache. Batches are sent with marks until `until_ts`.
    """

    workflow: str
    lane: str
    is_written: bool
    until_ts: str
    blocks_by_head: dict[str, int]
    request_ids: list[int]


class Stop(Struct, frozen=True, kw_only=True):
    """A workflow that is not primed any more, after so many losses of so many nano-dollars."""

    workflow: str
    stopped_ts: str
    losses: int
    lost_nano: int


def put_first(ledger: Ledger, staged: Staged, part: int, new: NewPriming) -> None:
    """Inside a transaction: give the first request of each prefix the part that is sent first."""
    ledger.execute(
        f"UPDATE {staged} SET part = ? WHERE position IN {LISTED}",  # noqa: S608 - our own name
        part,
        as_list(prefix.position for prefix in new.prefixes),
    )


def add(
    ledger: Ledger, tx: Transaction, submission_id: int, first_id: int, new: NewPriming
) -> None:
    """Inside the transaction that stores the submission, whose first request has that id."""
    prefixes = [
        {
            "head": prefix.head,
            "blocks": prefix.blocks,
            "request_id": first_id + prefix.position - 1,
        }
        for prefix in new.prefixes
    ]
    ledger.execute(
        "INSERT INTO primings (submission_id, state, prefixes, until_ts)"
        " VALUES (?, 'waiting', ?, ?)",
        submission_id,
        json.dumps(prefixes),
        new.until_ts,
    )
    key = ledger.rows("SELECT key FROM submissions WHERE id = ?", submission_id)[0][0]
    ledger.event(
        tx,
        "submission.priming",
        subject=key,
        prefixes=len(prefixes),
        until=new.until_ts,
    )


def marks_of(source: Source, batch: Batch, now_ts: str) -> dict[str, int]:
    """The prefixes to mark in a batch that is sent now: the number of blocks by head.

    A mark pays only where the cache was written and lives; before that in the first batch alone.
    """
    rows = source.rows(
        f"SELECT {text_in('j.value', 'head')}, {number_in('j.value', 'blocks')}"  # noqa: S608 - our own words
        f" FROM primings p, {items('p.prefixes', 'j')}"
        " WHERE p.submission_id = ? AND p.state <> 'unprimed' AND p.until_ts > ?",
        batch.submission_id,
        now_ts,
    )
    return {str(row[0]): int(row[1]) for row in rows}


def of_requests(source: Source, request_ids: Collection[int]) -> list[PrimedRequests]:
    """Those of the requests whose submissions prime the cache, by submission."""
    rows = source.rows(
        f"SELECT s.workflow, s.lane, p.state, p.until_ts, p.prefixes, {array_of('r.id')} AS ids"  # noqa: S608 - our own words
        " FROM requests r JOIN primings p ON p.submission_id = r.submission_id"
        f" JOIN submissions s ON s.id = r.submission_id WHERE r.id IN {LISTED}"
        " AND p.state <> 'unprimed' GROUP BY p.submission_id, s.id"
        " ORDER BY p.submission_id",
        as_list(request_ids),
    )
    return [
        PrimedRequests(
            workflow=row["workflow"],
            lane=row["lane"],
            is_written=row["state"] == "primed",
            until_ts=row["until_ts"],
            blocks_by_head={one["head"]: one["blocks"] for one in json.loads(row["prefixes"])},
            request_ids=json.loads(row["ids"]),
        )
        for row in rows
    ]


def waits_until(source: Source, batch: Batch) -> str | None:
    """Until when the batch waits for the first requests at most; None where it does not wait."""
    rows = source.rows(
        "SELECT p.until_ts FROM batches JOIN primings p ON p.submission_id = batches.submission_id"  # noqa: S608 - our own words
        f" WHERE batches.id = ? AND batches.status = 'queued' AND {WAITS}",
        batch.id,
    )
    return rows[0][0] if rows else None


def waiting(source: Source) -> list[Priming]:
    """The submissions whose other requests wait."""
    rows = source.rows(
        "SELECT p.submission_id, s.key, p.until_ts, NOT EXISTS"  # noqa: S608 - our own words
        f" (SELECT 1 FROM {items('p.prefixes', 'j')} JOIN requests r"
        f" ON r.id = {number_in('j.value', 'request_id')} WHERE r.status IN ('queued',"
        " 'assigned')) AS is_over FROM primings p JOIN submissions s ON s.id = p.submission_id"
        " WHERE p.state = 'waiting' AND p.gain_nano IS NULL ORDER BY p.submission_id"
    )
    return [
        Priming(submission_id=number, key=key, until_ts=until, is_over=bool(is_over))
        for number, key, until, is_over in rows
    ]


def release(ledger: Ledger, priming: Priming, *, in_time: bool) -> bool:
    """Let the other requests be sent; returns whether the cache was written, so that they read it.

    Only prefixes whose first request was answered and counted cached tokens are marked.
    """
    with ledger.transaction("release_primed") as tx:
        prefixes = _written_prefixes(ledger, priming.submission_id) if in_time else []
        state = "primed" if prefixes else "unprimed"
        if ledger.execute(
            "UPDATE primings SET state = ?, prefixes = coalesce(?, prefixes)"
            " WHERE submission_id = ? AND state = 'waiting'",
            state,
            json.dumps(prefixes) if prefixes else None,
            priming.submission_id,
        ):
            ledger.event(
                tx,
                f"submission.{state}",
                subject=priming.key,
                reason=_reason(len(prefixes), in_time=in_time, is_over=priming.is_over),
            )
    return bool(prefixes)


def _written_prefixes(ledger: Ledger, submission_id: int) -> list[dict[str, object]]:
    first = number_in("j.value", "request_id")
    rows = ledger.rows(
        f"SELECT {text_in('j.value', 'head')}, {number_in('j.value', 'blocks')}, {first}"  # noqa: S608 - our own words
        f" FROM primings p, {items('p.prefixes', 'j')} WHERE p.submission_id = ?"
        " AND EXISTS (SELECT 1 FROM attempts a JOIN batches b ON b.id = a.batch_id"
        f" WHERE a.request_id = {first} AND b.cache_marks = 1"
        " AND a.outcome = 'succeeded' AND a.cache_write_1h_tokens + a.cache_read_tokens > 0)",
        submission_id,
    )
    return [dict(zip(("head", "blocks", "request_id"), row, strict=True)) for row in rows]


def _reason(written: int, *, in_time: bool, is_over: bool) -> str:
    if written:
        return "the first requests wrote the cache"
    if not in_time:
        return "the time for the first requests is up"
    return "the first requests wrote no cache" if is_over else "not known"


def unmeasured(source: Source) -> list[tuple[int, str, str]]:
    """The id, key and workflow of finished submissions whose gain is not known yet."""
    rows = source.rows(
        "SELECT s.id, s.key, s.workflow FROM primings p JOIN submissions s ON s.id ="
        " p.submission_id WHERE p.state = 'primed' AND p.gain_nano IS NULL"
        " AND s.finished_ts IS NOT NULL ORDER BY s.id"
    )
    return [(row[0], row[1], row[2]) for row in rows]


def marked_batches(source: Source, submission_id: int) -> list[str]:
    """The keys of the submission's batches that were sent with marks."""
    rows = source.rows(
        "SELECT key FROM batches WHERE submission_id = ? AND cache_marks = 1 ORDER BY id",
        submission_id,
    )
    return [row[0] for row in rows]


def record_gain(
    ledger: Ledger, submission_id: int, key: str, workflow: str, gain_nano: int
) -> bool:
    """Store what the priming gained, once; returns whether its loss stops the workflow's priming.

    It is the second one since an operator last allowed it.
    """
    with ledger.transaction("prime_gain") as tx:
        if not ledger.execute(
            "UPDATE primings SET gain_nano = ? WHERE submission_id = ? AND gain_nano IS NULL",
            gain_nano,
            submission_id,
        ):
            return False
        ledger.event(tx, "submission.cache_measured", subject=key, gain_nano=gain_nano)
        if gain_nano >= 0:
            return False
        ledger.execute(
            "INSERT INTO priming_losses (workflow, losses, lost_nano) VALUES (?, 1, ?)"
            " ON CONFLICT (workflow) DO UPDATE SET"
            " losses = priming_losses.losses + 1,"
            " lost_nano = priming_losses.lost_nano + excluded.lost_nano",
            workflow,
            -gain_nano,
        )
        stops = ledger.execute(
            "UPDATE priming_losses SET stopped_ts = ? WHERE workflow = ? AND losses >= ?"
            " AND stopped_ts IS NULL",
            tx.at,
            workflow,
            MOST_LOSSES,
        )
        if stops:
            ledger.event(tx, "workflow.priming_stopped", subject=workflow)
        return bool(stops)


def stops(source: Source) -> list[Stop]:
    """The workflows that are not primed any more."""
    rows = source.rows(
        "SELECT workflow, stopped_ts, losses, lost_nano FROM priming_losses"
        " WHERE stopped_ts IS NOT NULL ORDER BY workflow"
    )
    return [Stop(**dict(row)) for row in rows]


def stop_of(source: Source, workflow: str) -> Stop | None:
    """The stop of that workflow, if there is one."""
    return next((stop for stop in stops(source) if stop.workflow == workflow), None)


def lift(ledger: Ledger, tx: Transaction, workflows: Iterable[str]) -> list[str]:
    """Inside a transaction: prime these workflows again; returns those that were stopped."""
    lifted = [
        workflow
        for workflow in workflows
        if ledger.execute(
            "DELETE FROM priming_losses WHERE workflow = ? AND stopped_ts IS NOT NULL", workflow
        )
    ]
    for workflow in lifted:
        ledger.event(tx, "workflow.priming_allowed", subject=workflow)
    return lifted
