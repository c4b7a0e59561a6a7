import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type {
  Expectation,
  SignedRequest,
  SimulatedProvider,
  SimulatedType,
  Simulation,
  SimulationFault,
} from '../../app/simulation.ts';
import { expectationOf } from '../../app/simulation.ts';
import { isAsExpected, type Outcome, readAnswer, readFailure, type Reading } from './judge-answer.ts';
import type { Manner, RequestSender } from './send-request.ts';
import type { Target } from './target.ts';

/** Events of one type to play, one after the other or at a rate. */
export interface Play {
  readonly provider: SimulatedProvider;
  readonly type: SimulatedType;
  readonly target: Target;
  readonly fault: SimulationFault | null;
  readonly count: number;
  /** Per second; null = each after the answer to the one before. */
  readonly rate: number | null;
  /** A body of one's own. */
  readonly data: Uint8Array | null;
  /** Events with the same text are about the same object; null = each about another. */
  readonly object: string | null;
  /** Over how long a slow body is sent. */
  readonly slowMs: number;
  /** The size of an oversized body; null = one byte more than the target takes. */
  readonly sizeBytes: number | null;
  /** What must become of them, where that is not what the fault says. */
  readonly expected: Expectation | null;
}

/** How far apart events happen that come out of order. */
const STEP_MS = 30_000;
const MOST_IN_FLIGHT = 100;
/** Where a receiver's limit is not known: more than nearly anybody takes. */
const OVERSIZE_BYTES = 5 * 1024 * 1024 + 1;

/** Makes and sends events. */
export class Player {
  readonly #simulation: Simulation;
  readonly #sender: RequestSender;
  readonly #tell: (outcome: Outcome) => void;
  #number = 0;

  constructor(simulation: Simulation, sender: RequestSender, tell: (outcome: Outcome) => void) {
    this.#simulation = simulation;
    this.#sender = sender;
    this.#tell = tell;
  }

  /** Resolves when every request was answered, or `signal` ended it and those on their way were. */
  async play(play: Play, signal: AbortSignal): Promise<void> {
    const total = eventCount(play);
    const object = play.object ?? (play.fault === 'out-of-order' ? randomUUID() : null);
    const startedAt = performance.now();
    const underway = new Set<Promise<void>>();
    for (let index = 0; index < total && !signal.aborted; index += 1) {
      if (play.rate === null) {
        // oxlint-disable-next-line no-await-in-loop -- one after the other is what was asked for
        await this.#one(play, index, total, object);
        continue;
      }
      const dueIn = startedAt + (index * 1000) / play.rate - performance.now();
      // oxlint-disable-next-line no-await-in-loop -- so is the rate
      if (dueIn > 0) await delay(dueIn, undefined, { signal }).catch(() => undefined);
      // oxlint-disable-next-line no-await-in-loop -- a receiver that does not keep up must not fill the memory
      if (underway.size >= MOST_IN_FLIGHT) await Promise.race(underway);
      const one = this.#one(play, index, total, object).finally(() => underway.delete(one));
      underway.add(one);
    }
    await Promise.all(underway);
  }

  /** The request of the first event, unsent. */
  async request(play: Play): Promise<SignedRequest> {
    return this.#make(play, 0, eventCount(play), play.object);
  }

  async #one(play: Play, index: number, total: number, object: string | null): Promise<void> {
    const request = await this.#make(play, index, total, object);
    const { fault } = play;
    if (fault === 'duplicate') {
      const first = await this.#send(request, { kind: 'whole' });
      this.#report(play, null, first);
      this.#report(play, fault, await this.#send(request, { kind: 'whole' }), first);
      return;
    }
    this.#report(play, fault, await this.#send(request, mannerOf(play)));
  }

  #make(play: Play, index: number, total: number, object: string | null): Promise<SignedRequest> {
    const { provider, type, target, fault, data } = play;
    const now = new Date();
    // The last to happen is sent first.
    const ageMs = fault === 'out-of-order' ? index * STEP_MS : 0;
    return this.#simulation.simulator
      .make({
        provider: provider.id,
        type: type.written,
        url: target.signedUrl,
        keys: target.keys,
        eventSeed: randomUUID(),
        objectSeed: object ?? randomUUID(),
        now,
        timeMs: now.getTime() - ageMs,
        sequence: fault === 'out-of-order' ? total - index : index + 1,
        ...(data === null ? {} : { data }),
        ...(fault === 'oversize' ? { padToBytes: oversize(play) } : {}),
        ...(isSigningFault(fault) ? { fault } : {}),
      })
      .then((request) => sentTo(request, target));
  }

  async #send(request: SignedRequest, manner: Manner): Promise<Reading> {
    try {
      return readAnswer(await this.#sender.send(request, manner));
    } catch (error) {
      return readFailure(error);
    }
  }

  #report(play: Play, fault: SimulationFault | null, reading: Reading, first?: Reading): void {
    const expected = play.expected ?? expectationOf(fault ?? undefined);
    this.#number += 1;
    this.#tell({
      ...reading,
      number: this.#number,
      provider: play.provider.id,
      eventType: play.type.eventType,
      fault,
      expected,
      isAsExpected: isAsExpected(expected, reading, first),
    });
  }
}

function eventCount({ fault, count }: Play): number {
  return fault === 'out-of-order' ? Math.max(2, count) : count;
}

export function mannerOf({ fault, slowMs }: Play): Manner {
  if (fault === 'chunked') return { kind: 'chunked' };
  return fault === 'slow' ? { kind: 'slow', overMs: slowMs } : { kind: 'whole' };
}

function oversize({ sizeBytes, target }: Play): number {
  return sizeBytes ?? (target.maxBodyBytes === null ? OVERSIZE_BYTES : target.maxBodyBytes + 1);
}

function isSigningFault(
  fault: SimulationFault | null,
): fault is 'signature' | 'timestamp' | 'body' | 'missing-header' {
  return fault === 'signature' || fault === 'timestamp' || fault === 'body' || fault === 'missing-header';
}

// Signed for one address and sent to another, as behind a proxy; what the signer added to it stays.
function sentTo(request: SignedRequest, { url, signedUrl }: Target): SignedRequest {
  if (url === signedUrl) return request;
  const query = new URL(request.url).search;
  return { ...request, url: url.split('?')[0] + query };
}
