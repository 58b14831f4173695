"""Checks at the end of every history: the billing log against the ledger and the files."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from simulation import sync_bill
from simulation.fault_profile import LONGEST_LAG_S
from simulation.file_checks import file_findings
from simulation.oracle import Oracle, Row, read_oracle
from simulation.world import World

from core.batches.collect_policy import COLLECT_TRIES
from state.batches import edits
from state.db.connection import sqlite3

if TYPE_CHECKING:
    from collections.abc import Mapping

_SETTLE_S = 1800.0
_TOKENS = "input_tokens, output_tokens, cache_write_5m_tokens, cache_write_1h_tokens"


class Job(Protocol):
    """A call of submit, and the keys that its repetitions returned."""

    count: int
    keys: set[str]
    fell_back: bool

    @property
    def tag(self) -> str: ...

    @property
    def most_follow_ups(self) -> int: ...


def check(world: World, jobs: Sequence[Job]) -> list[str]:
    """One line per violation."""
    with world.place.readable() as ledger, world.place.views() as folders:
        oracle = read_oracle(world.sandbox)
        findings = [
            *_integrity(ledger),
            *_nothing_lost(ledger, [job for job in jobs if job.fell_back]),
            *_nothing_lost(ledger, [job for job in jobs if not job.fell_back], one_key=True),
            *_nothing_stuck(ledger),
            *_one_answer(ledger),
            *_bounded(ledger, jobs),
            *_rejected_for_themselves(ledger),
            *_ledger_is_bill(ledger, oracle),
            *_sums(ledger),
            *sync_bill.findings(ledger, world.sync_bill),
            *_one_post_each(world),
            *_no_payment_twice(world, ledger, oracle),
            *world.place.findings(ledger),
            *(
                finding
                for folder in folders
                for finding in file_findings(
                    folder,
                    ledger,
                    oracle,
                    spool_was_unreadable="unreadable file: spool" in world.figures.operations,
                )
            ),
        ]
        world.figures.ledger.update(_figures(ledger))
    return findings


def _integrity(ledger: sqlite3.Connection) -> Iterator[str]:
    (found,) = ledger.execute("PRAGMA integrity_check").fetchone()
    if found != "ok":
        yield f"the database is damaged: {found}"
    for row in ledger.execute("PRAGMA foreign_key_check").fetchall():
        yield f"a foreign key has no row: {tuple(row)}"


def _nothing_lost(
    ledger: sqlite3.Connection, jobs: Sequence[Job], *, one_key: bool = False
) -> Iterator[str]:
    """Each job has one submission; and one key, where no fallback file gave it a second."""
    for job in jobs:
        found = {_submission_of(ledger, key) for key in job.keys}
        if len(found) != 1 or None in found or (one_key and len(job.keys) != 1):
            yield f"P1: {job.tag} was given the keys {sorted(job.keys)} of {found}"
        (count,) = ledger.execute(
            "SELECT count(*) FROM requests WHERE tag = ?", (job.tag,)
        ).fetchone()
        if count != job.count:
            yield f"P1: {job.tag} has {count} requests in the ledger, not {job.count}"


def _submission_of(ledger: sqlite3.Connection, key: str) -> int | None:
    """The submission with that key, or the one that a fallback file with that key became."""
    row = ledger.execute(
        "SELECT id FROM submissions WHERE key = ?1 UNION"
        " SELECT submission_id FROM fallback_imports WHERE key = ?1",
        (key,),
    ).fetchone()
    return row and row[0]


def _nothing_stuck(ledger: sqlite3.Connection) -> Iterator[str]:
    for row in ledger.execute(
        "SELECT tag, custom_id, status FROM requests WHERE status IN ('queued', 'assigned')"
    ).fetchall():
        yield f"P1: {row['tag']}/{row['custom_id']} is still {row['status']}"
    for row in ledger.execute(
        "SELECT key, status, collection, last_error FROM batches"
        " WHERE status NOT IN ('not_sent', 'rejected', 'ended') OR collection = 'pending'"
    ).fetchall():
        yield f"P5: batch {row['key']} is stuck in {row['status']}/{row['collection']}: {row[3]}"
    for row in ledger.execute(
        "SELECT remote_id FROM orphans WHERE verdict = 'candidate'"
    ).fetchall():
        yield f"P5: the orphan {row['remote_id']} is still a candidate"
    for row in ledger.execute(
        "SELECT key FROM submissions WHERE finished_ts IS NULL OR delivered_ts IS NULL"
    ).fetchall():
        yield f"P5: {row['key']} is not finished and delivered"
    for (key,) in ledger.execute(
        "SELECT s.key FROM primings p JOIN submissions s ON s.id = p.submission_id"
        " WHERE p.state = 'waiting'"
    ).fetchall():
        yield f"P5: {key} still waits for the cache"
    for row in ledger.execute(
        "SELECT key, action, state FROM commands WHERE state IN ('pending', 'running')"
    ).fetchall():
        yield f"P5: the command {row['key']} ({row['action']}) is still {row['state']}"


def _bounded(ledger: sqlite3.Connection, jobs: Sequence[Job]) -> Iterator[str]:
    """No request is asked again more often than its job wants, which a rebuilt ledger has lost."""
    most = {job.tag: job.most_follow_ups for job in jobs}
    # Each follow-up has a body of its own; an operator may send one again, or run it beside.
    for tag, custom_id, count in ledger.execute(
        "SELECT r.tag, r.custom_id, count(DISTINCT a.edit_id) AS asked FROM attempts a"
        " JOIN requests r ON r.id = a.request_id WHERE a.outcome IS NOT NULL GROUP BY r.id"
    ).fetchall():
        if count > most.get(tag, 0):
            yield f"P6: {tag}/{custom_id} was asked again {count} times"


def _one_answer(ledger: sqlite3.Connection) -> Iterator[str]:
    for row in ledger.execute(
        "SELECT r.tag, r.custom_id, r.status, r.settled_by,"
        # An answer that is asked for again stays as an attempt.
        " sum(a.outcome = 'succeeded' AND a.duplicate = 0 AND a.edit_id IS NULL) AS winners,"
        " sum(a.outcome = 'succeeded' AND a.duplicate = 0"
        " AND a.batch_id = r.settled_by) AS settling,"
        # A restore found the edit and its answer, and not yet the answer that was asked again.
        " max(a.batch_id = r.settled_by AND a.edit_id IN (SELECT e.id FROM edits e JOIN commands c"
        " ON c.id = e.command_id WHERE c.reason = ?)) AS is_found_again,"
        " sum(a.active) AS active FROM requests r LEFT JOIN attempts a ON a.request_id = r.id"
        " GROUP BY r.id",
        (edits.FOUND_AGAIN,),
    ).fetchall():
        named = f"{row['tag']}/{row['custom_id']} ({row['status']})"
        has_answer = row["status"] == "succeeded"
        is_first_later = row["is_found_again"] and row["winners"] == 0
        is_one = row["winners"] == has_answer or is_first_later
        if not is_one or (row["settling"] or 0) != has_answer:
            yield f"P2: {named} has {row['winners']} answers, settled by {row['settled_by']}"
        if row["active"]:
            yield f"P2: {named} has an active attempt"


def _rejected_for_themselves(ledger: sqlite3.Connection) -> Iterator[str]:
    """The only rejection of the simulation that is about a batch is its size."""
    for row in ledger.execute(
        "SELECT key, last_error FROM batches WHERE status = 'rejected'"
    ).fetchall():
        if "413: Request exceeds the maximum size" not in row["last_error"]:
            yield f"P1: {row['key']} was rejected for its account: {row['last_error']}"


def _ledger_is_bill(ledger: sqlite3.Connection, oracle: Oracle) -> Iterator[str]:
    batches = {
        row["remote_id"]: row
        for row in ledger.execute("SELECT * FROM batches WHERE remote_id IS NOT NULL").fetchall()
    }
    for remote_id, rows in oracle.ours.items():
        batch = batches.get(remote_id)
        if remote_id in oracle.gone and (batch is None or batch["collection"] == "deleted"):
            continue
        if batch is None:
            yield f"P3: {remote_id} was made by us and is not in the ledger"
        elif batch["collection"] != "collected":
            yield f"P3: {remote_id} is {batch['collection']}, not collected"
        else:
            yield from _batch_is_bill(ledger, batch, rows)
    for remote_id in batches.keys() - oracle.ours.keys():
        yield f"P3: {remote_id} is in the ledger and not ours"


def _batch_is_bill(
    ledger: sqlite3.Connection, batch: sqlite3.Row, rows: "Mapping[str, Row]"
) -> Iterator[str]:
    found = {
        row["custom_id"]: row
        for row in ledger.execute(
            "SELECT r.custom_id, a.* FROM attempts a JOIN requests r ON r.id = a.request_id"
            " WHERE a.batch_id = ?",
            (batch["id"],),
        ).fetchall()
    }
    # What a synchronous run of most of the batch canceled is queued again, without a trace of it.
    returned = {
        custom_id
        for custom_id in rows.keys() - found.keys()
        if batch["requeue_canceled"] and rows[custom_id].outcome == "canceled"
    }
    rows = {custom_id: row for custom_id, row in rows.items() if custom_id not in returned}
    if found.keys() != rows.keys():
        yield f"P3: {batch['key']} has other requests than its batch at the API"
        return
    cost = 0
    for custom_id, row in rows.items():
        attempt = found[custom_id]
        if attempt["outcome"] == "missing" and batch["collect_tries"] >= COLLECT_TRIES:
            continue
        cost += row.cost_nano
        ours = (attempt["outcome"], attempt["cost_nano"], *(attempt[name] for name in row.usage))
        theirs = (row.outcome, row.cost_nano, *row.usage.values())
        if ours != theirs:
            yield f"P3: {batch['key']}/{custom_id} is {ours} here and {theirs} on the bill"
    if batch["cost_nano"] != cost:
        yield f"P3: {batch['key']} costs {batch['cost_nano']} here and {cost} on the bill"


_COUNTS = ("requests", "succeeded", "errored", "canceled", "expired", "missing")
_CACHED = ("cache_write_5m_tokens", "cache_write_1h_tokens", "cache_read_tokens")
_SUMMED = (
    *("input_tokens", "output_tokens", *_CACHED, "web_searches", "fee_nano"),
    *("cost_nano", "sync_cost_nano", "duplicate_nano", "unpriced"),
)
_ALL_TOKENS = ", ".join(
    f"sum(a.{name} + (SELECT coalesce(sum(i.value ->> '{name}'), 0)"  # noqa: S608 - our words
    " FROM json_each(a.iterations) i))"
    for name in ("input_tokens", "output_tokens", *_CACHED)
)


def _sums(ledger: sqlite3.Connection) -> Iterator[str]:
    """The totals of days and batches that screens show are the sums of the rows."""
    totals = ", ".join(f"sum({name})" for name in (*_COUNTS, *_SUMMED))
    counts = ", ".join(f"sum(a.outcome = '{name}')" for name in _COUNTS[1:])
    counted = (
        f"count(*), {counts}, {_ALL_TOKENS}, sum(a.web_searches), sum(a.fee_nano),"
        " coalesce(sum(a.cost_nano), 0), coalesce(sum(a.sync_cost_nano), 0),"
        " coalesce(sum(a.cost_nano * a.duplicate), 0),"
        " sum(a.outcome = 'succeeded' AND a.cost_nano IS NULL)"
        " FROM attempts a JOIN batches b ON b.id = a.batch_id"
        " WHERE b.collection NOT IN ('not_ready', 'pending') GROUP BY 1"
    )
    yield from _differences(
        ledger,
        "daily totals",
        f"SELECT day || workflow || kind, {totals} FROM daily_totals GROUP BY 1",  # noqa: S608 - our words
        f"SELECT substr(b.collected_ts, 1, 10) || b.workflow || b.kind, {counted}",
    )
    yield from _differences(
        ledger,
        "totals of batch",
        f"SELECT batch_id, {totals} FROM batch_totals GROUP BY 1",  # noqa: S608 - our words
        f"SELECT b.id, {counted}",
    )
    tokens, cached = ", ".join(f"sum({name})" for name in _CACHED), " + ".join(_CACHED)
    yield from _differences(
        ledger,
        "cached tokens of batch",
        f"SELECT batch_id, sum(answers), {tokens} FROM cache_totals GROUP BY 1",  # noqa: S608 - our words
        "SELECT batch_id, (SELECT count(*) FROM attempts a WHERE a.batch_id = t.batch_id"  # noqa: S608 - our words
        f" AND a.outcome = 'succeeded' AND {cached} > 0), {tokens} FROM batch_totals t"
        f" GROUP BY 1 HAVING sum({cached}) > 0",
    )


def _differences(ledger: sqlite3.Connection, what: str, totals: str, recount: str) -> Iterator[str]:
    shown, counted = (
        {row[0]: tuple(row)[1:] for row in ledger.execute(query).fetchall()}
        for query in (totals, recount)
    )
    for key in shown.keys() | counted.keys():
        if shown.get(key) != counted.get(key):
            yield f"P3: {what} {key} say {shown.get(key)}, the attempts {counted.get(key)}"


def _one_post_each(world: World) -> Iterator[str]:
    posts: Counter[str] = Counter()
    for post in world.sandbox.billing_log().posts:
        for nonce in {custom_id.rpartition("-")[2] for custom_id in post.custom_ids}:
            posts[nonce] += 1
    for nonce, count in posts.items():
        if count > 1 + (nonce in world.repeated):
            yield f"P4: the batch with nonce {nonce} was posted {count} times"


def _no_payment_twice(world: World, ledger: sqlite3.Connection, oracle: Oracle) -> Iterator[str]:
    paid: dict[str, list[tuple[str, str]]] = {}
    for remote_id, rows in oracle.ours.items():
        for custom_id, row in rows.items():
            if row.outcome == "succeeded":
                paid.setdefault(custom_id, []).append((remote_id, row.nonce))
    # The response to the create was lost, and the batch vanished before a list showed it; or it
    # never ended, which `orphan.unresolved` reports.
    unknowable = oracle.gone - {
        row[0]
        for row in ledger.execute(
            "SELECT remote_id FROM orphans WHERE verdict <> 'unresolved' UNION"
            " SELECT remote_id FROM batches WHERE remote_id IS NOT NULL"
        ).fetchall()
    }
    for custom_id in paid.keys() | world.sync_bill.keys():
        payments = [one for one in paid.get(custom_id, []) if one[0] not in unknowable]
        calls = len(world.sync_bill.get(custom_id, ()))
        total = len(payments) + calls
        if total < 2:
            continue
        (shown,) = ledger.execute(
            "SELECT coalesce(sum(a.duplicate OR (a.edit_id IS NOT NULL"
            " AND a.outcome = 'succeeded')), 0) FROM attempts a"
            " JOIN requests r ON r.id = a.request_id WHERE r.custom_id = ?",
            (custom_id,),
        ).fetchone()
        (missing,) = ledger.execute(
            "SELECT count(*) FROM attempts a JOIN requests r ON r.id = a.request_id"
            " WHERE r.custom_id = ? AND a.outcome = 'missing'",
            (custom_id,),
        ).fetchone()
        # `sync_bill.findings` counts synchronous calls that are not in the ledger.
        unrecorded = calls - sync_bill.recorded(ledger, custom_id)
        warned = sync_bill.warned_of_batches(ledger, custom_id)
        if shown + missing + unrecorded + warned < total - 1:
            yield f"P4: {custom_id} was paid {total} times, and the ledger shows {shown}"
        payments = [one for one in payments if custom_id not in world.follow_ups.get(one[1], ())]
        # What is missing was replayed by an operator, who was told.
        was_replayed = missing and world.profile.operators
        if (
            not calls
            and not was_replayed
            and not warned
            and len(payments) > 1
            and not _is_excused(world, oracle, payments)
        ):
            yield f"P4: {custom_id} was paid {len(payments)} times without need: {payments}"


def _is_excused(world: World, oracle: Oracle, payments: list[tuple[str, str]]) -> bool:
    """Whether each payment but one has a cause that no client can avoid."""
    excused = 0
    for remote_id, nonce in payments:
        sent = world.sent_at.get(nonce, world.posted_at[nonce][0])
        late = oracle.made_at[remote_id] - sent > _SETTLE_S - LONGEST_LAG_S
        # After a jump of the time of day the recovery wait seems to be over.
        jumped = any(jump >= sent for jump in world.jumps)
        excused += late or jumped or nonce in world.repeated or remote_id in oracle.doomed
    return excused >= len(payments) - 1


def _figures(ledger: sqlite3.Connection) -> dict[str, int]:
    row = ledger.execute(
        "SELECT count(*) AS batches,"
        " coalesce(sum(identified_by = 'nonce' AND duplicate_of IS NULL), 0) AS adopted,"
        " coalesce(sum(duplicate_of IS NOT NULL), 0) AS duplicates,"
        " coalesce(sum(status = 'not_sent'), 0) AS not_sent,"
        " coalesce(sum(status = 'rejected'), 0) AS rejected,"
        " (SELECT coalesce(sum(duplicate), 0) FROM attempts) AS 'paid twice',"
        " (SELECT count(*) FROM attempts WHERE outcome = 'missing') AS missing,"
        " (SELECT count(*) FROM requests) AS requests,"
        " (SELECT count(*) FROM requests WHERE status = 'succeeded') AS succeeded FROM batches"
    ).fetchone()
    return dict(row)
