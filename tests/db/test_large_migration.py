"""A ledger of version 1 with a million requests: migrated to the newest, each sum is the same."""

# ruff: noqa: S608 - our own words
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from state.db import tables_v1
from state.db.connection import sqlite3
from state.db.reader import Reader
from state.db.schema import APPLICATION_ID

BATCHES, SIZE = 1000, 1000
_TOKENS = ("input", "output", "cache_write_5m", "cache_write_1h", "cache_read")
_SUMS = ", ".join(f"sum({name}_tokens)" for name in _TOKENS)
_AT = "strftime('%Y-%m-%dT%H:%M:%S.000Z', '2026-01-01', '+' || (n * 8) || ' hours')"
_COUNTED = "WITH RECURSIVE counted(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < ?)"
# Of 1000 requests: those of the last batches wait or run, some failed, a few answers have no price.
_STATUS = f"""CASE WHEN b.id > {BATCHES} - 5 THEN 'live' WHEN n % 50 = 1 THEN 'errored'
  WHEN n % 50 = 2 THEN 'expired' WHEN n % 100 = 3 THEN 'canceled' WHEN n % 100 = 4 THEN 'missing'
  WHEN n % 200 = 5 THEN 'given_up' WHEN n % 500 = 6 THEN 'waiting' ELSE 'succeeded' END"""
