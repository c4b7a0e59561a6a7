import { Worker } from 'node:worker_threads';
import type { SendResult } from '../domain/outcome.ts';
import type { OutboundRequest, Sender } from '../ports/sender.ts';
import { AddressGuard } from './address-guard.ts';
import { HttpSender } from './http-sender.ts';
import {
  fromRow,
  type Numbered,
  type SenderThreadOptions,
  type ThreadMessage,
  toBatch,
} from './sender-messages.ts';

/** Requests at the same time from which a thread for them pays. */
const THREAD_FROM = 8;
/** Bodies in one message: they are copied for it, and the more wait, the more memory is taken twice. */
const BATCH_BYTES = 1024 * 1024;
/** A thread that ended by itself is not followed by another before. */
const RESTART_AFTER_MS = 10_000;

export interface ThreadedSenderOptions extends SenderThreadOptions {
  /** Requests at the same time from which the thread is started. Default 8. */
  readonly threadFrom?: number;
  /** Told when the thread takes requests. */
  readonly onThreadReady?: () => void;
  /** Told when the thread has ended by itself. */
  readonly onThreadLost?: (error: Error) => void;
  /** For tests: what the thread runs. */
  readonly entry?: URL;
}

interface Waiting {
  readonly resolve: (result: SendResult) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Sends as an `HttpSender` does, and under load from a thread of its own: taking events in and sending them
 * on have a core each, where there are two. A gateway that delivers little does without the thread, and none
 * waits for it: until it is ready, and after it was lost, requests go out from here.
 *
 * What the thread had under way when it was lost is answered with `network_error`: a receiver may have got it
 * or not. The process lives for as long as an answer is waited for.
 */
export class ThreadedSender implements Sender {
  readonly #options: ThreadedSenderOptions;
  /** The same for those made here and those made in the thread. */
  readonly #connections: Pick<SenderThreadOptions, 'proxyUrl'>;
  readonly #here: HttpSender;
  #underWayHere = 0;
  #thread: Worker | null = null;
  #isReady = false;
  #mayStartAt = 0;
  #fresh: Numbered[] = [];
  #freshBytes = 0;
  readonly #waiting = new Map<number, Waiting>();
  #lastNumber = 0;
  #closing = false;

  /** Throws for an entry of the guard's lists that is none. */
  constructor(options: ThreadedSenderOptions) {
    this.#options = options;
    const { guard, proxyUrl } = options;
    this.#connections = proxyUrl === undefined ? {} : { proxyUrl };
    this.#here = new HttpSender({ addressGuard: new AddressGuard(guard), ...this.#connections });
  }

  send(request: OutboundRequest): Promise<SendResult> {
    return this.#isReady ? this.#sendThere(request) : this.#sendHere(request);
  }

  /** As of an `HttpSender`. The thread ends with the last answer. */
  close(): Promise<void> {
    this.#post();
    this.#closing = true;
    this.#isReady = false;
    this.#thread?.postMessage('close');
    return this.#here.close();
  }

  async #sendHere(request: OutboundRequest): Promise<SendResult> {
    this.#underWayHere += 1;
    if (this.#underWayHere >= (this.#options.threadFrom ?? THREAD_FROM)) this.#startThread();
    try {
      return await this.#here.send(request);
    } finally {
      this.#underWayHere -= 1;
    }
  }

  #sendThere(request: OutboundRequest): Promise<SendResult> {
    this.#lastNumber += 1;
    const number = this.#lastNumber;
    return new Promise((resolve, reject) => {
      if (this.#waiting.size === 0) this.#thread?.ref();
      this.#waiting.set(number, { resolve, reject });
      this.#fresh.push([number, request]);
      this.#freshBytes += request.body.byteLength;
      if (this.#freshBytes >= BATCH_BYTES) this.#post();
      else if (this.#fresh.length === 1) setImmediate(() => this.#post());
    });
  }

  #post(): void {
    if (this.#fresh.length === 0) return;
    const batch = toBatch(this.#fresh);
    this.#fresh = [];
    this.#freshBytes = 0;
    this.#thread?.postMessage(batch, [batch.bodies.buffer]);
  }

  #startThread(): void {
    if (this.#thread !== null || this.#closing || performance.now() < this.#mayStartAt) return;
    const { guard, entry } = this.#options;
    const ending = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
    const workerData = { guard, ...this.#connections };
    const url = entry ?? new URL(`./sender-thread${ending}`, import.meta.url);
    const thread = new Worker(url, { workerData });
    thread.unref();
    let why = new Error('the sending thread has ended');
    thread.on('message', (message: ThreadMessage) => this.#heard(message));
    thread.on('error', (error) => {
      why = error instanceof Error ? error : new Error(String(error));
    });
    thread.on('exit', () => this.#lost(why));
    this.#thread = thread;
  }

  #heard(message: ThreadMessage): void {
    if (message === 'ready') {
      this.#isReady = !this.#closing;
      this.#options.onThreadReady?.();
      return;
    }
    if ('failed' in message) this.#taken(message.failed)?.reject(message.error);
    else for (const row of message) this.#taken(row[0])?.resolve(fromRow(row));
    if (this.#waiting.size === 0) this.#thread?.unref();
  }

  #taken(number: number): Waiting | undefined {
    const waiting = this.#waiting.get(number);
    this.#waiting.delete(number);
    return waiting;
  }

  #lost(why: Error): void {
    this.#thread = null;
    this.#isReady = false;
    this.#mayStartAt = performance.now() + RESTART_AFTER_MS;
    const orphans = [...this.#waiting.values()];
    this.#waiting.clear();
    this.#fresh = [];
    this.#freshBytes = 0;
    for (const { resolve } of orphans) {
      resolve({ status: null, error: 'network_error', headers: [], body: '', durationMs: 0 });
    }
    if (!this.#closing || orphans.length > 0) this.#options.onThreadLost?.(why);
  }
}
