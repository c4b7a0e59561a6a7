import type { Worker } from 'node:worker_threads';
import { Problem } from '../../domain/problem.ts';
import type { ConnectionOptions } from './connection.ts';
import { startThread } from './start-thread.ts';
import { type Answers, type Call, fromWire, toRequest } from './thread-messages.ts';

interface Waiting extends Call {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

type Operations = Record<string, (argument: never) => unknown>;

const NO_BYTES = new Uint8Array(0);

/** So many calls go before the turn ends, where commits are quick. */
const EARLY_CALLS = 32;
/** A commit is quick below this. On a slower disk, what waits for the turn's end saves a commit. */
const QUICK_COMMIT_MS = 2;
/** Weight of the newest commit in what is known of their time. */
const NEWEST_WEIGHT = 0.1;

/**
 * Sends calls to a thread, those of one turn of the event loop in one message. The thread takes all that
 * has arrived into one transaction: while it commits, the next group gathers at its door. That is the
 * whole group commit: no timer, and a lone call goes at once.
 *
 * A busy turn reads dozens of requests. Sent only at its end, their calls would find a thread that had
 * nothing to do meanwhile, and this one would have nothing to do while that one works: where the disk is quick,
 * the first of them go early.
 *
 * Calls are sent without waiting for earlier answers. Waiting for them left the writer idle for half of
 * the time, until this thread came round to sending the next group.
 */
export class StoreThread<Calls> {
  readonly #worker: Worker;
  /** Called in this turn of the event loop, not yet sent. */
  #fresh: Waiting[] = [];
  /** Sent and not yet answered, oldest first: answers come in the order of the calls. */
  #sent: Waiting[] = [];
  #commitMs = QUICK_COMMIT_MS;
  #failure: Error | null = null;
  #drained: (() => void) | null = null;

  private constructor(worker: Worker) {
    this.#worker = worker;
  }

  /** Starts the thread; rejects with why it could not open the database. */
  static async start<Calls>(
    entry: 'writer-thread' | 'reader-thread',
    options: ConnectionOptions,
  ): Promise<StoreThread<Calls>> {
    const worker = startThread(entry, options);
    const thread = new StoreThread<Calls>(worker);
    await new Promise<void>((resolve, reject) => {
      worker.once('message', () => resolve());
      worker.once('error', reject);
    });
    worker.on('message', (answers: Answers) => thread.#answered(answers));
    worker.on('error', (error) => thread.#fail(error instanceof Error ? error : new Error(String(error))));
    worker.on('exit', () => thread.#fail(new Error('the store thread has ended')));
    return thread;
  }

  /** Runs one operation; resolves after its group's commit. `bytes` are copied before this returns to the loop. */
  call<Name extends keyof Calls & string>(
    operation: Name,
    argument: Calls[Name] extends (argument: infer Argument, ...rest: never[]) => unknown ? Argument : never,
    bytes?: Uint8Array,
  ): Promise<Calls[Name] extends (...all: never[]) => infer Value ? Value : never>;
  call(operation: keyof Operations, argument: unknown, bytes = NO_BYTES): Promise<unknown> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#fresh.push({ operation, argument, bytes, resolve, reject });
      if (this.#fresh.length === 1) setImmediate(() => this.#send());
      else if (this.#fresh.length >= EARLY_CALLS && this.#commitMs < QUICK_COMMIT_MS) this.#send();
    });
  }

  /** Finishes what was called, closes the database and ends the thread. */
  async close(): Promise<void> {
    if (this.#failure !== null) return;
    const ended = new Promise<void>((resolve) => {
      this.#worker.once('exit', () => resolve());
    });
    if (this.#sent.length + this.#fresh.length > 0) {
      await new Promise<void>((resolve) => {
        this.#drained = resolve;
      });
    }
    this.#failure = new Problem('store_unavailable', 'the store is closed');
    this.#worker.postMessage('close');
    await ended;
  }

  #send(): void {
    const calls = this.#fresh;
    if (calls.length === 0) return;
    this.#fresh = [];
    this.#sent.push(...calls);
    const request = toRequest(calls);
    this.#worker.postMessage(request, [request.bytes.buffer]);
  }

  #answered({ values, errors, commitMs }: Answers): void {
    this.#commitMs += (commitMs - this.#commitMs) * NEWEST_WEIGHT;
    const answered = this.#sent.splice(0, values.length);
    const failed = new Map(errors);
    for (const [place, waiting] of answered.entries()) {
      const error = failed.get(place);
      if (error === undefined) waiting.resolve(values[place]);
      else waiting.reject(fromWire(error));
    }
    if (this.#sent.length + this.#fresh.length === 0) this.#drained?.();
  }

  #fail(error: Error): void {
    if (this.#failure !== null) return;
    this.#failure = new Problem('store_unavailable', `the store thread failed: ${error.message}`, {
      cause: error,
    });
    const orphans = [...this.#sent, ...this.#fresh];
    this.#sent = [];
    this.#fresh = [];
    for (const waiting of orphans) waiting.reject(this.#failure);
  }
}
