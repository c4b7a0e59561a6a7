import type { LeaseBound, NodeBeat, NodeRegistry, SeenNode } from '../../ports/nodes.ts';
import type { NodeRole } from '../../domain/node-role.ts';
import type { Database, Row } from './database.ts';
import { document, number, text } from './rows.ts';
import { toText } from './text-columns.ts';

/** One round trip; the row's own new state is not seen by the statement that writes it. */
const BEAT = `
  WITH mine AS (
    INSERT INTO nodes (id, roles, view, over, open_breakers, seen_at)
    VALUES ($1, $2, $3, $4, $5, clock_timestamp())
    ON CONFLICT (id) DO UPDATE SET roles = excluded.roles, view = excluded.view, over = excluded.over,
      open_breakers = excluded.open_breakers, seen_at = excluded.seen_at
    RETURNING id, roles, view, over, open_breakers, 0::double precision AS silent_ms
  ), gone AS (
    DELETE FROM nodes WHERE seen_at < clock_timestamp() - interval '1 hour' AND id <> $1
  )
  SELECT * FROM mine
  UNION ALL
  SELECT id, roles, view, over, open_breakers,
    greatest(0, extract(epoch FROM clock_timestamp() - seen_at) * 1000)::double precision
  FROM nodes WHERE id <> $1 AND seen_at >= clock_timestamp() - interval '1 hour'`;

const BOUND_LEASES = `
  UPDATE open_deliveries AS d
  SET lease_until = least(d.lease_until, coalesce(
    (SELECT lease_until FROM json_to_recordset($2) AS bound (destination_id text, lease_until bigint)
     WHERE bound.destination_id = d.destination_id LIMIT 1), $3))
  WHERE d.state = 'leased' AND starts_with(d.lease_token, $1 || '.')`;

export function nodeRegistry(database: Database): NodeRegistry {
  return {
    beat: (node) => beat(database, node),
    leave: async (nodeId) => {
      await database.transaction('work', async (run) => {
        await run({ text: 'DELETE FROM nodes WHERE id = $1', values: [toText(nodeId)] });
        await run({
          text: `
            UPDATE open_deliveries
            SET lease_until = least(lease_until, (extract(epoch FROM clock_timestamp()) * 1000)::bigint)
            WHERE state = 'leased' AND starts_with(lease_token, $1 || '.')`,
          values: [toText(nodeId)],
        });
      });
    },
    boundLeases: (bound) => boundLeases(database, bound),
  };
}

async function beat(database: Database, node: NodeBeat): Promise<SeenNode[]> {
  const rows = await database.run('work', {
    name: 'beat',
    text: BEAT,
    values: [
      toText(node.id),
      node.roles.join(' '),
      toText(node.view),
      JSON.stringify(node.over),
      JSON.stringify(node.openBreakers),
    ],
  });
  return rows.map((row) => seenNode(row));
}

async function boundLeases(database: Database, bound: LeaseBound): Promise<void> {
  const byDestination = bound.byDestination.map(({ destinationId, leaseUntil }) => ({
    destination_id: toText(destinationId),
    lease_until: leaseUntil,
  }));
  await database.run('work', {
    text: BOUND_LEASES,
    values: [toText(bound.nodeId), JSON.stringify(byDestination), bound.leaseUntil],
  });
}

function seenNode(row: Row): SeenNode {
  return {
    id: text(row, 'id'),
    roles: text(row, 'roles').split(' ') as NodeRole[],
    view: text(row, 'view'),
    over: document(row, 'over') as string[],
    openBreakers: document(row, 'open_breakers') as string[],
    silentMs: number(row, 'silent_ms'),
  };
}
