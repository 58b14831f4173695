"""The newest tables, and the transitions that their triggers allow."""

from state.db.dialect import is_not

# Those of versions 3 and 4.
TABLES = """
-- Counts the transactions, so that a screen can say how far behind it is.
CREATE TABLE revision (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  value INTEGER NOT NULL
) STRICT;
INSERT INTO revision VALUES (1, 0);

CREATE TABLE submissions (
  id INTEGER PRIMARY KEY,
  key TEXT NOT NULL UNIQUE,
  tag TEXT NOT NULL,
  workflow TEXT NOT NULL,
  job TEXT,
  model TEXT NOT NULL,
  work_date TEXT NOT NULL,
  deadline_ts TEXT,
  on_failure TEXT NOT NULL CHECK (on_failure IN ('queue', 'sync')),
  request_count INTEGER NOT NULL CHECK (request_count > 0),
  created_by TEXT NOT NULL,
  created_ts TEXT NOT NULL,
  finished_ts TEXT,
  delivered_ts TEXT,
  pruned_ts TEXT
) STRICT;
CREATE INDEX submissions_by_tag ON submissions (tag, id);
CREATE INDEX submissions_undelivered ON submissions (id) WHERE delivered_ts IS NULL;
CREATE INDEX submissions_by_created ON submissions (created_ts);
CREATE INDEX submissions_by_delivery ON submissions (workflow, work_date);

CREATE TABLE requests (
  id INTEGER PRIMARY KEY,
  tag TEXT NOT NULL,
  custom_id TEXT NOT NULL,
  submission_id INTEGER NOT NULL REFERENCES submissions,
  status TEXT NOT NULL CHECK (status IN (
    'queued', 'assigned', 'succeeded', 'errored', 'canceled', 'expired', 'missing', 'dismissed')),
  betas TEXT NOT NULL DEFAULT '',
  spool_file TEXT NOT NULL,
  body_offset INTEGER NOT NULL,
  body_length INTEGER NOT NULL,
  body_sha256 BLOB NOT NULL,
  edit_id INTEGER REFERENCES edits,
  settled_by INTEGER REFERENCES batches,
  -- Null where it is that of the submission.
  model TEXT,
  -- What its current body can cost at most; null where that is not known.
  at_most_batch_nano INTEGER,
  at_most_sync_nano INTEGER,
  UNIQUE (tag, custom_id)
) STRICT;
CREATE INDEX requests_by_submission ON requests (submission_id, id);
CREATE INDEX requests_to_do ON requests (status, id) WHERE status NOT IN ('assigned', 'succeeded');

CREATE TABLE batches (
  id INTEGER PRIMARY KEY,
  key TEXT NOT NULL UNIQUE,
  nonce TEXT NOT NULL,
  account TEXT,
  server TEXT,
  submission_id INTEGER REFERENCES submissions,
  duplicate_of INTEGER REFERENCES batches,
  tag TEXT NOT NULL,
  workflow TEXT NOT NULL,
  model TEXT NOT NULL,
  lane TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('batch', 'sync')),
  status TEXT NOT NULL CHECK (status IN (
    'queued', 'sending', 'unconfirmed', 'not_sent', 'rejected', 'in_progress', 'canceling',
    'ended')),
  collection TEXT NOT NULL DEFAULT 'not_ready'
    CHECK (collection IN ('not_ready', 'pending', 'collected', 'results_expired', 'deleted')),
  remote_id TEXT UNIQUE,
  identified_by TEXT CHECK (identified_by IN ('response', 'nonce', 'operator')),
  request_count INTEGER NOT NULL CHECK (request_count > 0),
  processing INTEGER NOT NULL DEFAULT 0,
  succeeded INTEGER NOT NULL DEFAULT 0,
  errored INTEGER NOT NULL DEFAULT 0,
  canceled INTEGER NOT NULL DEFAULT 0,
  expired INTEGER NOT NULL DEFAULT 0,
  bytes INTEGER NOT NULL DEFAULT 0,
  betas TEXT NOT NULL DEFAULT '',
  watermark_id TEXT,
  watermark_ts TEXT,
  owner TEXT,
  created_ts TEXT NOT NULL,
  sent_ts TEXT,
  accepted_ts TEXT,
  ended_ts TEXT,
  collected_ts TEXT,
  expires_ts TEXT,
  cancel_ts TEXT,
  -- A synchronous run canceled it: requests that are not part of that run are queued again.
  requeue_canceled INTEGER NOT NULL DEFAULT 0 CHECK (requeue_canceled IN (0, 1)),
  deadline_ts TEXT,
  next_poll_ts TEXT,
  -- Since when the API answers 404, and since when the batch is treated as stuck.
  not_found_ts TEXT,
  stuck_ts TEXT,
  failures INTEGER NOT NULL DEFAULT 0,
  collect_tries INTEGER NOT NULL DEFAULT 0,
  last_error TEXT,
  results_bytes INTEGER NOT NULL DEFAULT 0,
  cost_nano INTEGER,
  sync_cost_nano INTEGER,
  unpriced INTEGER NOT NULL DEFAULT 0,
  duplicate_nano INTEGER NOT NULL DEFAULT 0,
  -- The budget reservation: what it can cost at most, counted until its actual cost is known.
  reserved_nano INTEGER NOT NULL DEFAULT 0,
  -- It was sent with the marks of a primed submission.
  cache_marks INTEGER NOT NULL DEFAULT 0 CHECK (cache_marks IN (0, 1))
) STRICT;
-- Only a duplicate batch, the same POST received twice by the API, repeats a nonce.
CREATE UNIQUE INDEX batches_by_nonce ON batches (nonce) WHERE duplicate_of IS NULL;
CREATE INDEX batches_open ON batches (id)
  WHERE status NOT IN ('not_sent', 'rejected', 'ended') OR collection = 'pending';
CREATE INDEX batches_by_submission ON batches (submission_id);
CREATE INDEX batches_by_ended ON batches (ended_ts);
CREATE INDEX batches_by_run ON batches (coalesce(sent_ts, accepted_ts, created_ts));
CREATE INDEX batches_not_sent ON batches (id) WHERE status = 'not_sent';

CREATE TABLE attempts (
  batch_id INTEGER NOT NULL REFERENCES batches,
  request_id INTEGER NOT NULL REFERENCES requests,
  active INTEGER NOT NULL CHECK (active IN (0, 1)),
  edit_id INTEGER REFERENCES edits,
  outcome TEXT CHECK (outcome IN ('succeeded', 'errored', 'canceled', 'expired', 'missing')),
  error_type TEXT,
  error_message TEXT,
  stop_reason TEXT,
  model TEXT,
  input_tokens INTEGER NOT NULL DEFAULT 0 CHECK (input_tokens >= 0),
  output_tokens INTEGER NOT NULL DEFAULT 0 CHECK (output_tokens >= 0),
  cache_write_5m_tokens INTEGER NOT NULL DEFAULT 0 CHECK (cache_write_5m_tokens >= 0),
  cache_write_1h_tokens INTEGER NOT NULL DEFAULT 0 CHECK (cache_write_1h_tokens >= 0),
  cache_read_tokens INTEGER NOT NULL DEFAULT 0 CHECK (cache_read_tokens >= 0),
  web_searches INTEGER NOT NULL DEFAULT 0 CHECK (web_searches >= 0),
  inference_geo TEXT,
  service_tier TEXT,
  speed TEXT,
  -- What is billed beside these tokens, as JSON.
  iterations TEXT,
  cost_nano INTEGER,
  sync_cost_nano INTEGER,
  -- The part of both costs that is not for tokens.
  fee_nano INTEGER NOT NULL DEFAULT 0,
  -- Why the cost of an answer is unknown.
  unpriced TEXT,
  duplicate INTEGER NOT NULL DEFAULT 0 CHECK (duplicate IN (0, 1)),
  reviewed INTEGER NOT NULL DEFAULT 0 CHECK (reviewed IN (0, 1)),
  result_offset INTEGER,
  result_length INTEGER,
  PRIMARY KEY (batch_id, request_id),
  CHECK (active = 0 OR outcome IS NULL)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX one_active_attempt ON attempts (request_id) WHERE active = 1;
CREATE INDEX attempts_by_request ON attempts (request_id);
-- Few among millions; `state.operations.reviews` reads them with these conditions.
CREATE INDEX attempts_for_review ON attempts (batch_id, request_id) WHERE reviewed = 0
  AND stop_reason IN ('refusal', 'max_tokens', 'pause_turn', 'model_context_window_exceeded');
CREATE INDEX attempts_unpriced ON attempts (batch_id, request_id) WHERE unpriced IS NOT NULL;

CREATE TABLE commands (
  id INTEGER PRIMARY KEY,
  key TEXT NOT NULL UNIQUE,
  action TEXT NOT NULL CHECK (action IN (
    'replay', 'cancel', 'sync', 'acknowledge', 'pause', 'resume')),
  state TEXT NOT NULL CHECK (state IN ('pending', 'running', 'done', 'failed', 'withdrawn')),
  digest BLOB NOT NULL,
  who TEXT NOT NULL,
  reason TEXT NOT NULL,
  item_count INTEGER NOT NULL CHECK (item_count > 0),
  options TEXT NOT NULL,
  step INTEGER NOT NULL DEFAULT 0,
  created_ts TEXT NOT NULL,
  not_before_ts TEXT NOT NULL,
  ended_ts TEXT,
  outcome TEXT
) STRICT;
-- The same command given by two consoles at once is carried out once.
CREATE UNIQUE INDEX commands_once ON commands (digest) WHERE state IN ('pending', 'running');
CREATE INDEX commands_open ON commands (id) WHERE state IN ('pending', 'running');

CREATE TABLE command_items (
  command_id INTEGER NOT NULL REFERENCES commands,
  item_id INTEGER NOT NULL,
  PRIMARY KEY (command_id, item_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE edits (
  id INTEGER PRIMARY KEY,
  command_id INTEGER NOT NULL REFERENCES commands,
  request_id INTEGER NOT NULL REFERENCES requests,
  spool_file TEXT NOT NULL,
  body_offset INTEGER NOT NULL,
  body_length INTEGER NOT NULL,
  body_sha256 BLOB NOT NULL,
  betas TEXT NOT NULL,
  -- Null for an edit of version 2, which has the model of the request.
  model TEXT,
  at_most_batch_nano INTEGER,
  at_most_sync_nano INTEGER,
  UNIQUE (command_id, request_id)
) STRICT;

CREATE TABLE events (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at TEXT NOT NULL,
  actor TEXT NOT NULL,
  kind TEXT NOT NULL,
  batch_id INTEGER REFERENCES batches,
  subject TEXT,
  detail TEXT NOT NULL DEFAULT '{}'
) STRICT;
CREATE INDEX events_by_batch ON events (batch_id, id) WHERE batch_id IS NOT NULL;

CREATE TABLE orphans (
  remote_id TEXT PRIMARY KEY,
  verdict TEXT NOT NULL CHECK (verdict IN ('unknown', 'candidate', 'own', 'foreign', 'unresolved')),
  request_count INTEGER NOT NULL,
  remote_created_ts TEXT NOT NULL,
  seen_ts TEXT NOT NULL,
  failures INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- Fallback files that were imported: each once, and its key stays a name of the submission.
CREATE TABLE fallback_imports (
  key TEXT PRIMARY KEY,
  submission_id INTEGER NOT NULL REFERENCES submissions,
  imported_ts TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The _ts columns are for people; leases expire by the machine's monotonic clock (_at, seconds).
CREATE TABLE leases (
  name TEXT PRIMARY KEY,
  holder TEXT NOT NULL,
  acquired_ts TEXT NOT NULL,
  expires_ts TEXT NOT NULL,
  acquired_at REAL NOT NULL,
  expires_at REAL NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE holds (
  name TEXT PRIMARY KEY,
  since_ts TEXT NOT NULL,
  until_ts TEXT NOT NULL,
  reason TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Submissions that send one request of each common prefix (JSON) before the others.
CREATE TABLE primings (
  submission_id INTEGER PRIMARY KEY REFERENCES submissions,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'primed', 'unprimed')),
  prefixes TEXT NOT NULL,
  until_ts TEXT NOT NULL,
  gain_nano INTEGER
) STRICT;
CREATE INDEX primings_open ON primings (state, submission_id) WHERE gain_nano IS NULL;

-- Primed submissions that cost more than without a cache, until an operator resumes the workflow.
CREATE TABLE priming_losses (
  workflow TEXT PRIMARY KEY,
  losses INTEGER NOT NULL,
  lost_nano INTEGER NOT NULL,
  stopped_ts TEXT
) STRICT, WITHOUT ROWID;

-- Workflows whose batches are not sent until an operator resumes them.
CREATE TABLE pauses (
  workflow TEXT PRIMARY KEY,
  since_ts TEXT NOT NULL,
  who TEXT NOT NULL,
  reason TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE alerts (
  id INTEGER PRIMARY KEY,
  rule TEXT NOT NULL,
  subject TEXT NOT NULL,
  message TEXT NOT NULL,
  raised_ts TEXT NOT NULL,
  cleared_ts TEXT,
  notified_raised_ts TEXT,
  notified_cleared_ts TEXT,
  tries INTEGER NOT NULL DEFAULT 0,
  not_before_ts TEXT
) STRICT;
CREATE UNIQUE INDEX alerts_raised ON alerts (rule, subject) WHERE cleared_ts IS NULL;

-- The delivery hook of each delivered file: a command that is retried until it succeeds.
CREATE TABLE hook_runs (
  workflow TEXT NOT NULL,
  work_date TEXT NOT NULL,
  file TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('due', 'running', 'done', 'failed', 'none')),
  tries INTEGER NOT NULL DEFAULT 0,
  command TEXT,
  not_before_ts TEXT NOT NULL,
  started_ts TEXT,
  exit_code INTEGER,
  problem TEXT,
  PRIMARY KEY (workflow, work_date)
) STRICT, WITHOUT ROWID;
CREATE INDEX hook_runs_open ON hook_runs (state, not_before_ts)
  WHERE state NOT IN ('done', 'none');

CREATE TABLE polls (
  id INTEGER PRIMARY KEY,
  actor TEXT NOT NULL,
  started_ts TEXT NOT NULL,
  finished_ts TEXT,
  -- Why it failed; null where it ran through, also with problems.
  error TEXT,
  summary TEXT NOT NULL DEFAULT '{}'
) STRICT;

-- When the last complete listing of the API's batches began. A batch sent well before then has no
-- duplicate that the ledger does not know.
CREATE TABLE listings (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  started_ts TEXT NOT NULL
) STRICT;

CREATE TABLE mirrors (
  name TEXT PRIMARY KEY,
  position INTEGER NOT NULL,
  bytes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE daily_totals (
  day TEXT NOT NULL,
  workflow TEXT NOT NULL,
  model TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('batch', 'sync')),
  requests INTEGER NOT NULL,
  succeeded INTEGER NOT NULL,
  errored INTEGER NOT NULL,
  canceled INTEGER NOT NULL,
  expired INTEGER NOT NULL,
  missing INTEGER NOT NULL,
  input_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  cache_write_5m_tokens INTEGER NOT NULL,
  cache_write_1h_tokens INTEGER NOT NULL,
  cache_read_tokens INTEGER NOT NULL,
  web_searches INTEGER NOT NULL,
  fee_nano INTEGER NOT NULL,
  cost_nano INTEGER NOT NULL,
  sync_cost_nano INTEGER NOT NULL,
  duplicate_nano INTEGER NOT NULL,
  unpriced INTEGER NOT NULL,
  PRIMARY KEY (day, workflow, model, kind)
) STRICT, WITHOUT ROWID;
"""

