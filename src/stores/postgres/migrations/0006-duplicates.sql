-- Requests that repeated an event: the newest few of each. They are numbered by event, also those that are
-- not kept, so that the highest number says how many came. Dropped with their event's day.
CREATE TABLE duplicates (
  event_seq bigint NOT NULL,
  number bigint NOT NULL,
  request_id text NOT NULL,
  at bigint NOT NULL,
  remote_address text,
  principal text,
  idempotency_key text,
  PRIMARY KEY (event_seq, number)
) PARTITION BY RANGE (event_seq);
CREATE INDEX duplicates_request ON duplicates (request_id);

-- For the days that there are already: the store makes partitions of new ones only.
DO $$
DECLARE
  day record;
BEGIN
  FOR day IN
    SELECT replace(child.relname, 'events_', 'duplicates_') AS name,
      pg_get_expr(child.relpartbound, child.oid) AS bound
    FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
    WHERE inhparent = 'events'::regclass AND NOT inhdetachpending
  LOOP
    EXECUTE format('CREATE TABLE %I PARTITION OF duplicates %s', day.name, day.bound);
  END LOOP;
END $$;
