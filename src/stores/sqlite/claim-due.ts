import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { ClaimRequest, ClaimResult, LaneRequest, LeasedDelivery } from '../../ports/event-log.ts';
import { eventFromRow, number, numberOrNull, type Row, text, textOrNull } from './rows.ts';

/** Lost leases taken back in one claim; the next claim goes on. */
const RECLAIM_LIMIT = 200;

/** Leases due deliveries and takes back lost leases, inside the caller's transaction. */
export class ClaimDue {
  readonly #lost: StatementSync;
  readonly #recordAbandoned: StatementSync;
  readonly #takeBack: StatementSync;
  readonly #due: StatementSync;
  readonly #lease: StatementSync;
  readonly #event: StatementSync;
  readonly #nextDue: StatementSync;

  constructor(db: DatabaseSync) {
    this.#lost = db.prepare(`
      SELECT seq, destination_id, attempts, updated_at, lease_until FROM deliveries
      WHERE state = 'leased' AND lease_until <= ? ORDER BY lease_until LIMIT ${RECLAIM_LIMIT}`);
    this.#recordAbandoned = db.prepare(`
      INSERT INTO attempts (delivery_seq, number, started_at, duration_ms, outcome, status, error,
        response_headers, response_body, next_attempt_at)
      VALUES (?, ?, ?, ?, 'abandoned', NULL, 'worker_lost', '[]', '', ?)`);
    this.#takeBack = db.prepare(`
      UPDATE deliveries SET state = 'pending', due_at = ?, lease_until = NULL, lease_token = NULL,
        updated_at = ?, last_status = NULL, last_error = 'worker_lost'
      WHERE seq = ?`);
    this.#due = db.prepare(`
      SELECT seq, id, tenant, event_seq, subscription_id, destination_id, attempts, created_at, replay_of
      FROM deliveries WHERE state = 'pending' AND destination_id = ? AND due_at <= ?
      ORDER BY due_at, seq LIMIT ?`);
    this.#lease = db.prepare(`
      UPDATE deliveries SET state = 'leased', attempts = attempts + 1, due_at = NULL, lease_until = ?,
        lease_token = ?, updated_at = ?, reason = NULL
      WHERE seq = ?`);
    this.#event = db.prepare('SELECT * FROM events WHERE seq = ?');
    this.#nextDue = db.prepare(`
      SELECT due_at FROM deliveries WHERE state = 'pending' AND destination_id = ?
        AND due_at IS NOT NULL
      ORDER BY due_at LIMIT 1`);
  }

  claim(request: ClaimRequest): ClaimResult {
    const touched = new Set(request.lanes.map((lane) => lane.destinationId));
    const abandoned = this.#reclaim(request.nowMs, touched);
    const leased: LeasedDelivery[] = [];
    let bytesLeft = request.maxBytes;
    for (const lane of request.lanes) {
      if (bytesLeft <= 0 && leased.length > 0) break;
      bytesLeft = this.#claimLane(lane, request, bytesLeft, leased);
    }
    const lanes = [...touched].map((destinationId) => {
      const row = this.#nextDue.get(destinationId);
      return { destinationId, nextDueAt: row === undefined ? null : numberOrNull(row, 'due_at') };
    });
    return { leased, lanes, abandoned };
  }

  #claimLane(lane: LaneRequest, request: ClaimRequest, bytesLeft: number, into: LeasedDelivery[]): number {
    let left = bytesLeft;
    for (const row of this.#due.all(lane.destinationId, request.nowMs, lane.limit)) {
      if (left <= 0 && into.length > 0) break;
      const leaseUntil = request.nowMs + lane.leaseMs;
      this.#lease.run(leaseUntil, request.token, request.nowMs, number(row, 'seq'));
      const delivery = this.#leasedDelivery(row, request.token, leaseUntil);
      left -= delivery.event.body.byteLength;
      into.push(delivery);
    }
    return left;
  }

  #leasedDelivery(row: Row, token: string, leaseUntil: number): LeasedDelivery {
    const eventRow = this.#event.get(number(row, 'event_seq'));
    if (eventRow === undefined) throw new Error('a delivery owes an event that is not in the log');
    return {
      id: text(row, 'id'),
      tenant: text(row, 'tenant'),
      subscriptionId: textOrNull(row, 'subscription_id'),
      destinationId: text(row, 'destination_id'),
      createdAt: number(row, 'created_at'),
      replayOf: textOrNull(row, 'replay_of'),
      attempt: number(row, 'attempts') + 1,
      token,
      leaseUntil,
      event: eventFromRow(eventRow),
    };
  }

  #reclaim(nowMs: number, touched: Set<string>): number {
    const lost = this.#lost.all(nowMs);
    for (const row of lost) {
      const seq = number(row, 'seq');
      const startedAt = number(row, 'updated_at');
      const leaseMs = Math.max(0, number(row, 'lease_until') - startedAt);
      this.#recordAbandoned.run(seq, number(row, 'attempts'), startedAt, leaseMs, nowMs);
      this.#takeBack.run(nowMs, nowMs, seq);
      touched.add(text(row, 'destination_id'));
    }
    return lost.length;
  }
}
