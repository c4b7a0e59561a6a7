import type { RateLimit } from './rate-limit.ts';
import type { RetryPolicy } from './retry-schedule.ts';

/** A secret as it lies in the store: sealed, with the time after which it no longer counts. */
export interface SealedSecret {
  readonly sealed: string;
  readonly createdAt: number;
  /** Milliseconds since the epoch; `null` = valid until removed. */
  readonly expiresAt: number | null;
}

/** A secret of a source. */
export interface SourceSecret extends SealedSecret {
  /** The provider handed it over in a handshake, and nobody has typed it in. */
  readonly learned?: boolean;
  /** When a learned secret was shown to somebody, which happens once at most. */
  readonly shownAt?: number;
}

interface Setting {
  readonly id: string;
  readonly tenant: string;
  readonly name: string;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** Where events come in: an ingest URL with a verifier. */
export interface Source extends Setting {
  readonly provider: string;
  /** Unguessable path segment of the ingest URL. */
  readonly ingestKey: string;
  readonly enabled: boolean;
  /** Newest first; any that has not expired is accepted. */
  readonly secrets: readonly SourceSecret[];
  /**
   * Set while the provider's handshake may bring a secret. Never set by a request: whoever creates the
   * source, or asks for it later, sets it; the first secret that comes clears it. Absent like `null`.
   */
  readonly awaitsSecret?: AwaitedSecret | null;
  /** The provider's public fields: header names, audiences, public keys. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Declarative verification scheme, for provider `hmac`. */
  readonly verification: Readonly<Record<string, unknown>> | null;
  readonly dedupe: DedupePolicy;
  /** CIDR blocks; empty = anyone. */
  readonly allowedIps: readonly string[];
  /** Media types without parameters; empty = any. */
  readonly contentTypes: readonly string[];
  readonly maxBodyBytes: number;
  /** JSON Schema (2020-12) of the body, `null` = none. */
  readonly schema: Readonly<Record<string, unknown>> | null;
  /** The message that a body is, unless its content type is JSON; absent like `null` = none. */
  readonly protobuf?: ProtobufMessage | null;
  /** Check events against the newest version of their type in the catalogue; absent = do not. */
  readonly useCatalogue?: boolean;
  readonly onInvalid: 'reject' | 'mark';
  readonly rateLimit: RateLimit | null;
  /** JSON pointers and names of payload fields that are not to be seen; absent = none. */
  readonly redact?: readonly string[];
  /** How long it may bring nothing until someone is told; absent like `null` = for ever. */
  readonly expectEveryMs?: number | null;
  /** Since when that has been expected. */
  readonly expectedSince?: number;
  /** Unguessable path segment of the URL at which clients of smee.io read; absent like `null` = off. */
  readonly smeeChannel?: string | null;
  /** When it is removed; absent like `null` = never. Milliseconds since the epoch. */
  readonly expiresAt?: number | null;
}

/** A secret that is yet to come in a handshake. */
export interface AwaitedSecret {
  /** Milliseconds since the epoch; `null` = until it comes. */
  readonly until: number | null;
}

/** When two requests to a source are the same event. */
export interface DedupePolicy {
  /** CEL over `event`, `headers`, `data`; `null` = the provider's own event id. */
  readonly key: string | null;
  readonly windowMs: number;
}

/** Where events go. */
export interface Destination extends Setting {
  readonly kind: 'webhook';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Limit of one attempt from connect to the last byte read. */
  readonly timeoutMs: number;
  readonly maxInFlight: number;
  readonly rateLimit: RateLimit | null;
  readonly signing: SigningScheme;
  /** Newest first; all that have not expired sign, so that receivers can change over. */
  readonly secrets: readonly SealedSecret[];
  readonly auth: DestinationAuth | null;
  /** Absent like `null` = no certificate, and the system's authorities. */
  readonly tls?: DestinationTls | null;
  /** Whether its URL may be one of our own ingest URLs; absent like `false`. */
  readonly allowOwnIngest?: boolean;
  readonly state: 'enabled' | 'paused' | 'disabled';
  /** Why and since when it is not enabled. */
  readonly stateReason: string | null;
  readonly stateChangedAt: number;
}

/** How requests to a destination are signed: Standard Webhooks with HMAC, with ed25519, or not at all. */
export type SigningScheme = 'standard' | 'standard-ed25519' | 'none';

/** What a destination wants to see besides the signature. */
export type DestinationAuth =
  | { readonly kind: 'bearer'; readonly token: SealedSecret }
  | { readonly kind: 'basic'; readonly username: string; readonly password: SealedSecret }
  | OAuth2Credentials;

/** Who we are to a destination on the TLS connection, and whom we take for it. */
export interface DestinationTls {
  /** PEM: the certificate, then those that lead to its authority. */
  readonly clientCert: string | null;
  readonly clientKey: SealedSecret | null;
  /** PEM; `null` = the system's authorities. */
  readonly ca: string | null;
  /** SHA-256 of the certificate. */
  readonly fingerprint: string | null;
  /** When the certificate ends. */
  readonly expiresAt: number | null;
}

/** Client credentials with which tokens are got from an authorization server (RFC 6749, 4.4). */
export interface OAuth2Credentials {
  readonly kind: 'oauth2';
  readonly tokenUrl: string;
  readonly clientId: string;
  readonly clientSecret: SealedSecret;
  readonly scope: string | null;
  readonly audience: string | null;
}

/** The rule: which events go to which destination, under which policy. */
export interface Subscription extends Setting {
  readonly destinationId: string;
  /** Source ids; empty = all of the tenant, published events included. */
  readonly sources: readonly string[];
  /** Type patterns; empty = all. */
  readonly types: readonly string[];
  /** Event type -> the version that its events are to be delivered in; absent = each as it came. */
  readonly typeVersions?: Readonly<Record<string, number>>;
  /** CEL to a boolean; `null` = everything that the types let through. */
  readonly filter: string | null;
  /** CEL to a string. */
  readonly sessionKey: string | null;
  /** CEL to a map that is sent instead of the body. */
  readonly transform: string | null;
  readonly ordering: 'none' | 'key';
  /** How long the first attempt waits. */
  readonly delayMs: number;
  /** Age at which an unfinished delivery is given up as `expired`; `null` = never. */
  readonly deliveryExpiryMs: number | null;
  readonly retry: RetryPolicy;
  readonly onClientError: 'retry' | 'dead';
  readonly enabled: boolean;
  readonly expiresAt: number | null;
  /** Since when and why what it is owed is held; `null` = it was and no longer is, absent = it never was. */
  readonly suspended?: { readonly at: number; readonly reason: string } | null;
}

/** What an API key may do. `admin` includes the others. */
export type Scope = 'admin' | 'read' | 'publish' | 'manage' | 'lease';

/** A key of the API: whose it is and what it may do. */
export interface ApiKey extends Setting {
  /** SHA-256 of the key, hex. The key itself is shown once and never kept. */
  readonly hash: string;
  /** The first characters, so that a person can tell keys apart. */
  readonly hint: string;
  readonly scopes: readonly Scope[];
  /** Bound to this tenant, or `null` = every tenant. */
  readonly boundTenant: string | null;
  readonly expiresAt: number | null;
  /** What the key was before it was rotated, newest first; absent = never rotated. */
  readonly previous?: readonly PreviousKey[];
}

/** A key's earlier text, still accepted until `expiresAt`. */
export interface PreviousKey {
  readonly hash: string;
  readonly hint: string;
  readonly expiresAt: number;
}

/** An entry of the catalogue of event types; its `name` is the type of the events. */
export interface EventType extends Setting {
  readonly description: string;
  /** What a new version must keep to; see `schema-compatibility.ts`. */
  readonly compatibility: Compatibility;
  /** By rising number; the last is what events are that name no version. */
  readonly versions: readonly EventTypeVersion[];
  readonly converters: readonly Converter[];
}

/** What a version of an event type must be to the one before. */
export type Compatibility = 'backward' | 'forward' | 'full' | 'none';

/** One version of the data of an event type. Once others know it, its schema no longer changes. */
export interface EventTypeVersion {
  readonly version: number;
  readonly description: string;
  /** JSON Schema (2020-12) of the data; `null` = `protobuf` alone says what it is. */
  readonly schema: Readonly<Record<string, unknown>> | null;
  readonly protobuf: ProtobufMessage | null;
  readonly examples: readonly unknown[];
}

/** A message of Protocol Buffers with everything that its definition needs. */
export interface ProtobufMessage {
  /** A `google.protobuf.FileDescriptorSet`, imports included, in base64. */
  readonly descriptorSet: string;
  /** Full name, e.g. `acme.billing.v1.Invoice`. */
  readonly message: string;
}

/** Makes the data of one version of an event type from that of a neighbour. */
export interface Converter {
  readonly from: number;
  readonly to: number;
  /** CEL over `event`, `headers` and `data` (of version `from`) to a map. */
  readonly expression: string;
}

/** Everything that an operator sets, by kind. */
export interface SettingKinds {
  source: Source;
  destination: Destination;
  subscription: Subscription;
  key: ApiKey;
  event_type: EventType;
}

/** What kind a setting is of. */
export type SettingKind = keyof SettingKinds;

/** Every kind there is. */
export const SETTING_KINDS: readonly SettingKind[] = [
  'source',
  'destination',
  'subscription',
  'key',
  'event_type',
];

/** The tenant of everything that names none. */
export const DEFAULT_TENANT = 'default';