# What version 5 added.
TOTALS = """
-- The sums of each collected batch, of which daily_totals has those by day.
CREATE TABLE batch_totals (
  batch_id INTEGER NOT NULL REFERENCES batches,
  model TEXT NOT NULL,
  requests INTEGER NOT NULL,
  succeeded INTEGER NOT NULL,
  errored INTEGER NOT NULL,
  canceled INTEGER NOT NULL,
  expired INTEGER NOT NULL,
  missing INTEGER NOT NULL,
  input_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  cache_write_5m_tokens INTEGER NOT NULL,
  cache_write_1h_tokens INTEGER NOT NULL,
  cache_read_tokens INTEGER NOT NULL,
  web_searches INTEGER NOT NULL,
  fee_nano INTEGER NOT NULL,
  cost_nano INTEGER NOT NULL,
  sync_cost_nano INTEGER NOT NULL,
  duplicate_nano INTEGER NOT NULL,
  unpriced INTEGER NOT NULL,
  PRIMARY KEY (batch_id, model)
) STRICT, WITHOUT ROWID;

-- The cached tokens of each collected batch, by what their price depends on; '' where unknown.
CREATE TABLE cache_totals (
  batch_id INTEGER NOT NULL REFERENCES batches,
  model TEXT NOT NULL,
  prompt_step INTEGER NOT NULL,
  inference_geo TEXT NOT NULL,
  service_tier TEXT NOT NULL,
  speed TEXT NOT NULL,
  answers INTEGER NOT NULL,
  cache_write_5m_tokens INTEGER NOT NULL,
  cache_write_1h_tokens INTEGER NOT NULL,
  cache_read_tokens INTEGER NOT NULL,
  PRIMARY KEY (batch_id, model, prompt_step, inference_geo, service_tier, speed)
) STRICT, WITHOUT ROWID;
"""

