-- Requests that repeated an event: the newest few of each. They are numbered by event, also those that are
-- not kept, so that the highest number says how many came.
CREATE TABLE duplicates (
  event_seq INTEGER NOT NULL,
  number INTEGER NOT NULL,
  request_id TEXT NOT NULL,
  at INTEGER NOT NULL,
  remote_address TEXT,
  principal TEXT,
  idempotency_key TEXT,
  PRIMARY KEY (event_seq, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX duplicates_request ON duplicates (request_id);
