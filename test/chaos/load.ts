import { createHmac } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Agent, request } from 'undici';
import type { SeededRandomness } from '../../src/testing/seeded-randomness.ts';
import type { Ledger, Sent } from './ledger.ts';
import { digestOf } from './receivers.ts';

/** Where events can be given in, and how. */
export interface Intake {
  /** The nodes that are meant to be up, by URL; asked anew for each request. */
  urls(): readonly string[];
  readonly apiKey: string;
  /** Path of the ingest URL of a Standard Webhooks source, and its secret. */
  readonly ingestPath: string;
  readonly ingestSecret: string;
}

export interface LoadPlan {
  readonly round: string;
  readonly keys: number;
  readonly eventsPerKey: number;
  readonly loose: number;
  /** Share of the keys, 0 to 1, whose events also go to the rough receiver. */
  readonly roughShare: number;
  /** Longest pause between two events of a key, in milliseconds. */
  readonly pauseMs: number;
  /** How long a sender goes on trying. */
  readonly limitMs: number;
}

const ANSWER_LIMIT_MS = 3_000;
const RETRY_PAUSE_MS = 40;

interface Message {
  readonly sent: Sent;
  readonly via: 'publish' | 'ingest';
  readonly data: Readonly<Record<string, unknown>>;
  readonly at: string;
}

/**
 * Senders as they should be: each gives an event in until it is acknowledged, always under the same id, and
 * only then the next one of its key. A few give up at the first failure: those events may come or not.
 */
export class Load {
  readonly #ledger: Ledger;
  readonly #intake: Intake;
  readonly #random: SeededRandomness;
  readonly #agent = new Agent({ connections: 64, keepAliveTimeout: 500 });
  /** When requests were acknowledged, by `performance.now()`, in order: it shows how long none was. */
  readonly acknowledgedAt: number[] = [];

  constructor(ledger: Ledger, intake: Intake, random: SeededRandomness) {
    this.#ledger = ledger;
    this.#intake = intake;
    this.#random = random;
  }

  /** Sends all that is planned; resolves when every sender is done or has given up. */
  async run(plan: LoadPlan): Promise<void> {
    const until = performance.now() + plan.limitMs;
    const senders: Promise<void>[] = [];
    for (let key = 0; key < plan.keys; key += 1) senders.push(this.#sendKey(plan, key, until));
    for (let n = 0; n < plan.loose; n += 1) senders.push(this.#sendLoose(plan, n, until));
    await Promise.all(senders);
  }

  close(): Promise<void> {
    return this.#agent.destroy();
  }

  async #sendKey(plan: LoadPlan, number: number, until: number): Promise<void> {
    const key = `${plan.round}-k${number}`;
    const isRough = this.#random.fraction() < plan.roughShare;
    const via = this.#random.fraction() < 0.5 ? 'publish' : 'ingest';
    for (let place = 1; place <= plan.eventsPerKey; place += 1) {
      const isPoison = isRough && this.#random.fraction() < 0.1;
      const type = isRough ? 'chaos.rough' : 'chaos.plain';
      const message = this.#message({ ref: `${key}-${place}`, key, place, type, isPoison }, via);
      await delay(this.#random.fraction() * plan.pauseMs);
      const isKept = await this.#give(message, until, true);
      // Behind one that may or may not be there, nothing can be said of order.
      if (!isKept) return;
      // Senders repeat themselves also when all went well.
      if (place % 4 === 0) await this.#give(message, until, true);
    }
  }

  async #sendLoose(plan: LoadPlan, number: number, until: number): Promise<void> {
    await delay(this.#random.fraction() * plan.pauseMs * plan.eventsPerKey);
    const ref = `${plan.round}-l${number}`;
    const via = this.#random.fraction() < 0.5 ? 'publish' : 'ingest';
    const persists = this.#random.fraction() < 0.8;
    const message = this.#message({ ref, key: null, place: 1, type: 'chaos.plain', isPoison: false }, via);
    await this.#give(message, until, persists);
  }

  #message(of: Pick<Sent, 'ref' | 'key' | 'place' | 'type' | 'isPoison'>, via: Message['via']): Message {
    const data = {
      ref: of.ref,
      ...(of.key === null ? {} : { key: of.key }),
      ...(of.isPoison ? { poison: true } : {}),
      filling: 'x'.repeat(Math.floor(this.#random.fraction() ** 4 * 8_000)),
    };
    const at = new Date().toISOString();
    const body = JSON.stringify({ type: of.type, timestamp: at, data });
    return { sent: this.#ledger.plan({ ...of, digest: digestOf(Buffer.from(body)) }), via, data, at };
  }

  /** True when it was acknowledged. */
  async #give(message: Message, until: number, persists: boolean): Promise<boolean> {
    for (;;) {
      const eventId = await this.#once(message);
      if (eventId !== null) {
        this.acknowledgedAt.push(performance.now());
        this.#ledger.acknowledge(message.sent, eventId);
        return true;
      }
      if (!persists || performance.now() > until) return false;
      await delay(RETRY_PAUSE_MS);
    }
  }

  async #once(message: Message): Promise<string | null> {
    const urls = this.#intake.urls();
    const url = urls[Math.floor(this.#random.fraction() * urls.length)];
    if (url === undefined) return null;
    const { path, headers, body } =
      message.via === 'publish' ? this.#publish(message) : this.#ingest(message);
    try {
      const answer = await request(`${url}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body,
        dispatcher: this.#agent,
        signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
      });
      const text = await answer.body.text();
      const { statusCode } = answer;
      // Whatever is wrong with us, senders are told to come again, and when.
      const isNotNow = statusCode === 503 && answer.headers['retry-after'] !== undefined;
      if (statusCode >= 300 && !isNotNow) {
        this.#ledger.violate('unexpected', `a good request was refused: ${statusCode} ${text}`);
      }
      return statusCode < 300 ? (JSON.parse(text) as { id: string }).id : null;
    } catch {
      return null;
    }
  }

  #publish({ sent, data, at }: Message) {
    const key = sent.key === null ? {} : { key: sent.key };
    return {
      path: '/v1/events',
      headers: { authorization: `Bearer ${this.#intake.apiKey}` },
      body: JSON.stringify({ type: sent.type, id: sent.ref, time: at, data, ...key }),
    };
  }

  /** Signed anew each time, as Standard Webhooks says; the id stays. */
  #ingest({ sent, data, at }: Message) {
    const body = JSON.stringify({ type: sent.type, timestamp: at, data });
    const timestamp = String(Math.floor(Date.now() / 1_000));
    const secret = Buffer.from(this.#intake.ingestSecret.replace('whsec_', ''), 'base64');
    const signature = createHmac('sha256', secret)
      .update(`${sent.ref}.${timestamp}.${body}`)
      .digest('base64');
    return {
      path: this.#intake.ingestPath,
      headers: {
        'webhook-id': sent.ref,
        'webhook-timestamp': timestamp,
        'webhook-signature': `v1,${signature}`,
      },
      body,
    };
  }
}
