import { createHash } from 'node:crypto';
import type { PublishCall, PublishedEvent } from '../../src/core/publish.ts';
import { Gateway, type GatewayOptions } from '../../src/core/gateway.ts';
import { EVENT_FIELDS } from '../../src/core/expression-input.ts';
import type { IngestAnswer, IngestCall } from '../../src/core/ingest.ts';
import type { Services } from '../../src/core/services.ts';
import type { Caller } from '../../src/core/settings-changes.ts';
import type { Delivery } from '../../src/domain/delivery.ts';
import { headerValue } from '../../src/domain/event.ts';
import { IdMaker } from '../../src/domain/ids.ts';
import type { SendResult } from '../../src/domain/outcome.ts';
import type { Destination, Source, Subscription } from '../../src/domain/settings.ts';
import { createCelExpressions } from '../../src/expressions/cel.ts';
import type { SecretBox } from '../../src/ports/secret-box.ts';
import type { Registrar } from '../../src/ports/registrar.ts';
import type { OutboundRequest, Sender, WebhookSigner } from '../../src/ports/sender.ts';
import type { Store } from '../../src/ports/store.ts';
import type { IngestRequest, SourceVerdict, Verifiers } from '../../src/ports/verifier.ts';
import { DescriptorProtobufs } from '../../src/schemas/protobufs.ts';
import { JsonSchemas } from '../../src/schemas/json-schemas.ts';
import { createMemoryStore } from '../../src/stores/memory/memory-store.ts';
import { FakeClock, settled } from '../../src/testing/fake-clock.ts';
import { RecordingLogger } from '../../src/testing/recording-logger.ts';
import { SeededRandomness } from '../../src/testing/seeded-randomness.ts';
import { buildDestination, buildSource, buildSubscription } from '../../src/testing/setting-builders.ts';

export const OPERATOR: Caller = {
  principal: { id: 'key_operator', name: 'operator', scopes: ['admin'], tenant: null },
  remoteAddress: '192.0.2.9',
};

/** What an attempt is answered with when a test says nothing. */
export function answered(status: number, overrides: Partial<SendResult> = {}): SendResult {
  return { status, error: null, headers: [], body: '', durationMs: 1, ...overrides };
}

type Respond = (request: OutboundRequest) => SendResult | Promise<SendResult>;

/** A sender that does what the test says for each URL, and keeps what it was asked to send. */
export class ScriptedSender implements Sender {
  readonly requests: OutboundRequest[] = [];
  /** Requests without an answer yet, and the most that there were at once, by URL. */
  readonly open = new Map<string, number>();
  readonly mostOpen = new Map<string, number>();
  readonly #responses = new Map<string, Respond>();
  #otherwise: Respond = () => answered(200);

