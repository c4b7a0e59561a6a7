import { type GatewayProcess, startGatewayProcess } from '../e2e/gateway-process.ts';

/** What nodes on one database must have in common. */
const SHARED = {
  RINGBACK_API_KEY: 'one-key-for-all-nodes-of-the-test',
  RINGBACK_SECRET_KEY: Buffer.alloc(32, 7).toString('base64'),
};

export interface NodeOptions {
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly dataDir?: string;
}

/** A gateway in a process of its own, as one of those on the database at `storeUrl`. */
export function startNode(storeUrl: string, options: NodeOptions = {}): Promise<GatewayProcess> {
  const { args = [], env = {}, dataDir } = options;
  return startGatewayProcess({
    args,
    env: { ...SHARED, RINGBACK_STORE_URL: storeUrl, ...env },
    ...(dataDir === undefined ? {} : { dataDir }),
  });
}

/** Whether a node has heard of so many subscriptions, which another one may have made. */
export async function knowsSubscriptions(node: GatewayProcess, count: number): Promise<boolean> {
  const { body } = await node.api('GET', '/v1/subscriptions');
  return (body as { data: unknown[] }).data.length === count;
}

/** An attempt as the log of the node that made it tells. Times are milliseconds since 1970. */
export interface LoggedAttempt {
  readonly deliveryId: string;
  readonly eventId: string;
  readonly begunAt: number;
}

export function attemptsOf(node: GatewayProcess): LoggedAttempt[] {
  return linesOf(node, 'delivery.attempted').map((line) => ({
    deliveryId: String(line['delivery_id']),
    eventId: String(line['event_id']),
    begunAt: Date.parse(String(line['time'])) - Number(line['duration_ms']),
  }));
}

/** What a node has logged of one kind of event, oldest first. */
export function linesOf(node: GatewayProcess, event: string): Record<string, unknown>[] {
  const text = node.stdout();
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  return whole
    .split('\n')
    .filter((line) => line.includes(`"event":"${event}"`))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}
