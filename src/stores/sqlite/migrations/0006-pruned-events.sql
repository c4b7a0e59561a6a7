-- The highest place of an event that retention removed: readers that come back from before it are told
-- that they may have missed something. `pruned_seq` cannot say so, for it counts deliveries too.
ALTER TABLE store_state ADD COLUMN pruned_event_seq INTEGER NOT NULL DEFAULT 0;
