-- The ledger of ledger_v1.sql, migrated by the code that published version 2.
PRAGMA application_id = 1414091854;
PRAGMA user_version = 2;
PRAGMA auto_vacuum = INCREMENTAL;
BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'titan','m001_first_tables','2026-11-28 11:52:55.969458+00:00');
INSERT INTO "_sqlite_migrations" VALUES(2,'titan','m002_standard_terms','2026-11-28 18:04:54.099709+00:00');
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
INSERT INTO "alerts" VALUES(1,'errors','feed','3 failed','2026-11-20T06:42:00.000Z','2026-11-20T06:42:00.000Z','2026-11-20T06:42:00.000Z','2026-11-20T06:42:00.000Z',0,NULL);
INSERT INTO "alerts" VALUES(2,'late','news','very late','2026-11-20T06:42:00.000Z',NULL,NULL,NULL,0,NULL);
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
  cost_nano INTEGER,
  sync_cost_nano INTEGER,
  duplicate INTEGER NOT NULL DEFAULT 0 CHECK (duplicate IN (0, 1)),
  reviewed INTEGER NOT NULL DEFAULT 0 CHECK (reviewed IN (0, 1)),
  result_offset INTEGER,
  result_length INTEGER,
  PRIMARY KEY (batch_id, request_id),
  CHECK (active = 0 OR outcome IS NULL)
) STRICT, WITHOUT ROWID;
INSERT INTO "attempts" VALUES(1,1,0,NULL,'missing',NULL,NULL,NULL,NULL,0,0,0,0,0,0,0,0,0,NULL,NULL);
INSERT INTO "attempts" VALUES(1,2,0,NULL,'missing',NULL,NULL,NULL,NULL,0,0,0,0,0,0,0,0,0,NULL,NULL);
INSERT INTO "attempts" VALUES(2,3,0,NULL,'missing',NULL,NULL,NULL,NULL,0,0,0,0,0,0,0,0,0,NULL,NULL);
INSERT INTO "attempts" VALUES(3,4,0,NULL,'errored','overloaded_error','Overloaded',NULL,NULL,0,0,0,0,0,0,0,0,0,0,0);
INSERT INTO "attempts" VALUES(3,5,0,NULL,'succeeded',NULL,NULL,'end_turn','claude-haiku-4-5',900,80,0,0,0,10000000,20000000,0,0,0,0);
INSERT INTO "attempts" VALUES(3,6,0,NULL,'succeeded',NULL,NULL,'end_turn','claude-haiku-4-5',900,80,0,0,0,10000000,20000000,0,0,0,0);
INSERT INTO "attempts" VALUES(4,7,0,NULL,'succeeded',NULL,NULL,'end_turn','claude-haiku-4-5',900,80,0,0,0,10000000,20000000,0,0,0,0);
INSERT INTO "attempts" VALUES(4,8,0,NULL,'succeeded',NULL,NULL,'end_turn','claude-haiku-4-5',900,80,0,0,0,10000000,20000000,0,0,0,0);
INSERT INTO "attempts" VALUES(5,9,0,NULL,'succeeded',NULL,NULL,'max_tokens','claude-haiku-4-5',900,80,0,0,0,10000000,20000000,0,0,0,0);
INSERT INTO "attempts" VALUES(6,10,0,NULL,'succeeded',NULL,NULL,'refusal','claude-haiku-4-5',900,80,0,0,0,10000000,20000000,0,1,0,0);
INSERT INTO "attempts" VALUES(7,11,0,NULL,'succeeded',NULL,NULL,'end_turn','claude-haiku-4-5',900,80,0,0,0,NULL,NULL,0,0,0,0);
INSERT INTO "attempts" VALUES(8,12,0,NULL,'succeeded',NULL,NULL,'end_turn','claude-haiku-4-5',100,7,50,1000,9000,1234567,2469134,0,0,0,0);
INSERT INTO "attempts" VALUES(9,13,0,NULL,'expired','expired','the batch ended before this request ran',NULL,NULL,0,0,0,0,0,0,0,0,0,0,0);
INSERT INTO "attempts" VALUES(9,14,0,NULL,'expired','expired','the batch ended before this request ran',NULL,NULL,0,0,0,0,0,0,0,0,0,0,0);
INSERT INTO "attempts" VALUES(9,15,0,NULL,'canceled','canceled','canceled',NULL,NULL,0,0,0,0,0,0,0,0,0,0,0);
INSERT INTO "attempts" VALUES(10,16,0,NULL,'errored','invalid_request_error','max_tokens: must be at least 1',NULL,NULL,0,0,0,0,0,0,0,0,0,NULL,NULL);
INSERT INTO "attempts" VALUES(10,17,0,NULL,'errored','invalid_request_error','max_tokens: must be at least 1',NULL,NULL,0,0,0,0,0,0,0,0,0,NULL,NULL);
INSERT INTO "attempts" VALUES(11,18,0,NULL,'succeeded',NULL,NULL,'end_turn','claude-haiku-4-5',900,80,0,0,0,10000000,20000000,0,0,10,20);
INSERT INTO "attempts" VALUES(11,19,1,NULL,NULL,NULL,NULL,NULL,NULL,0,0,0,0,0,NULL,NULL,0,0,NULL,NULL);
INSERT INTO "attempts" VALUES(12,20,1,NULL,NULL,NULL,NULL,NULL,NULL,0,0,0,0,0,NULL,NULL,0,0,NULL,NULL);
INSERT INTO "attempts" VALUES(12,21,1,NULL,NULL,NULL,NULL,NULL,NULL,0,0,0,0,0,NULL,NULL,0,0,NULL,NULL);
INSERT INTO "attempts" VALUES(13,22,0,NULL,'succeeded',NULL,NULL,'end_turn','claude-haiku-4-5',900,80,0,0,0,10000000,20000000,0,0,0,0);
INSERT INTO "attempts" VALUES(14,4,0,NULL,'errored','overloaded_error','Overloaded',NULL,NULL,0,0,0,0,0,0,0,0,0,0,0);
INSERT INTO "attempts" VALUES(14,5,0,NULL,'succeeded',NULL,NULL,'end_turn','claude-haiku-4-5',900,80,0,0,0,10000000,0,1,0,0,0);
INSERT INTO "attempts" VALUES(14,6,0,NULL,'succeeded',NULL,NULL,'end_turn','claude-haiku-4-5',900,80,0,0,0,10000000,0,1,0,0,0);
INSERT INTO "attempts" VALUES(15,23,0,NULL,NULL,NULL,NULL,NULL,NULL,0,0,0,0,0,NULL,NULL,0,0,NULL,NULL);
INSERT INTO "attempts" VALUES(15,24,0,NULL,NULL,NULL,NULL,NULL,NULL,0,0,0,0,0,NULL,NULL,0,0,NULL,NULL);
INSERT INTO "attempts" VALUES(16,23,0,NULL,'succeeded',NULL,NULL,'end_turn','claude-haiku-4-5',900,80,0,0,0,20000000,20000000,0,0,0,20);
INSERT INTO "attempts" VALUES(17,25,0,NULL,'succeeded',NULL,NULL,NULL,'claude-haiku-4-5',900,80,0,0,0,10000000,10000000,0,0,NULL,NULL);
INSERT INTO "attempts" VALUES(18,26,1,NULL,NULL,NULL,NULL,NULL,NULL,0,0,0,0,0,NULL,NULL,0,0,NULL,NULL);
INSERT INTO "attempts" VALUES(19,27,1,NULL,NULL,NULL,NULL,NULL,NULL,0,0,0,0,0,NULL,NULL,0,0,NULL,NULL);
INSERT INTO "attempts" VALUES(20,29,0,NULL,NULL,NULL,NULL,NULL,NULL,0,0,0,0,0,NULL,NULL,0,0,NULL,NULL);
INSERT INTO "attempts" VALUES(20,30,0,NULL,NULL,NULL,NULL,NULL,NULL,0,0,0,0,0,NULL,NULL,0,0,NULL,NULL);
INSERT INTO "attempts" VALUES(21,29,1,NULL,NULL,NULL,NULL,NULL,NULL,0,0,0,0,0,NULL,NULL,0,0,NULL,NULL);
INSERT INTO "attempts" VALUES(22,30,1,NULL,NULL,NULL,NULL,NULL,NULL,0,0,0,0,0,NULL,NULL,0,0,NULL,NULL);
INSERT INTO "attempts" VALUES(23,31,0,NULL,'errored','invalid_request_error','requests.0: bad',NULL,NULL,0,0,0,0,0,0,0,0,0,NULL,NULL);
INSERT INTO "attempts" VALUES(23,32,0,NULL,NULL,NULL,NULL,NULL,NULL,0,0,0,0,0,NULL,NULL,0,0,NULL,NULL);
INSERT INTO "attempts" VALUES(24,32,1,NULL,NULL,NULL,NULL,NULL,NULL,0,0,0,0,0,NULL,NULL,0,0,NULL,NULL);
INSERT INTO "attempts" VALUES(25,33,0,NULL,'canceled',NULL,NULL,NULL,NULL,0,0,0,0,0,0,0,0,0,NULL,NULL);
INSERT INTO "attempts" VALUES(26,34,1,NULL,NULL,NULL,NULL,NULL,NULL,0,0,0,0,0,NULL,NULL,0,0,NULL,NULL);
INSERT INTO "attempts" VALUES(26,35,1,NULL,NULL,NULL,NULL,NULL,NULL,0,0,0,0,0,NULL,NULL,0,0,NULL,NULL);
INSERT INTO "attempts" VALUES(27,36,0,NULL,NULL,NULL,NULL,NULL,NULL,0,0,0,0,0,NULL,NULL,0,0,NULL,NULL);
INSERT INTO "attempts" VALUES(27,37,1,NULL,NULL,NULL,NULL,NULL,NULL,0,0,0,0,0,NULL,NULL,0,0,NULL,NULL);
INSERT INTO "attempts" VALUES(28,38,1,NULL,NULL,NULL,NULL,NULL,NULL,0,0,0,0,0,NULL,NULL,0,0,NULL,NULL);
INSERT INTO "attempts" VALUES(29,39,0,NULL,NULL,NULL,NULL,NULL,NULL,0,0,0,0,0,NULL,NULL,0,0,NULL,NULL);
INSERT INTO "attempts" VALUES(30,40,0,NULL,NULL,NULL,NULL,NULL,NULL,0,0,0,0,0,NULL,NULL,0,0,NULL,NULL);
INSERT INTO "attempts" VALUES(31,41,1,NULL,NULL,NULL,NULL,NULL,NULL,0,0,0,0,0,NULL,NULL,0,0,NULL,NULL);
INSERT INTO "attempts" VALUES(31,42,1,NULL,NULL,NULL,NULL,NULL,NULL,0,0,0,0,0,NULL,NULL,0,0,NULL,NULL);
INSERT INTO "attempts" VALUES(32,43,1,NULL,NULL,NULL,NULL,NULL,NULL,0,0,0,0,0,NULL,NULL,0,0,NULL,NULL);
INSERT INTO "attempts" VALUES(33,44,1,NULL,NULL,NULL,NULL,NULL,NULL,0,0,0,0,0,NULL,NULL,0,0,NULL,NULL);
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
  duplicate_nano INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO "batches" VALUES(1,'tb-0001-k3x9','m9s346q3','org',NULL,1,NULL,'gone-1','archive','claude-haiku-4-5','anthropic','batch','ended','results_expired','msgbatch_01tb-0001-k3x9','response',2,0,0,0,0,0,220,'','',NULL,'test','2026-10-13T06:00:00.000Z','2026-10-13T06:00:00.000Z','2026-10-13T06:00:00.000Z','2026-10-13T06:00:00.000Z','2026-11-20T06:00:00.000Z','2026-10-14T06:00:00.000Z',NULL,0,NULL,NULL,NULL,NULL,0,1,'The API keeps results for 29 days, and these were not fetched in time.',0,0,0,0,0);
