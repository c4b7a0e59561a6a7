import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Attempt, DeliveryState } from '../../domain/delivery.ts';
import type { Settlement } from '../../ports/event-log.ts';
import type { OrderGate } from './order-gate.ts';

/** A settlement as the writer thread gets it. */
export type SettlementRows = readonly [
  /** Delivery and token. */
  lease: readonly [id: string, token: string],
  next: readonly [state: DeliveryState, dueAt: number | null, reason: string | null, updatedAt: number],
  attempt: AttemptValues | null,
];

/** What an attempt's row holds beside which delivery it is of, and when the next one is due. */
type AttemptValues = readonly [
  number: number,
  startedAt: number,
  durationMs: number,
  outcome: string,
  status: number | null,
  error: string | null,
  responseHeaders: string,
  responseBody: string,
];

export function settlementRows({ deliveryId, token, atMs, attempt, next }: Settlement): SettlementRows {
  const dueAt = next.state === 'pending' ? next.dueAt : null;
  const reason = next.state === 'succeeded' ? null : next.reason;
  return [
    [deliveryId, token],
    [next.state, dueAt, reason, atMs],
    attempt === null ? null : attemptValues(attempt),
  ];
}

function attemptValues(attempt: Attempt): AttemptValues {
  return [
    attempt.number,
    attempt.startedAt,
    attempt.durationMs,
    attempt.outcome,
    attempt.status,
    attempt.error,
    JSON.stringify(attempt.responseHeaders),
    attempt.responseBody,
  ];
}

/** Records what became of leased deliveries, inside the caller's transaction. */
export class Settle {
  readonly #leased: StatementSync;
  readonly #end: StatementSync;
  readonly #giveBack: StatementSync;
  readonly #record: StatementSync;
  readonly #order: OrderGate;

  constructor(db: DatabaseSync, order: OrderGate) {
    this.#order = order;
    // Looked up first: an UPDATE with RETURNING collects its rows in a table of its own, which takes longer.
    this.#leased = db.prepare(`
      SELECT seq, order_key FROM deliveries WHERE id = ? AND state = 'leased' AND lease_token = ?`);
    this.#leased.setReturnArrays(true);
    const next = 'state = ?, due_at = ?, reason = ?, updated_at = ?, lease_until = NULL, lease_token = NULL';
    this.#end = db.prepare(`UPDATE deliveries SET ${next}, last_status = ?, last_error = ? WHERE seq = ?`);
    this.#giveBack = db.prepare(`UPDATE deliveries SET ${next}, attempts = attempts - 1 WHERE seq = ?`);
    this.#record = db.prepare(`
      INSERT INTO attempts (delivery_seq, number, started_at, duration_ms, outcome, status, error,
        response_headers, response_body, next_attempt_at)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
  }

  settle([lease, next, attempt]: SettlementRows): 'settled' | 'lease_lost' {
    const found: unknown = this.#leased.get(...lease);
    if (!Array.isArray(found)) return 'lease_lost';
    const [seq, orderKey]: readonly unknown[] = found;
    if (typeof seq !== 'number') throw new TypeError('column seq is not a number');
    const [state, dueAt, , atMs] = next;
    if (attempt === null) {
      this.#giveBack.run(...next, seq);
    } else {
      const [, , , , status, error] = attempt;
      this.#end.run(...next, status, error, seq);
      this.#record.run(seq, ...attempt, dueAt);
    }
    if (typeof orderKey === 'string' && state !== 'pending') this.#order.release(orderKey, atMs);
    return 'settled';
  }
}
