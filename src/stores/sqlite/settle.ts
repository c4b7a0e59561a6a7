import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Settlement } from '../../ports/event-log.ts';
import type { OrderGate } from './order-gate.ts';
import { number, type Row, textOrNull } from './rows.ts';

/** Records what became of leased deliveries, inside the caller's transaction. */
export class Settle {
  readonly #settle: StatementSync;
  readonly #giveBack: StatementSync;
  readonly #record: StatementSync;
  readonly #order: OrderGate;

  constructor(db: DatabaseSync, order: OrderGate) {
    this.#order = order;
    const guard = `WHERE id = ? AND state = 'leased' AND lease_token = ?`;
    this.#settle = db.prepare(`
      UPDATE deliveries SET state = ?, due_at = ?, reason = ?, updated_at = ?, lease_until = NULL,
        lease_token = NULL, last_status = ?, last_error = ?
      ${guard} RETURNING seq, order_key`);
    this.#giveBack = db.prepare(`
      UPDATE deliveries SET state = ?, due_at = ?, reason = ?, updated_at = ?, lease_until = NULL,
        lease_token = NULL, attempts = attempts - 1
      ${guard} RETURNING seq, order_key`);
    this.#record = db.prepare(`
      INSERT INTO attempts (delivery_seq, number, started_at, duration_ms, outcome, status, error,
        response_headers, response_body, next_attempt_at)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
  }

  settle(settlement: Settlement): 'settled' | 'lease_lost' {
    const { attempt, next } = settlement;
    const dueAt = next.state === 'pending' ? next.dueAt : null;
    const reason = next.state === 'succeeded' ? null : next.reason;
    const guard = [settlement.deliveryId, settlement.token] as const;
    if (attempt === null) {
      const given = this.#giveBack.get(next.state, dueAt, reason, settlement.atMs, ...guard);
      if (given === undefined) return 'lease_lost';
      this.#releaseNext(given, settlement);
      return 'settled';
    }
    const row = this.#settle.get(
      next.state,
      dueAt,
      reason,
      settlement.atMs,
      attempt.status,
      attempt.error,
      ...guard,
    );
    if (row === undefined) return 'lease_lost';
    this.#record.run(
      number(row, 'seq'),
      attempt.number,
      attempt.startedAt,
      attempt.durationMs,
      attempt.outcome,
      attempt.status,
      attempt.error,
      JSON.stringify(attempt.responseHeaders),
      attempt.responseBody,
      dueAt,
    );
    this.#releaseNext(row, settlement);
    return 'settled';
  }

  #releaseNext(row: Row, { next, atMs }: Settlement): void {
    const orderKey = textOrNull(row, 'order_key');
    if (orderKey !== null && next.state !== 'pending') this.#order.release(orderKey, atMs);
  }
}