# What version 6 added.
OUTPUT = """
-- The JSON Schemas of structured output, each once. An edit without one has no structured output.
CREATE TABLE output_schemas (
  id INTEGER PRIMARY KEY,
  sha256 BLOB NOT NULL UNIQUE,
  schema TEXT NOT NULL
) STRICT;
ALTER TABLE requests ADD COLUMN schema_id INTEGER REFERENCES output_schemas;
ALTER TABLE edits ADD COLUMN schema_id INTEGER REFERENCES output_schemas;

-- The first reason why an answer does not match its schema; null where it matches or has none.
ALTER TABLE attempts ADD COLUMN invalid TEXT;
DROP INDEX attempts_for_review;
CREATE INDEX attempts_for_review ON attempts (batch_id, request_id) WHERE reviewed = 0
  AND (stop_reason IN ('refusal', 'max_tokens', 'pause_turn', 'model_context_window_exceeded')
  OR invalid IS NOT NULL);

-- How often polls ask again for an answer that is invalid, paused or cut off. A submission of an
-- earlier version, and one that was rebuilt, is not asked again.
ALTER TABLE submissions ADD COLUMN reask INTEGER NOT NULL DEFAULT 0;
ALTER TABLE submissions ADD COLUMN continue_turns INTEGER NOT NULL DEFAULT 0;
ALTER TABLE submissions ADD COLUMN on_max_tokens TEXT NOT NULL DEFAULT 'review'
  CHECK (on_max_tokens IN ('review', 'raise'));
CREATE INDEX commands_failed ON commands (id) WHERE state = 'failed';
"""

