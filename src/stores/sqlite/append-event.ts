import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Appended } from '../../ports/event-log.ts';
import type { OrderGate } from './order-gate.ts';
import {
  type AppendRows,
  deliveryValues,
  EVENT_COLUMNS,
  NEW_DELIVERY_COLUMNS,
  number,
  text,
  type Values,
} from './rows.ts';
import type { Sequence } from './sequence.ts';

/** Appends events with their de-duplication keys and deliveries, inside the caller's transaction. */
export class AppendEvent {
  readonly #takeKey: StatementSync;
  readonly #holder: StatementSync;
  readonly #insertEvent: StatementSync;
  readonly #insertDelivery: StatementSync;
  readonly #sequence: Sequence;
  readonly #isHeld: (orderKey: string) => boolean;

  constructor(db: DatabaseSync, sequence: Sequence, order: OrderGate) {
    this.#sequence = sequence;
    this.#isHeld = (orderKey) => order.isHeld(orderKey);
    // An expired key is taken over in place; a live one changes no row.
    this.#takeKey = db.prepare(`
      INSERT INTO dedupe (scope, key, event_id, fingerprint, expires_at) VALUES (?, ?, ?, ?, ?)
      ON CONFLICT (scope, key) DO UPDATE
        SET event_id = excluded.event_id, fingerprint = excluded.fingerprint, expires_at = excluded.expires_at
        WHERE dedupe.expires_at <= ?`);
    this.#holder = db.prepare(
      'SELECT event_id, fingerprint, expires_at FROM dedupe WHERE scope = ? AND key = ?',
    );
    this.#insertEvent = db.prepare(`
      INSERT INTO events (${EVENT_COLUMNS}, seq)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
    this.#insertDelivery = db.prepare(`
      INSERT INTO deliveries (${NEW_DELIVERY_COLUMNS}, seq, tenant, event_seq, created_at, updated_at)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
  }

  append(rows: AppendRows): Appended {
    const { id, tenant, receivedAt } = rows;
    // Looked at before anything is written: what it takes must not stay behind when the other is held.
    if (rows.idempotency !== null) {
      const held = this.#heldBy(rows.idempotency, receivedAt) ?? this.#heldBy(rows.dedupe, receivedAt);
      if (held !== null) return held;
      this.#takeKey.run(...rows.idempotency, receivedAt);
    }
    if (rows.dedupe !== null) {
      const taken = this.#takeKey.run(...rows.dedupe, receivedAt);
      if (taken.changes === 0) return this.#duplicateOf(rows.dedupe);
    }
    const seq = this.#sequence.next(receivedAt);
    this.#insertEvent.run(...rows.event, seq);
    for (const delivery of rows.deliveries) {
      const deliverySeq = this.#sequence.next(receivedAt);
      const owed = deliveryValues(delivery, this.#isHeld);
      this.#insertDelivery.run(...owed, deliverySeq, tenant, seq, receivedAt, receivedAt);
    }
    return { eventId: id, duplicate: false, conflict: false, seq };
  }

  #heldBy(claim: Values | null, receivedAt: number): Appended | null {
    if (claim === null) return null;
    const [scope, key] = claim;
    const holder = this.#holder.get(scope ?? null, key ?? null);
    return holder !== undefined && number(holder, 'expires_at') > receivedAt
      ? this.#duplicateOf(claim)
      : null;
  }

  #duplicateOf(dedupe: Values): Appended {
    const [scope, key, , fingerprint] = dedupe;
    const holder = this.#holder.get(scope ?? null, key ?? null);
    if (holder === undefined) throw new Error('a de-duplication key is held but has no holder');
    return {
      eventId: text(holder, 'event_id'),
      duplicate: true,
      conflict: text(holder, 'fingerprint') !== fingerprint,
      seq: 0,
    };
  }
}
