import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Claim, IdempotencyStore } from '../../packages/client/src/receive/idempotency.ts';

/** Opens stores over one memory, as several processes would. */
export interface IdempotencyHarness {
  open(): Promise<IdempotencyStore>;
  close(): Promise<void>;
}

const LONG_MS = 60_000;
// Short enough to wait for, long enough for a statement in between.
const SHORT_MS = 40;
let made = 0;

function freshKey(): string {
  made += 1;
  return `github:evt_${made}`;
}

function tokenOf(claim: Claim): string {
  if (claim.state !== 'claimed') throw new Error(`not claimed: ${JSON.stringify(claim)}`);
  return claim.token;
}

/** Resolves once the lease that another holds is over. */
function claimLater(store: IdempotencyStore, key: string): Promise<string> {
  return vi.waitFor(async () => tokenOf(await store.claim(key, LONG_MS)), { timeout: 5_000, interval: 5 });
}

/** What every store of handled events must do. */
export function describeIdempotencyStore(name: string, harness: IdempotencyHarness): void {
  describe(name, () => {
    afterEach(() => harness.close());

    it('gives an event to one of many that ask at once', async () => {
      const stores = [await harness.open(), await harness.open()];
      const key = freshKey();
      const asked = [...stores, ...stores, ...stores, ...stores, ...stores].flatMap((store) => [
        store.claim(key, LONG_MS),
        store.claim(key, LONG_MS),
      ]);
      const states = (await Promise.all(asked)).map(({ state }) => state);
      expect(states.filter((state) => state === 'claimed')).toHaveLength(1);
      expect(states.filter((state) => state === 'running')).toHaveLength(19);
    });

    it('says for how long an event is taken', async () => {
      const store = await harness.open();
      const key = freshKey();
      await store.claim(key, LONG_MS);
      const claim = await store.claim(key, LONG_MS);
      expect(claim).toMatchObject({ state: 'running' });
      const { retryAfterMs } = claim as Claim & { state: 'running' };
      expect(retryAfterMs).toBeGreaterThan(LONG_MS / 2);
      expect(retryAfterMs).toBeLessThanOrEqual(LONG_MS);
    });

    it('remembers what was completed, in every process', async () => {
      const key = freshKey();
      const store = await harness.open();
      const token = tokenOf(await store.claim(key, LONG_MS));
      expect(await store.complete(key, token, LONG_MS)).toBe(true);
      expect(await (await harness.open()).claim(key, LONG_MS)).toEqual({ state: 'done' });
    });

    it('forgets what was completed when its time is over', async () => {
      const store = await harness.open();
      const key = freshKey();
      await store.complete(key, tokenOf(await store.claim(key, LONG_MS)), SHORT_MS);
      expect(await claimLater(store, key)).toBeTypeOf('string');
    });

    it('gives what was released to the next at once', async () => {
      const store = await harness.open();
      const key = freshKey();
      await store.release(key, tokenOf(await store.claim(key, LONG_MS)));
      expect(await store.claim(key, LONG_MS)).toMatchObject({ state: 'claimed' });
    });

    it('gives what a vanished process had to another when its lease is over, and not before', async () => {
      const store = await harness.open();
      const key = freshKey();
      const vanished = tokenOf(await store.claim(key, SHORT_MS));
      expect(await store.claim(key, LONG_MS)).toMatchObject({ state: 'running' });
      const heir = await claimLater(await harness.open(), key);
      // It comes back, and has lost it.
      expect(await store.extend(key, vanished, LONG_MS)).toBe(false);
      expect(await store.complete(key, vanished, LONG_MS)).toBe(false);
      await store.release(key, vanished);
      expect(await store.claim(key, LONG_MS)).toMatchObject({ state: 'running' });
      expect(await store.complete(key, heir, LONG_MS)).toBe(true);
    });

    it('lengthens a lease', async () => {
      const store = await harness.open();
      const key = freshKey();
      const token = tokenOf(await store.claim(key, LONG_MS / 2));
      expect(await store.extend(key, token, LONG_MS)).toBe(true);
      const claim = await store.claim(key, LONG_MS);
      expect((claim as Claim & { state: 'running' }).retryAfterMs).toBeGreaterThan(LONG_MS / 2);
    });

    it('keeps events apart, whatever is in their ids', async () => {
      const store = await harness.open();
      const odd = `a'b"c;--%_\\ ünïcode 🙂 ${'x'.repeat(450)}`;
      await store.complete(odd, tokenOf(await store.claim(odd, LONG_MS)), LONG_MS);
      expect(await store.claim(odd, LONG_MS)).toEqual({ state: 'done' });
      expect(await store.claim(`${odd}.`, LONG_MS)).toMatchObject({ state: 'claimed' });
    });
  });
}
