import type { ClaimRequest, ClaimResult, LeasedDelivery } from '../../ports/event-log.ts';
import type { Database, Row } from './database.ts';
import { eventFromRow, number, numberOrNull, text, textOrNull } from './rows.ts';
import { toText } from './text-columns.ts';

/** Lost leases taken back in one claim; the next claim goes on. */
const RECLAIM_LIMIT = 200;

/** Takes back leases that ran out by `$1`. Rows that another node is at are left to that node. */
export const RECLAIM = `
  WITH lost AS MATERIALIZED (
    SELECT ctid AS place, seq, event_seq, attempts, updated_at, lease_until FROM open_deliveries
    WHERE state = 'leased' AND lease_until <= $1
    ORDER BY lease_until LIMIT ${RECLAIM_LIMIT} FOR UPDATE SKIP LOCKED
  ), recorded AS (
    INSERT INTO attempts (
      event_seq, delivery_seq, number, started_at, duration_ms, outcome, error, response_headers,
      response_body, next_attempt_at)
    SELECT event_seq, seq, attempts, updated_at, greatest(0, lease_until - updated_at), 'abandoned',
      'worker_lost', '[]', '', $1
    FROM lost
  )
  UPDATE open_deliveries AS d
  SET state = 'pending', due_at = $1, lease_until = NULL, lease_token = NULL, updated_at = $1,
    last_status = NULL, last_error = 'worker_lost'
  FROM lost WHERE d.ctid = lost.place
  RETURNING d.destination_id`;

/**
 * Leases what is due, lane by lane in the order given, until the bodies exceed `$4` bytes.
 *
 * Each lane walks its own range of one index, from the earliest due time, past what others have locked:
 * the cost is that of what is taken, not of what waits. What was found is then taken by where its row lies:
 * by its number, a plan made for few rows compares each with all of them. What is locked here but not taken, because the
 * bytes ran out, is free again when the statement ends.
 */
export const CLAIM = `
  WITH lanes AS MATERIALIZED (
    SELECT * FROM json_to_recordset($1) AS row (lane int, destination_id text, at_most int, lease_ms bigint)
  ), due AS MATERIALIZED (
    SELECT lanes.lane, lanes.lease_ms, d.*
    FROM lanes CROSS JOIN LATERAL (
      SELECT ctid AS place, seq, due_at, body_bytes FROM open_deliveries
      WHERE state = 'pending' AND destination_id = lanes.destination_id AND due_at <= $2
      ORDER BY due_at, seq LIMIT lanes.at_most FOR UPDATE SKIP LOCKED
    ) AS d
  ), taken AS MATERIALIZED (
    SELECT * FROM (
      SELECT due.*, row_number() OVER walk AS n, sum(body_bytes) OVER walk - body_bytes AS bytes_before
      FROM due WINDOW walk AS (ORDER BY lane, due_at, seq)
    ) AS counted
    WHERE bytes_before < $4 OR n = 1
  ), leased AS (
    UPDATE open_deliveries AS d
    SET state = 'leased', attempts = d.attempts + 1, due_at = NULL, lease_until = $2 + taken.lease_ms,
      lease_token = $3, updated_at = $2, reason = NULL
    FROM taken WHERE d.ctid = taken.place
    RETURNING d.id, d.tenant, d.event_seq, d.subscription_id, d.destination_id, d.attempts, d.lease_until,
      d.created_at, d.replay_of, taken.n
  )
  SELECT leased.id AS delivery_id, leased.tenant AS delivery_tenant, subscription_id, destination_id, attempts,
    lease_until, created_at, replay_of, event.*
  FROM leased
  -- With its LIMIT, the planner cannot turn this into a walk through whole days of the log.
  LEFT JOIN LATERAL (SELECT * FROM events WHERE seq = leased.event_seq LIMIT 1) AS event ON true
  ORDER BY n`;

/** When the next delivery of each destination of `$1` is due; no row where none is pending. */
const NEXT_DUE = `
  SELECT wanted.destination_id, next.due_at
  FROM json_array_elements_text($1) AS wanted (destination_id) CROSS JOIN LATERAL (
    SELECT due_at FROM open_deliveries
    WHERE state = 'pending' AND destination_id = wanted.destination_id AND due_at IS NOT NULL
    ORDER BY due_at LIMIT 1
  ) AS next`;

/**
 * Takes back lost leases, then leases what is due. Three statements, each its own transaction: a crash
 * between them leaves deliveries pending, or leased until their time is up, as any crash does.
 */
export async function claimDue(database: Database, request: ClaimRequest): Promise<ClaimResult> {
  return database.on('work', async (run) => {
    const lost = await run({ name: 'reclaim', text: RECLAIM, values: [request.nowMs] });
    const lanes = request.lanes.filter((lane) => lane.limit > 0);
    const rows = lanes.length === 0 ? [] : await run(claimStatement({ ...request, lanes }));
    const destinationIds = new Set(request.lanes.map((lane) => lane.destinationId));
    for (const row of lost) destinationIds.add(text(row, 'destination_id'));
    const due = destinationIds.size === 0 ? [] : await run(nextDueStatement(destinationIds));
    const nextDueAt = new Map(due.map((row) => [text(row, 'destination_id'), number(row, 'due_at')]));
    return {
      leased: rows.map((row) => leasedFromRow(row, request.token)),
      lanes: [...destinationIds].map((destinationId) => ({
        destinationId,
        nextDueAt: nextDueAt.get(destinationId) ?? null,
      })),
      abandoned: lost.length,
    };
  });
}

function claimStatement({ lanes, nowMs, token, maxBytes }: ClaimRequest) {
  const wanted = lanes.map(({ destinationId, limit, leaseMs }, lane) => ({
    lane,
    destination_id: toText(destinationId),
    at_most: limit,
    lease_ms: leaseMs,
  }));
  return { name: 'claim', text: CLAIM, values: [JSON.stringify(wanted), nowMs, toText(token), maxBytes] };
}

function nextDueStatement(destinationIds: ReadonlySet<string>) {
  return { name: 'next-due', text: NEXT_DUE, values: [JSON.stringify([...destinationIds])] };
}

function leasedFromRow(row: Row, token: string): LeasedDelivery {
  if (numberOrNull(row, 'seq') === null) {
    throw new TypeError(`delivery ${text(row, 'delivery_id')} owes an event that is not in the log`);
  }
  return {
    id: text(row, 'delivery_id'),
    tenant: text(row, 'delivery_tenant'),
    subscriptionId: textOrNull(row, 'subscription_id'),
    destinationId: text(row, 'destination_id'),
    createdAt: number(row, 'created_at'),
    replayOf: textOrNull(row, 'replay_of'),
    attempt: number(row, 'attempts'),
    token,
    leaseUntil: number(row, 'lease_until'),
    event: loggedEvent(row),
  };
}

function loggedEvent(row: Row): LeasedDelivery['event'] {
  const { seq: _seq, ...event } = eventFromRow(row);
  return event;
}
