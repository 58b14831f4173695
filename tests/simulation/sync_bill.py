"""The bill of synchronous calls, and its comparison with the ledger."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from simulation.oracle import nano

from state.db.connection import sqlite3
from titan_console.sandbox.answers.billing_log import BilledRow


def custom_id_of(params: Mapping[str, Any]) -> str:
    """The custom_id in the prompt of a request of the simulation."""
    return str(params["messages"][0]["content"]).split()[1]


def synchronous_cost(row: BilledRow) -> int:
    """The price of one call, in nano-dollars."""
    return nano(row.usd)


def findings(ledger: sqlite3.Connection, bill: Mapping[str, list[int]]) -> Iterator[str]:
    """Each call in the ledger is on the bill; a billed call that is not has a warning."""
    known: dict[str, list[int]] = {}
    for custom_id, cost in ledger.execute(
        "SELECT r.custom_id, a.cost_nano FROM attempts a JOIN batches b ON b.id = a.batch_id"
        " JOIN requests r ON r.id = a.request_id WHERE b.kind = 'sync' AND a.outcome = 'succeeded'"
    ).fetchall():
        known.setdefault(custom_id, []).append(cost)
    lost: Counter[str] = Counter()
    for custom_id in bill.keys() | known.keys():
        ours, theirs = Counter(known.get(custom_id, ())), Counter(bill.get(custom_id, ()))
        if ours - theirs:
            yield f"P3: {custom_id} has synchronous costs {ours} here and {theirs} on the bill"
        lost[_tag(custom_id)] += (theirs - ours).total()
    for tag, count in lost.items():
        warned = _warned(ledger, tag)
        if count > warned:
            yield f"P3: {count} billed calls of {tag} are not in the ledger, warned of {warned}"


def recorded(ledger: sqlite3.Connection, custom_id: str) -> int:
    """How many synchronous calls of a request the ledger has as paid."""
    (found,) = ledger.execute(
        "SELECT count(*) FROM attempts a JOIN batches b ON b.id = a.batch_id"
        " JOIN requests r ON r.id = a.request_id"
        " WHERE b.kind = 'sync' AND a.outcome = 'succeeded' AND r.custom_id = ?",
        (custom_id,),
    ).fetchone()
    return int(found)


def warned_of_batches(ledger: sqlite3.Connection, custom_id: str) -> int:
    """How many warnings there are that a batch of this request may be charged as well."""
    (found,) = ledger.execute(
        "SELECT count(*) FROM events e WHERE e.kind = 'batch.possible_duplicate_charge'"
        " AND EXISTS (SELECT 1 FROM batches b JOIN attempts a ON a.batch_id = b.id"
        " JOIN requests r ON r.id = a.request_id"
        " WHERE b.id = e.batch_id AND b.kind = 'batch' AND r.custom_id = ?)",
        (custom_id,),
    ).fetchone()
    return int(found)


def _tag(custom_id: str) -> str:
    return custom_id.removeprefix("work-").rpartition("-2026-")[0]


def _warned(ledger: sqlite3.Connection, tag: str) -> int:
    """Calls without a usable response, and calls of interrupted runs."""
    (errored,) = ledger.execute(
        "SELECT count(*) FROM attempts a JOIN batches b ON b.id = a.batch_id"
        " WHERE b.kind = 'sync' AND b.tag = ? AND a.outcome = 'errored'",
        (tag,),
    ).fetchone()
    (interrupted,) = ledger.execute(
        "SELECT coalesce(sum(json_extract(detail, '$.requests')), 0) FROM events WHERE kind IN"
        " ('batch.possible_duplicate_charge', 'submission.possible_duplicate_charge') AND ("
        " batch_id IN (SELECT id FROM batches WHERE tag = ?1)"
        " OR subject IN (SELECT key FROM submissions WHERE tag = ?1))",
        (tag,),
    ).fetchone()
    return int(errored) + int(interrupted)