# What version 7 added.
PEAKS = """
-- The highest sums that a corrected batch has had: counters of a monitoring system never go down.
CREATE TABLE peak_totals (
  batch_id INTEGER NOT NULL REFERENCES batches,
  model TEXT NOT NULL,
  succeeded INTEGER NOT NULL,
  errored INTEGER NOT NULL,
  canceled INTEGER NOT NULL,
  expired INTEGER NOT NULL,
  missing INTEGER NOT NULL,
  input_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  cache_write_5m_tokens INTEGER NOT NULL,
  cache_write_1h_tokens INTEGER NOT NULL,
  cache_read_tokens INTEGER NOT NULL,
  fee_nano INTEGER NOT NULL,
  cost_nano INTEGER NOT NULL,
  sync_cost_nano INTEGER NOT NULL,
  duplicate_nano INTEGER NOT NULL,
  PRIMARY KEY (batch_id, model)
) STRICT, WITHOUT ROWID;
"""

# What version 8 added.
SILENCES = """
-- Alerts that an operator has seen: `until_ts` is null for one that is acknowledged until it is
-- cleared, else it is muted until then, also if it is cleared and raised again.
CREATE TABLE alert_silences (
  rule TEXT NOT NULL,
  subject TEXT NOT NULL,
  until_ts TEXT,
  who TEXT NOT NULL,
  since_ts TEXT NOT NULL,
  PRIMARY KEY (rule, subject)
) STRICT, WITHOUT ROWID;
"""

