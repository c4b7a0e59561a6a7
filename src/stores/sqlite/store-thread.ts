import { Worker } from 'node:worker_threads';
import { Problem } from '../../domain/problem.ts';
import type { ConnectionOptions } from './connection.ts';
import { type Answer, type Call, fromWire } from './thread-messages.ts';

interface Waiting extends Call {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** Calls sent in one message: bounded so that a commit stays short, also after a pile-up. */
const GROUP_LIMIT = 512;

type Operations = Record<string, (argument: never) => unknown>;

/**
 * Sends calls to a thread in groups: while one group is being worked on, the next one gathers. That is
 * the whole group commit: no timer, and a lone call goes at once.
 */
export class StoreThread<Calls> {
  readonly #worker: Worker;
  readonly #groupLimit: number;
  #waiting: Waiting[] = [];
  #underWay: Waiting[] | null = null;
  #failure: Error | null = null;
  #drained: (() => void) | null = null;

  private constructor(worker: Worker, groupLimit: number) {
    this.#worker = worker;
    this.#groupLimit = groupLimit;
  }

  /** Starts the thread; rejects with why it could not open the database. */
  static async start<Calls>(
    entry: 'writer-thread' | 'reader-thread',
    options: ConnectionOptions,
  ): Promise<StoreThread<Calls>> {
    const ending = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
    const worker = new Worker(new URL(`./${entry}${ending}`, import.meta.url), { workerData: options });
    // Answers of a reader are not one commit: short groups keep a quick question from waiting for a slow one.
    const thread = new StoreThread<Calls>(worker, entry === 'writer-thread' ? GROUP_LIMIT : 1);
    await new Promise<void>((resolve, reject) => {
      worker.once('message', () => resolve());
      worker.once('error', reject);
    });
    worker.on('message', (answers: Answer[]) => thread.#answered(answers));
    worker.on('error', (error) => thread.#fail(error instanceof Error ? error : new Error(String(error))));
    worker.on('exit', () => thread.#fail(new Error('the store thread has ended')));
    return thread;
  }

  /** Runs one operation; resolves after its group's commit. */
  call<Name extends keyof Calls & string>(
    operation: Name,
    argument: Calls[Name] extends (argument: infer Argument) => unknown ? Argument : never,
  ): Promise<Calls[Name] extends (argument: never) => infer Value ? Value : never>;
  call(operation: keyof Operations, argument: unknown): Promise<unknown> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ operation, argument, resolve, reject });
      this.#send();
    });
  }

  /** Finishes what was called, closes the database and ends the thread. */
  async close(): Promise<void> {
    if (this.#failure !== null) return;
    const ended = new Promise<void>((resolve) => {
      this.#worker.once('exit', () => resolve());
    });
    if (this.#underWay !== null || this.#waiting.length > 0) {
      await new Promise<void>((resolve) => {
        this.#drained = resolve;
      });
    }
    this.#failure = new Problem('store_unavailable', 'the store is closed');
    this.#worker.postMessage('close');
    await ended;
  }

  #send(): void {
    if (this.#underWay !== null) return;
    if (this.#waiting.length === 0) {
      this.#drained?.();
      return;
    }
    const group = this.#waiting.splice(0, this.#groupLimit);
    this.#underWay = group;
    this.#worker.postMessage({ calls: group.map(({ operation, argument }) => ({ operation, argument })) });
  }

  #answered(answers: readonly Answer[]): void {
    const group = this.#underWay ?? [];
    this.#underWay = null;
    // The next group first, so that the disk does not wait while this one's answers are written.
    this.#send();
    for (const [index, waiting] of group.entries()) {
      const answer = answers[index];
      if (answer === undefined) waiting.reject(new Error('the store thread left a call unanswered'));
      else if (answer.ok) waiting.resolve(answer.value);
      else waiting.reject(fromWire(answer.error));
    }
  }

  #fail(error: Error): void {
    if (this.#failure !== null) return;
    this.#failure = new Problem('store_unavailable', `the store thread failed: ${error.message}`, {
      cause: error,
    });
    const orphans = [...(this.#underWay ?? []), ...this.#waiting];
    this.#underWay = null;
    this.#waiting = [];
    for (const waiting of orphans) waiting.reject(this.#failure);
  }
}
