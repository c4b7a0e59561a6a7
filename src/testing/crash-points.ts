import type { EventLog } from '../ports/event-log.ts';
import type { Sender } from '../ports/sender.ts';
import type { Store } from '../ports/store.ts';

/** The places at which a process can be made to die, with what is lost there if anything is. */
export const CRASH_POINTS = {
  before_append: 'the event is in memory only and its sender has no answer',
  after_append: 'the event is on disk and its sender has no answer',
  after_claim: 'deliveries are leased and nobody attempts them',
  before_send: 'an attempt is counted and was not made',
  after_send: 'the receiver has answered and the log does not know',
  after_settle: 'the outcome is on disk and the process does not know',
  after_replay_step: 'deliveries of a replay are on disk and the process does not know',
} as const;

/** One of `CRASH_POINTS`. */
export type CrashPoint = keyof typeof CRASH_POINTS;

/**
 * Decorates a store and a sender so that a process dies at a chosen place: the code that runs there is the
 * real one, and nothing in it knows of the test.
 *
 * `die` must not return to its caller in earnest: `process.kill(process.pid, 'SIGKILL')`.
 */
export class CrashPoints {
  readonly #die: (point: CrashPoint) => void;
  #armed: CrashPoint | null = null;
  #passesLeft = 0;

  constructor(die: (point: CrashPoint) => void) {
    this.#die = die;
  }

  /** Dies the `onPass`th time (from 1) that the point is reached from now on; one point at a time. */
  arm(point: CrashPoint, onPass: number): void {
    this.#armed = point;
    this.#passesLeft = onPass;
  }

  /** The store with the points around its log and its replays. */
  store(inner: Store): Store {
    const { log, replays } = inner;
    const watched: EventLog = {
      append: async (request) => {
        this.#pass('before_append');
        const appended = await log.append(request);
        this.#pass('after_append');
        return appended;
      },
      appendAll: async (requests) => {
        this.#pass('before_append');
        const appended = await log.appendAll(requests);
        this.#pass('after_append');
        return appended;
      },
      claimDue: async (request) => {
        const claimed = await log.claimDue(request);
        if (claimed.leased.length > 0) this.#pass('after_claim');
        return claimed;
      },
      settle: async (settlement) => {
        const answer = await log.settle(settlement);
        this.#pass('after_settle');
        return answer;
      },
      pendingLanes: () => log.pendingLanes(),
      endPending: (request) => log.endPending(request),
      releaseHeld: (request) => log.releaseHeld(request),
      bringForward: (deliveryId, atMs) => log.bringForward(deliveryId, atMs),
    };
    return {
      ...inner,
      log: watched,
      replays: {
        create: (replay) => replays.create(replay),
        cancel: (replayId, atMs) => replays.cancel(replayId, atMs),
        advance: async (step) => {
          const moved = await replays.advance(step);
          this.#pass('after_replay_step');
          return moved;
        },
      },
    };
  }

  /** The sender with a point before and after each request. */
  sender(inner: Sender): Sender {
    return {
      send: async (request) => {
        this.#pass('before_send');
        const result = await inner.send(request);
        this.#pass('after_send');
        return result;
      },
      close: () => inner.close(),
    };
  }

  #pass(point: CrashPoint): void {
    if (point !== this.#armed) return;
    this.#passesLeft -= 1;
    if (this.#passesLeft > 0) return;
    this.#armed = null;
    this.#die(point);
  }
}