# What version 9 added.
LANES = """
-- Where its batches are sent.
ALTER TABLE submissions ADD COLUMN lane TEXT NOT NULL DEFAULT 'anthropic';
CREATE INDEX submissions_of_lanes ON submissions (lane) WHERE lane <> 'anthropic';
CREATE INDEX batches_of_lanes ON batches (lane) WHERE lane <> 'anthropic' AND lane <> 'recorded';

-- One API may list a batch in two lanes.
ALTER TABLE orphans RENAME TO orphans_of_one_lane;
CREATE TABLE orphans (
  lane TEXT NOT NULL,
  remote_id TEXT NOT NULL,
  verdict TEXT NOT NULL CHECK (verdict IN ('unknown', 'candidate', 'own', 'foreign', 'unresolved')),
  request_count INTEGER NOT NULL,
  remote_created_ts TEXT NOT NULL,
  seen_ts TEXT NOT NULL,
  failures INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (remote_id, lane)
) STRICT, WITHOUT ROWID;
INSERT INTO orphans (lane, remote_id, verdict, request_count, remote_created_ts, seen_ts, failures)
  SELECT 'anthropic', remote_id, verdict, request_count, remote_created_ts, seen_ts, failures
  FROM orphans_of_one_lane;
DROP TABLE orphans_of_one_lane;

ALTER TABLE holds RENAME TO holds_of_one_lane;
CREATE TABLE holds (
  lane TEXT NOT NULL,
  name TEXT NOT NULL,
  since_ts TEXT NOT NULL,
  until_ts TEXT NOT NULL,
  reason TEXT NOT NULL,
  PRIMARY KEY (lane, name)
) STRICT, WITHOUT ROWID;
INSERT INTO holds (lane, name, since_ts, until_ts, reason)
  SELECT 'anthropic', name, since_ts, until_ts, reason FROM holds_of_one_lane;
DROP TABLE holds_of_one_lane;

-- When the last complete listing of a lane's batches began. A batch sent well before then has no
-- duplicate that the ledger does not know.
ALTER TABLE listings RENAME TO listings_of_one_lane;
CREATE TABLE listings (
  lane TEXT PRIMARY KEY,
  started_ts TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO listings (lane, started_ts) SELECT 'anthropic', started_ts FROM listings_of_one_lane;
DROP TABLE listings_of_one_lane;
"""

