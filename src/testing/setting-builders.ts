import { DEFAULT_RETRY_POLICY } from '../domain/retry-schedule.ts';
import type {
  ApiKey,
  Destination,
  EventType,
  EventTypeVersion,
  Source,
  Subscription,
} from '../domain/settings.ts';
import { buildId, START_MS } from './builders.ts';

/** An enabled source of `hmac` with one secret; its name is its id. */
export function buildSource(overrides: Partial<Source> = {}): Source {
  const id = overrides.id ?? buildId('src');
  return {
    ...named(id),
    provider: 'hmac',
    ingestKey: `in-${id}`,
    enabled: true,
    secrets: [{ sealed: 'sealed-secret', createdAt: START_MS, expiresAt: null }],
    config: { header: 'X-Signature' },
    verification: null,
    dedupe: { key: null, windowMs: 86_400_000 },
    allowedIps: [],
    contentTypes: [],
    maxBodyBytes: 1_048_576,
    schema: null,
    onInvalid: 'reject',
    rateLimit: null,
    ...overrides,
  };
}

/** An enabled webhook without a rate limit; its name is its id. */
export function buildDestination(overrides: Partial<Destination> = {}): Destination {
  const id = overrides.id ?? buildId('dst');
  return {
    ...named(id),
    kind: 'webhook',
    url: 'https://receiver.example/hook',
    headers: {},
    timeoutMs: 15_000,
    maxInFlight: 10,
    rateLimit: null,
    signing: 'standard',
    secrets: [{ sealed: 'sealed-secret', createdAt: START_MS, expiresAt: null }],
    auth: null,
    state: 'enabled',
    stateReason: null,
    stateChangedAt: START_MS,
    ...overrides,
  };
}

/** A subscription of everything to `dst_one`; its name is its id. */
export function buildSubscription(overrides: Partial<Subscription> = {}): Subscription {
  const id = overrides.id ?? buildId('sub');
  return {
    ...named(id),
    destinationId: 'dst_one',
    sources: [],
    types: [],
    filter: null,
    sessionKey: null,
    transform: null,
    ordering: 'none',
    delayMs: 0,
    deliveryExpiryMs: null,
    retry: DEFAULT_RETRY_POLICY,
    onClientError: 'retry',
    enabled: true,
    expiresAt: null,
    ...overrides,
  };
}

/** A key of every tenant that may do everything; its name is its id. */
export function buildApiKey(overrides: Partial<ApiKey> = {}): ApiKey {
  const id = overrides.id ?? buildId('key');
  return {
    ...named(id),
    hash: '0'.repeat(64),
    hint: 'rb_0',
    scopes: ['admin'],
    boundTenant: null,
    expiresAt: null,
    ...overrides,
  };
}

/** An event type with one version; its name is its id. */
export function buildEventType(overrides: Partial<EventType> = {}): EventType {
  const id = overrides.id ?? buildId('etp');
  return {
    ...named(id),
    description: 'Something happened',
    compatibility: 'backward',
    versions: [buildTypeVersion()],
    converters: [],
    ...overrides,
  };
}

/** Version 1: any object. */
export function buildTypeVersion(overrides: Partial<EventTypeVersion> = {}): EventTypeVersion {
  return {
    version: 1,
    description: '',
    schema: { type: 'object' },
    protobuf: null,
    examples: [{ thing: 1 }],
    ...overrides,
  };
}

function named(id: string): {
  id: string;
  tenant: string;
  name: string;
  createdAt: number;
  updatedAt: number;
} {
  return { id, tenant: 'default', name: id, createdAt: START_MS, updatedAt: START_MS };
}
