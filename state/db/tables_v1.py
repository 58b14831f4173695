"""The tables and triggers of version 1 (commit b7ae06f), frozen: only migrations read them."""

TABLES = """
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
  pruned_ts TEXT,
  rev INTEGER NOT NULL
) STRICT;
CREATE INDEX submissions_by_tag ON submissions (tag, id);
CREATE INDEX submissions_undelivered ON submissions (id) WHERE delivered_ts IS NULL;
CREATE INDEX submissions_by_delivery ON submissions (workflow, work_date);

CREATE TABLE requests (
  id INTEGER PRIMARY KEY,
  tag TEXT NOT NULL,
  custom_id TEXT NOT NULL,
  submission_id INTEGER NOT NULL REFERENCES submissions,
  status TEXT NOT NULL CHECK (status IN (
    'waiting', 'live', 'succeeded', 'errored', 'canceled', 'expired', 'missing', 'given_up')),
  betas TEXT NOT NULL DEFAULT '',
  spool_file TEXT NOT NULL,
  body_offset INTEGER NOT NULL,
  body_length INTEGER NOT NULL,
  body_sha256 BLOB NOT NULL,
  edit_id INTEGER REFERENCES edits,
  settled_by INTEGER REFERENCES batches,
  UNIQUE (tag, custom_id)
) STRICT;
CREATE INDEX requests_by_submission ON requests (submission_id, id);
CREATE INDEX requests_to_do ON requests (status, id) WHERE status NOT IN ('live', 'succeeded');

CREATE TABLE bookings (
  submission_id INTEGER PRIMARY KEY REFERENCES submissions,
  estimate_nano INTEGER NOT NULL
) STRICT;
CREATE INDEX submissions_by_created ON submissions (created_ts);

CREATE TABLE batches (
  id INTEGER PRIMARY KEY,
  key TEXT NOT NULL UNIQUE,
  nonce TEXT NOT NULL,
  account TEXT,
  submission_id INTEGER REFERENCES submissions,
  twin_of INTEGER REFERENCES batches,
  tag TEXT NOT NULL,
  workflow TEXT NOT NULL,
  model TEXT NOT NULL,
  lane TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('batch', 'sync')),
  status TEXT NOT NULL CHECK (status IN (
    'intent', 'sending', 'uncertain', 'released', 'refused', 'in_progress', 'canceling', 'ended')),
  collection TEXT NOT NULL DEFAULT 'not_ready'
    CHECK (collection IN ('not_ready', 'pending', 'collected', 'gone')),
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
  fence_id TEXT,
  fence_ts TEXT,
  owner TEXT,
  created_ts TEXT NOT NULL,
  sent_ts TEXT,
  accepted_ts TEXT,
  ended_ts TEXT,
  collected_ts TEXT,
  expires_ts TEXT,
  cancel_ts TEXT,
  deadline_ts TEXT,
  next_look_ts TEXT,
  failures INTEGER NOT NULL DEFAULT 0,
  collect_tries INTEGER NOT NULL DEFAULT 0,
  last_error TEXT,
  results_bytes INTEGER NOT NULL DEFAULT 0,
  cost_nano INTEGER,
  sync_cost_nano INTEGER,
  unpriced INTEGER NOT NULL DEFAULT 0,
  surplus_nano INTEGER NOT NULL DEFAULT 0,
  rev INTEGER NOT NULL
) STRICT;
-- A surplus twin is the same POST met twice at the API, so it alone may carry the nonce again.
CREATE UNIQUE INDEX batches_by_nonce ON batches (nonce) WHERE twin_of IS NULL;
CREATE INDEX batches_open ON batches (id)
  WHERE status NOT IN ('released', 'refused', 'ended') OR collection = 'pending';
CREATE INDEX batches_by_submission ON batches (submission_id);
CREATE INDEX batches_by_rev ON batches (rev);
CREATE INDEX batches_by_ended ON batches (ended_ts);

CREATE TABLE attempts (
  batch_id INTEGER NOT NULL REFERENCES batches,
  request_id INTEGER NOT NULL REFERENCES requests,
  live INTEGER NOT NULL CHECK (live IN (0, 1)),
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
  cost_nano INTEGER,
  sync_cost_nano INTEGER,
  surplus INTEGER NOT NULL DEFAULT 0 CHECK (surplus IN (0, 1)),
  reviewed INTEGER NOT NULL DEFAULT 0 CHECK (reviewed IN (0, 1)),
  result_offset INTEGER,
  result_length INTEGER,
  PRIMARY KEY (batch_id, request_id),
  CHECK (live = 0 OR outcome IS NULL)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX one_live_attempt ON attempts (request_id) WHERE live = 1;
CREATE INDEX attempts_by_request ON attempts (request_id);
-- Answers that may be of no use, few among millions: `state.reviews` asks in these words.
CREATE INDEX attempts_for_review ON attempts (batch_id, request_id) WHERE reviewed = 0
  AND stop_reason IN ('refusal', 'max_tokens', 'pause_turn', 'model_context_window_exceeded');

CREATE TABLE commands (
  id INTEGER PRIMARY KEY,
  key TEXT NOT NULL UNIQUE,
  verb TEXT NOT NULL CHECK (verb IN (
    'replay', 'cancel', 'sync', 'acknowledge', 'pause', 'resume')),
  state TEXT NOT NULL CHECK (state IN ('pending', 'taken', 'done', 'failed', 'withdrawn')),
  digest BLOB NOT NULL,
  who TEXT NOT NULL,
  reason TEXT NOT NULL,
  item_count INTEGER NOT NULL CHECK (item_count > 0),
  options TEXT NOT NULL,
  step INTEGER NOT NULL DEFAULT 0,
  created_ts TEXT NOT NULL,
  not_before_ts TEXT NOT NULL,
  taken_ts TEXT,
  ended_ts TEXT,
  outcome TEXT,
  rev INTEGER NOT NULL
) STRICT;
-- The same thing asked for twice, by two consoles, is done once.
CREATE UNIQUE INDEX commands_once ON commands (digest) WHERE state IN ('pending', 'taken');
CREATE INDEX commands_open ON commands (id) WHERE state IN ('pending', 'taken');

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
  verdict TEXT NOT NULL CHECK (verdict IN ('unknown', 'suspect', 'ours', 'foreign', 'gone')),
  request_count INTEGER NOT NULL,
  remote_created_ts TEXT NOT NULL,
  seen_ts TEXT NOT NULL,
  failures INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- Which rescue files are in, and as what: a file is taken in once, and its key stays a name.
CREATE TABLE rescues (
  key TEXT PRIMARY KEY,
  submission_id INTEGER NOT NULL REFERENCES submissions,
  imported_ts TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The times of day are for people; the seconds since the machine's start are what counts.
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

-- Nothing of these workflows is sent until an operator resumes them.
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
  told_raised_ts TEXT,
  told_cleared_ts TEXT
) STRICT;
CREATE UNIQUE INDEX alerts_raised ON alerts (rule, subject) WHERE cleared_ts IS NULL;

-- What follows the delivery of a file: the command of its job, tried until it succeeds.
CREATE TABLE settled_runs (
  workflow TEXT NOT NULL,
  work_date TEXT NOT NULL,
  file TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('due', 'running', 'done', 'failed', 'none')),
  tries INTEGER NOT NULL DEFAULT 0,
  command TEXT,
  not_before_ts TEXT NOT NULL,
  started_ts TEXT,
  exit_code INTEGER,
  trouble TEXT,
  PRIMARY KEY (workflow, work_date)
) STRICT, WITHOUT ROWID;
CREATE INDEX settled_runs_open ON settled_runs (state, not_before_ts)
  WHERE state NOT IN ('done', 'none');

CREATE TABLE passes (
  id INTEGER PRIMARY KEY,
  actor TEXT NOT NULL,
  started_ts TEXT NOT NULL,
  finished_ts TEXT,
  summary TEXT NOT NULL DEFAULT '{}'
) STRICT;

-- When the last complete reading of the API's list began: what had long been sent by then has
-- no batch that the ledger does not know.
CREATE TABLE listings (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  began_ts TEXT NOT NULL
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
  cost_nano INTEGER NOT NULL,
  sync_cost_nano INTEGER NOT NULL,
  surplus_nano INTEGER NOT NULL,
  unpriced INTEGER NOT NULL,
  PRIMARY KEY (day, workflow, model, kind)
) STRICT, WITHOUT ROWID;
"""

