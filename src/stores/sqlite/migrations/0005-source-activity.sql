-- When sources that are expected to speak last did, and since when one is known to be silent.
CREATE TABLE source_activity (
  source_id TEXT PRIMARY KEY,
  last_event_at INTEGER NOT NULL,
  silent_since INTEGER
) STRICT, WITHOUT ROWID;
