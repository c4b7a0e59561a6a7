import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Attempt, DeliveryState } from '../../domain/delivery.ts';
import type { Settlement } from '../../ports/event-log.ts';
import type { OrderGate } from './order-gate.ts';
import { number, type Row, textOrNull } from './rows.ts';

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

  settle([lease, next, attempt]: SettlementRows): 'settled' | 'lease_lost' {
    const row = attempt === null ? this.#giveBack.get(...next, ...lease) : this.#ended(lease, next, attempt);
    if (row === undefined) return 'lease_lost';
    if (attempt !== null) {
      const [, dueAt] = next;
      this.#record.run(number(row, 'seq'), ...attempt, dueAt);
    }
    this.#releaseNext(row, next);
    return 'settled';
  }

  #ended(lease: SettlementRows[0], next: SettlementRows[1], attempt: AttemptValues): Row | undefined {
    const [, , , , status, error] = attempt;
    return this.#settle.get(...next, status, error, ...lease);
  }

  #releaseNext(row: Row, [state, , , atMs]: SettlementRows[1]): void {
    const orderKey = textOrNull(row, 'order_key');
    if (orderKey !== null && state !== 'pending') this.#order.release(orderKey, atMs);
  }
}
