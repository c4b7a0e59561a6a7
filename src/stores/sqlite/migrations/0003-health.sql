-- Destinations that have only failed since then, so that a restart does not forget it.
CREATE TABLE failing_destinations (
  destination_id TEXT PRIMARY KEY,
  failing_since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
