import { describe, expect, test } from 'vitest';
import { faultObstacle, simulationFaults } from '../../../packages/client/src/simulate/faults.ts';
import type { SimulatedEvent } from '../../../packages/client/src/simulate/simulate.ts';
import { simulate } from '../../../packages/client/src/simulate/simulate.ts';
import { eventTypeOf } from '../../../packages/client/src/verify/event-identity.ts';
import {
  findProvider,
  genericProviders,
  providers,
} from '../../../packages/client/src/verify/provider-table.ts';
import type { SignedRequest } from '../../../packages/client/src/verify/sign/sign-input.ts';
import type { SourceVerdict } from '../../ports/verifier.ts';
import { createVerifiers } from '../verifiers.ts';
import { makeKeys, simulatedScheme } from './made-keys.ts';
import { buildSource } from '../../testing/setting-builders.ts';
import { readPayloads } from './payload-files.ts';

const payloads = readPayloads();
const now = new Date(1_795_262_400_000);
const url = 'https://hooks.example.com/in/abc123';
const ids = [...Object.keys(providers), ...genericProviders];

test('every provider of the table has payloads, and nothing else has', () => {
  expect([...payloads.keys()].toSorted()).toEqual(ids.toSorted());
  expect([...verifiers.providers()].toSorted()).toEqual(ids.toSorted());
});

test('every entry says where its shape is published, and no two entries fight for an id', () => {
  for (const { id, from, types } of payloads.values()) {
    expect(from, id).toMatch(/^(?:https:\/\/|our own)/);
    expect(Object.keys(types).length, id).toBeGreaterThan(0);
  }
});

const blank = buildSource({ provider: 'none', secrets: [], config: {} });
const verifiers = createVerifiers({ fetch: () => Promise.reject(new Error('a simulation fetches nothing')) });

function setup(id: string) {
  const keys = makeKeys(id);
  const { config, secrets, verification = null } = keys.source;
  const verifier = verifiers.compile({ ...blank, provider: id, config, verification }, secrets);
  const judge = async ({ method, url: called, headers, body }: SignedRequest): Promise<SourceVerdict> => {
    const request = { method, url: called, headers: headers.flat(), body, nowMs: now.getTime() };
    expect(await verifier.handshake(request)).toBeUndefined();
    return verifier.verify(request);
  };
  const found = payloads.get(id);
  if (found === undefined) throw new Error(`no payloads of ${id}`);
  const event = (type: string, more: Partial<SimulatedEvent> = {}): SimulatedEvent => ({
    payloads: found,
    type,
    url,
    keys: keys.signing,
    eventSeed: 'event-1',
    objectSeed: 'object-1',
    now,
    ...more,
  });
  return { judge, event, types: Object.keys(found.types) };
}

function identity(verdict: SourceVerdict) {
  if (!verdict.ok) throw new Error(`refused: ${verdict.reason}`);
  return verdict.event;
}

describe.each(ids)('%s', (id) => {
  const provider = findProvider(id);
  const { judge, event, types } = setup(id);

  test.each(types)('%s verifies and is what it says', async (type) => {
    const request = await simulate(event(type));
    const first = identity(await judge(request));
    expect(first.type).toBe(provider === undefined ? type : eventTypeOf(provider, id, type));
    if (provider?.key !== undefined) expect(first.key, 'the key').toEqual(expect.any(String));
    if (provider !== undefined && first.id === undefined) expect(first.dedupe).toBe('body');
    if (first.timeMs !== undefined) expect(Math.abs(first.timeMs - now.getTime())).toBeLessThan(86_400_000);
  });

  test.each(types)('%s comes as a new event each time, about the same object if wanted', async (type) => {
    const requests = await Promise.all([
      simulate(event(type)),
      simulate(event(type, { eventSeed: 'event-2', timeMs: now.getTime() - 90_000 })),
      simulate(event(type, { eventSeed: 'event-3', objectSeed: 'object-2' })),
    ]);
    const [first, again, other] = (await Promise.all(requests.map(judge))).map(identity);
    const bodies = requests.map(({ body }) => Buffer.from(body).toString());
    const what = first?.id === undefined ? bodies : [first.id, again?.id, other?.id];
    expect(new Set(what).size).toBe(3);
  });

  test.each(simulationFaults.slice(0, 4))('with the fault %s is refused, where it can be', async (fault) => {
    const [type = ''] = types;
    const scheme = simulatedScheme(id);
    const request = await simulate(event(type, { fault: fault as 'signature' }));
    const verdict = await judge(request);
    expect(verdict.ok).toBe(faultObstacle(fault, scheme, provider) !== undefined);
  });

  test('can be made larger than any limit, and still verifies', async () => {
    const [type = ''] = types;
    const request = await simulate(event(type, { padToBytes: 100_000 }));
    expect(request.body.length).toBeGreaterThanOrEqual(100_000);
    expect(await judge(request)).toMatchObject({ ok: true });
  });
});