TRIGGERS = """
CREATE TRIGGER batches_status_moves BEFORE UPDATE OF status ON batches
WHEN NEW.status <> OLD.status
  AND NOT (
    (OLD.status = 'intent' AND NEW.status IN ('sending', 'released', 'refused'))
    OR (OLD.status = 'sending'
      AND NEW.status IN ('uncertain', 'released', 'refused', 'in_progress'))
    OR (OLD.status = 'uncertain' AND NEW.status IN ('released', 'in_progress'))
    OR (OLD.status = 'in_progress' AND NEW.status IN ('canceling', 'ended'))
    OR (OLD.status = 'canceling' AND NEW.status IN ('ended'))
  )
BEGIN SELECT RAISE(ABORT, 'illegal move in batches: its status may not go there'); END;

CREATE TRIGGER batches_collection_moves BEFORE UPDATE OF collection ON batches
WHEN NEW.collection <> OLD.collection
  AND NOT (
    (OLD.collection = 'not_ready' AND NEW.collection IN ('pending'))
    OR (OLD.collection = 'pending' AND NEW.collection IN ('collected', 'gone'))
  )
BEGIN SELECT RAISE(ABORT, 'illegal move in batches: its collection may not go there'); END;

CREATE TRIGGER commands_state_moves BEFORE UPDATE OF state ON commands
WHEN NEW.state <> OLD.state
  AND NOT (
    (OLD.state = 'pending' AND NEW.state IN ('taken', 'withdrawn'))
    OR (OLD.state = 'taken' AND NEW.state IN ('done', 'failed'))
  )
BEGIN SELECT RAISE(ABORT, 'illegal move in commands: its state may not go there'); END;

CREATE TRIGGER batches_remote_id_is_final BEFORE UPDATE OF remote_id ON batches
WHEN OLD.remote_id IS NOT NULL AND NEW.remote_id IS NOT OLD.remote_id
BEGIN SELECT RAISE(ABORT, 'illegal move of a batch: its remote id is final'); END;

CREATE TRIGGER batches_stay BEFORE DELETE ON batches
BEGIN SELECT RAISE(ABORT, 'illegal move: batches are history and stay'); END;

CREATE TRIGGER attempts_outcome_is_final BEFORE UPDATE OF outcome ON attempts
WHEN OLD.outcome IS NOT NULL AND NEW.outcome IS NOT OLD.outcome AND OLD.outcome <> 'missing'
BEGIN SELECT RAISE(ABORT, 'illegal move of an attempt: its outcome is final'); END;

CREATE TRIGGER requests_success_is_final BEFORE UPDATE OF status ON requests
WHEN OLD.status = 'succeeded' AND NEW.status <> 'succeeded'
  -- An operator may ask again with another body; the answer that there is stays an attempt.
  AND NOT (NEW.status = 'waiting' AND NEW.edit_id IS NOT OLD.edit_id AND NEW.settled_by IS NULL)
BEGIN SELECT RAISE(ABORT, 'illegal move of a request: it has succeeded'); END;

CREATE TRIGGER events_are_never_changed BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'illegal move: the event log is append-only'); END;

CREATE TRIGGER events_are_never_deleted BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'illegal move: the event log is append-only'); END;
"""
