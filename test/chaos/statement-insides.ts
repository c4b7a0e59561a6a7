/**
 * What a process can die inside of, by the SQL that is run there, in both stores. The first that fits
 * counts: a replay also inserts deliveries.
 */
export const INSIDES = {
  migration: /^\s*(--.*\n\s*)*(CREATE|ALTER) |PRAGMA user_version = |INSERT INTO migrations /,
  retention: /DELETE FROM (attempts|deliveries WHERE event_seq|events WHERE seq)|SET pruned_seq|WITH old AS/,
  replay: /(INSERT INTO|UPDATE) replays|replay_of, replay_id\)\s*VALUES|held_order_keys\(\$5\)/,
  // In PostgreSQL these two are one statement each: there is no middle to die in.
  append: /INSERT INTO (events|deliveries) \(\w+, /,
  settlement: /UPDATE deliveries SET state = \?, due_at|INSERT INTO attempts \(delivery_seq, number, s/,
} as const;

export type Inside = keyof typeof INSIDES;
