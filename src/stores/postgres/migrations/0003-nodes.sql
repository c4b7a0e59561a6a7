-- The nodes that share this database. Each writes its row once a second; rows of nodes that died are
-- removed by the others after an hour.
CREATE TABLE nodes (
  id text PRIMARY KEY,
  roles text NOT NULL,
  view text NOT NULL,
  over text NOT NULL,
  open_breakers text NOT NULL,
  -- By the clock of the server, the only one that all nodes can read.
  seen_at timestamptz NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
