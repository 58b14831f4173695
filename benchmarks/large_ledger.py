"""Fills a ledger with millions of requests spread over a year.

`python benchmarks/large_ledger.py FOLDER --requests 1000000 --failed-every 100`
"""

import argparse
import sys
from datetime import timedelta
from pathlib import Path
from time import perf_counter

from core.clock import SystemClock
from state.db.ledger import Ledger
from state.model.timestamps import to_text

PER_BATCH = 1000
_OPEN = 20
_DAYS = 365
# One request in so many failed, with error types of the API.
_FAILED_EVERY = 100
_OVER = "(b.id <= :batches - :open)"
_TIMES = "strftime('%Y-%m-%dT%H:%M:%SZ', :newest, '-' || ((:batches - n) * :spread) || ' seconds'"

_SUBMISSIONS = f"""
WITH RECURSIVE counted(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < :batches)
INSERT INTO submissions (id, key, tag, workflow, job, model, work_date, deadline_ts, on_failure,
  request_count, created_by, created_ts, finished_ts, delivered_ts, pruned_ts)
SELECT n, 'tb-' || n || '-k3x9', 'job-' || (n % 12) || '-' || n, 'job-' || (n % 12), NULL,
  'claude-haiku-4-5', substr({_TIMES}), 1, 10), NULL, 'queue', :size,
  'benchmark', {_TIMES}), iif(n <= :batches - :open, {_TIMES}, '+2 hours'), NULL),
  iif(n <= :batches - :open, {_TIMES}, '+2 hours'), NULL), NULL FROM counted
"""  # noqa: S608 - our own words
_BATCHES = f"""
INSERT INTO batches (id, key, nonce, submission_id, tag, workflow, model, lane, kind, status,
  collection, remote_id, identified_by, request_count, processing, succeeded, errored, created_ts,
  sent_ts, accepted_ts, ended_ts, collected_ts, expires_ts, cost_nano, sync_cost_nano)
SELECT b.id, b.key, 'n' || b.id, b.id, b.tag, b.workflow, b.model, 'anthropic', 'batch',
  iif({_OVER}, 'ended', 'in_progress'), iif({_OVER}, 'collected', 'not_ready'),
  'msgbatch_' || b.id, 'response', :size, iif({_OVER}, 0, :size),
  iif({_OVER}, :size - :failed, 0), iif({_OVER}, :failed, 0), b.created_ts, b.created_ts,
  b.created_ts, b.finished_ts, b.finished_ts,
  strftime('%Y-%m-%dT%H:%M:%SZ', b.created_ts, '+1 day'),
  iif({_OVER}, (:size - :failed) * 500000, NULL), iif({_OVER}, (:size - :failed) * 1000000, NULL)
FROM submissions b
"""  # noqa: S608 - our own words
_REQUESTS = f"""
WITH RECURSIVE counted(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < :size)
INSERT INTO requests (id, tag, custom_id, submission_id, status, spool_file, body_offset,
  body_length, body_sha256, settled_by, at_most_batch_nano, at_most_sync_nano)
SELECT (b.id - 1) * :size + n, b.tag, printf('request-%07d', n), b.id,
  CASE WHEN NOT {_OVER} THEN 'assigned' WHEN n % :every = 0 THEN 'errored' ELSE 'succeeded' END,
  b.key || '.jsonl', n * 400, 400, x'00', iif({_OVER} AND n % :every <> 0, b.id, NULL),
  1000000, 2000000
FROM batches b, counted ORDER BY b.id, n
"""  # noqa: S608 - our own words
_ATTEMPTS = """
INSERT INTO attempts (batch_id, request_id, active, outcome, error_type, error_message, stop_reason,
  model, input_tokens, output_tokens, cost_nano, sync_cost_nano, result_offset, result_length)
SELECT submission_id, id, status = 'assigned', nullif(status, 'assigned'),
  iif(status <> 'errored', NULL, iif(id % 3, 'overloaded_error', 'api_error')),
  iif(status <> 'errored', NULL, 'Overloaded: try again in ' || (id % 5000) || ' s'),
  iif(status = 'succeeded', 'end_turn', NULL), iif(status = 'succeeded', 'claude-haiku-4-5', NULL),
  iif(status = 'succeeded', 700, 0), iif(status = 'succeeded', 60, 0),
  iif(status = 'succeeded', 500000, iif(status = 'errored', 0, NULL)),
  iif(status = 'succeeded', 1000000, iif(status = 'errored', 0, NULL)),
  iif(status = 'assigned', NULL, body_offset * 2),
  iif(status = 'assigned', NULL, 800) FROM requests
"""
_TOTALS = """
INSERT INTO daily_totals SELECT substr(ended_ts, 1, 10), workflow, model, 'batch',
  sum(request_count), sum(succeeded), sum(errored), 0, 0, 0, sum(succeeded) * 700,
  sum(succeeded) * 60, 0, 0, 0, 0, 0, sum(cost_nano), sum(sync_cost_nano), 0, 0
FROM batches WHERE status = 'ended' GROUP BY 1, 2, 3
"""
_BATCH_TOTALS = """
INSERT INTO batch_totals SELECT id, model, request_count, succeeded, errored, 0, 0, 0,
  succeeded * 700, succeeded * 60, 0, 0, 0, 0, 0, cost_nano, sync_cost_nano, 0, 0
FROM batches WHERE status = 'ended' ORDER BY id
"""
_EVENTS = """
INSERT INTO events (at, actor, kind, batch_id) SELECT ended_ts, 'benchmark', 'batch.collected', id
FROM batches WHERE status = 'ended' ORDER BY id
"""


def fill(path: Path, requests: int, *, failed_every: int = _FAILED_EVERY) -> None:
    """Write a ledger at `path` with that many requests, in batches of a thousand."""
    clock = SystemClock()
    batches = max(_OPEN + 1, requests // PER_BATCH)
    values: dict[str, int | str] = {
        "batches": batches,
        "size": PER_BATCH,
        "open": _OPEN,
        "every": failed_every,
        "failed": PER_BATCH // failed_every,
        "newest": to_text(clock.now() - timedelta(hours=3))[:19],
        "spread": _DAYS * 86400 // batches,
    }
    with Ledger(path, now=clock.now, actor="benchmark") as ledger:
        ledger.connection.execute("PRAGMA synchronous=OFF")
        ledger.connection.execute("PRAGMA cache_size=-200000")
        with ledger.transaction("fill"):
            for statement in (
                *(_SUBMISSIONS, _BATCHES, _REQUESTS, _ATTEMPTS),
                *(_TOTALS, _BATCH_TOTALS, _EVENTS),
            ):
                ledger.connection.execute(statement, values)
            ledger.connection.execute("UPDATE revision SET value = :batches", values)
        ledger.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def main() -> int:
    """Fill the ledger and print the time it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--failed-every", type=int, default=_FAILED_EVERY)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    began = perf_counter()
    fill(options.folder / "titan.db", options.requests, failed_every=options.failed_every)
    print(f"{options.requests:,} requests in {perf_counter() - began:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
