import { describe, expect, test } from 'vitest';
import { OPERATOR, startedBench } from '../../test/support/gateway-bench.ts';

const AUTHOR = { at: 0, principal: 'another node', remoteAddress: null };

describe('a change of a setting', () => {
  test('keeps what another node has changed meanwhile', async () => {
    const bench = await startedBench();
    const destination = await bench.destination({ maxInFlight: 4 });
    await bench.store.settings.put('destination', { ...destination, timeoutMs: 1_234 }, AUTHOR);
    const changed = await bench.gateway.settings.change(
      'destination',
      destination.id,
      OPERATOR,
      (before) => ({
        ...before,
        maxInFlight: 9,
      }),
    );
    expect(changed).toMatchObject({ timeoutMs: 1_234, maxInFlight: 9 });
    expect(bench.gateway.directory.destination(destination.id)).toEqual(changed);
  });

  test('keeps what is being changed here at the same moment', async () => {
    const bench = await startedBench();
    const { id } = await bench.destination({ maxInFlight: 4 });
    const { settings } = bench.gateway;
    await Promise.all([
      settings.setDestinationState(id, 'disabled', 'destination_gone', OPERATOR),
      settings.change('destination', id, OPERATOR, (before) => ({ ...before, maxInFlight: 9 })),
      settings.change('destination', id, OPERATOR, (before) => ({ ...before, timeoutMs: 1_234 })),
    ]);
    expect(bench.gateway.directory.destination(id)).toMatchObject({
      state: 'disabled',
      maxInFlight: 9,
      timeoutMs: 1_234,
    });
  });

  test('does not bring back what another node has deleted', async () => {
    const bench = await startedBench();
    const { id } = await bench.destination();
    await bench.store.settings.remove('destination', id, AUTHOR);
    const change = bench.gateway.settings.change('destination', id, OPERATOR, (before) => ({ ...before }));
    await expect(change).rejects.toMatchObject({ code: 'not_found' });
    expect((await bench.store.settings.load()).records).toEqual([]);
  });
});
