import { describe, expect, it } from 'vitest';
import { createMemoryStore } from '../stores/memory/memory-store.ts';
import { buildAppend, buildClaim, buildOwed, pendingAt } from './builders.ts';
import { type CrashPoint, CrashPoints } from './crash-points.ts';

class Died extends Error {}

function points(): { points: CrashPoints; deaths: CrashPoint[] } {
  const deaths: CrashPoint[] = [];
  const made = new CrashPoints((point) => {
    deaths.push(point);
    throw new Died(point);
  });
  return { points: made, deaths };
}

describe('crash points', () => {
  it('strike once, on the pass that was asked for, when the work before them is done', async () => {
    const inner = createMemoryStore();
    const { points: crash, deaths } = points();
    const store = crash.store(inner);
    crash.arm('after_append', 2);
    await store.log.append(buildAppend());
    await expect(store.log.append(buildAppend())).rejects.toThrow(Died);
    await store.log.append(buildAppend());

    expect(deaths).toEqual(['after_append']);
    expect((await inner.queries.events({}, { limit: 10, before: null })).items).toHaveLength(3);
  });

  it('strike after a claim only when it gave something', async () => {
    const { points: crash, deaths } = points();
    const store = crash.store(createMemoryStore());
    crash.arm('after_claim', 1);
    await store.log.claimDue(buildClaim());
    expect(deaths).toEqual([]);
    await store.log.append(buildOwed({}, { initial: pendingAt(1) }));
    await expect(store.log.claimDue(buildClaim())).rejects.toThrow(Died);
  });

  it('strike before and after a request, and leave others alone', async () => {
    const { points: crash, deaths } = points();
    const sent: string[] = [];
    const sender = crash.sender({
      send: async ({ url }) => {
        sent.push(url);
        return { status: 200, error: null, headers: [], body: '', durationMs: 1 };
      },
      close: async () => {},
    });
    const request = { url: 'http://127.0.0.1/', headers: [], body: new Uint8Array(), timeoutMs: 1 };
    crash.arm('before_send', 1);
    await expect(sender.send(request)).rejects.toThrow(Died);
    expect(sent).toEqual([]);
    crash.arm('after_send', 1);
    await expect(sender.send(request)).rejects.toThrow(Died);
    await sender.send(request);
    expect([sent.length, deaths]).toEqual([2, ['before_send', 'after_send']]);
  });
});
