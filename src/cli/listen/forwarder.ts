import { setTimeout as delay } from 'node:timers/promises';
import type { BroughtEvent } from './brought-event.ts';
import type { LocalAnswer, LocalProgram } from './local-program.ts';

/** Hears what became of each event. */
export interface ForwardTold {
  forwarded(event: BroughtEvent, answer: LocalAnswer, attempts: number): void;
  /** The first failure of an event, and then each of another kind: it is tried again. */
  failing(event: BroughtEvent, answer: LocalAnswer): void;
  /** Given up, by the person or because it failed as often as was allowed. */
  skipped(event: BroughtEvent, answer: LocalAnswer, attempts: number): void;
}

export interface ForwarderOptions {
  readonly program: LocalProgram;
  /** An event that was answered with no 2xx so often is given up; `null` = never. */
  readonly skipAfter: number | null;
  readonly bodyOf: (event: BroughtEvent, signal: AbortSignal) => Promise<Buffer>;
  readonly told: ForwardTold;
}

const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 5_000;

/**
 * Brings one event after the other to the local program, each until it is answered with 2xx: so none is
 * lost and none overtakes another. A program that cannot be reached is waited for however long it takes.
 */
export class Forwarder {
  readonly #options: ForwarderOptions;
  #hurry = new AbortController();
  #skip = false;

  constructor(options: ForwarderOptions) {
    this.#options = options;
  }

  /**
   * Resolves when the event is done with. Rejects when its body is not to be had, after `stop` (a request
   * that is under way is waited for, since its answer decides whether the event comes again), and at once
   * after `abort`.
   */
  async bring(event: BroughtEvent, stop: AbortSignal, abort: AbortSignal): Promise<void> {
    const { program, skipAfter, told } = this.#options;
    const body = await this.#options.bodyOf(event, stop);
    this.#skip = false;
    let refusals = 0;
    let before: string | null = null;
    for (let attempt = 1; ; attempt += 1) {
      // oxlint-disable-next-line no-await-in-loop -- the next try only after this one
      const answer = await program.send(event, body, attempt, abort);
      if (answer.kind === 'answered' && answer.status >= 200 && answer.status < 300) {
        told.forwarded(event, answer, attempt);
        return;
      }
      if (answer.kind === 'answered') refusals += 1;
      if (this.#skip || (skipAfter !== null && refusals >= skipAfter)) {
        told.skipped(event, answer, attempt);
        return;
      }
      stop.throwIfAborted();
      const kind = answer.kind === 'answered' ? String(answer.status) : 'unreachable';
      if (kind !== before) told.failing(event, answer);
      before = kind;
      // oxlint-disable-next-line no-await-in-loop
      await this.#wait(attempt, stop);
      if (this.#skip) {
        told.skipped(event, answer, attempt);
        return;
      }
    }
  }

  /** Gives up the event that is being tried again. */
  skip(): void {
    this.#skip = true;
    this.hurry();
  }

  /** Tries again at once. */
  hurry(): void {
    this.#hurry.abort();
    this.#hurry = new AbortController();
  }

  async #wait(attempt: number, signal: AbortSignal): Promise<void> {
    const ms = Math.min(FIRST_WAIT_MS * 2 ** Math.min(attempt - 1, 10), LONGEST_WAIT_MS);
    await delay(ms, undefined, { signal: AbortSignal.any([signal, this.#hurry.signal]) }).catch(() => {
      signal.throwIfAborted();
    });
  }
}
