-- Everything lies in one schema; `search_path` names it. Times are milliseconds since the epoch, as in
-- the domain. Documents (`headers`, `origin`, settings, filters) are JSON kept as text: PostgreSQL's own
-- JSON types refuse the character U+0000, which a sender may well put there.

-- The last place given in the log. A sequence, because what it gave is never taken back: not by a
-- rollback, not by retention, not by a crash.
CREATE SEQUENCE log_place AS bigint MINVALUE 0 START 0;

-- Takes `how_many` places, all above those given before and none below `not_before`; answers the first.
--
-- The lock is held until the transaction has committed and its rows are seen by everyone. So places
-- become visible in the order in which they were given, over all nodes: whoever has read up to a place
-- has missed nothing below it.
CREATE FUNCTION take_places(how_many bigint, not_before bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM lock_log();
  RETURN setval(
    'log_place', greatest(not_before, coalesce(pg_sequence_last_value('log_place'), 0) + 1) + how_many - 1
  ) - how_many + 1;
END $$;

-- 'Ring' in ASCII and the schema: several Ringbacks may share a database.
CREATE FUNCTION lock_log() RETURNS void
LANGUAGE sql AS $$
  SELECT pg_advisory_xact_lock(1382641255, current_schema()::regnamespace::oid::int)
$$;

-- The log. `seq`, the place, is microseconds since the epoch, or one more than the last place when that
-- is larger. Each day has a partition of its own, made by the store, with a unique index on `id`.
CREATE TABLE events (
  seq bigint NOT NULL,
  id text NOT NULL,
  tenant text NOT NULL,
  source_id text,
  source text NOT NULL,
  type text NOT NULL,
  key text,
  subject text,
  external_id text,
  correlation_id text,
  causation_id text,
  occurred_at bigint NOT NULL,
  received_at bigint NOT NULL,
  content_type text,
  headers text NOT NULL,
  settings_version bigint NOT NULL,
  origin text NOT NULL,
  body bytea NOT NULL,
  PRIMARY KEY (seq)
) PARTITION BY RANGE (seq);
CREATE INDEX events_correlation ON events (correlation_id) WHERE correlation_id IS NOT NULL;

-- A name that is taken until it expires. The transaction that appends the event takes it.
CREATE TABLE dedupe (
  scope text NOT NULL,
  key text NOT NULL,
  event_id text NOT NULL,
  fingerprint text NOT NULL,
  taken_at bigint NOT NULL,
  expires_at bigint NOT NULL,
  PRIMARY KEY (scope, key)
);
CREATE INDEX dedupe_expiry ON dedupe (expires_at);

-- Deliveries that are pending or leased: a small table that stays small, so that what is claimed and
-- settled a thousand times a second is never searched for among a month of finished ones.
CREATE TABLE open_deliveries (
  seq bigint NOT NULL,
  id text NOT NULL,
  tenant text NOT NULL,
  event_seq bigint NOT NULL,
  subscription_id text,
  destination_id text NOT NULL,
  state text NOT NULL CHECK (state IN ('pending', 'leased')),
  attempts integer NOT NULL,
  due_at bigint,
  lease_until bigint,
  lease_token text,
  created_at bigint NOT NULL,
  -- While leased: when the attempt under way was claimed.
  updated_at bigint NOT NULL,
  reason text,
  last_status integer,
  last_error text,
  replay_of text,
  replay_id text,
  -- Deliveries of one order key go one after the other: only the first of them here has a due time.
  order_key text,
  -- The event's, so that a claim can stop at a number of bytes before it reads any.
  body_bytes bigint NOT NULL,
  PRIMARY KEY (seq)
) WITH (
  -- Rows live for seconds: their dead versions must go at the same rate.
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000,
  autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000,
  autovacuum_vacuum_cost_delay = 0
);
CREATE UNIQUE INDEX open_deliveries_id ON open_deliveries (id);
CREATE INDEX open_deliveries_event ON open_deliveries (event_seq);
-- What a claim walks: one range for each destination, so a backlog of one is not read for another.
CREATE INDEX open_deliveries_pending ON open_deliveries (destination_id, due_at, seq) WHERE state = 'pending';
CREATE INDEX open_deliveries_leased ON open_deliveries (lease_until) WHERE state = 'leased';
CREATE INDEX open_deliveries_subscription ON open_deliveries (subscription_id) WHERE state = 'pending';
CREATE INDEX open_deliveries_order ON open_deliveries (order_key, seq) WHERE order_key IS NOT NULL;

-- Order keys that have an unfinished delivery. A function, because each of its statements sees what was
-- committed before the lock was had; the statement that calls it sees what was there when it began.
CREATE FUNCTION held_order_keys(keys text[]) RETURNS SETOF text
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM lock_log();
  RETURN QUERY SELECT DISTINCT order_key FROM open_deliveries WHERE order_key = ANY (keys);
END $$;

-- Makes the first delivery of each key due that nothing is before any more. The lock keeps a delivery
-- that is just being appended from taking its place behind one that has just ended, to wait for ever.
CREATE FUNCTION release_order_keys(keys text[], at bigint) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM lock_log();
  UPDATE open_deliveries AS d SET due_at = at, updated_at = at, reason = NULL
  FROM unnest(keys) AS ended (key) CROSS JOIN LATERAL (
    SELECT seq FROM open_deliveries WHERE order_key = ended.key ORDER BY seq LIMIT 1
  ) AS first
  WHERE d.seq = first.seq AND d.state = 'pending' AND d.due_at IS NULL;
END $$;

-- Deliveries that have ended: written once, never changed, dropped with their event's day.
CREATE TABLE ended_deliveries (
  seq bigint NOT NULL,
  id text NOT NULL,
  tenant text NOT NULL,
  event_seq bigint NOT NULL,
  subscription_id text,
  destination_id text NOT NULL,
  state text NOT NULL CHECK (state IN ('succeeded', 'dead', 'cancelled')),
  attempts integer NOT NULL,
  created_at bigint NOT NULL,
  updated_at bigint NOT NULL,
  reason text,
  last_status integer,
  last_error text,
  replay_of text,
  replay_id text,
  PRIMARY KEY (event_seq, seq)
) PARTITION BY RANGE (event_seq);
CREATE INDEX ended_deliveries_seq ON ended_deliveries (seq);
CREATE INDEX ended_deliveries_id ON ended_deliveries (id);
CREATE INDEX ended_deliveries_destination ON ended_deliveries (destination_id, seq);
CREATE INDEX ended_deliveries_failed ON ended_deliveries (state, seq) WHERE state IN ('dead', 'cancelled');

-- All deliveries, for questions.
CREATE VIEW deliveries AS
  SELECT seq, id, tenant, event_seq, subscription_id, destination_id, state, attempts, due_at,
    created_at, updated_at, reason, last_status, last_error, replay_of, replay_id
  FROM open_deliveries
  UNION ALL
  SELECT seq, id, tenant, event_seq, subscription_id, destination_id, state, attempts, NULL::bigint,
    created_at, updated_at, reason, last_status, last_error, replay_of, replay_id
  FROM ended_deliveries;

CREATE TABLE attempts (
  event_seq bigint NOT NULL,
  delivery_seq bigint NOT NULL,
  number integer NOT NULL,
  started_at bigint NOT NULL,
  duration_ms double precision NOT NULL,
  outcome text NOT NULL CHECK (outcome IN ('succeeded', 'retryable', 'permanent', 'abandoned')),
  status integer,
  error text,
  response_headers text NOT NULL,
  response_body text NOT NULL,
  next_attempt_at bigint,
  PRIMARY KEY (event_seq, delivery_seq, number)
) PARTITION BY RANGE (event_seq);

-- Settings as documents: a handful of rows that every process holds in memory, so columns would only
-- repeat the types of the domain.
CREATE TABLE settings (
  kind text NOT NULL,
  id text NOT NULL,
  tenant text NOT NULL,
  name text NOT NULL,
  document text NOT NULL,
  PRIMARY KEY (kind, id)
);
CREATE UNIQUE INDEX settings_name ON settings (kind, tenant, name);

-- Each version of each setting: the audit log, and what past events were matched against.
CREATE TABLE settings_log (
  version bigint NOT NULL,
  kind text NOT NULL,
  setting_id text NOT NULL,
  tenant text NOT NULL,
  action text NOT NULL CHECK (action IN ('created', 'updated', 'deleted')),
  document text,
  at bigint NOT NULL,
  principal text NOT NULL,
  remote_address text,
  PRIMARY KEY (version)
);
CREATE INDEX settings_log_setting ON settings_log (kind, setting_id, version);

CREATE TABLE replays (
  seq bigint NOT NULL,
  id text NOT NULL,
  tenant text NOT NULL,
  filter text NOT NULL,
  destination_id text,
  rate_per_second double precision,
  state text NOT NULL CHECK (state IN ('running', 'completed', 'cancelled')),
  matched bigint NOT NULL,
  created bigint NOT NULL,
  over text NOT NULL CHECK (over IN ('deliveries', 'events')),
  cursor bigint NOT NULL,
  end_seq bigint NOT NULL,
  created_at bigint NOT NULL,
  updated_at bigint NOT NULL,
  principal text NOT NULL,
  PRIMARY KEY (seq)
);
CREATE UNIQUE INDEX replays_id ON replays (id);
CREATE INDEX replays_running ON replays (seq) WHERE state = 'running';

CREATE TABLE rejections (
  seq bigint GENERATED ALWAYS AS IDENTITY,
  id text NOT NULL,
  tenant text NOT NULL,
  source_id text,
  request_id text NOT NULL,
  at bigint NOT NULL,
  code text NOT NULL,
  reason text NOT NULL,
  remote_address text,
  method text NOT NULL,
  path text NOT NULL,
  headers text NOT NULL,
  body bytea NOT NULL,
  body_bytes bigint NOT NULL,
  -- What the row takes, so that the bound in bytes needs no look at bodies.
  kept_bytes integer NOT NULL,
  PRIMARY KEY (seq)
);
CREATE INDEX rejections_kept ON rejections (seq) INCLUDE (kept_bytes);
CREATE INDEX rejections_source ON rejections (source_id, seq);
CREATE INDEX rejections_id ON rejections (id);
CREATE INDEX rejections_request ON rejections (request_id);

-- Destinations that have only failed since then, so that a restart does not forget it.
CREATE TABLE failing_destinations (
  destination_id text NOT NULL,
  failing_since bigint NOT NULL,
  PRIMARY KEY (destination_id)
);

-- Days that are being dropped: nothing new may refer to their events.
CREATE TABLE retired_days (
  from_seq bigint NOT NULL,
  to_seq bigint NOT NULL,
  PRIMARY KEY (from_seq)
);

-- One row. `probes` is written to find out whether the server still takes a commit; `key_check` shows
-- whether a node has the keys with which the secrets of the settings were sealed.
CREATE TABLE store_state (
  only_row boolean NOT NULL DEFAULT true CHECK (only_row),
  probes bigint NOT NULL,
  key_check text,
  PRIMARY KEY (only_row)
);
INSERT INTO store_state (probes) VALUES (0);
