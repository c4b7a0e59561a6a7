-- The log. `seq` is microseconds since the epoch, or one more than the last when the clock has not
-- moved: it grows in commit order and is not used again after old events are pruned.
CREATE TABLE events (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL,
  tenant TEXT NOT NULL,
  source_id TEXT,
  source TEXT NOT NULL,
  type TEXT NOT NULL,
  key TEXT,
  subject TEXT,
  external_id TEXT,
  correlation_id TEXT,
  causation_id TEXT,
  occurred_at INTEGER NOT NULL,
  received_at INTEGER NOT NULL,
  content_type TEXT,
  headers TEXT NOT NULL,
  settings_version INTEGER NOT NULL,
  origin TEXT NOT NULL,
  body BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX events_id ON events (id);
CREATE INDEX events_correlation ON events (correlation_id) WHERE correlation_id IS NOT NULL;

-- A name that is taken until it expires. The same transaction that appends the event takes it.
CREATE TABLE dedupe (
  scope TEXT NOT NULL,
  key TEXT NOT NULL,
  event_id TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX dedupe_expiry ON dedupe (expires_at);

CREATE TABLE deliveries (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL,
  tenant TEXT NOT NULL,
  event_seq INTEGER NOT NULL,
  subscription_id TEXT,
  destination_id TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('pending', 'leased', 'succeeded', 'dead', 'cancelled')),
  attempts INTEGER NOT NULL,
  due_at INTEGER,
  lease_until INTEGER,
  lease_token TEXT,
  created_at INTEGER NOT NULL,
  -- While leased: when the attempt under way was claimed.
  updated_at INTEGER NOT NULL,
  reason TEXT,
  last_status INTEGER,
  last_error TEXT,
  replay_of TEXT,
  replay_id TEXT
) STRICT;
CREATE UNIQUE INDEX deliveries_id ON deliveries (id);
CREATE INDEX deliveries_event ON deliveries (event_seq);
CREATE INDEX deliveries_destination ON deliveries (destination_id);
-- What claimDue walks: one range for each destination, so a backlog of one is not read for another.
CREATE INDEX deliveries_pending ON deliveries (destination_id, due_at) WHERE state = 'pending';
CREATE INDEX deliveries_leased ON deliveries (lease_until) WHERE state = 'leased';
CREATE INDEX deliveries_ended ON deliveries (state) WHERE state IN ('dead', 'cancelled');

CREATE TABLE attempts (
  delivery_seq INTEGER NOT NULL,
  number INTEGER NOT NULL,
  started_at INTEGER NOT NULL,
  duration_ms REAL NOT NULL,
  outcome TEXT NOT NULL CHECK (outcome IN ('succeeded', 'retryable', 'permanent', 'abandoned')),
  status INTEGER,
  error TEXT,
  response_headers TEXT NOT NULL,
  response_body TEXT NOT NULL,
  next_attempt_at INTEGER,
  PRIMARY KEY (delivery_seq, number)
) STRICT, WITHOUT ROWID;

-- Settings as documents: a handful of rows that every process holds in memory, so columns would only
-- repeat the types of the domain.
CREATE TABLE settings (
  kind TEXT NOT NULL,
  id TEXT NOT NULL,
  tenant TEXT NOT NULL,
  name TEXT NOT NULL,
  document TEXT NOT NULL,
  PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX settings_name ON settings (kind, tenant, name);

-- Each version of each setting: the audit log, and what past events were matched against.
CREATE TABLE settings_log (
  version INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,
  setting_id TEXT NOT NULL,
  tenant TEXT NOT NULL,
  action TEXT NOT NULL CHECK (action IN ('created', 'updated', 'deleted')),
  document TEXT,
  at INTEGER NOT NULL,
  principal TEXT NOT NULL,
  remote_address TEXT
) STRICT;
CREATE INDEX settings_log_setting ON settings_log (kind, setting_id, version);

CREATE TABLE replays (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  tenant TEXT NOT NULL,
  filter TEXT NOT NULL,
  destination_id TEXT,
  rate_per_second REAL,
  state TEXT NOT NULL CHECK (state IN ('running', 'completed', 'cancelled')),
  matched INTEGER NOT NULL,
  created INTEGER NOT NULL,
  over TEXT NOT NULL CHECK (over IN ('deliveries', 'events')),
  cursor INTEGER NOT NULL,
  end_seq INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  principal TEXT NOT NULL
) STRICT;
CREATE INDEX replays_running ON replays (state) WHERE state = 'running';

-- One row. `probes` is written to find out whether the disk still takes a commit; `pruned_seq` is the
-- highest place whose row was removed, so that no place is given twice.
CREATE TABLE store_state (probes INTEGER NOT NULL, pruned_seq INTEGER NOT NULL) STRICT;
INSERT INTO store_state VALUES (0, 0);

CREATE TABLE rejections (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL,
  tenant TEXT NOT NULL,
  source_id TEXT,
  request_id TEXT NOT NULL,
  at INTEGER NOT NULL,
  code TEXT NOT NULL,
  reason TEXT NOT NULL,
  remote_address TEXT,
  method TEXT NOT NULL,
  path TEXT NOT NULL,
  headers TEXT NOT NULL,
  body BLOB NOT NULL,
  body_bytes INTEGER NOT NULL,
  -- What the row takes, so that the bound in bytes needs no look at bodies.
  kept_bytes INTEGER NOT NULL
) STRICT;
CREATE INDEX rejections_source ON rejections (source_id);
CREATE INDEX rejections_request ON rejections (request_id);
