import type { DatabaseSync } from 'node:sqlite';

/**
 * Places in the log: microseconds since the epoch, or one more than the last one.
 *
 * Time keeps them from being used again after everything old was pruned, so a reader's cursor stays
 * true. Only the one writer makes them, so they grow in commit order. Safe integers until 2255.
 */
export class Sequence {
  #last: number;

  constructor(db: DatabaseSync) {
    const row = db
      .prepare(
        `SELECT max(
           (SELECT pruned_seq FROM store_state),
           coalesce((SELECT max(seq) FROM events), 0),
           coalesce((SELECT max(seq) FROM deliveries), 0)) AS last`,
      )
      .get();
    this.#last = Number(row?.['last'] ?? 0);
  }

  next(nowMs: number): number {
    this.#last = Math.max(this.#last + 1, nowMs * 1000);
    return this.#last;
  }
}