_SCRIPT = [
    f"""{_COUNTED} INSERT INTO submissions SELECT n, 'tb_' || n, 'job-' || (n % 12) || '-' || n,
  'job-' || (n % 12), NULL, 'claude-haiku-4-5', substr({_AT}, 1, 10), NULL, 'queue', {SIZE},
  'test', {_AT}, NULL, NULL, NULL, n FROM counted""",
    # The answers of the duplicates came in batches that the API made of the same POST.
    f"""INSERT INTO batches (id, key, nonce, submission_id, twin_of, tag, workflow, model, lane,
  kind, status, collection, remote_id, identified_by, request_count, succeeded, created_ts,
  sent_ts, ended_ts, rev)
  SELECT id + i * {BATCHES}, key || iif(i, '-surplus', ''), 'n' || id, id, iif(i, id, NULL), tag,
  workflow, model, 'anthropic', 'batch', iif(id > {BATCHES} - 5, 'in_progress', 'ended'),
  iif(id > {BATCHES} - 5, 'not_ready', 'collected'), 'msgbatch_' || i || '_' || id, 'response',
  request_count, {SIZE}, created_ts, created_ts, iif(id > {BATCHES} - 5, NULL, created_ts), id
  FROM submissions, (SELECT 0 AS i UNION ALL SELECT 1) WHERE i = 0 OR id <= 20""",
    f"""{_COUNTED} INSERT INTO requests (id, tag, custom_id, submission_id, status, spool_file,
  body_offset, body_length, body_sha256, settled_by)
  SELECT (b.id - 1) * {SIZE} + n, b.tag, printf('request-%07d', n), b.id, {_STATUS},
  b.key || '.jsonl', n * 400, 400, randomblob(32), iif({_STATUS} = 'succeeded', b.id, NULL)
  FROM batches b, counted WHERE b.id <= {BATCHES} ORDER BY b.id, n""",
    f"""INSERT INTO attempts SELECT b.id, r.id, r.status = 'live', NULL,
  iif(r.status = 'live', NULL, CASE r.status WHEN 'given_up' THEN 'errored' WHEN 'waiting'
    THEN 'expired' ELSE r.status END),
  iif(r.status IN ('errored', 'given_up'), 'api_error', NULL), NULL,
  iif(r.status = 'succeeded', 'end_turn', NULL), iif(r.status = 'succeeded', b.model, NULL),
  iif(r.status = 'succeeded', 700 + r.id % 97, 0), iif(r.status = 'succeeded', r.id % 89, 0),
  iif(r.status = 'succeeded', r.id % 7, 0), iif(r.status = 'succeeded', r.id % 5, 0),
  iif(r.status = 'succeeded', r.id % 1009, 0),
  iif(r.status <> 'succeeded', 0, iif(r.id % 400 = 7, NULL, 500000 + r.id % 100003)),
  iif(r.status <> 'succeeded', 0, iif(r.id % 400 = 7, NULL, 1000000 + r.id % 200003)),
  b.id > {BATCHES}, 0, r.body_offset * 2, 800
  FROM batches b JOIN requests r ON r.submission_id = b.submission_id
  WHERE b.id <= {BATCHES} OR r.status = 'succeeded'""",
    """UPDATE batches SET (cost_nano, sync_cost_nano, surplus_nano, unpriced) = (SELECT
  sum(a.cost_nano), sum(a.sync_cost_nano), coalesce(sum(a.cost_nano) FILTER (WHERE a.surplus), 0),
  count(*) FILTER (WHERE a.cost_nano IS NULL) FROM attempts a WHERE a.batch_id = batches.id)
  WHERE status = 'ended'""",
    """INSERT INTO daily_totals SELECT substr(b.ended_ts, 1, 10), b.workflow, b.model, b.kind,
  count(*), count(*) FILTER (WHERE outcome = 'succeeded'),
  count(*) FILTER (WHERE outcome = 'errored'), count(*) FILTER (WHERE outcome = 'canceled'),
  count(*) FILTER (WHERE outcome = 'expired'), count(*) FILTER (WHERE outcome = 'missing'),
  sum(input_tokens), sum(output_tokens), sum(cache_write_5m_tokens), sum(cache_write_1h_tokens),
  sum(cache_read_tokens), coalesce(sum(a.cost_nano), 0), coalesce(sum(a.sync_cost_nano), 0),
  coalesce(sum(a.cost_nano) FILTER (WHERE a.surplus), 0),
  count(*) FILTER (WHERE a.cost_nano IS NULL) FROM batches b JOIN attempts a ON a.batch_id = b.id
  WHERE b.status = 'ended' GROUP BY 1, 2, 3, 4""",
    """INSERT INTO events (at, actor, kind, batch_id) SELECT ended_ts, 'test', 'batch.collected', id
  FROM batches WHERE status = 'ended' ORDER BY id""",
]
_MIGRATIONS = """
CREATE TABLE _sqlite_migrations (
  id INTEGER PRIMARY KEY, migration_set TEXT, name TEXT, applied_at TEXT);
INSERT INTO _sqlite_migrations VALUES
  (1, 'titan', 'm001_first_tables', '2026-11-28 11:52:55.969458+00:00');
"""
_OUTCOMES = ("succeeded", "errored", "canceled", "expired", "missing")
_OF_DAYS = ", ".join(
    (
        f"sum(requests), {', '.join(f'sum({one})' for one in _OUTCOMES)}, {_SUMS}",
        "sum(cost_nano), sum(sync_cost_nano)",
    )
)
# The same figures of version 1 and, from the public views, of the newest.
_FIGURES = [
    (
        f"""SELECT outcome, count(*), sum(cost_nano), sum(sync_cost_nano), {_SUMS}, sum(surplus),
  count(*) FILTER (WHERE outcome = 'succeeded' AND cost_nano IS NULL)
  FROM attempts GROUP BY outcome ORDER BY outcome""",
        f"""SELECT outcome, count(*), sum(cost_nano), sum(sync_cost_nano), {_SUMS}, sum(duplicate),
  count(unpriced) FROM v_attempts GROUP BY outcome ORDER BY outcome""",
    ),
    (
        """SELECT CASE status WHEN 'live' THEN 'in_flight' WHEN 'waiting' THEN 'queued'
  WHEN 'given_up' THEN 'acknowledged' ELSE status END AS name, count(*) FROM requests
  GROUP BY name ORDER BY name""",
        "SELECT status, count(*) FROM v_requests GROUP BY status ORDER BY status",
    ),
    (
        """SELECT status, count(*), sum(cost_nano), sum(sync_cost_nano), sum(surplus_nano),
  sum(unpriced) FROM batches GROUP BY status ORDER BY status""",
        """SELECT status, count(*), sum(cost_nano), sum(sync_cost_nano), sum(duplicate_cost_nano),
  sum(unpriced) FROM v_batches GROUP BY status ORDER BY status""",
    ),
    (
        f"""SELECT day, workflow, {_OF_DAYS}, sum(surplus_nano) FROM daily_totals
  GROUP BY day, workflow ORDER BY day, workflow""",
        f"""SELECT day, workflow, {_OF_DAYS}, sum(duplicate_cost_nano) FROM v_usage_daily
  GROUP BY day, workflow ORDER BY day, workflow""",
    ),
]
_MIGRATE = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from state.db.ledger import Ledger
Ledger(Path(sys.argv[1]), now=lambda: datetime(2027, 1, 1, tzinfo=UTC), actor="test").close()
lines = open("/proc/self/status")
print(next(line for line in lines if line.startswith("VmHWM")).split()[1])
"""


def fill(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as made:
        for setting in ("synchronous=OFF", "journal_mode=OFF", "cache_size=-200000"):
            made.execute(f"PRAGMA {setting}")
        made.execute("PRAGMA auto_vacuum=INCREMENTAL")
        made.executescript(tables_v1.TABLES + tables_v1.TRIGGERS + _MIGRATIONS)
        made.execute("BEGIN")
        for statement in _SCRIPT:
            counts = {0: (), 1: (SIZE if "INTO requests" in statement else BATCHES,)}
            made.execute(statement, counts[statement.count("?")])
        made.execute("COMMIT")
        made.execute(f"PRAGMA application_id={APPLICATION_ID}")
        made.execute("PRAGMA user_version=1")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak is in /proc")
def test_a_million_requests_keep_every_sum_and_take_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "titan.db"
    fill(path)
    with closing(sqlite3.connect(path)) as old:
        before = [old.execute(of_old).fetchall() for of_old, _ in _FIGURES]
    assert sum(row[1] for row in before[1]) == BATCHES * SIZE
    done = subprocess.run(
        [sys.executable, "-c", _MIGRATE, path], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    with Reader(path) as reader:
        after = [[tuple(row) for row in reader.rows(of_new)] for _, of_new in _FIGURES]
    assert after == before
    assert int(done.stdout) * 1024 <= 150_000_000