INSERT INTO "batches" VALUES(2,'tb-0002-k3x9','d25vt4f5','org',NULL,2,NULL,'gone-2','archive','claude-haiku-4-5','anthropic','batch','ended','deleted','msgbatch_01tb-0002-k3x9','response',1,0,0,0,0,0,110,'','',NULL,'test','2026-11-20T06:00:00.000Z','2026-11-20T06:00:00.000Z','2026-11-20T06:00:00.000Z','2026-11-20T06:00:00.000Z','2026-11-20T06:07:00.000Z','2026-11-21T06:00:00.000Z',NULL,0,NULL,NULL,NULL,NULL,0,1,'deleted',0,0,0,0,0);
INSERT INTO "batches" VALUES(3,'tb-0003-k3x9','v37e3s3e','org',NULL,3,NULL,'feed-2026-04-30','feed','claude-haiku-4-5','anthropic','batch','ended','collected','msgbatch_01tb-0003-k3x9','response',3,0,2,1,0,0,330,'','',NULL,'test','2026-11-20T06:14:00.000Z','2026-11-20T06:14:00.000Z','2026-11-20T06:14:00.000Z','2026-11-20T06:14:00.000Z','2026-11-20T06:14:00.000Z','2026-11-21T06:14:00.000Z',NULL,0,NULL,NULL,NULL,NULL,0,1,NULL,1000,20000000,40000000,0,0);
INSERT INTO "batches" VALUES(4,'tb-0004-k3x9','28jt97kb','org',NULL,4,NULL,'news-2026-04-30','news','claude-haiku-4-5','anthropic','batch','ended','collected','msgbatch_01tb-0004-k3x9','response',2,0,2,0,0,0,220,'','',NULL,'test','2026-11-20T06:21:00.000Z','2026-11-20T06:21:00.000Z','2026-11-20T06:21:00.000Z','2026-11-20T06:21:00.000Z','2026-11-20T06:21:00.000Z','2026-11-21T06:21:00.000Z',NULL,0,NULL,NULL,NULL,NULL,0,1,NULL,1000,20000000,40000000,0,0);
INSERT INTO "batches" VALUES(5,'tb-0005-k3x9','6cq643dz','org',NULL,5,NULL,'cut-off','feed','claude-haiku-4-5','anthropic','batch','ended','collected','msgbatch_01tb-0005-k3x9','response',1,0,1,0,0,0,110,'','',NULL,'test','2026-11-20T06:28:00.000Z','2026-11-20T06:28:00.000Z','2026-11-20T06:28:00.000Z','2026-11-20T06:28:00.000Z','2026-11-20T06:28:00.000Z','2026-11-21T06:28:00.000Z',NULL,0,NULL,NULL,NULL,NULL,0,1,NULL,1000,10000000,20000000,0,0);
INSERT INTO "batches" VALUES(6,'tb-0006-k3x9','vmxxqkfb','org',NULL,6,NULL,'refusal','feed','claude-haiku-4-5','anthropic','batch','ended','collected','msgbatch_01tb-0006-k3x9','response',1,0,1,0,0,0,110,'','',NULL,'test','2026-11-20T06:28:00.000Z','2026-11-20T06:28:00.000Z','2026-11-20T06:28:00.000Z','2026-11-20T06:28:00.000Z','2026-11-20T06:28:00.000Z','2026-11-21T06:28:00.000Z',NULL,0,NULL,NULL,NULL,NULL,0,1,NULL,1000,10000000,20000000,0,0);
INSERT INTO "batches" VALUES(7,'tb-0007-k3x9','f5kznwj4','org',NULL,7,NULL,'unpriced','odd','claude-haiku-4-5','anthropic','batch','ended','collected','msgbatch_01tb-0007-k3x9','response',1,0,1,0,0,0,110,'','',NULL,'test','2026-11-20T06:28:00.000Z','2026-11-20T06:28:00.000Z','2026-11-20T06:28:00.000Z','2026-11-20T06:28:00.000Z','2026-11-20T06:28:00.000Z','2026-11-21T06:28:00.000Z',NULL,0,NULL,NULL,NULL,NULL,0,1,NULL,1000,0,0,1,0);
INSERT INTO "batches" VALUES(8,'tb-0008-k3x9','7tan9zt2','org',NULL,8,NULL,'cached','feed','claude-haiku-4-5','anthropic','batch','ended','collected','msgbatch_01tb-0008-k3x9','response',1,0,1,0,0,0,110,'','',NULL,'test','2026-11-20T06:28:00.000Z','2026-11-20T06:28:00.000Z','2026-11-20T06:28:00.000Z','2026-11-20T06:28:00.000Z','2026-11-20T06:28:00.000Z','2026-11-21T06:28:00.000Z',NULL,0,NULL,NULL,NULL,NULL,0,1,NULL,1000,1234567,2469134,0,0);
INSERT INTO "batches" VALUES(9,'tb-0009-k3x9','4mnpzx45','org',NULL,9,NULL,'expired','feed','claude-haiku-4-5','anthropic','batch','ended','collected','msgbatch_01tb-0009-k3x9','response',3,0,0,0,1,2,330,'','',NULL,'test','2026-11-20T06:28:00.000Z','2026-11-20T06:28:00.000Z','2026-11-20T06:28:00.000Z','2026-11-20T06:28:00.000Z','2026-11-20T06:28:00.000Z','2026-11-21T06:28:00.000Z',NULL,0,NULL,NULL,NULL,NULL,0,1,NULL,1000,0,0,0,0);
INSERT INTO "batches" VALUES(10,'tb-0010-k3x9','hy43kwjr',NULL,NULL,10,NULL,'refused','feed','claude-haiku-4-5','anthropic','batch','rejected','not_ready',NULL,NULL,2,0,0,2,0,0,220,'','',NULL,'test','2026-11-20T06:28:00.000Z','2026-11-20T06:28:00.000Z',NULL,'2026-11-20T06:28:00.000Z',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,0,0,'invalid_request_error: max_tokens: must be at least 1',0,NULL,NULL,0,0);
INSERT INTO "batches" VALUES(11,'tb-0011-k3x9','p1xpa7z3','org',NULL,11,NULL,'partly','feed','claude-haiku-4-5','anthropic','batch','ended','pending','msgbatch_01tb-0011-k3x9','response',2,0,2,0,0,0,220,'','',NULL,'test','2026-11-20T06:35:00.000Z','2026-11-20T06:35:00.000Z','2026-11-20T06:35:00.000Z','2026-11-20T06:35:00.000Z',NULL,'2026-11-21T06:35:00.000Z',NULL,0,NULL,NULL,NULL,NULL,0,1,'a cut answer',30,10000000,20000000,0,0);
INSERT INTO "batches" VALUES(12,'tb-0012-k3x9','dj8fssz5',NULL,NULL,12,NULL,'uncertain','feed','claude-haiku-4-5','anthropic','batch','unconfirmed','not_ready',NULL,NULL,2,2,0,0,0,0,220,'','',NULL,'test','2026-11-20T06:35:00.000Z','2026-11-20T06:35:00.000Z',NULL,NULL,NULL,NULL,NULL,0,NULL,'2026-11-20T07:05:00.000Z',NULL,NULL,0,0,'read timeout after 600 s',0,NULL,NULL,0,0);
INSERT INTO "batches" VALUES(13,'tb-0013-k3x9','awsh8vht',NULL,NULL,13,NULL,'found','feed','claude-haiku-4-5','anthropic','batch','ended','collected','msgbatch_s1','nonce',1,0,1,0,0,0,110,'','',NULL,'test','2026-11-20T06:35:00.000Z','2026-11-20T06:35:00.000Z','2026-11-20T06:35:00.000Z','2026-11-20T06:35:00.000Z','2026-11-20T06:35:00.000Z','2026-11-21T06:35:00.000Z',NULL,0,NULL,NULL,NULL,NULL,0,1,NULL,1000,10000000,20000000,0,0);
INSERT INTO "batches" VALUES(14,'tb-0003-k3x9-twin1','v37e3s3e','org',NULL,3,3,'feed-2026-04-30','feed','claude-haiku-4-5','anthropic','batch','ended','collected','msgbatch_s2','nonce',3,0,2,1,0,0,330,'',NULL,NULL,NULL,'2026-11-20T06:35:00.000Z','2026-11-20T06:14:00.000Z','2026-11-20T06:35:00.000Z','2026-11-20T06:35:00.000Z','2026-11-20T06:35:00.000Z','2026-11-21T06:35:00.000Z',NULL,0,NULL,NULL,NULL,NULL,0,1,NULL,1000,20000000,0,0,20000000);
INSERT INTO "batches" VALUES(15,'tb-0014-k3x9','gpqy77zx',NULL,NULL,14,NULL,'sync-1','feed','claude-haiku-4-5','anthropic','batch','not_sent','not_ready',NULL,NULL,2,2,0,0,0,0,220,'',NULL,NULL,NULL,'2026-11-20T06:49:00.000Z',NULL,NULL,'2026-11-20T06:49:00.000Z',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,0,0,'it is run now',0,NULL,NULL,0,0);
INSERT INTO "batches" VALUES(16,'tb-0014-k3x9-2','yyk596ng',NULL,NULL,14,NULL,'sync-1','feed','claude-haiku-4-5','anthropic','sync','ended','collected',NULL,NULL,1,0,1,0,0,0,200,'',NULL,NULL,'host/1','2026-11-20T06:49:00.000Z','2026-11-20T06:49:00.000Z','2026-11-20T06:49:00.000Z','2026-11-20T06:49:00.000Z','2026-11-20T06:49:00.000Z',NULL,NULL,0,NULL,NULL,NULL,NULL,0,1,NULL,20,20000000,20000000,0,0);
INSERT INTO "batches" VALUES(17,'tb-recorded-1','ya1dq91k',NULL,NULL,15,NULL,'spoken','chat','claude-haiku-4-5','recorded','sync','ended','collected',NULL,NULL,1,0,1,0,0,0,0,'',NULL,NULL,NULL,'2026-11-20T06:49:00.000Z','2026-11-20T06:49:00.000Z','2026-11-20T06:49:00.000Z','2026-11-20T06:49:00.000Z','2026-11-20T06:49:00.000Z',NULL,NULL,0,NULL,NULL,NULL,NULL,0,0,NULL,0,10000000,10000000,0,0);
INSERT INTO "batches" VALUES(18,'tb-adopted-1','5gqapene',NULL,NULL,16,NULL,'adopted','feed','claude-haiku-4-5','anthropic','batch','in_progress','not_ready','msgbatch_adopted','operator',1,1,0,0,0,0,0,'',NULL,NULL,NULL,'2026-11-20T06:49:00.000Z',NULL,'2026-11-20T06:49:00.000Z',NULL,NULL,'2026-11-21T06:49:00.000Z',NULL,0,NULL,NULL,NULL,NULL,0,0,NULL,0,NULL,NULL,0,0);
INSERT INTO "batches" VALUES(19,'tb-rescue-1-sync','cfseczp1',NULL,NULL,17,NULL,'rescued','feed','claude-haiku-4-5','anthropic','sync','ended','pending',NULL,NULL,1,0,1,0,0,0,0,'',NULL,NULL,'host/2','2026-11-20T06:49:00.000Z','2026-11-20T06:49:00.000Z','2026-11-20T06:49:00.000Z','2026-11-20T06:49:00.000Z',NULL,NULL,NULL,0,'2026-11-23T06:00:00.000Z',NULL,NULL,NULL,0,0,NULL,0,NULL,NULL,0,0);
INSERT INTO "batches" VALUES(20,'tb-0015-k3x9','1hygcpwp',NULL,NULL,18,NULL,'too-large','feed','claude-haiku-4-5','anthropic','batch','not_sent','not_ready',NULL,NULL,2,2,0,0,0,0,220,'','',NULL,'test','2026-11-20T06:56:00.000Z','2026-11-20T06:56:00.000Z',NULL,'2026-11-20T06:56:00.000Z',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,0,0,'413',0,NULL,NULL,0,0);
INSERT INTO "batches" VALUES(21,'tb-0015-k3x9-2','q5e6eycn',NULL,NULL,18,NULL,'too-large','feed','claude-haiku-4-5','anthropic','batch','queued','not_ready',NULL,NULL,1,1,0,0,0,0,110,'',NULL,NULL,NULL,'2026-11-20T06:56:00.000Z',NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,0,0,NULL,0,NULL,NULL,0,0);
INSERT INTO "batches" VALUES(22,'tb-0015-k3x9-3','dy0yp57r',NULL,NULL,18,NULL,'too-large','feed','claude-haiku-4-5','anthropic','batch','queued','not_ready',NULL,NULL,1,1,0,0,0,0,110,'',NULL,NULL,NULL,'2026-11-20T06:56:00.000Z',NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,0,0,NULL,0,NULL,NULL,0,0);
INSERT INTO "batches" VALUES(23,'tb-0016-k3x9','cybvn5sx',NULL,NULL,19,NULL,'one-bad','feed','claude-haiku-4-5','anthropic','batch','rejected','not_ready',NULL,NULL,2,0,0,1,0,0,220,'','',NULL,'test','2026-11-20T06:56:00.000Z','2026-11-20T06:56:00.000Z',NULL,'2026-11-20T06:56:00.000Z',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,0,0,'invalid_request_error: requests.0: bad',0,NULL,NULL,0,0);
INSERT INTO "batches" VALUES(24,'tb-0016-k3x9-2','s5aa819x',NULL,NULL,19,NULL,'one-bad','feed','claude-haiku-4-5','anthropic','batch','queued','not_ready',NULL,NULL,1,1,0,0,0,0,110,'',NULL,NULL,NULL,'2026-11-20T06:56:00.000Z',NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,0,0,NULL,0,NULL,NULL,0,0);
INSERT INTO "batches" VALUES(25,'tb-0017-k3x9','9yp98106',NULL,NULL,20,NULL,'called-off','feed','claude-haiku-4-5','anthropic','batch','not_sent','not_ready',NULL,NULL,1,1,0,0,0,0,110,'',NULL,NULL,NULL,'2026-11-20T06:56:00.000Z',NULL,NULL,'2026-11-20T06:56:00.000Z',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,0,0,'canceled by kate',0,NULL,NULL,0,0);
INSERT INTO "batches" VALUES(26,'tb-0018-k3x9','8vcd1gdj','org',NULL,21,NULL,'canceling','feed','claude-haiku-4-5','anthropic','batch','canceling','not_ready','msgbatch_01tb-0018-k3x9','response',2,2,0,0,0,0,220,'','',NULL,'test','2026-11-20T06:56:00.000Z','2026-11-20T06:56:00.000Z','2026-11-20T06:56:00.000Z',NULL,NULL,'2026-11-21T06:56:00.000Z','2026-11-20T06:56:00.000Z',0,NULL,NULL,NULL,NULL,0,0,NULL,0,NULL,NULL,0,0);
INSERT INTO "batches" VALUES(27,'tb-0019-k3x9','fmgt83px','org',NULL,22,NULL,'let-go','feed','claude-haiku-4-5','anthropic','batch','in_progress','not_ready','msgbatch_01tb-0019-k3x9','response',2,2,0,0,0,0,220,'','',NULL,'test','2026-11-20T06:56:00.000Z','2026-11-20T06:56:00.000Z','2026-11-20T06:56:00.000Z',NULL,NULL,'2026-11-21T06:56:00.000Z',NULL,0,'2026-11-20T07:56:00.000Z',NULL,NULL,NULL,0,0,NULL,0,NULL,NULL,0,0);
INSERT INTO "batches" VALUES(28,'tb-0020-k3x9','t891wb09','org',NULL,23,NULL,'slow','feed','claude-haiku-4-5','anthropic','batch','in_progress','not_ready','msgbatch_01tb-0020-k3x9','response',1,1,0,0,0,0,110,'','',NULL,'test','2026-11-20T06:56:00.000Z','2026-11-20T06:56:00.000Z','2026-11-20T06:56:00.000Z',NULL,NULL,'2026-11-21T06:56:00.000Z',NULL,0,'2026-11-20T12:56:00.000Z','2026-11-20T06:56:00.000Z',NULL,NULL,1,0,'529 overloaded_error',0,NULL,NULL,0,0);
INSERT INTO "batches" VALUES(29,'tb-0021-k3x9','b9y73my6',NULL,NULL,24,NULL,'released','feed','claude-haiku-4-5','anthropic','batch','not_sent','not_ready',NULL,NULL,1,1,0,0,0,0,110,'','',NULL,'test','2026-11-20T06:56:00.000Z','2026-11-20T06:56:00.000Z',NULL,'2026-11-20T06:56:00.000Z',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,0,0,'429: the queue is full',0,NULL,NULL,0,0);
INSERT INTO "batches" VALUES(30,'tb-0022-k3x9','3fch26w1',NULL,NULL,25,NULL,'withdrawn','feed','claude-haiku-4-5','anthropic','batch','not_sent','not_ready',NULL,NULL,1,1,0,0,0,0,110,'',NULL,NULL,NULL,'2026-11-20T06:56:00.000Z',NULL,NULL,'2026-11-20T06:56:00.000Z',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,0,0,'not needed',0,NULL,NULL,0,0);
INSERT INTO "batches" VALUES(31,'tb-0023-k3x9','4wmchwyf',NULL,NULL,26,NULL,'intent','feed','claude-haiku-4-5','anthropic','batch','queued','not_ready',NULL,NULL,2,2,0,0,0,0,220,'',NULL,NULL,NULL,'2026-11-20T06:56:00.000Z',NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,0,0,NULL,0,NULL,NULL,0,0);
INSERT INTO "batches" VALUES(32,'tb-0024-k3x9','gcw8t7sw',NULL,NULL,27,NULL,'paused','archive','claude-haiku-4-5','anthropic','batch','queued','not_ready',NULL,NULL,1,1,0,0,0,0,110,'',NULL,NULL,NULL,'2026-11-20T06:56:00.000Z',NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,0,0,NULL,0,NULL,NULL,0,0);
INSERT INTO "batches" VALUES(33,'tb-0025-k3x9','m4fv4dk7',NULL,NULL,28,NULL,'sending','feed','claude-haiku-4-5','anthropic','batch','sending','not_ready',NULL,NULL,1,1,0,0,0,0,110,'','',NULL,'test','2026-11-20T06:56:00.000Z','2026-11-20T06:56:00.000Z',NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,0,0,NULL,0,NULL,NULL,0,0);
CREATE TABLE budget_reservations (
  submission_id INTEGER PRIMARY KEY REFERENCES submissions,
  estimate_nano INTEGER NOT NULL
) STRICT;
INSERT INTO "budget_reservations" VALUES(4,50000000);
INSERT INTO "budget_reservations" VALUES(17,10000000);
CREATE TABLE command_items (
  command_id INTEGER NOT NULL REFERENCES commands,
  item_id INTEGER NOT NULL,
  PRIMARY KEY (command_id, item_id)
) STRICT, WITHOUT ROWID;
INSERT INTO "command_items" VALUES(1,4);
INSERT INTO "command_items" VALUES(2,15);
INSERT INTO "command_items" VALUES(3,11);
INSERT INTO "command_items" VALUES(4,15);
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
INSERT INTO "commands" VALUES(1,'cmd_pre95b9e','replay','done',X'A4B170929355F9D6B150336681BA590ADA9E05B68AB3FE808741B160406D7435','test','try',1,'{"force": true}',1,'2026-11-20T06:42:00.000Z','2026-11-20T06:42:00.000Z','2026-11-20T06:42:00.000Z','1 waits');
INSERT INTO "commands" VALUES(2,'cmd_e0zbgj09','sync','failed',X'D89365DD477571CA1C7225A68371E4189C97E3F4CF815F98EB7AADC9D7B24134','test','try',1,'{"submission": "tb-0009-k3x9"}',0,'2026-11-20T06:42:00.000Z','2026-11-20T06:42:00.000Z','2026-11-20T06:42:00.000Z','no quota');
INSERT INTO "commands" VALUES(3,'cmd_tqm83xss','cancel','withdrawn',X'87694A3B310696C9F6784FE59C2FF97CEF29E88D1F3346239746A080B54EDB7B','test','try',1,'{}',0,'2026-11-20T06:42:00.000Z','2026-11-20T06:42:00.000Z','2026-11-20T06:42:00.000Z',NULL);
INSERT INTO "commands" VALUES(4,'cmd_ss6ys3c4','acknowledge','running',X'84949428F3A1C5D913771082C34FBF78A8CED71FA5D7AB5C8581886D2B1534D4','test','try',1,'{}',0,'2026-11-20T06:42:00.000Z','2026-11-20T06:42:00.000Z',NULL,NULL);
INSERT INTO "commands" VALUES(5,'cmd_dwa7n360','pause','pending',X'40132A3FBB733C9EC6EB699BCB25F29FDECEB6B413970E018D186117478EFEB4','test','not now',1,'{"workflows": ["archive"]}',0,'2026-11-20T06:42:00.000Z','2026-11-20T06:42:00.000Z',NULL,NULL);
INSERT INTO "commands" VALUES(6,'cmd_96q14dr9','resume','pending',X'5A7A79205BEC5A7653FF12702EA8395C693FF0A0F5245673648728FF77BF5341','test','try',1,'{"workflows": ["feed"]}',0,'2026-11-20T06:42:00.000Z','2026-11-20T06:42:00.000Z',NULL,NULL);
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
  duplicate_nano INTEGER NOT NULL,
  unpriced INTEGER NOT NULL,
  PRIMARY KEY (day, workflow, model, kind)
) STRICT, WITHOUT ROWID;
INSERT INTO "daily_totals" VALUES('2026-11-20','archive','claude-haiku-4-5','batch',3,0,0,0,0,3,0,0,0,0,0,0,0,0,0);
INSERT INTO "daily_totals" VALUES('2026-11-20','chat','claude-haiku-4-5','sync',1,1,0,0,0,0,900,80,0,0,0,10000000,10000000,0,0);
INSERT INTO "daily_totals" VALUES('2026-11-20','feed','claude-haiku-4-5','batch',13,8,2,1,2,0,6400,567,50,1000,9000,71234567,102469134,20000000,0);
INSERT INTO "daily_totals" VALUES('2026-11-20','feed','claude-haiku-4-5','sync',1,1,0,0,0,0,900,80,0,0,0,20000000,20000000,0,0);
INSERT INTO "daily_totals" VALUES('2026-11-20','news','claude-haiku-4-5','batch',2,2,0,0,0,0,1800,160,0,0,0,20000000,40000000,0,0);
INSERT INTO "daily_totals" VALUES('2026-11-20','odd','claude-haiku-4-5','batch',1,1,0,0,0,0,900,80,0,0,0,0,0,0,1);
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
INSERT INTO "edits" VALUES(1,1,4,'edit-1.jsonl',0,90,X'7979797979797979797979797979797979797979797979797979797979797979','beta-1');
CREATE TABLE events (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at TEXT NOT NULL,
  actor TEXT NOT NULL,
  kind TEXT NOT NULL,
  batch_id INTEGER REFERENCES batches,
  subject TEXT,
  detail TEXT NOT NULL DEFAULT '{}'
) STRICT;
INSERT INTO "events" VALUES(1,'2026-10-13T06:00:00.000Z','test','submission.created',NULL,'tb-0001-k3x9','{"requests": 2}');
INSERT INTO "events" VALUES(2,'2026-10-13T06:00:00.000Z','test','batch.queued',1,NULL,'{"requests": 2}');
INSERT INTO "events" VALUES(3,'2026-10-13T06:00:00.000Z','test','batch.sending',1,NULL,'{"watermark":""}');
INSERT INTO "events" VALUES(4,'2026-10-13T06:00:00.000Z','test','batch.accepted',1,NULL,'{"remote_id": "msgbatch_01tb-0001-k3x9", "identified_by": "response"}');
INSERT INTO "events" VALUES(5,'2026-10-13T06:00:00.000Z','test','batch.ended',1,NULL,'{}');
INSERT INTO "events" VALUES(6,'2026-11-20T06:00:00.000Z','test','batch.collected',1,NULL,'{"new":0,"missing":2,"problem":"The API keeps results for 29 days, and these were not fetched in time."}');
INSERT INTO "events" VALUES(7,'2026-11-20T06:00:00.000Z','test','submission.finished',NULL,'1','{}');
INSERT INTO "events" VALUES(8,'2026-11-20T06:00:00.000Z','test','submission.created',NULL,'tb-0002-k3x9','{"requests": 1}');
INSERT INTO "events" VALUES(9,'2026-11-20T06:00:00.000Z','test','batch.queued',2,NULL,'{"requests": 1}');
INSERT INTO "events" VALUES(10,'2026-11-20T06:00:00.000Z','test','batch.sending',2,NULL,'{"watermark":""}');
INSERT INTO "events" VALUES(11,'2026-11-20T06:00:00.000Z','test','batch.accepted',2,NULL,'{"remote_id": "msgbatch_01tb-0002-k3x9", "identified_by": "response"}');
INSERT INTO "events" VALUES(12,'2026-11-20T06:00:00.000Z','test','batch.deleted',2,NULL,'{"reason": "404 not_found_error"}');
INSERT INTO "events" VALUES(13,'2026-11-20T06:07:00.000Z','test','batch.collected',2,NULL,'{"new":0,"missing":1,"problem":"deleted"}');
INSERT INTO "events" VALUES(14,'2026-11-20T06:07:00.000Z','test','submission.finished',NULL,'2','{}');
INSERT INTO "events" VALUES(15,'2026-11-20T06:14:00.000Z','test','submission.created',NULL,'tb-0003-k3x9','{"requests": 3}');
INSERT INTO "events" VALUES(16,'2026-11-20T06:14:00.000Z','test','batch.queued',3,NULL,'{"requests": 3}');
INSERT INTO "events" VALUES(17,'2026-11-20T06:14:00.000Z','test','batch.sending',3,NULL,'{"watermark":""}');
INSERT INTO "events" VALUES(18,'2026-11-20T06:14:00.000Z','test','batch.accepted',3,NULL,'{"remote_id": "msgbatch_01tb-0003-k3x9", "identified_by": "response"}');
INSERT INTO "events" VALUES(19,'2026-11-20T06:14:00.000Z','test','batch.ended',3,NULL,'{}');
INSERT INTO "events" VALUES(20,'2026-11-20T06:14:00.000Z','test','batch.collected',3,NULL,'{"new": 3, "missing": 0}');
INSERT INTO "events" VALUES(21,'2026-11-20T06:14:00.000Z','test','submission.finished',NULL,'3','{}');
INSERT INTO "events" VALUES(22,'2026-11-20T06:21:00.000Z','test','submission.created',NULL,'tb-0004-k3x9','{"requests": 2}');
INSERT INTO "events" VALUES(23,'2026-11-20T06:21:00.000Z','test','batch.queued',4,NULL,'{"requests": 2}');
INSERT INTO "events" VALUES(24,'2026-11-20T06:21:00.000Z','test','batch.sending',4,NULL,'{"watermark":""}');
INSERT INTO "events" VALUES(25,'2026-11-20T06:21:00.000Z','test','batch.accepted',4,NULL,'{"remote_id": "msgbatch_01tb-0004-k3x9", "identified_by": "response"}');
INSERT INTO "events" VALUES(26,'2026-11-20T06:21:00.000Z','test','batch.ended',4,NULL,'{}');
INSERT INTO "events" VALUES(27,'2026-11-20T06:21:00.000Z','test','batch.collected',4,NULL,'{"new": 2, "missing": 0}');
INSERT INTO "events" VALUES(28,'2026-11-20T06:21:00.000Z','test','submission.finished',NULL,'4','{}');
INSERT INTO "events" VALUES(29,'2026-11-20T06:21:00.000Z','test','submission.delivered',NULL,'tb-0004-k3x9','{"file": "news-2026-05-02.jsonl"}');
INSERT INTO "events" VALUES(30,'2026-11-20T06:21:00.000Z','test','submission.pruned',NULL,'tb-0004-k3x9','{}');
INSERT INTO "events" VALUES(31,'2026-11-20T06:28:00.000Z','test','submission.created',NULL,'tb-0005-k3x9','{"requests": 1}');
INSERT INTO "events" VALUES(32,'2026-11-20T06:28:00.000Z','test','batch.queued',5,NULL,'{"requests": 1}');
INSERT INTO "events" VALUES(33,'2026-11-20T06:28:00.000Z','test','batch.sending',5,NULL,'{"watermark":""}');
INSERT INTO "events" VALUES(34,'2026-11-20T06:28:00.000Z','test','batch.accepted',5,NULL,'{"remote_id": "msgbatch_01tb-0005-k3x9", "identified_by": "response"}');
INSERT INTO "events" VALUES(35,'2026-11-20T06:28:00.000Z','test','batch.ended',5,NULL,'{}');
INSERT INTO "events" VALUES(36,'2026-11-20T06:28:00.000Z','test','batch.collected',5,NULL,'{"new": 1, "missing": 0}');
INSERT INTO "events" VALUES(37,'2026-11-20T06:28:00.000Z','test','submission.finished',NULL,'5','{}');
INSERT INTO "events" VALUES(38,'2026-11-20T06:28:00.000Z','test','submission.created',NULL,'tb-0006-k3x9','{"requests": 1}');
INSERT INTO "events" VALUES(39,'2026-11-20T06:28:00.000Z','test','batch.queued',6,NULL,'{"requests": 1}');
INSERT INTO "events" VALUES(40,'2026-11-20T06:28:00.000Z','test','batch.sending',6,NULL,'{"watermark":""}');
INSERT INTO "events" VALUES(41,'2026-11-20T06:28:00.000Z','test','batch.accepted',6,NULL,'{"remote_id": "msgbatch_01tb-0006-k3x9", "identified_by": "response"}');
INSERT INTO "events" VALUES(42,'2026-11-20T06:28:00.000Z','test','batch.ended',6,NULL,'{}');
INSERT INTO "events" VALUES(43,'2026-11-20T06:28:00.000Z','test','batch.collected',6,NULL,'{"new": 1, "missing": 0}');
INSERT INTO "events" VALUES(44,'2026-11-20T06:28:00.000Z','test','submission.finished',NULL,'6','{}');
INSERT INTO "events" VALUES(45,'2026-11-20T06:28:00.000Z','test','submission.created',NULL,'tb-0007-k3x9','{"requests": 1}');
INSERT INTO "events" VALUES(46,'2026-11-20T06:28:00.000Z','test','batch.queued',7,NULL,'{"requests": 1}');
INSERT INTO "events" VALUES(47,'2026-11-20T06:28:00.000Z','test','batch.sending',7,NULL,'{"watermark":""}');
INSERT INTO "events" VALUES(48,'2026-11-20T06:28:00.000Z','test','batch.accepted',7,NULL,'{"remote_id": "msgbatch_01tb-0007-k3x9", "identified_by": "response"}');
INSERT INTO "events" VALUES(49,'2026-11-20T06:28:00.000Z','test','batch.ended',7,NULL,'{}');
INSERT INTO "events" VALUES(50,'2026-11-20T06:28:00.000Z','test','batch.collected',7,NULL,'{"new": 1, "missing": 0}');
INSERT INTO "events" VALUES(51,'2026-11-20T06:28:00.000Z','test','submission.finished',NULL,'7','{}');
INSERT INTO "events" VALUES(52,'2026-11-20T06:28:00.000Z','test','submission.created',NULL,'tb-0008-k3x9','{"requests": 1}');
INSERT INTO "events" VALUES(53,'2026-11-20T06:28:00.000Z','test','batch.queued',8,NULL,'{"requests": 1}');
INSERT INTO "events" VALUES(54,'2026-11-20T06:28:00.000Z','test','batch.sending',8,NULL,'{"watermark":""}');
INSERT INTO "events" VALUES(55,'2026-11-20T06:28:00.000Z','test','batch.accepted',8,NULL,'{"remote_id": "msgbatch_01tb-0008-k3x9", "identified_by": "response"}');
INSERT INTO "events" VALUES(56,'2026-11-20T06:28:00.000Z','test','batch.ended',8,NULL,'{}');
INSERT INTO "events" VALUES(57,'2026-11-20T06:28:00.000Z','test','batch.collected',8,NULL,'{"new": 1, "missing": 0}');
INSERT INTO "events" VALUES(58,'2026-11-20T06:28:00.000Z','test','submission.finished',NULL,'8','{}');
INSERT INTO "events" VALUES(59,'2026-11-20T06:28:00.000Z','test','submission.created',NULL,'tb-0009-k3x9','{"requests": 3}');
INSERT INTO "events" VALUES(60,'2026-11-20T06:28:00.000Z','test','batch.queued',9,NULL,'{"requests": 3}');
INSERT INTO "events" VALUES(61,'2026-11-20T06:28:00.000Z','test','batch.sending',9,NULL,'{"watermark":""}');
INSERT INTO "events" VALUES(62,'2026-11-20T06:28:00.000Z','test','batch.accepted',9,NULL,'{"remote_id": "msgbatch_01tb-0009-k3x9", "identified_by": "response"}');
INSERT INTO "events" VALUES(63,'2026-11-20T06:28:00.000Z','test','batch.ended',9,NULL,'{}');
INSERT INTO "events" VALUES(64,'2026-11-20T06:28:00.000Z','test','batch.collected',9,NULL,'{"new": 3, "missing": 0}');
INSERT INTO "events" VALUES(65,'2026-11-20T06:28:00.000Z','test','submission.finished',NULL,'9','{}');
INSERT INTO "events" VALUES(66,'2026-11-20T06:28:00.000Z','test','submission.created',NULL,'tb-0010-k3x9','{"requests": 2}');
INSERT INTO "events" VALUES(67,'2026-11-20T06:28:00.000Z','test','batch.queued',10,NULL,'{"requests": 2}');
INSERT INTO "events" VALUES(68,'2026-11-20T06:28:00.000Z','test','batch.sending',10,NULL,'{"watermark":""}');
INSERT INTO "events" VALUES(69,'2026-11-20T06:28:00.000Z','test','batch.rejected',10,NULL,'{"error_type": "invalid_request_error", "message": "max_tokens: must be at least 1"}');
INSERT INTO "events" VALUES(70,'2026-11-20T06:28:00.000Z','test','submission.finished',NULL,'10','{}');
INSERT INTO "events" VALUES(71,'2026-11-20T06:35:00.000Z','test','submission.created',NULL,'tb-0011-k3x9','{"requests": 2}');
INSERT INTO "events" VALUES(72,'2026-11-20T06:35:00.000Z','test','batch.queued',11,NULL,'{"requests": 2}');
INSERT INTO "events" VALUES(73,'2026-11-20T06:35:00.000Z','test','batch.sending',11,NULL,'{"watermark":""}');
INSERT INTO "events" VALUES(74,'2026-11-20T06:35:00.000Z','test','batch.accepted',11,NULL,'{"remote_id": "msgbatch_01tb-0011-k3x9", "identified_by": "response"}');
INSERT INTO "events" VALUES(75,'2026-11-20T06:35:00.000Z','test','batch.ended',11,NULL,'{}');
INSERT INTO "events" VALUES(76,'2026-11-20T06:35:00.000Z','test','batch.partly_collected',11,NULL,'{"new":1,"missing":1,"problem":"a cut answer"}');
INSERT INTO "events" VALUES(77,'2026-11-20T06:35:00.000Z','test','submission.created',NULL,'tb-0012-k3x9','{"requests": 2}');
INSERT INTO "events" VALUES(78,'2026-11-20T06:35:00.000Z','test','batch.queued',12,NULL,'{"requests": 2}');
INSERT INTO "events" VALUES(79,'2026-11-20T06:35:00.000Z','test','batch.sending',12,NULL,'{"watermark":""}');
INSERT INTO "events" VALUES(80,'2026-11-20T06:35:00.000Z','test','batch.unconfirmed',12,NULL,'{"reason": "read timeout after 600 s"}');
INSERT INTO "events" VALUES(81,'2026-11-20T06:35:00.000Z','test','submission.created',NULL,'tb-0013-k3x9','{"requests": 1}');
INSERT INTO "events" VALUES(82,'2026-11-20T06:35:00.000Z','test','batch.queued',13,NULL,'{"requests": 1}');
INSERT INTO "events" VALUES(83,'2026-11-20T06:35:00.000Z','test','batch.sending',13,NULL,'{"watermark":""}');
INSERT INTO "events" VALUES(84,'2026-11-20T06:35:00.000Z','test','batch.unconfirmed',13,NULL,'{"reason": "read timeout after 600 s"}');
INSERT INTO "events" VALUES(85,'2026-11-20T06:35:00.000Z','test','orphan.found',NULL,'msgbatch_s1','{"verdict":"candidate","requests":1}');
INSERT INTO "events" VALUES(86,'2026-11-20T06:35:00.000Z','test','orphan.found',NULL,'msgbatch_s2','{"verdict":"candidate","requests":1}');
INSERT INTO "events" VALUES(87,'2026-11-20T06:35:00.000Z','test','orphan.found',NULL,'msgbatch_s3','{"verdict":"candidate","requests":1}');
INSERT INTO "events" VALUES(88,'2026-11-20T06:35:00.000Z','test','orphan.found',NULL,'msgbatch_s4','{"verdict":"candidate","requests":1}');
INSERT INTO "events" VALUES(89,'2026-11-20T06:35:00.000Z','test','orphan.found',NULL,'msgbatch_s5','{"verdict":"candidate","requests":1}');
INSERT INTO "events" VALUES(90,'2026-11-20T06:35:00.000Z','test','orphan.found',NULL,'msgbatch_u','{"verdict": "unknown", "requests": 1}');
INSERT INTO "events" VALUES(91,'2026-11-20T06:35:00.000Z','test','batch.accepted',13,NULL,'{"remote_id": "msgbatch_s1", "identified_by": "nonce"}');
INSERT INTO "events" VALUES(92,'2026-11-20T06:35:00.000Z','test','batch.duplicate_found',14,NULL,'{"remote_id":"msgbatch_s2","duplicate_of":"tb-0003-k3x9"}');
INSERT INTO "events" VALUES(93,'2026-11-20T06:35:00.000Z','test','orphan.foreign',NULL,'msgbatch_s3','{"reason": "its results carry no nonce of ours"}');
INSERT INTO "events" VALUES(94,'2026-11-20T06:35:00.000Z','test','orphan.unresolved',NULL,'msgbatch_s4','{"reason": "Its results cannot be read."}');
INSERT INTO "events" VALUES(95,'2026-11-20T06:35:00.000Z','test','batch.ended',13,NULL,'{}');
INSERT INTO "events" VALUES(96,'2026-11-20T06:35:00.000Z','test','batch.collected',13,NULL,'{"new": 1, "missing": 0}');
INSERT INTO "events" VALUES(97,'2026-11-20T06:35:00.000Z','test','submission.finished',NULL,'13','{}');
INSERT INTO "events" VALUES(98,'2026-11-20T06:35:00.000Z','test','batch.ended',14,NULL,'{}');
INSERT INTO "events" VALUES(99,'2026-11-20T06:35:00.000Z','test','batch.collected',14,NULL,'{"new": 3, "missing": 0}');
INSERT INTO "events" VALUES(100,'2026-11-20T06:35:00.000Z','test','submission.finished',NULL,'3','{}');
INSERT INTO "events" VALUES(101,'2026-11-20T06:42:00.000Z','test','command.replay',NULL,'cmd_pre95b9e','{"items": 1, "reason": "try", "not_before": "2026-11-20T06:42:00.000Z"}');
INSERT INTO "events" VALUES(102,'2026-11-20T06:42:00.000Z','test','command.started',NULL,'cmd_pre95b9e','{}');
INSERT INTO "events" VALUES(103,'2026-11-20T06:42:00.000Z','test','command.done',NULL,'cmd_pre95b9e','{"outcome": "1 waits"}');
INSERT INTO "events" VALUES(104,'2026-11-20T06:42:00.000Z','test','command.sync',NULL,'cmd_e0zbgj09','{"items": 1, "reason": "try", "not_before": "2026-11-20T06:42:00.000Z"}');
INSERT INTO "events" VALUES(105,'2026-11-20T06:42:00.000Z','test','command.started',NULL,'cmd_e0zbgj09','{}');
INSERT INTO "events" VALUES(106,'2026-11-20T06:42:00.000Z','test','command.failed',NULL,'cmd_e0zbgj09','{"outcome": "no quota"}');
INSERT INTO "events" VALUES(107,'2026-11-20T06:42:00.000Z','test','command.cancel',NULL,'cmd_tqm83xss','{"items": 1, "reason": "try", "not_before": "2026-11-20T06:42:00.000Z"}');
INSERT INTO "events" VALUES(108,'2026-11-20T06:42:00.000Z','test','command.withdrawn',NULL,'cmd_tqm83xss','{}');
INSERT INTO "events" VALUES(109,'2026-11-20T06:42:00.000Z','test','command.acknowledge',NULL,'cmd_ss6ys3c4','{"items": 1, "reason": "try", "not_before": "2026-11-20T06:42:00.000Z"}');
INSERT INTO "events" VALUES(110,'2026-11-20T06:42:00.000Z','test','command.started',NULL,'cmd_ss6ys3c4','{}');
INSERT INTO "events" VALUES(111,'2026-11-20T06:42:00.000Z','test','command.pause',NULL,'cmd_dwa7n360','{"items": 1, "reason": "not now", "not_before": "2026-11-20T06:42:00.000Z"}');
INSERT INTO "events" VALUES(112,'2026-11-20T06:42:00.000Z','test','command.resume',NULL,'cmd_96q14dr9','{"items": 1, "reason": "try", "not_before": "2026-11-20T06:42:00.000Z"}');
INSERT INTO "events" VALUES(113,'2026-11-20T06:42:00.000Z','test','workflow.paused',NULL,'archive','{"reason": "not now"}');
INSERT INTO "events" VALUES(114,'2026-11-20T06:42:00.000Z','test','workflow.paused',NULL,'odd','{"reason": "not now"}');
INSERT INTO "events" VALUES(115,'2026-11-20T06:42:00.000Z','test','workflow.resumed',NULL,'odd','{"reason": "again"}');
INSERT INTO "events" VALUES(116,'2026-11-20T06:42:00.000Z','test','alert.raised',NULL,'feed','{"rule": "errors", "message": "3 failed"}');
INSERT INTO "events" VALUES(117,'2026-11-20T06:42:00.000Z','test','alert.raised',NULL,'news','{"rule": "late", "message": "late"}');
INSERT INTO "events" VALUES(118,'2026-11-20T06:42:00.000Z','test','alert.cleared',NULL,'feed','{"rule": "errors"}');
INSERT INTO "events" VALUES(119,'2026-11-20T06:49:00.000Z','test','hook.started',NULL,'w-run.jsonl','{"tries":1,"command":"make report","exit_code":null,"problem":null}');
INSERT INTO "events" VALUES(120,'2026-11-20T06:49:00.000Z','test','hook.started',NULL,'w-done.jsonl','{"tries":1,"command":"make report","exit_code":null,"problem":null}');
INSERT INTO "events" VALUES(121,'2026-11-20T06:49:00.000Z','test','hook.done',NULL,'w-done.jsonl','{"tries":1,"command":"make report","exit_code":0,"problem":null}');
INSERT INTO "events" VALUES(122,'2026-11-20T06:49:00.000Z','test','hook.started',NULL,'w-failed.jsonl','{"tries":1,"command":"make report","exit_code":null,"problem":null}');
INSERT INTO "events" VALUES(123,'2026-11-20T06:49:00.000Z','test','hook.failed',NULL,'w-failed.jsonl','{"tries":1,"command":"make report","exit_code":2,"problem":"exit 2: no disk"}');
INSERT INTO "events" VALUES(124,'2026-11-20T06:49:00.000Z','test','submission.created',NULL,'tb-0014-k3x9','{"requests": 2}');
INSERT INTO "events" VALUES(125,'2026-11-20T06:49:00.000Z','test','batch.queued',15,NULL,'{"requests": 2}');
INSERT INTO "events" VALUES(126,'2026-11-20T06:49:00.000Z','test','batch.not_sent',15,NULL,'{"reason": "it is run now"}');
INSERT INTO "events" VALUES(127,'2026-11-20T06:49:00.000Z','test','batch.sync_started',16,NULL,'{"requests": 2}');
INSERT INTO "events" VALUES(128,'2026-11-20T06:49:00.000Z','test','batch.possible_duplicate_charge',16,NULL,'{"requests": 1, "reason": "stopped"}');
INSERT INTO "events" VALUES(129,'2026-11-20T06:49:00.000Z','test','batch.ended',16,NULL,'{"requests": 1}');
INSERT INTO "events" VALUES(130,'2026-11-20T06:49:00.000Z','test','batch.collected',16,NULL,'{"new": 1, "missing": 0}');
INSERT INTO "events" VALUES(131,'2026-11-20T06:49:00.000Z','test','batch.collected',17,NULL,'{"recorded": true, "new": 1}');
INSERT INTO "events" VALUES(132,'2026-11-20T06:49:00.000Z','test','submission.created',NULL,'tb-adopted-1','{"requests": 1}');
INSERT INTO "events" VALUES(133,'2026-11-20T06:49:00.000Z','test','batch.adopted',18,NULL,'{"remote_id": "msgbatch_adopted", "identified_by": "operator", "bodies": "unknown"}');
INSERT INTO "events" VALUES(134,'2026-11-20T06:49:00.000Z','test','submission.created',NULL,'tb-rescue-1','{"requests": 2}');
INSERT INTO "events" VALUES(135,'2026-11-20T06:49:00.000Z','test','batch.ended',19,NULL,'{"requests": 1}');
INSERT INTO "events" VALUES(136,'2026-11-20T06:49:00.000Z','test','fallback.imported',NULL,'tb-rescue-1','{"submission": "tb-rescue-1", "answers": 1}');
INSERT INTO "events" VALUES(137,'2026-11-20T06:49:00.000Z','test','submission.possible_duplicate_charge',NULL,'tb-rescue-1','{"requests": 2}');
INSERT INTO "events" VALUES(138,'2026-11-20T06:56:00.000Z','test','submission.created',NULL,'tb-0015-k3x9','{"requests": 2}');
INSERT INTO "events" VALUES(139,'2026-11-20T06:56:00.000Z','test','batch.queued',20,NULL,'{"requests": 2}');
INSERT INTO "events" VALUES(140,'2026-11-20T06:56:00.000Z','test','batch.sending',20,NULL,'{"watermark":""}');
INSERT INTO "events" VALUES(141,'2026-11-20T06:56:00.000Z','test','batch.queued',21,NULL,'{"requests": 1}');
INSERT INTO "events" VALUES(142,'2026-11-20T06:56:00.000Z','test','batch.queued',22,NULL,'{"requests": 1}');
INSERT INTO "events" VALUES(143,'2026-11-20T06:56:00.000Z','test','batch.not_sent',20,NULL,'{"reason": "413"}');
INSERT INTO "events" VALUES(144,'2026-11-20T06:56:00.000Z','test','submission.created',NULL,'tb-0016-k3x9','{"requests": 2}');
INSERT INTO "events" VALUES(145,'2026-11-20T06:56:00.000Z','test','batch.queued',23,NULL,'{"requests": 2}');
INSERT INTO "events" VALUES(146,'2026-11-20T06:56:00.000Z','test','batch.sending',23,NULL,'{"watermark":""}');
INSERT INTO "events" VALUES(147,'2026-11-20T06:56:00.000Z','test','batch.queued',24,NULL,'{"requests": 1}');
INSERT INTO "events" VALUES(148,'2026-11-20T06:56:00.000Z','test','batch.rejected',23,NULL,'{"error_type": "invalid_request_error", "message": "requests.0: bad", "request": 0}');
INSERT INTO "events" VALUES(149,'2026-11-20T06:56:00.000Z','test','submission.created',NULL,'tb-0017-k3x9','{"requests": 1}');
INSERT INTO "events" VALUES(150,'2026-11-20T06:56:00.000Z','test','batch.queued',25,NULL,'{"requests": 1}');
INSERT INTO "events" VALUES(151,'2026-11-20T06:56:00.000Z','test','batch.canceled_unsent',25,NULL,'{"reason": "canceled by kate"}');
INSERT INTO "events" VALUES(152,'2026-11-20T06:56:00.000Z','test','submission.finished',NULL,'20','{}');
INSERT INTO "events" VALUES(153,'2026-11-20T06:56:00.000Z','test','submission.created',NULL,'tb-0018-k3x9','{"requests": 2}');
INSERT INTO "events" VALUES(154,'2026-11-20T06:56:00.000Z','test','batch.queued',26,NULL,'{"requests": 2}');
INSERT INTO "events" VALUES(155,'2026-11-20T06:56:00.000Z','test','batch.sending',26,NULL,'{"watermark":""}');
INSERT INTO "events" VALUES(156,'2026-11-20T06:56:00.000Z','test','batch.accepted',26,NULL,'{"remote_id": "msgbatch_01tb-0018-k3x9", "identified_by": "response"}');
INSERT INTO "events" VALUES(157,'2026-11-20T06:56:00.000Z','test','batch.canceling',26,NULL,'{}');
INSERT INTO "events" VALUES(158,'2026-11-20T06:56:00.000Z','test','submission.created',NULL,'tb-0019-k3x9','{"requests": 2}');
INSERT INTO "events" VALUES(159,'2026-11-20T06:56:00.000Z','test','batch.queued',27,NULL,'{"requests": 2}');
INSERT INTO "events" VALUES(160,'2026-11-20T06:56:00.000Z','test','batch.sending',27,NULL,'{"watermark":""}');
INSERT INTO "events" VALUES(161,'2026-11-20T06:56:00.000Z','test','batch.accepted',27,NULL,'{"remote_id": "msgbatch_01tb-0019-k3x9", "identified_by": "response"}');
INSERT INTO "events" VALUES(162,'2026-11-20T06:56:00.000Z','test','batch.possible_duplicate_charge',27,NULL,'{"requests": 1, "reason": "the deadline leaves no time to wait"}');
INSERT INTO "events" VALUES(163,'2026-11-20T06:56:00.000Z','test','submission.created',NULL,'tb-0020-k3x9','{"requests": 1}');
INSERT INTO "events" VALUES(164,'2026-11-20T06:56:00.000Z','test','batch.queued',28,NULL,'{"requests": 1}');
INSERT INTO "events" VALUES(165,'2026-11-20T06:56:00.000Z','test','batch.sending',28,NULL,'{"watermark":""}');
INSERT INTO "events" VALUES(166,'2026-11-20T06:56:00.000Z','test','batch.accepted',28,NULL,'{"remote_id": "msgbatch_01tb-0020-k3x9", "identified_by": "response"}');
INSERT INTO "events" VALUES(167,'2026-11-20T06:56:00.000Z','test','batch.poll_failed',28,NULL,'{"reason": "529 overloaded_error"}');
INSERT INTO "events" VALUES(168,'2026-11-20T06:56:00.000Z','test','submission.created',NULL,'tb-0021-k3x9','{"requests": 1}');
INSERT INTO "events" VALUES(169,'2026-11-20T06:56:00.000Z','test','batch.queued',29,NULL,'{"requests": 1}');
INSERT INTO "events" VALUES(170,'2026-11-20T06:56:00.000Z','test','batch.sending',29,NULL,'{"watermark":""}');
INSERT INTO "events" VALUES(171,'2026-11-20T06:56:00.000Z','test','batch.not_sent',29,NULL,'{"reason": "429: the queue is full"}');
INSERT INTO "events" VALUES(172,'2026-11-20T06:56:00.000Z','test','submission.created',NULL,'tb-0022-k3x9','{"requests": 1}');
INSERT INTO "events" VALUES(173,'2026-11-20T06:56:00.000Z','test','batch.queued',30,NULL,'{"requests": 1}');
INSERT INTO "events" VALUES(174,'2026-11-20T06:56:00.000Z','test','batch.not_sent',30,NULL,'{"reason": "not needed"}');
INSERT INTO "events" VALUES(175,'2026-11-20T06:56:00.000Z','test','submission.created',NULL,'tb-0023-k3x9','{"requests": 2}');
INSERT INTO "events" VALUES(176,'2026-11-20T06:56:00.000Z','test','batch.queued',31,NULL,'{"requests": 2}');
INSERT INTO "events" VALUES(177,'2026-11-20T06:56:00.000Z','test','submission.created',NULL,'tb-0024-k3x9','{"requests": 1}');
INSERT INTO "events" VALUES(178,'2026-11-20T06:56:00.000Z','test','batch.queued',32,NULL,'{"requests": 1}');
INSERT INTO "events" VALUES(179,'2026-11-20T06:56:00.000Z','test','submission.created',NULL,'tb-0025-k3x9','{"requests": 1}');
INSERT INTO "events" VALUES(180,'2026-11-20T06:56:00.000Z','test','batch.queued',33,NULL,'{"requests": 1}');
INSERT INTO "events" VALUES(181,'2026-11-20T06:56:00.000Z','test','batch.sending',33,NULL,'{"watermark":""}');
INSERT INTO "events" VALUES(182,'2026-11-20T06:56:00.000Z','test','hold',NULL,'submissions','{"until": "2026-11-20T07:26:00.000Z", "reason": "the API''s queue is full (429)"}');
CREATE TABLE fallback_imports (
  key TEXT PRIMARY KEY,
  submission_id INTEGER NOT NULL REFERENCES submissions,
  imported_ts TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "fallback_imports" VALUES('tb-rescue-1',17,'2026-11-20T06:49:00.000Z');
CREATE TABLE holds (
  name TEXT PRIMARY KEY,
  since_ts TEXT NOT NULL,
  until_ts TEXT NOT NULL,
  reason TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "holds" VALUES('submissions','2026-11-20T06:56:00.000Z','2026-11-20T07:26:00.000Z','the API''s queue is full (429)');
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
INSERT INTO "hook_runs" VALUES('news','2026-05-02','news-2026-05-02.jsonl','due',0,NULL,'2026-11-20T06:21:00.000Z',NULL,NULL,NULL);
INSERT INTO "hook_runs" VALUES('w-done','2026-05-01','w-done.jsonl','done',1,'make report','2026-11-20T06:49:00.000Z','2026-11-20T06:49:00.000Z',0,NULL);
INSERT INTO "hook_runs" VALUES('w-failed','2026-05-01','w-failed.jsonl','failed',1,'make report','2026-11-20T06:49:00.000Z','2026-11-20T06:49:00.000Z',2,'exit 2: no disk');
INSERT INTO "hook_runs" VALUES('w-none','2026-05-01','w-none.jsonl','none',0,NULL,'2026-11-20T06:49:00.000Z',NULL,NULL,NULL);
INSERT INTO "hook_runs" VALUES('w-run','2026-05-01','w-run.jsonl','running',1,'make report','2026-11-20T07:49:00.000Z','2026-11-20T06:49:00.000Z',NULL,NULL);
CREATE TABLE leases (
  name TEXT PRIMARY KEY,
  holder TEXT NOT NULL,
  acquired_ts TEXT NOT NULL,
  expires_ts TEXT NOT NULL,
  acquired_at REAL NOT NULL,
  expires_at REAL NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "leases" VALUES('poll','host/9','2026-11-20T06:56:00.000Z','2026-11-20T07:01:00.000Z',3830560.0,3830860.0);
CREATE TABLE listings (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  started_ts TEXT NOT NULL
) STRICT;
INSERT INTO "listings" VALUES(1,'2026-11-20T06:35:00.000Z');
CREATE TABLE mirrors (
  name TEXT PRIMARY KEY,
  position INTEGER NOT NULL,
  bytes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "mirrors" VALUES('batch-jobs.jsonl',3,100);
CREATE TABLE orphans (
  remote_id TEXT PRIMARY KEY,
  verdict TEXT NOT NULL CHECK (verdict IN ('unknown', 'candidate', 'own', 'foreign', 'unresolved')),
  request_count INTEGER NOT NULL,
  remote_created_ts TEXT NOT NULL,
  seen_ts TEXT NOT NULL,
  failures INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
INSERT INTO "orphans" VALUES('msgbatch_adopted','own',1,'2026-11-20T06:49:00.000Z','2026-11-20T06:49:00.000Z',0);
INSERT INTO "orphans" VALUES('msgbatch_s1','own',1,'2026-11-20T06:35:00.000Z','2026-11-20T06:35:00.000Z',0);
INSERT INTO "orphans" VALUES('msgbatch_s2','own',1,'2026-11-20T06:35:00.000Z','2026-11-20T06:35:00.000Z',0);
INSERT INTO "orphans" VALUES('msgbatch_s3','foreign',1,'2026-11-20T06:35:00.000Z','2026-11-20T06:35:00.000Z',0);
INSERT INTO "orphans" VALUES('msgbatch_s4','unresolved',1,'2026-11-20T06:35:00.000Z','2026-11-20T06:35:00.000Z',0);
INSERT INTO "orphans" VALUES('msgbatch_s5','candidate',1,'2026-11-20T06:35:00.000Z','2026-11-20T06:35:00.000Z',1);
INSERT INTO "orphans" VALUES('msgbatch_u','unknown',1,'2026-11-20T06:35:00.000Z','2026-11-20T06:35:00.000Z',0);
CREATE TABLE pauses (
  workflow TEXT PRIMARY KEY,
  since_ts TEXT NOT NULL,
  who TEXT NOT NULL,
  reason TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "pauses" VALUES('archive','2026-11-20T06:42:00.000Z','kate','not now');
CREATE TABLE polls (
  id INTEGER PRIMARY KEY,
  actor TEXT NOT NULL,
  started_ts TEXT NOT NULL,
  finished_ts TEXT,
  -- Why it failed; null where it ran through, also with problems.
  error TEXT,
  summary TEXT NOT NULL DEFAULT '{}'
) STRICT;
INSERT INTO "polls" VALUES(1,'test','2026-11-20T06:56:00.000Z','2026-11-20T06:56:00.000Z',NULL,'{"collected": 0}');
INSERT INTO "polls" VALUES(2,'test','2026-11-20T06:56:00.000Z',NULL,NULL,'{}');
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
  UNIQUE (tag, custom_id)
) STRICT;
INSERT INTO "requests" VALUES(1,'gone-1','gone-1-000',1,'missing','','requests.jsonl',0,100,X'78',NULL,NULL);
INSERT INTO "requests" VALUES(2,'gone-1','gone-1-001',1,'missing','','requests.jsonl',0,100,X'78',NULL,NULL);
INSERT INTO "requests" VALUES(3,'gone-2','gone-2-000',2,'missing','','requests.jsonl',0,100,X'78',NULL,NULL);
INSERT INTO "requests" VALUES(4,'feed-2026-04-30','feed-2026-04-30-000',3,'queued','','requests.jsonl',0,100,X'78',1,NULL);
INSERT INTO "requests" VALUES(5,'feed-2026-04-30','feed-2026-04-30-001',3,'succeeded','','requests.jsonl',0,100,X'78',NULL,3);
INSERT INTO "requests" VALUES(6,'feed-2026-04-30','feed-2026-04-30-002',3,'succeeded','','requests.jsonl',0,100,X'78',NULL,3);
INSERT INTO "requests" VALUES(7,'news-2026-04-30','news-2026-04-30-000',4,'succeeded','','requests.jsonl',0,100,X'78',NULL,4);
INSERT INTO "requests" VALUES(8,'news-2026-04-30','news-2026-04-30-001',4,'succeeded','','requests.jsonl',0,100,X'78',NULL,4);
INSERT INTO "requests" VALUES(9,'cut-off','cut-off-000',5,'succeeded','','requests.jsonl',0,100,X'78',NULL,5);
INSERT INTO "requests" VALUES(10,'refusal','refusal-000',6,'succeeded','','requests.jsonl',0,100,X'78',NULL,6);
INSERT INTO "requests" VALUES(11,'unpriced','unpriced-000',7,'succeeded','','requests.jsonl',0,100,X'78',NULL,7);
INSERT INTO "requests" VALUES(12,'cached','cached-000',8,'succeeded','','requests.jsonl',0,100,X'78',NULL,8);
INSERT INTO "requests" VALUES(13,'expired','expired-000',9,'dismissed','','requests.jsonl',0,100,X'78',NULL,NULL);
INSERT INTO "requests" VALUES(14,'expired','expired-001',9,'expired','','requests.jsonl',0,100,X'78',NULL,NULL);
INSERT INTO "requests" VALUES(15,'expired','expired-002',9,'canceled','','requests.jsonl',0,100,X'78',NULL,NULL);
INSERT INTO "requests" VALUES(16,'refused','refused-000',10,'errored','','requests.jsonl',0,100,X'78',NULL,NULL);
INSERT INTO "requests" VALUES(17,'refused','refused-001',10,'errored','','requests.jsonl',0,100,X'78',NULL,NULL);
INSERT INTO "requests" VALUES(18,'partly','partly-000',11,'succeeded','','requests.jsonl',0,100,X'78',NULL,11);
INSERT INTO "requests" VALUES(19,'partly','partly-001',11,'assigned','','requests.jsonl',0,100,X'78',NULL,NULL);
INSERT INTO "requests" VALUES(20,'uncertain','uncertain-000',12,'assigned','','requests.jsonl',0,100,X'78',NULL,NULL);
INSERT INTO "requests" VALUES(21,'uncertain','uncertain-001',12,'assigned','','requests.jsonl',0,100,X'78',NULL,NULL);
INSERT INTO "requests" VALUES(22,'found','found-000',13,'succeeded','','requests.jsonl',0,100,X'78',NULL,13);
INSERT INTO "requests" VALUES(23,'sync-1','sync-1-000',14,'succeeded','','requests.jsonl',0,100,X'78',NULL,16);
INSERT INTO "requests" VALUES(24,'sync-1','sync-1-001',14,'queued','','requests.jsonl',0,100,X'78',NULL,NULL);
INSERT INTO "requests" VALUES(25,'spoken','call-1',15,'succeeded','','',0,0,X'',NULL,17);
INSERT INTO "requests" VALUES(26,'adopted','adopted-1',16,'assigned','','requests.jsonl',0,100,X'78',NULL,NULL);
INSERT INTO "requests" VALUES(27,'rescued','rescue-1',17,'assigned','','requests.jsonl',0,100,X'78',NULL,NULL);
INSERT INTO "requests" VALUES(28,'rescued','rescue-2',17,'queued','beta-1','requests.jsonl',0,100,X'78',NULL,NULL);
INSERT INTO "requests" VALUES(29,'too-large','too-large-000',18,'assigned','','requests.jsonl',0,100,X'78',NULL,NULL);
INSERT INTO "requests" VALUES(30,'too-large','too-large-001',18,'assigned','','requests.jsonl',0,100,X'78',NULL,NULL);
INSERT INTO "requests" VALUES(31,'one-bad','one-bad-000',19,'errored','','requests.jsonl',0,100,X'78',NULL,NULL);
INSERT INTO "requests" VALUES(32,'one-bad','one-bad-001',19,'assigned','','requests.jsonl',0,100,X'78',NULL,NULL);
INSERT INTO "requests" VALUES(33,'called-off','called-off-000',20,'canceled','','requests.jsonl',0,100,X'78',NULL,NULL);
INSERT INTO "requests" VALUES(34,'canceling','canceling-000',21,'assigned','','requests.jsonl',0,100,X'78',NULL,NULL);
INSERT INTO "requests" VALUES(35,'canceling','canceling-001',21,'assigned','','requests.jsonl',0,100,X'78',NULL,NULL);
INSERT INTO "requests" VALUES(36,'let-go','let-go-000',22,'queued','','requests.jsonl',0,100,X'78',NULL,NULL);
INSERT INTO "requests" VALUES(37,'let-go','let-go-001',22,'assigned','','requests.jsonl',0,100,X'78',NULL,NULL);
INSERT INTO "requests" VALUES(38,'slow','slow-000',23,'assigned','','requests.jsonl',0,100,X'78',NULL,NULL);
INSERT INTO "requests" VALUES(39,'released','released-000',24,'queued','','requests.jsonl',0,100,X'78',NULL,NULL);
INSERT INTO "requests" VALUES(40,'withdrawn','withdrawn-000',25,'queued','','requests.jsonl',0,100,X'78',NULL,NULL);
INSERT INTO "requests" VALUES(41,'intent','intent-000',26,'assigned','','requests.jsonl',0,100,X'78',NULL,NULL);
INSERT INTO "requests" VALUES(42,'intent','intent-001',26,'assigned','','requests.jsonl',0,100,X'78',NULL,NULL);
INSERT INTO "requests" VALUES(43,'paused','paused-000',27,'assigned','','requests.jsonl',0,100,X'78',NULL,NULL);
INSERT INTO "requests" VALUES(44,'sending','sending-000',28,'assigned','','requests.jsonl',0,100,X'78',NULL,NULL);
CREATE TABLE revision (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  value INTEGER NOT NULL
) STRICT;
INSERT INTO "revision" VALUES(1,154);
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
INSERT INTO "submissions" VALUES(1,'tb-0001-k3x9','gone-1','archive',NULL,'claude-haiku-4-5','2026-05-02',NULL,'queue',2,'test','2026-10-13T06:00:00.000Z','2026-11-20T06:00:00.000Z',NULL,NULL);
INSERT INTO "submissions" VALUES(2,'tb-0002-k3x9','gone-2','archive',NULL,'claude-haiku-4-5','2026-05-02',NULL,'queue',1,'test','2026-11-20T06:00:00.000Z','2026-11-20T06:07:00.000Z',NULL,NULL);
INSERT INTO "submissions" VALUES(3,'tb-0003-k3x9','feed-2026-04-30','feed',NULL,'claude-haiku-4-5','2026-05-02',NULL,'queue',3,'test','2026-11-20T06:14:00.000Z',NULL,NULL,NULL);
INSERT INTO "submissions" VALUES(4,'tb-0004-k3x9','news-2026-04-30','news',NULL,'claude-haiku-4-5','2026-05-02',NULL,'queue',2,'test','2026-11-20T06:21:00.000Z','2026-11-20T06:21:00.000Z','2026-11-20T06:21:00.000Z','2026-11-20T06:21:00.000Z');
INSERT INTO "submissions" VALUES(5,'tb-0005-k3x9','cut-off','feed',NULL,'claude-haiku-4-5','2026-05-02',NULL,'queue',1,'test','2026-11-20T06:28:00.000Z','2026-11-20T06:28:00.000Z',NULL,NULL);
INSERT INTO "submissions" VALUES(6,'tb-0006-k3x9','refusal','feed',NULL,'claude-haiku-4-5','2026-05-02',NULL,'queue',1,'test','2026-11-20T06:28:00.000Z','2026-11-20T06:28:00.000Z',NULL,NULL);
INSERT INTO "submissions" VALUES(7,'tb-0007-k3x9','unpriced','odd',NULL,'claude-haiku-4-5','2026-05-02',NULL,'queue',1,'test','2026-11-20T06:28:00.000Z','2026-11-20T06:28:00.000Z',NULL,NULL);
INSERT INTO "submissions" VALUES(8,'tb-0008-k3x9','cached','feed',NULL,'claude-haiku-4-5','2026-05-02',NULL,'queue',1,'test','2026-11-20T06:28:00.000Z','2026-11-20T06:28:00.000Z',NULL,NULL);
INSERT INTO "submissions" VALUES(9,'tb-0009-k3x9','expired','feed',NULL,'claude-haiku-4-5','2026-05-02',NULL,'queue',3,'test','2026-11-20T06:28:00.000Z','2026-11-20T06:28:00.000Z',NULL,NULL);
INSERT INTO "submissions" VALUES(10,'tb-0010-k3x9','refused','feed',NULL,'claude-haiku-4-5','2026-05-02',NULL,'queue',2,'test','2026-11-20T06:28:00.000Z','2026-11-20T06:28:00.000Z',NULL,NULL);
INSERT INTO "submissions" VALUES(11,'tb-0011-k3x9','partly','feed',NULL,'claude-haiku-4-5','2026-05-02',NULL,'queue',2,'test','2026-11-20T06:35:00.000Z',NULL,NULL,NULL);
INSERT INTO "submissions" VALUES(12,'tb-0012-k3x9','uncertain','feed',NULL,'claude-haiku-4-5','2026-05-02',NULL,'queue',2,'test','2026-11-20T06:35:00.000Z',NULL,NULL,NULL);
INSERT INTO "submissions" VALUES(13,'tb-0013-k3x9','found','feed',NULL,'claude-haiku-4-5','2026-05-02',NULL,'queue',1,'test','2026-11-20T06:35:00.000Z','2026-11-20T06:35:00.000Z',NULL,NULL);
INSERT INTO "submissions" VALUES(14,'tb-0014-k3x9','sync-1','feed',NULL,'claude-haiku-4-5','2026-05-02',NULL,'queue',2,'test','2026-11-20T06:49:00.000Z',NULL,NULL,NULL);
INSERT INTO "submissions" VALUES(15,'tb-recorded-1','spoken','chat',NULL,'claude-haiku-4-5','',NULL,'sync',1,'test','2026-11-20T06:49:00.000Z','2026-11-20T06:49:00.000Z','2026-11-20T06:49:00.000Z',NULL);
INSERT INTO "submissions" VALUES(16,'tb-adopted-1','adopted','feed','feed','claude-haiku-4-5','2026-05-02','2026-11-23T06:00:00.000Z','sync',1,'host/2','2026-11-20T06:49:00.000Z',NULL,NULL,NULL);
INSERT INTO "submissions" VALUES(17,'tb-rescue-1','rescued','feed','feed','claude-haiku-4-5','2026-05-02','2026-11-23T06:00:00.000Z','sync',2,'host/2','2026-11-20T06:49:00.000Z',NULL,NULL,NULL);
INSERT INTO "submissions" VALUES(18,'tb-0015-k3x9','too-large','feed',NULL,'claude-haiku-4-5','2026-05-02',NULL,'queue',2,'test','2026-11-20T06:56:00.000Z',NULL,NULL,NULL);
INSERT INTO "submissions" VALUES(19,'tb-0016-k3x9','one-bad','feed',NULL,'claude-haiku-4-5','2026-05-02',NULL,'queue',2,'test','2026-11-20T06:56:00.000Z',NULL,NULL,NULL);
INSERT INTO "submissions" VALUES(20,'tb-0017-k3x9','called-off','feed',NULL,'claude-haiku-4-5','2026-05-02',NULL,'queue',1,'test','2026-11-20T06:56:00.000Z','2026-11-20T06:56:00.000Z',NULL,NULL);
INSERT INTO "submissions" VALUES(21,'tb-0018-k3x9','canceling','feed',NULL,'claude-haiku-4-5','2026-05-02',NULL,'queue',2,'test','2026-11-20T06:56:00.000Z',NULL,NULL,NULL);
INSERT INTO "submissions" VALUES(22,'tb-0019-k3x9','let-go','feed',NULL,'claude-haiku-4-5','2026-05-02','2026-11-20T07:56:00.000Z','queue',2,'test','2026-11-20T06:56:00.000Z',NULL,NULL,NULL);
INSERT INTO "submissions" VALUES(23,'tb-0020-k3x9','slow','feed',NULL,'claude-haiku-4-5','2026-05-02','2026-11-20T12:56:00.000Z','queue',1,'test','2026-11-20T06:56:00.000Z',NULL,NULL,NULL);
INSERT INTO "submissions" VALUES(24,'tb-0021-k3x9','released','feed',NULL,'claude-haiku-4-5','2026-05-02',NULL,'queue',1,'test','2026-11-20T06:56:00.000Z',NULL,NULL,NULL);
INSERT INTO "submissions" VALUES(25,'tb-0022-k3x9','withdrawn','feed',NULL,'claude-haiku-4-5','2026-05-02',NULL,'queue',1,'test','2026-11-20T06:56:00.000Z',NULL,NULL,NULL);
INSERT INTO "submissions" VALUES(26,'tb-0023-k3x9','intent','feed',NULL,'claude-haiku-4-5','2026-05-02',NULL,'queue',2,'test','2026-11-20T06:56:00.000Z',NULL,NULL,NULL);
INSERT INTO "submissions" VALUES(27,'tb-0024-k3x9','paused','archive',NULL,'claude-haiku-4-5','2026-05-02',NULL,'queue',1,'test','2026-11-20T06:56:00.000Z',NULL,NULL,NULL);
INSERT INTO "submissions" VALUES(28,'tb-0025-k3x9','sending','feed',NULL,'claude-haiku-4-5','2026-05-02',NULL,'queue',1,'test','2026-11-20T06:56:00.000Z',NULL,NULL,NULL);
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE INDEX submissions_by_tag ON submissions (tag, id);
CREATE INDEX submissions_undelivered ON submissions (id) WHERE delivered_ts IS NULL;
CREATE INDEX submissions_by_created ON submissions (created_ts);
CREATE INDEX submissions_by_delivery ON submissions (workflow, work_date);
CREATE INDEX requests_by_submission ON requests (submission_id, id);
CREATE INDEX requests_to_do ON requests (status, id) WHERE status NOT IN ('assigned', 'succeeded');
CREATE UNIQUE INDEX batches_by_nonce ON batches (nonce) WHERE duplicate_of IS NULL;
CREATE INDEX batches_open ON batches (id)
  WHERE status NOT IN ('not_sent', 'rejected', 'ended') OR collection = 'pending';
CREATE INDEX batches_by_submission ON batches (submission_id);
CREATE INDEX batches_by_ended ON batches (ended_ts);
CREATE INDEX batches_not_sent ON batches (id) WHERE status = 'not_sent';
CREATE UNIQUE INDEX one_active_attempt ON attempts (request_id) WHERE active = 1;
CREATE INDEX attempts_by_request ON attempts (request_id);
CREATE INDEX attempts_for_review ON attempts (batch_id, request_id) WHERE reviewed = 0
  AND stop_reason IN ('refusal', 'max_tokens', 'pause_turn', 'model_context_window_exceeded');
CREATE UNIQUE INDEX commands_once ON commands (digest) WHERE state IN ('pending', 'running');
CREATE INDEX commands_open ON commands (id) WHERE state IN ('pending', 'running');
CREATE INDEX events_by_batch ON events (batch_id, id) WHERE batch_id IS NOT NULL;
CREATE UNIQUE INDEX alerts_raised ON alerts (rule, subject) WHERE cleared_ts IS NULL;
CREATE INDEX hook_runs_open ON hook_runs (state, not_before_ts)
  WHERE state NOT IN ('done', 'none');
CREATE TRIGGER batches_status_transitions BEFORE UPDATE OF status ON batches
WHEN NEW.status <> OLD.status AND NOT (
    (OLD.status = 'queued' AND NEW.status IN ('sending', 'not_sent', 'rejected'))
    OR (OLD.status = 'sending' AND NEW.status IN ('unconfirmed', 'not_sent', 'rejected', 'in_progress'))
    OR (OLD.status = 'unconfirmed' AND NEW.status IN ('not_sent', 'in_progress'))
    OR (OLD.status = 'in_progress' AND NEW.status IN ('canceling', 'ended'))
    OR (OLD.status = 'canceling' AND NEW.status IN ('ended')))
BEGIN SELECT RAISE(ABORT, 'illegal transition of batches.status'); END;
CREATE TRIGGER batches_collection_transitions BEFORE UPDATE OF collection ON batches
WHEN NEW.collection <> OLD.collection AND NOT (
    (OLD.collection = 'not_ready' AND NEW.collection IN ('pending'))
    OR (OLD.collection = 'pending' AND NEW.collection IN ('collected', 'results_expired', 'deleted'))
    OR (OLD.collection = 'deleted' AND NEW.collection IN ('pending')))
BEGIN SELECT RAISE(ABORT, 'illegal transition of batches.collection'); END;
CREATE TRIGGER commands_state_transitions BEFORE UPDATE OF state ON commands
WHEN NEW.state <> OLD.state AND NOT (
    (OLD.state = 'pending' AND NEW.state IN ('running', 'withdrawn'))
    OR (OLD.state = 'running' AND NEW.state IN ('done', 'failed')))
BEGIN SELECT RAISE(ABORT, 'illegal transition of commands.state'); END;
CREATE TRIGGER batches_remote_id_is_final BEFORE UPDATE OF remote_id ON batches
WHEN OLD.remote_id IS NOT NULL AND NEW.remote_id IS NOT OLD.remote_id
BEGIN SELECT RAISE(ABORT, 'illegal transition: batches.remote_id is final'); END;
CREATE TRIGGER batches_are_kept BEFORE DELETE ON batches
BEGIN SELECT RAISE(ABORT, 'illegal transition: batches are never deleted'); END;
CREATE TRIGGER attempts_outcome_is_final BEFORE UPDATE OF outcome ON attempts
WHEN OLD.outcome IS NOT NULL AND NEW.outcome IS NOT OLD.outcome AND OLD.outcome <> 'missing'
BEGIN SELECT RAISE(ABORT, 'illegal transition: attempts.outcome is final'); END;
CREATE TRIGGER requests_success_is_final BEFORE UPDATE OF status ON requests
WHEN OLD.status = 'succeeded' AND NEW.status <> 'succeeded'
  -- A replay with an edited body asks again; the earlier answer stays as an attempt.
  AND NOT (NEW.status = 'queued' AND NEW.edit_id IS NOT OLD.edit_id AND NEW.settled_by IS NULL)
BEGIN SELECT RAISE(ABORT, 'illegal transition: a request that succeeded is final'); END;
CREATE TRIGGER events_are_never_changed BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'illegal transition: events are append-only'); END;
CREATE TRIGGER events_are_never_deleted BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'illegal transition: events are append-only'); END;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('events',182);
COMMIT;