  async send(request: OutboundRequest): Promise<SendResult> {
    const { url } = request;
    this.requests.push(request);
    const open = (this.open.get(url) ?? 0) + 1;
    this.open.set(url, open);
    this.mostOpen.set(url, Math.max(open, this.mostOpen.get(url) ?? 0));
    try {
      return await (this.#responses.get(url) ?? this.#otherwise)(request);
    } finally {
      this.open.set(url, (this.open.get(url) ?? 0) - 1);
    }
  }

  async close(): Promise<void> {
    await settled();
  }

  /** From now on this is the answer, to one URL or to all without one of their own. */
  answer(respond: Respond | number, url?: string): void {
    const how = typeof respond === 'number' ? () => answered(respond) : respond;
    if (url === undefined) this.#otherwise = how;
    else this.#responses.set(url, how);
  }

  /** From now on requests to the URL wait until the function given back is called. */
  hang(url?: string): (status?: number) => void {
    const { promise, resolve } = Promise.withResolvers<SendResult>();
    this.answer(() => promise, url);
    return (status = 200) => {
      this.answer(status, url);
      resolve(answered(status));
    };
  }

  /** Values of a header, one for each request so far. */
  sent(name: string): (string | undefined)[] {
    return this.requests.map((request) => headerValue(request.headers, name));
  }
}

/** Signs so that a test can read what was signed with what. */
export const legibleSigner: WebhookSigner = {
  sign: (id, timestampS, body, secrets) =>
    secrets.map((secret) => `v1,${id}.${timestampS}.${body.byteLength}.${secret}`).join(' '),
  generate: (scheme) => `generated-${scheme}`,
  publicKey: (secret) => `public-${secret}`,
  check: (_, secret) => (secret === 'bad' ? 'is bad' : null),
};

/** Hides nothing, but insists that a secret is opened where it belongs. */
export const legibleBox: SecretBox = {
  seal: (plaintext, context) => `sealed:${context}:${plaintext}`,
  open: (sealed, context) => {
    if (!sealed.startsWith('sealed:')) return sealed;
    const prefix = `sealed:${context}:`;
    if (!sealed.startsWith(prefix)) throw new Error(`the secret does not belong to ${context}`);
    return sealed.slice(prefix.length);
  },
  digest: (text) => createHash('sha256').update(text).digest('hex'),
};

/**
 * A provider whose requests say in headers what the verifier is to find: `x-secret` must be one of the
 * secrets, `x-id`, `x-type`, `x-key` and `x-time` are the identity. A GET is a handshake. The
 * provider `no-ids` gives its events no ids and wants to see 403 when they are not proven.
 */
export const headerVerifiers: Verifiers = {
  providers: () => ['hmac', 'none', 'no-ids', 'answers'],
  traits: () => ({ covers: 'body', handsSecretOver: true, wantsSecretBack: true }),
  secretMistake: () => null,
  compile: ({ provider }, secrets) => ({
    handshake: ({ method, url }) =>
      method === 'GET' ? { status: 200, headers: { 'x-url': url }, body: 'challenge' } : undefined,
    verify: (request) => verdictOn(request, secrets, provider),
    successAnswer: provider === 'answers' ? { status: 200, headers: {}, body: 'ok' } : null,
    ...(provider === 'no-ids' ? { refusalStatus: 403 } : {}),
  }),
};

function verdictOn(request: IngestRequest, secrets: readonly string[], provider: string): SourceVerdict {
  const read = (name: string): string | undefined => headerValue(request.headers, name);
  const secret = read('x-secret');
  if (secret === undefined) return { ok: false, reason: 'no_header', code: 'signature_missing' };
  const secretIndex = secrets.indexOf(secret);
  if (secretIndex < 0) return { ok: false, reason: 'no_secret_fits', code: 'signature_mismatch' };
  const [id, type, key, time] = ['x-id', 'x-type', 'x-key', 'x-time'].map((name) => read(name));
  return {
    ok: true,
    covers: 'body',
    secretIndex,
    event: {
      ...(provider === 'no-ids' ? { dedupe: 'body' } : {}),
      ...(id === undefined ? {} : { id }),
      ...(type === undefined ? {} : { type }),
      ...(key === undefined ? {} : { key }),
      ...(time === undefined ? {} : { timeMs: Number(time) }),
    },
  };
}

/** A provider that has no webhook and makes whatever is wanted. */
export const silentRegistrar: Registrar = {
  secret: 'ours',
  defaultEvents: ['*'],
  mayNameNone: false,
  account: { is: 'nothing', required: false },
  sameEvents: (left, right) => left.join(' ') === right.join(' '),
  checkSecret: () => undefined,
  find: () => Promise.resolve({ hook: null, occupiedBy: null }),
  create: (_call, { events }) => Promise.resolve({ id: 'hook_1', events, secret: null }),
  update: (_call, hook) => Promise.resolve(hook),
  renewSecret: (_call, hook) => Promise.resolve({ ...hook, secret: 'renewed' }),
};

export interface BenchOptions {
  readonly clock?: FakeClock;
  readonly store?: Store;
  readonly gateway?: Partial<GatewayOptions>;
  readonly services?: Partial<Services>;
}

/** A whole gateway without I/O: the memory store, a clock moved by hand, a sender that is told what to say. */
export class Bench {
  readonly clock: FakeClock;
  readonly log = new RecordingLogger();
  readonly sender = new ScriptedSender();
  readonly store: Store;
  readonly gateway: Gateway;
  /** What the metrics were told, as `name:label`. */
  readonly counted: string[] = [];
  #requests = 0;

