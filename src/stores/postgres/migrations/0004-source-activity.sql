-- When sources that are expected to speak last did, and since when one is known to be silent.
CREATE TABLE source_activity (
  source_id text NOT NULL,
  last_event_at bigint NOT NULL,
  silent_since bigint,
  PRIMARY KEY (source_id)
);
