import { expect, it } from 'vitest';
import {
  createDestination,
  createSource,
  ok,
  problem,
  publish,
  send,
  settled,
  subscribe,
} from '../e2e/arrange.ts';
import type { GatewayProcess } from '../e2e/gateway-process.ts';
import { type Receiver, startReceiver } from '../e2e/receiving.ts';

const V1 = { type: 'object', required: ['cents'], properties: { cents: { type: 'integer' } } };
const V2 = { type: 'object', required: ['amount'], properties: { amount: { type: 'number' } } };

/** On PostgreSQL another node waits until the killed one no longer counts as alive. */
const LEASE_LIMIT_MS = 60_000;

/** A gateway process that a journey may end and start again on the same data. */
export interface JourneyGateway {
  current(): GatewayProcess;
  restart(): Promise<void>;
}

/** The life of an event type through a real process, over whichever store it runs. */
export function describeEventTypesJourney(gateway: JourneyGateway): void {
  it('G1 a type, its versions and what is converted survive kill -9', async () => {
    const receiver = await startReceiver((_request, response) => response.writeHead(503).end());
    try {
      const { id, eventId } = await arrange(gateway.current(), receiver);
      // Killed between two attempts: one that is under way would keep its lease for a while.
      const waits = await settled(
        gateway.current(),
        eventId,
        ({ state, attempt_count }) => state === 'pending' && attempt_count === 1,
      );
      await gateway.restart();
      receiver.answer = (_request, response) => response.end();
      await ok(gateway.current().api('POST', `/v1/deliveries/${waits.id}/retry`));
      const delivery = await settled(
        gateway.current(),
        eventId,
        ({ state }) => state === 'succeeded' || state === 'dead',
        LEASE_LIMIT_MS,
      );
      expect(delivery.state).toBe('succeeded');
      const last = receiver.received.at(-1);
      expect(JSON.parse(last?.body.toString() ?? '')).toMatchObject({ data: { cents: 4_250 } });
      expect(last?.headers['ringback-type-version']).toBe('1');
      const trace = await ok(gateway.current().api('GET', `/v1/events/${eventId}/trace`));
      expect(trace).toMatchObject({
        schema: { type_version: 2, valid: true },
        subscriptions: [{ matched: true, conversion: { from: 2, to: 1, error: null } }],
      });
      const refused = await problem(
        gateway.current().api('DELETE', `/v1/event-types/${id}`),
        409,
        'conflict',
      );
      expect(refused.detail).toMatch(/asks for version 1/);
    } finally {
      await receiver.close();
    }
  }, 90_000);

  it('G2 what does not fit is refused at publish and at a source, with pointers, also after a restart', async () => {
    const name = 'journey.checked';
    await ok(gateway.current().api('POST', '/v1/event-types', { name, versions: [{ schema: V1 }] }));
    const source = await createSource(gateway.current(), {
      provider: 'token',
      secrets: ['right'],
      config: { type_from: `{h:x-type}` },
      use_catalogue: true,
    });
    const path = new URL(source.url).pathname;
    await gateway.restart();
    const { url } = gateway.current();
    const published = await problem(
      gateway.current().api('POST', '/v1/events', { type: name, data: { cents: 'x' } }),
      422,
      'schema_mismatch',
    );
    expect(published.errors).toEqual([{ pointer: '/data/cents', message: 'must be integer' }]);
    const headers = { authorization: 'Bearer right', 'x-type': name, 'content-type': 'application/json' };
    const sent = await problem(send(url + path, '{}', headers), 422, 'schema_mismatch');
    expect(sent.errors).toEqual([{ pointer: '/cents', message: 'is required' }]);
    expect((await send(url + path, '{"cents":1}', headers)).status).toBe(202);
  });
}

async function arrange(
  gateway: GatewayProcess,
  receiver: Receiver,
): Promise<{ id: string; eventId: string }> {
  const name = 'journey.paid';
  const { id } = await ok<{ id: string }>(
    gateway.api('POST', '/v1/event-types', {
      name,
      compatibility: 'none',
      versions: [{ schema: V1, examples: [{ cents: 1 }] }, { schema: V2 }],
      converters: [
        { from: 1, to: 2, expression: '{"amount": double(data.cents) / 100.0}' },
        { from: 2, to: 1, expression: '{"cents": int(data.amount * 100.0)}' },
      ],
    }),
  );
  const destination = await createDestination(gateway, { url: `${receiver.url}/journey` });
  await subscribe(gateway, {
    destination_id: destination.id,
    types: [name],
    type_versions: { [name]: 1 },
    retry: { max_attempts: 20, base: '1h', factor: 1 },
  });
  const event = await publish(gateway, { type: name, data: { amount: 42.5 } });
  return { id, eventId: event.id };
}
