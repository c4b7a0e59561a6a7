import { isDeepStrictEqual } from 'node:util';
import { Problem } from '../../src/domain/problem.ts';
import type { Store } from '../../src/ports/store.ts';
import {
  buildAttempt,
  buildDedupe,
  buildId,
  buildLane,
  buildOwed,
  pendingAt,
} from '../../src/testing/builders.ts';

/** What callers were told while they appended, claimed and settled. */
export class Load {
  readonly acknowledged = new Set<string>();
  /** By delivery and attempt: which tokens were given it. */
  readonly leases = new Map<string, string[]>();
  readonly settled: string[] = [];
  readonly failures: unknown[] = [];
  #stopped = false;
  readonly #running: Promise<void>[] = [];

  /** Callers that append one event after the other, each owed to `dst_one`. */
  append(store: Store, callers: number): void {
    for (let caller = 0; caller < callers; caller += 1) {
      this.#run(async () => {
        const now = Date.now();
        const owed = buildOwed({ receivedAt: now }, { initial: pendingAt(now) });
        const dedupe = buildDedupe({ key: buildId('req'), expiresAt: now + 3_600_000 });
        const { eventId } = await store.log.append({ ...owed, dedupe });
        this.acknowledged.add(eventId);
      });
    }
  }

  /** A worker that claims what is due and settles it. */
  work(store: Store, token: string, leaseMs = 60_000): void {
    this.#run(async () => {
      const lanes = [buildLane({ limit: 20, leaseMs })];
      const { leased } = await store.log.claimDue({ nowMs: Date.now(), token, lanes, maxBytes: 1 << 20 });
      for (const { id, attempt } of leased) {
        const lease = `${id} ${attempt}`;
        this.leases.set(lease, [...(this.leases.get(lease) ?? []), token]);
      }
      await Promise.all(
        leased.map(async ({ id, attempt: number }) => {
          const attempt = buildAttempt({ number, startedAt: Date.now() });
          const next = { state: 'succeeded' } as const;
          const answer = await store.log.settle({ deliveryId: id, token, atMs: Date.now(), attempt, next });
          if (answer === 'settled') this.settled.push(id);
        }),
      );
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#running);
  }

  /** Failures other than "not now", which is the only one that callers may see. */
  unexpected(): unknown[] {
    return this.failures.filter((error) => !(error instanceof Problem && error.code === 'store_unavailable'));
  }

  #run(step: () => Promise<void>): void {
    const loop = async (): Promise<void> => {
      while (!this.#stopped) {
        try {
          await step();
        } catch (error) {
          this.failures.push(error);
          await new Promise((resolve) => {
            setTimeout(resolve, 10);
          });
        }
      }
    };
    this.#running.push(loop());
  }
}

/** Waits until `read` answers `wanted`; a condition, not a time. */
export async function until(read: () => unknown, wanted: unknown = true, timeoutMs = 15_000): Promise<void> {
  const end = Date.now() + timeoutMs;
  let found = await read();
  while (!isDeepStrictEqual(found, wanted)) {
    if (Date.now() > end) throw new Error(`waited in vain: ${JSON.stringify(found)}`);
    await new Promise((resolve) => {
      setTimeout(resolve, 20);
    });
    found = await read();
  }
}
