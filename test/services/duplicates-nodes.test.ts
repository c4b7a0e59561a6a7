import { expect, it, onTestFinished } from 'vitest';
import type { GatewayProcess } from '../e2e/gateway-process.ts';
import { until } from './load.ts';
import { startNode } from './nodes.ts';
import { makeOwnPostgres, newSchema } from './postgres-harness.ts';

interface Repeated {
  readonly id: string;
  readonly requestId: string;
}

async function publish(node: GatewayProcess): Promise<Repeated> {
  const event = { type: 'a.b', id: 'mine', data: {} };
  const { body, headers } = await node.api('POST', '/v1/events', event);
  return { id: (body as { id: string }).id, requestId: headers.get('x-request-id') ?? '' };
}

it('a node tells of the repetitions that another one took, and of its own at once', async () => {
  const server = await makeOwnPostgres();
  onTestFinished(() => server.remove());
  const url = `${server.url()}?schema=${newSchema()}`;
  const nodes = await Promise.all([startNode(url), startNode(url)]);
  onTestFinished(async () => void (await Promise.all(nodes.map((node) => node.stop()))));
  const [one, two] = nodes;
  const { id } = await publish(one);
  const repeated = [await publish(one), await publish(two)];
  expect(repeated.map((again) => again.id)).toEqual([id, id]);
  const newest = async (node: GatewayProcess): Promise<string[]> => {
    const { body } = await node.api('GET', `/v1/events/${id}/trace`);
    const { duplicates } = body as { duplicates: { newest: { request_id: string }[] } };
    return duplicates.newest.map(({ request_id: requestId }) => requestId);
  };
  expect(await newest(two)).toContain(repeated[1]?.requestId);
  await until(async () => (await newest(two)).length === 2);
  for (const { requestId } of repeated) {
    const { body } = await one.api('GET', `/v1/events?repeated_by=${requestId}`);
    expect(body).toMatchObject({ data: [{ id }] });
  }
});