# Version 10.
FENCES = """
-- `epoch` grows with each holder, whose writes check that it is still theirs. `lock_id` names the
-- lock that the holder keeps while it lives: a file of one host.
ALTER TABLE leases ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;
ALTER TABLE leases ADD COLUMN lock_id TEXT NOT NULL DEFAULT '';
"""

# Version 11.
HOSTS = """
-- Where several hosts share the ledger: the one whose polls deliver it; '' for any.
ALTER TABLE submissions ADD COLUMN host TEXT NOT NULL DEFAULT '';

-- Each host delivers files of its own, and runs their hooks.
ALTER TABLE hook_runs RENAME TO hook_runs_of_one_host;
CREATE TABLE hook_runs (
  workflow TEXT NOT NULL,
  work_date TEXT NOT NULL,
  host TEXT NOT NULL,
  file TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('due', 'running', 'done', 'failed', 'none')),
  tries INTEGER NOT NULL DEFAULT 0,
  command TEXT,
  not_before_ts TEXT NOT NULL,
  started_ts TEXT,
  exit_code INTEGER,
  problem TEXT,
  PRIMARY KEY (workflow, work_date, host)
) STRICT, WITHOUT ROWID;
INSERT INTO hook_runs (workflow, work_date, host, file, state, tries, command, not_before_ts,
  started_ts, exit_code, problem)
  SELECT workflow, work_date, '', file, state, tries, command, not_before_ts, started_ts, exit_code,
  problem FROM hook_runs_of_one_host;
DROP TABLE hook_runs_of_one_host;
CREATE INDEX hook_runs_open ON hook_runs (state, not_before_ts)
  WHERE state NOT IN ('done', 'none');

-- Each host's TITAN_HOME, and a checksum of each table of its titan.toml about money, as JSON.
CREATE TABLE hosts (
  name TEXT PRIMARY KEY,
  home TEXT NOT NULL,
  rules TEXT NOT NULL,
  seen_ts TEXT NOT NULL
) STRICT, WITHOUT ROWID;
"""

