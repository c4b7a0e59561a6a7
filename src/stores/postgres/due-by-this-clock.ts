import type { Run } from './database.ts';

/** More than clocks of nodes may differ by. */
const MARGIN_MS = 5_000;

/**
 * Deliveries from the future: a node wrote or took them back under a clock that was ahead, and they would wait until
 * the others' get there. They become due as long after now as they were to wait when written.
 *
 * The newest place in the log is a time (ADR 0004), so one look tells whether there can be any.
 */
export async function dueByThisClock(run: Run, nowMs: number): Promise<void> {
  await run({
    text: `
      UPDATE open_deliveries SET due_at = $1::bigint + greatest(0, due_at - updated_at)
      WHERE pg_sequence_last_value('log_place') > ($1::bigint + $2::bigint) * 1000
        AND state = 'pending' AND due_at > $1::bigint AND updated_at > $1::bigint + $2::bigint`,
    values: [nowMs, MARGIN_MS],
  });
}
