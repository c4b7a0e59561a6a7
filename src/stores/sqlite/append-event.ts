import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { partByPart } from '../../domain/byte-parts.ts';
import type { Appended } from '../../ports/event-log.ts';
import type { OrderGate } from './order-gate.ts';
import { type AppendRows, EVENT_COLUMNS, NEW_DELIVERY_COLUMNS, number, text, type Values } from './rows.ts';
import type { Sequence } from './sequence.ts';

/** Appends events with their de-duplication keys and deliveries, inside the caller's transaction. */
export class AppendEvent {
  readonly #takeKey: StatementSync;
  readonly #holder: StatementSync;
  readonly #insertEvent: StatementSync;
  readonly #insertDelivery: StatementSync;
  readonly #sequence: Sequence;
  readonly #order: OrderGate;

  constructor(db: DatabaseSync, sequence: Sequence, order: OrderGate) {
    this.#sequence = sequence;
    this.#order = order;
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

  /** The event's position in the log, or whose event it repeats. */
  append(rows: AppendRows, body: Uint8Array): number | Appended {
    const [receivedAt, event, dedupe, idempotency, deliveries] = rows;
    // Looked at before anything is written: what it takes must not stay behind when the other is held.
    if (idempotency !== null) {
      const held = this.#heldBy(idempotency, receivedAt) ?? this.#heldBy(dedupe, receivedAt);
      if (held !== null) return held;
      this.#takeKey.run(...idempotency, receivedAt);
    }
    if (dedupe !== null) {
      const taken = this.#takeKey.run(...dedupe, receivedAt);
      if (taken.changes === 0) return this.#duplicateOf(dedupe);
    }
    const seq = this.#sequence.next(receivedAt);
    this.#insertEvent.run(...event, body, seq);
    const [, tenant] = event;
    for (const delivery of deliveries) {
      const deliverySeq = this.#sequence.next(receivedAt);
      const owed = this.#order.inTurn(delivery);
      this.#insertDelivery.run(...owed, deliverySeq, tenant, seq, receivedAt, receivedAt);
    }
    return seq;
  }

  /** One after the other; `bodies` are those of all, `sizes` says how long each is. */
  appendAll(all: readonly AppendRows[], sizes: readonly number[], bodies: Uint8Array): (number | Appended)[] {
    const next = partByPart(bodies);
    return all.map((rows, place) => this.append(rows, next(sizes[place] ?? 0)));
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