# A row never returns to an earlier status, so that one row is at most one POST.
BATCH_TRANSITIONS = {
    "queued": ("sending", "not_sent", "rejected"),
    "sending": ("unconfirmed", "not_sent", "rejected", "in_progress"),
    "unconfirmed": ("not_sent", "in_progress"),
    "in_progress": ("canceling", "ended"),
    "canceling": ("ended",),
}
COLLECTION_TRANSITIONS = {
    "not_ready": ("pending",),
    "pending": ("collected", "results_expired", "deleted"),
    # A batch that was written off is at the API after all.
    "deleted": ("pending",),
}
_PRIMING_TRANSITIONS = {"waiting": ("primed", "unprimed")}
_COMMAND_TRANSITIONS = {
    "pending": ("running", "withdrawn"),
    "running": ("done", "failed"),
}


_IS_EDITED = is_not("NEW.edit_id", "OLD.edit_id")


def _guard(table: str, column: str, transitions: dict[str, tuple[str, ...]]) -> str:
    allowed = "\n    OR ".join(
        f"(OLD.{column} = '{old}' AND NEW.{column} IN ({', '.join(repr(new) for new in news)}))"
        for old, news in transitions.items()
    )
    return f"""
CREATE TRIGGER {table}_{column}_transitions BEFORE UPDATE OF {column} ON {table}
WHEN NEW.{column} <> OLD.{column} AND NOT (
    {allowed})
BEGIN SELECT RAISE(ABORT, 'illegal transition of {table}.{column}'); END;
"""


TRIGGERS = (
    _guard("batches", "status", BATCH_TRANSITIONS)
    + _guard("batches", "collection", COLLECTION_TRANSITIONS)
    + _guard("primings", "state", _PRIMING_TRANSITIONS)
    + _guard("commands", "state", _COMMAND_TRANSITIONS)
    + f"""
CREATE TRIGGER batches_remote_id_is_final BEFORE UPDATE OF remote_id ON batches
WHEN OLD.remote_id IS NOT NULL AND {is_not("NEW.remote_id", "OLD.remote_id")}
BEGIN SELECT RAISE(ABORT, 'illegal transition: batches.remote_id is final'); END;

CREATE TRIGGER batches_are_kept BEFORE DELETE ON batches
BEGIN SELECT RAISE(ABORT, 'illegal transition: batches are never deleted'); END;

CREATE TRIGGER attempts_outcome_is_final BEFORE UPDATE OF outcome ON attempts
WHEN OLD.outcome IS NOT NULL AND {is_not("NEW.outcome", "OLD.outcome")} AND OLD.outcome <> 'missing'
BEGIN SELECT RAISE(ABORT, 'illegal transition: attempts.outcome is final'); END;

CREATE TRIGGER requests_success_is_final BEFORE UPDATE OF status ON requests
WHEN OLD.status = 'succeeded' AND NEW.status <> 'succeeded'
  -- A replay with an edited body asks again; the earlier answer stays as an attempt.
  AND NOT (NEW.status = 'queued' AND {_IS_EDITED} AND NEW.settled_by IS NULL)
BEGIN SELECT RAISE(ABORT, 'illegal transition: a request that succeeded is final'); END;

CREATE TRIGGER events_are_never_changed BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'illegal transition: events are append-only'); END;

CREATE TRIGGER events_are_never_deleted BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'illegal transition: events are append-only'); END;
"""
)