  constructor(options: BenchOptions = {}) {
    this.clock = options.clock ?? new FakeClock();
    this.store = options.store ?? createMemoryStore();
    const random = new SeededRandomness();
    const services: Services = {
      clock: this.clock,
      random,
      ids: new IdMaker(
        () => this.clock.now(),
        (count) => random.bytes(count),
      ),
      store: this.store,
      expressions: createCelExpressions({ eventFields: EVENT_FIELDS }),
      verifiers: headerVerifiers,
      registrars: { of: () => silentRegistrar, providers: ['hmac'] },
      signer: legibleSigner,
      sender: this.sender,
      tlsIdentities: { examine: () => ({ ok: true, fingerprint: null, expiresAt: null }) },
      secrets: legibleBox,
      secretKeys: {
        isOwn: true,
        count: 1,
        ids: ['legible'],
        isNewest: () => true,
        addNewest: () => undefined,
        keepNewest: () => 0,
      },
      addresses: {
        within: (address, blocks) => blocks.includes(address),
        isBlock: (text) => /^[\d.:/a-f]+$/.test(text),
        refuseUrl: (url) => (/^https?:\/\//.test(url) ? null : 'is not a web URL'),
      },
      schemas: new JsonSchemas(),
      protobufs: new DescriptorProtobufs(),
      log: this.log,
      metrics: {
        eventAccepted: (provider) => this.counted.push(`accepted:${provider}`),
        eventDuplicate: (provider) => this.counted.push(`duplicate:${provider}`),
        requestRejected: (code) => this.counted.push(`rejected:${code}`),
        attemptFinished: (outcome) => this.counted.push(`attempt:${outcome}`),
        deliveryFinished: (state) => this.counted.push(`delivery:${state}`),
      },
      ...options.services,
    };
    this.gateway = new Gateway(services, {
      version: '1.2.3',
      dispatch: { maxInFlight: 1_000, maxBytes: 1 << 26 },
      rejections: { maxPerSource: 100, maxBytes: 1 << 20 },
      retention: { maxAgeMs: 0, maxBytes: 0 },
      dedupeWindowMs: 86_400_000,
      maxHops: 16,
      roles: ['ingest', 'deliver', 'api'],
      redact: [],
      ...options.gateway,
    });
  }

  /** A destination of its own URL. */
  async destination(overrides: Partial<Destination> = {}): Promise<Destination> {
    const built = buildDestination(overrides);
    const destination = { ...built, url: overrides.url ?? `https://${built.id}.example/` };
    await this.gateway.settings.save('destination', destination, OPERATOR);
    // A saved destination is looked at by a claim, which a timer begins.
    await this.clock.advance(0);
    return destination;
  }

  async subscription(destination: Destination, overrides: Partial<Subscription> = {}): Promise<Subscription> {
    const { id: destinationId, tenant } = destination;
    const subscription = buildSubscription({ destinationId, tenant, ...overrides });
    await this.gateway.settings.save('subscription', subscription, OPERATOR);
    return subscription;
  }

  /** A destination with a subscription of everything. */
  async receiver(overrides: Partial<Destination> = {}): Promise<Destination> {
    const destination = await this.destination(overrides);
    await this.subscription(destination);
    return destination;
  }

  /** A source whose secret is `right`. */
  async source(overrides: Partial<Source> = {}): Promise<Source> {
    const secret = { sealed: 'right', createdAt: this.clock.now(), expiresAt: null };
    const source = buildSource({ secrets: [secret], ...overrides });
    await this.gateway.settings.save('source', source, OPERATOR);
    return source;
  }

  publish(published: Partial<PublishedEvent> = {}, call: Partial<PublishCall> = {}) {
    return this.gateway.publish.one(publishedEvent(published), this.publishCall(call));
  }

  publishCall(overrides: Partial<PublishCall> = {}): PublishCall {
    return {
      requestId: this.requestId(),
      headers: [],
      remoteAddress: '192.0.2.1',
      principal: OPERATOR.principal,
      idempotency: null,
      ...overrides,
    };
  }

  /** A request to a source, through every step that the HTTP edge takes. */
  async receive(
    source: Source,
    headers: Readonly<Record<string, string>> = {},
    overrides: Partial<IngestCall> = {},
  ): Promise<IngestAnswer> {
    const call = this.ingestCall(source, headers, overrides);
    const active = this.gateway.ingest.admit(source.ingestKey, call);
    if (call.body.byteLength > active.source.maxBodyBytes) throw this.gateway.ingest.tooLarge(active, call);
    return this.gateway.ingest.accept(active, call);
  }

  ingestCall(
    source: Source,
    headers: Readonly<Record<string, string>>,
    overrides: Partial<IngestCall> = {},
  ): IngestCall {
    return {
      requestId: this.requestId(),
      method: 'POST',
      url: `https://gateway.example/in/${source.ingestKey}`,
      path: '',
      headers: Object.entries({ 'x-secret': 'right', ...headers }).flat(),
      body: bytes('{"a":1}'),
      remoteAddress: '192.0.2.1',
      ...overrides,
    };
  }

  requestId(): string {
    this.#requests += 1;
    return `req_${this.#requests}`;
  }

  /** Every delivery, oldest first. */
  async deliveries(): Promise<Delivery[]> {
    const { items } = await this.store.queries.deliveries({}, { limit: 500, before: null });
    return items.toReversed();
  }

  async states(): Promise<string[]> {
    return (await this.deliveries()).map((delivery) => delivery.state);
  }
}

export async function startedBench(options: BenchOptions = {}): Promise<Bench> {
  const bench = new Bench(options);
  await bench.gateway.start();
  return bench;
}

export function publishedEvent(overrides: Partial<PublishedEvent> = {}): PublishedEvent {
  return {
    tenant: 'default',
    type: 'acme.thing.happened',
    source: 'api',
    externalId: null,
    subject: null,
    key: null,
    occurredAt: null,
    correlationId: null,
    causationId: null,
    contentType: 'application/json',
    body: bytes('{"type":"acme.thing.happened","timestamp":"2025-01-01T00:00:00.000Z","data":{"a":1}}'),
    ...overrides,
  };
}

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** What a promise rejects with. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('it was not rejected');
}
