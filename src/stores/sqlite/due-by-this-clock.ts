import type { DatabaseSync } from 'node:sqlite';

/** Clocks that differ by less are as good as the same. */
const MARGIN_MS = 1_000;

/**
 * Deliveries from the future: an earlier process wrote or took them back under a clock that was ahead, and they would
 * wait until this one's gets there. They become due as long after now as they were to wait when written.
 *
 * The newest place in the log is a time (ADR 0004), so one look tells whether there can be any.
 */
export function dueByThisClock(db: DatabaseSync, nowMs: number): void {
  const newest = db.prepare('SELECT max(seq) AS seq FROM deliveries').get()?.['seq'];
  if (typeof newest !== 'number' || newest / 1_000 <= nowMs + MARGIN_MS) return;
  db.prepare(
    `UPDATE deliveries SET due_at = ?1 + max(0, due_at - updated_at)
     WHERE state = 'pending' AND due_at > ?1 AND updated_at > ?1 + ?2`,
  ).run(nowMs, MARGIN_MS);
}
