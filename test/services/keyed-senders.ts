import { setTimeout as delay } from 'node:timers/promises';

/** A node as senders know it: where its ingest URL is. */
export interface Door {
  readonly name: string;
  readonly ingestUrl: string;
}

export interface Answered {
  readonly door: string;
  readonly status: number;
  readonly code: unknown;
  readonly retryAfter: string | null;
  readonly askedAt: number;
  readonly tookMs: number;
}

/** What a sender sends: `place` counts up within a key, and the next one waits until this one is taken. */
export interface Sending {
  readonly ref: string;
  readonly key: string;
  readonly place: number;
}

const PAUSE_MS = 100;

/**
 * Senders as they should be: each gives its events in one after the other, every one until it is
 * acknowledged and always under the same `ref`, at its first door or, where that says "not now", the next.
 */
export class KeyedSenders {
  /** Event ids by `ref`. */
  readonly acknowledged = new Map<string, string>();
  /** Every answer, in the order they came. */
  readonly answers: Answered[] = [];
  /** Requests that were not answered in time, or not at all. */
  readonly unanswered: string[] = [];
  readonly #limitMs: number;
  readonly #running: Promise<void>[] = [];
  #stopped = false;

  /** `limitMs`: how long a request may take to be answered. */
  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  start(key: string, doors: readonly Door[]): void {
    this.#running.push(this.#sendKey(key, doors));
  }

  /** Resolves when every event that was begun has been acknowledged. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#running);
  }

  async #sendKey(key: string, doors: readonly Door[]): Promise<void> {
    for (let place = 1; !this.#stopped; place += 1) {
      await this.#give({ ref: `${key}-${place}`, key, place }, doors);
      await delay(PAUSE_MS);
    }
  }

  async #give(sending: Sending, doors: readonly Door[]): Promise<void> {
    for (let turn = 0; ; turn += 1) {
      const door = doors[turn % doors.length];
      if (door === undefined) throw new Error('a sender needs a door');
      const id = await this.#once(sending, door);
      if (id !== null) {
        this.acknowledged.set(sending.ref, id);
        return;
      }
      await delay(PAUSE_MS);
    }
  }

  async #once(sending: Sending, { name, ingestUrl }: Door): Promise<string | null> {
    const askedAt = Date.now();
    const began = performance.now();
    try {
      const response = await fetch(ingestUrl, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(sending),
        signal: AbortSignal.timeout(this.#limitMs),
      });
      const { id, code } = (await response.json()) as { id?: string; code?: string };
      const { status, headers } = response;
      const tookMs = performance.now() - began;
      this.answers.push({
        door: name,
        status,
        code,
        retryAfter: headers.get('retry-after'),
        askedAt,
        tookMs,
      });
      return status < 300 ? (id ?? null) : null;
    } catch (error) {
      this.unanswered.push(`${sending.ref} at ${name}: ${String(error)}`);
      return null;
    }
  }
}
