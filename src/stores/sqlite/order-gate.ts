import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { WAITS_FOR_ORDER } from '../../domain/delivery.ts';
import type { DeliveryValues } from './rows.ts';

const UNFINISHED = `order_key = ? AND state IN ('pending', 'leased')`;

/**
 * Lets one delivery of an order key through at a time. Those behind it have no due time, so claiming
 * never walks over them, however many there are.
 */
export class OrderGate {
  readonly #unfinished: StatementSync;
  readonly #release: StatementSync;

  constructor(db: DatabaseSync) {
    this.#unfinished = db.prepare(`SELECT 1 FROM deliveries WHERE ${UNFINISHED} LIMIT 1`);
    this.#release = db.prepare(`
      UPDATE deliveries SET due_at = ?, reason = NULL, updated_at = ?
      WHERE seq = (SELECT min(seq) FROM deliveries WHERE ${UNFINISHED})
        AND state = 'pending' AND reason = '${WAITS_FOR_ORDER}'`);
  }

  /** Lets a new delivery wait while an earlier one of its key is still to come to its end. */
  inTurn(delivery: DeliveryValues): DeliveryValues {
    const [id, subscription, destination, state, attempts, , leaseUntil, leaseToken, , orderKey] = delivery;
    if (orderKey === null || state !== 'pending') return delivery;
    if (this.#unfinished.get(orderKey) === undefined) return delivery;
    const reason = WAITS_FOR_ORDER;
    return [id, subscription, destination, state, attempts, null, leaseUntil, leaseToken, reason, orderKey];
  }

  /** Makes the first that waits due, when nothing is before it any more. */
  release(orderKey: string, atMs: number): void {
    this.#release.run(atMs, atMs, orderKey);
  }
}
