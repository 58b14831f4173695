"""Helpers of the engine's tests: poll until all is settled, compare the ledger with the bill."""

import json
from collections import Counter
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from support.builders import Bench

from core.engine import Engine
from state.db import sql_conditions
from state.db.rows import to_batch
from state.model.records import Batch, RequestStatus
from state.queries import ledger_status
from titan_console.sandbox.answers.billing_log import BilledRow

QUARTER = 900.0


def poll_until_done(bench: Bench, engine: Engine | None = None, *, polls: int = 40) -> None:
    """Polls a quarter of an hour apart until nothing is open and nothing waits."""
    engine = engine or bench.engine
    for _ in range(polls):
        bench.clock.advance(QUARTER)
        engine.poll()
        totals = ledger_status.totals(engine.context.ledger)
        if not totals.open_batches and not totals.queued_requests:
            return
    raise AssertionError([batch for batch in batches(bench) if batch.ended_ts is None])


def batches(bench: Bench) -> list[Batch]:
    """Every batch of the ledger, in order."""
    sql = "SELECT * FROM batches ORDER BY id"
    return [to_batch(row) for row in bench.engine.context.ledger.rows(sql)]


def statuses(bench: Bench) -> list[str]:
    """The statuses of all batches, in the order in which they were made."""
    return [str(batch.status) for batch in batches(bench)]


def requests(bench: Bench) -> Counter[RequestStatus]:
    """How many requests stand where."""
    rows = bench.engine.context.ledger.rows(
        f"SELECT {sql_conditions.STATUS}, count(*) FROM requests r GROUP BY 1"  # noqa: S608 - a constant
    )
    return Counter({RequestStatus(status): count for status, count in rows})


def results(bench: Bench, name: str) -> list[dict[str, Any]]:
    """What a job would get for that tag or key."""
    return list(bench.engine.results(name))


def json_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSONL file; a last line without an end fails."""
    text = path.read_bytes()
    assert not text or text.endswith(b"\n")
    return [json.loads(line) for line in text.split(b"\n")[:-1]]


def our_bill(bench: Bench) -> list[BilledRow]:
    """Every answer that the provider bills for our batches."""
    billing_log = bench.sandbox.billing_log()
    foreign = {book.batch_id for book in billing_log.batches if book.foreign}
    return [row for row in billing_log.billed() if row.batch_id not in foreign]


def billed_nano(bench: Bench) -> int:
    """What the provider bills for our batches, priced by the sandbox and not by the product."""
    return sum(int(row.usd * 10**9 + Fraction(1, 2)) for row in our_bill(bench))


def check_billing(bench: Bench) -> None:
    """The ledger's attempts, batches, totals and cost log say what the provider's bill says."""
    ledger = bench.engine.context.ledger
    billed = billed_nano(bench)
    (attempts, sync, duplicate) = ledger.rows(
        "SELECT coalesce(sum(cost_nano), 0), coalesce(sum(sync_cost_nano), 0),"
        " coalesce(sum(cost_nano) FILTER (WHERE duplicate = 1), 0) FROM attempts"
    )[0]
    assert attempts == billed
    assert sum(batch.cost_nano or 0 for batch in batches(bench)) == billed
    totals = ledger_status.totals(ledger)
    assert (totals.cost_nano, totals.sync_cost_nano) == (billed, sync)
    assert totals.duplicate_nano == duplicate
    assert totals.savings_nano == sync - billed
    assert totals.unpriced == 0
    logged = json_lines(bench.folder.cost_mirror) if bench.folder.cost_mirror.exists() else []
    saved = sum(Decimal(str(line["batch_savings_usd"])) for line in logged)
    assert int(saved * 10**9) == sync - billed


def check_once(bench: Bench, count: int) -> None:
    """Every request was answered, paid for once, and delivered in input order."""
    assert requests(bench) == {RequestStatus.SUCCEEDED: count}
    assert len(our_bill(bench)) == count
    check_billing(bench)
    delivered = [row["custom_id"] for row in staged(bench)]
    assert delivered == sorted(delivered)
    assert len(delivered) == count


def staged(bench: Bench) -> list[dict[str, Any]]:
    """Every line of every delivery file."""
    return [row for path in sorted(bench.folder.staging.iterdir()) for row in json_lines(path)]
