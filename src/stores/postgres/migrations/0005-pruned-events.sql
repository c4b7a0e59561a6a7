-- The highest place of an event that retention removed: readers that come back from before it are told
-- that they may have missed something.
ALTER TABLE store_state ADD COLUMN pruned_event_seq bigint NOT NULL DEFAULT 0;
